"""Subjects: one canonical id, aliases in one form, merges that say why and can be taken back."""

from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.kernel.errors import Conflict, NotFound, Refused, UsageError
from trueup.kernel.subjects.engine.matching import Likeness, compare
from trueup.kernel.subjects.engine.names import NAMESPACES, checked_id, normal


@pytest.mark.parametrize(
    ("namespace", "value", "expected"),
    [
        ("mac", "00-1B-63-84-45-E6", "00:1b:63:84:45:e6"),
        ("mac", "001b.6384.45e6", "00:1b:63:84:45:e6"),
        ("serial", " c02-xk1 abc ", "C02XK1ABC"),
        ("email", "Ada.Lovelace@Example.ORG ", "ada.lovelace@example.org"),
        ("hostname", "WEB-1.Example.org.", "web-1.example.org"),
        ("uuid", "{4C4C4544-0051-3510-8052-B4C04F564231}", "4c4c4544005135108052b4c04f564231"),
        ("url", "HTTPS://example.org/", "https://example.org"),
        ("name", "Ｆｕｌｌ width", "full width"),
    ],
)
def test_a_name_is_compared_in_one_form(namespace, value, expected):
    assert normal(namespace, value) == expected


@pytest.mark.parametrize(
    ("namespace", "value"),
    [
        ("mac", "00:00:00:00:00:00"),
        ("mac", "ff:ff:ff:ff:ff:ff"),
        ("mac", "02:42:ac:11:00:02"),
        ("mac", "nothing"),
        ("serial", "To Be Filled By O.E.M."),
        ("serial", "0000000"),
        ("serial", "N/A"),
        ("uuid", "00000000-0000-0000-0000-000000000000"),
        ("email", "nobody"),
        ("hostname", "  "),
        ("colour", "red"),
    ],
)
def test_a_value_that_tells_nothing_apart_is_no_alias(namespace, value):
    with pytest.raises(UsageError):
        normal(namespace, value)


@given(st.sampled_from(sorted(NAMESPACES)), st.text(max_size=40))
def test_the_form_of_a_form_is_itself(namespace, value):
    try:
        once = normal(namespace, value)
    except UsageError:
        return
    assert normal(namespace, once) == once


@pytest.mark.parametrize("name", ["device/C02XK1", "person/a@example.org", "page/x:1"])
def test_a_canonical_id_is_a_kind_and_an_id(name):
    assert checked_id(name) == name


@pytest.mark.parametrize("name", ["C02XK1", "thing/1", "device/", "device/a b", "device/../x", "device/a\0", "Device/a"])
def test_anything_else_is_no_canonical_id(name):
    with pytest.raises(UsageError):
        checked_id(name)


SERIAL, OTHER, HOST = ("serial", "C02XK1"), ("serial", "C02XK2"), ("hostname", "web-1")
MAC = ("mac", "00:1b:63:84:45:e6")


@pytest.mark.parametrize(
    ("one", "other", "likeness"),
    [
        ([SERIAL, HOST], [SERIAL], Likeness.SAME),
        ([SERIAL, MAC], [OTHER, MAC], Likeness.CONFLICT),
        ([HOST], [HOST], Likeness.MAYBE),
        ([SERIAL, HOST], [OTHER, HOST], Likeness.DIFFERENT),
        ([SERIAL], [HOST], Likeness.DIFFERENT),
        ([], [], Likeness.DIFFERENT),
    ],
)
def test_likeness_is_said_with_its_reasons(one, other, likeness):
    match = compare(one, other)
    assert match.likeness is likeness
    assert match.reasons


ALIASES = st.frozensets(st.sampled_from([SERIAL, OTHER, HOST, MAC, ("name", "x"), ("uuid", "a1")]))


@given(ALIASES, ALIASES)
def test_likeness_does_not_depend_on_the_order(one, other):
    assert compare(one, other) == compare(other, one)


@given(ALIASES, ALIASES)
def test_without_a_strong_name_in_common_nothing_is_the_same(one, other):
    strong = {pair for pair in one & other if NAMESPACES[pair[0]].strength == "strong"}
    assert strong or compare(one, other).likeness is not Likeness.SAME


@pytest.fixture
def put(run):
    from trueup.kernel.subjects.actions import PutSubject

    def call(subject, **aliases):
        return run(PutSubject, subject=subject, aliases=[{"namespace": k, "value": v} for k, v in aliases.items()])

    return call


@pytest.fixture
def merge(run):
    from trueup.kernel.subjects.actions import MergeSubjects

    return lambda gone, into, comment="": run(MergeSubjects, gone=gone, into=into, comment=comment)


@pytest.fixture
def known(session):
    from trueup.kernel.subjects import queries

    class Known:
        def __getattr__(self, name):
            return lambda *args, **more: getattr(queries, name)(session.tenant, *args, **more)

    return Known()


def test_putting_a_subject_twice_adds_only_what_is_new(put, known):
    assert put("device/a", serial="C02XK1") == {"subject": "device/a", "made": True, "aliases_added": 1}
    assert put("device/a", serial="c02-xk1", hostname="web-1") == {"subject": "device/a", "made": False, "aliases_added": 1}
    assert known.aliases("device/a") == [("hostname", "web-1"), ("serial", "C02XK1")]


def test_a_strong_name_of_another_subject_is_a_conflict_that_names_it(put, known):
    put("device/a", serial="C02XK1")
    with pytest.raises(Conflict, match="device/a"):
        put("device/b", serial="C02XK1")
    assert [row["subject"] for row in known.listing()] == ["device/a"]


def test_a_weak_name_may_be_shared_and_then_resolves_to_all(put, known):
    put("device/a", hostname="web-1")
    put("device/b", hostname="WEB-1")
    assert known.resolve("hostname", "Web-1.") == ["device/a", "device/b"]
    assert known.resolve("hostname", "web-2") == []


def test_merged_subjects_go_by_one_id_and_keep_their_reasons(put, merge, known):
    put("device/a", hostname="web-1")
    put("device/b", hostname="web-1", serial="C02XK1")
    merge("device/a", "device/b", comment="the asset register says so")
    assert known.canonical("device/a") == "device/b"
    assert known.family("device/a") == ["device/b", "device/a"]
    (found,) = known.one("device/a")["merges"]
    assert (found["likeness"], found["comment"]) == ("maybe", "the asset register says so")
    assert "hostname web-1" in found["reasons"][0]
    assert known.resolve("hostname", "web-1") == ["device/b"]
    assert [row["subject"] for row in known.listing()] == ["device/b"]


def test_what_is_not_evident_is_merged_only_with_a_reason(put, merge):
    put("device/a", hostname="web-1")
    put("device/b", serial="C02XK1")
    with pytest.raises(Refused, match="no alias in common"):
        merge("device/a", "device/b")


def test_kinds_are_never_merged_and_one_is_not_merged_with_itself(put, merge):
    put("device/a")
    put("person/a")
    put("device/b")
    with pytest.raises(UsageError, match="two kinds"):
        merge("device/a", "person/a", "x")
    with pytest.raises(Conflict, match="one already"):
        merge("device/a", "device/a", "x")
    merge("device/a", "device/b", "known")
    with pytest.raises(Conflict, match="one already"):
        merge("device/b", "device/a", "x")


@pytest.mark.requirement("kernel:subjects.merge-undone")
def test_a_merge_can_be_taken_back_once_and_loses_nothing(put, merge, known, run):
    from trueup.kernel.subjects.actions import SplitSubjects

    put("device/a", serial="AAAA1")
    put("device/b", serial="BBBB2")
    made = merge("device/a", "device/b", "a mistake")
    assert len(known.aliases("device/b")) == 2
    run(SplitSubjects, merge=UUID(made["merge"]), comment="two devices")
    assert (known.canonical("device/a"), known.aliases("device/a")) == ("device/a", [("serial", "AAAA1")])
    assert known.one("device/b")["merges"][0]["undone_at"]
    with pytest.raises(Conflict, match="taken back"):
        run(SplitSubjects, merge=UUID(made["merge"]), comment="again")


def test_chains_of_merges_lead_to_one_id(put, merge, known):
    names = [f"device/{n}" for n in range(5)]
    for name in names:
        put(name)
    for gone, into in pairwise(names):
        merge(gone, into, "the same")
    assert {known.canonical(name) for name in names} == {"device/4"}
    assert set(known.family("device/2")) == set(names)


def test_an_alias_can_be_removed_and_is_then_free(put, known, run):
    from trueup.kernel.subjects.actions import RemoveAlias

    put("device/a", serial="C02XK1")
    run(RemoveAlias, subject="device/a", namespace="serial", value="C02-XK1")
    put("device/b", serial="C02XK1")
    assert known.resolve("serial", "C02XK1") == ["device/b"]
    with pytest.raises(NotFound):
        run(RemoveAlias, subject="device/a", namespace="serial", value="C02XK1")


def test_subjects_of_one_tenant_are_unknown_to_another(put, session):
    from trueup.kernel.actions.runner import run as run_action
    from trueup.kernel.identity.actions import CreateTenant
    from trueup.kernel.subjects import queries
    from trueup.kernel.subjects.actions import PutSubject

    put("device/a", serial="C02XK1")
    other = UUID(run_action(CreateTenant, session.context(system=True), {"slug": "other"}).value["id"])
    assert queries.listing(other) == queries.resolve(other, "serial", "C02XK1") == []
    with pytest.raises(NotFound):
        queries.one(other, "device/a")
    context = session.installation.context(session.installation.os_principal(), other)
    same = {"subject": "device/z", "aliases": [{"namespace": "serial", "value": "C02XK1"}]}
    assert run_action(PutSubject, context, same).value["made"]


def test_two_writers_of_one_strong_name_cannot_both_have_it(put, session):
    from django.db import IntegrityError, transaction

    from trueup.kernel.subjects.models import Alias

    put("device/a", serial="C02XK1")
    row = Alias.objects.get(tenant=session.tenant, namespace="serial")
    with pytest.raises(IntegrityError), transaction.atomic():
        Alias.objects.create(
            tenant=session.tenant,
            namespace="serial",
            value=row.value,
            subject="device/b",
            strong=True,
            added_at=row.added_at,
            source="x",
        )


def test_the_command_line_tells_the_whole_story(trueup):
    assert trueup("subject", "list").out.startswith("no subjects yet")
    assert trueup("subject", "put", "device/a", "--alias", "serial=C02XK1", "--label", "lab 1").code == 0
    assert trueup("subject", "put", "device/b", "--alias", "hostname=web-1").code == 0
    clash = trueup("subject", "put", "device/c", "--alias", "serial=c02xk1", "--json")
    assert (clash.code, clash.json["error"]["details"]["subject"]) == (7, "device/a")
    assert trueup("subject", "compare", "device/a", "device/b").out.startswith("different")
    assert trueup("subject", "merge", "device/b", "device/a").code == 5
    merged = trueup("subject", "merge", "device/b", "device/a", "--comment", "seen it", "--json")
    assert merged.code == 0, merged.err
    assert trueup("subject", "resolve", "hostname", "WEB-1").out.strip() == "device/a"
    assert "seen it" in trueup("subject", "show", "device/b").out
    assert trueup("subject", "split", merged.json["merge"], "--comment", "not so").code == 0
    assert trueup("subject", "resolve", "hostname", "web-1", "--json").json == {"subjects": ["device/b"], "ambiguous": False}
    assert trueup("subject", "resolve", "serial", "nothere").code == 4
    assert trueup("subject", "put", "gizmo/1").code == 2
    assert trueup("subject", "put", "device/a", "--alias", "serial").code == 2
    assert [row["subject"] for row in trueup("subject", "list", "--kind", "device", "--json").json["subjects"]] == [
        "device/a",
        "device/b",
    ]
