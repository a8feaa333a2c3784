"""Gates and facts from files: what is unsound is refused with file, line, field and remedy."""

import hashlib
import json
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from gate_cases import NOW, PREDICATES
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

import trueup.kernel.gates as gates_package
from trueup.domains.telemetry import facts as telemetry
from trueup.kernel.errors import UnreadableInput, UsageError
from trueup.kernel.gates import Outcome, evaluate, load_facts, load_gate
from trueup.kernel.gates.engine.model import All, AnyOf, AtLeast, Compare, Condition
from trueup.kernel.words import ExitCode

ROOT = Path(__file__).parents[3]
GATE = """\
gate: ring-1
title: the ring may grow
requires:
  all:
    - id: cool
      title: not too hot
      subject: $subject
      predicate: lab.heat@1
      "<": 80
      unit: Cel
      age: 24h
      sources: [lab, rig-b]
      signed_by: [k2, k1]
    - any:
        - {id: verdict, subject: rig, predicate: lab.verdict@1, in: [PASS, PASS_WITH_DRIFT]}
      title: either
    - at_least: 1
      of:
        - {id: ready, subject: rig/fan, predicate: lab.ready@1, equals: true}
        - {id: count, subject: rig, predicate: lab.count@1, not_equals: 0}
waivers:
  - condition: cool
    owner: lab head
    reason: sensor out
    compensating_control: second sensor
    expires: 2026-12-31T01:00:00+01:00
"""


def load(text: str):
    return load_gate(text, predicates=PREDICATES)


def refusal(text: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        load(text)
    assert caught.value.exit_code is ExitCode.USAGE
    assert caught.value.remedy
    return caught.value


def test_a_gate_is_read_as_it_is_written():
    gate = load(GATE)
    cool, verdict, ready, count = gate.conditions
    assert (gate.name, gate.title, gate.digest) == ("ring-1", "the ring may grow", hashlib.sha256(GATE.encode()).hexdigest())
    assert [type(node) for node in gate.requires.children] == [Condition, AnyOf, AtLeast]
    assert isinstance(gate.requires, All)
    assert (cool.subject, cool.predicate, cool.compare, cool.values) == (
        "$subject",
        PREDICATES["lab.heat@1"],
        Compare.LESS,
        (80,),
    )
    assert (cool.age, cool.sources, cool.signed_by, cool.title) == (
        timedelta(hours=24),
        ("lab", "rig-b"),
        ("k1", "k2"),
        "not too hot",
    )
    assert (verdict.values, ready.values, count.values) == (("PASS", "PASS_WITH_DRIFT"), (True,), (0,))
    assert (gate.requires.children[1].title, gate.requires.children[2].n) == ("either", 1)
    (waiver,) = gate.waivers
    assert (waiver.condition, waiver.owner, waiver.expires) == ("cool", "lab head", datetime(2026, 12, 31, tzinfo=UTC))
    assert gate.needs_subject


def test_a_gate_may_be_one_condition():
    gate = load("gate: g\nrequires: {id: a, subject: s, predicate: lab.count@1, equals: 1}")
    assert isinstance(gate.requires, Condition)
    assert not gate.needs_subject


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("15m", 900), ("24h", 86400), ("7d", 604800), ("2w", 1209600)])
def test_durations_are_seconds_minutes_hours_days_and_weeks(text, seconds):
    assert load(GATE.replace("24h", text)).conditions[0].age == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("lab.heat@1", "lab.heat@2", "gate:8: requires.all[0].predicate: no room publishes the predicate lab.heat@2"),
        ("lab.heat@1", "lab.heat", "gate:8: requires.all[0].predicate: expected a predicate with its version"),
        ('"<": 80', '"<": hot', "gate:9: requires.all[0].<: 'hot' is not of type 'number'"),
        ('"<": 80', "equals: hot", "gate:9: requires.all[0].equals: lab.heat@1 is number, and 'hot' is not"),
        ('"<": 80', "equals: true", "gate:9: requires.all[0].equals: lab.heat@1 is number, and True is not"),
        ('"<": 80', "in: [1, x]", "gate:9: requires.all[0].in[1]: lab.heat@1 is number, and 'x' is not"),
        ('"<": 80', 'equals: 80\n      "<": 80', "gate:5: requires.all[0]: 2 comparisons"),
        ('      "<": 80\n', "", "gate:5: requires.all[0]: 0 comparisons"),
        ("unit: Cel", "unit: K", "gate:10: requires.all[0].unit: lab.heat@1 is in Cel, and the condition says K"),
        ("      unit: Cel\n", "", "gate:5: requires.all[0]: lab.heat@1 is in Cel, and the condition states no unit"),
        ("not_equals: 0", "not_equals: 0.5", "lab.count@1 is integer, and 0.5 is not"),
        ("not_equals: 0", "not_equals: 0, unit: ''", "lab.count@1 is in 1, and the condition says none"),
        ("in: [PASS, PASS_WITH_DRIFT]", '"<": 3', "lab.verdict@1 is text, which has no order"),
        ("in: [PASS, PASS_WITH_DRIFT]", "equals: PASS, unit: Cel", "lab.verdict@1 is in no unit"),
        ("equals: true", '">=": 1', "lab.ready@1 is boolean, which has no order"),
        ("in: [PASS, PASS_WITH_DRIFT]", "in: []", "should be non-empty"),
        ("age: 24h", "age: 24", "gate:11: requires.all[0].age"),
        ("age: 24h", "age: 0h", "gate:11: requires.all[0].age: expected a duration"),
        ("age: 24h", "ages: 24h", "gate:11: requires.all[0].ages: unknown key"),
        ("age: 24h", "age: 24h\n      age: 25h", "gate:12: duplicate key 'age'"),
        ("id: verdict", "id: cool", "gate:15: requires.all[1].any[0].id: two conditions have the id cool"),
        ("at_least: 1", "at_least: 3", "gate:17: requires.all[2].at_least: 3 of 2 can never pass"),
        ("at_least: 1", "at_least: 0", "gate:17: requires.all[2].at_least"),
        ("at_least: 1", "at_least: true", "gate:17: requires.all[2].at_least"),
        (
            "    - at_least: 1\n      of:",
            "    - not:",
            "gate:17: requires.all[2]: expected one of all, any, at_least or a condition",
        ),
        ("subject: $subject", "subject: $object", "gate:7: requires.all[0].subject: unknown variable $object"),
        ("condition: cool", "condition: hot", "gate:22: waivers[0].condition: no condition has the id hot"),
        ("    owner: lab head\n", "", "gate:22: waivers[0]: missing: owner"),
        ("    reason: sensor out\n", "", "gate:22: waivers[0]: missing: reason"),
        ("    compensating_control: second sensor\n", "", "gate:22: waivers[0]: missing: compensating_control"),
        ("    expires: 2026-12-31T01:00:00+01:00\n", "", "gate:22: waivers[0]: missing: expires"),
        ("owner: lab head", "owner: ' '", "gate:23: waivers[0].owner: expected words"),
        ("T01:00:00+01:00", "T01:00:00", "gate:26: waivers[0].expires: expected a time with a zone"),
        ("2026-12-31T", "2026-02-31T", "gate:26: waivers[0].expires: 2026-02-31T01:00:00+01:00 is not a moment"),
        ("2026-12-31T01", "0001-01-01T00", "gate:26: waivers[0].expires: 0001-01-01T00:00:00+01:00 is not a moment"),
        ("gate: ring-1\n", "", "gate:1: missing: gate"),
        ("gate: ring-1", "gate: ../ring", "gate:1: gate: expected small letters"),
        ("title: the ring may grow", "color: red", "gate:2: color: unknown key"),
    ],
)
def test_an_unsound_gate_is_refused_with_line_and_field(old, new, words):
    assert old in GATE
    assert refusal(GATE.replace(old, new, 1)).message.startswith(words) or words in refusal(GATE.replace(old, new, 1)).message


def test_a_second_waiver_for_one_condition_is_refused():
    body = GATE[GATE.index("  - condition: cool") :]
    assert "gate:27: waivers[1].condition: a second waiver for cool" in refusal(GATE + body).message


def test_a_gate_file_is_named_in_what_is_wrong_with_it(tmp_path):
    path = tmp_path / "ring.yaml"
    path.write_text(GATE.replace("24h", "soon"))
    with pytest.raises(UnreadableInput, match=r"ring\.yaml:11: requires\.all\[0\]\.age"):
        load_gate(path, predicates=PREDICATES)


def test_a_gate_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "binary.yaml").write_bytes(b"gate: x\n\xff")
    (tmp_path / "big.yaml").write_bytes(b"#" * 2_000_000)
    for name, words in (
        ("gone.yaml", "No such file"),
        ("binary.yaml", "binary.yaml:2: is not UTF-8"),
        ("big.yaml", "longer than"),
    ):
        with pytest.raises(UnreadableInput, match=words):
            load_gate(tmp_path / name, predicates=PREDICATES)
    with pytest.raises(UnreadableInput):
        load_gate(tmp_path, predicates=PREDICATES)


@settings(max_examples=150)
@example(GATE.replace("80", "1e999"))
@given(
    st.integers(0, len(GATE) - 1).flatmap(
        lambda i: st.text(alphabet=' \n:-[]{}"$@x01.&*!', max_size=4).map(lambda t: GATE[:i] + t + GATE[i + 1 :])
    )
)
def test_a_damaged_gate_is_read_or_refused_and_never_a_crash(text):
    with suppress(UsageError):
        load(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["all", "any", "a", "$subject", "lab.count@1", "24h"]),
    lambda c: (
        st.lists(c, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["gate", "requires", "all", "any", "at_least", "of", "id", "subject", "predicate", "equals", "age", "waivers"]
            ),
            c,
            max_size=5,
        )
    ),
    max_leaves=15,
)


@settings(max_examples=150)
@given(JSON)
def test_any_document_is_a_gate_or_refused_and_never_a_crash(value):
    with suppress(UsageError):
        load(json.dumps({"gate": "g", "requires": value}))


FACT = {
    "subject": "rig",
    "predicate": "lab.heat@1",
    "value": 50.5,
    "unit": "Cel",
    "valid_at": "2026-06-01T11:00:00Z",
    "source": "lab",
}


def facts(tmp_path, body) -> list:
    path = tmp_path / "facts.json"
    path.write_text(body if isinstance(body, str) else json.dumps(body))
    return load_facts(path, predicates=PREDICATES)


def test_facts_are_read_as_an_array_or_in_an_object(tmp_path):
    (bare,) = facts(tmp_path, [FACT])
    assert facts(tmp_path, {"facts": [FACT]}) == [bare]
    assert (bare.subject, bare.predicate, bare.value, bare.unit, bare.source) == ("rig", "lab.heat@1", 50.5, "Cel", "lab")
    assert bare.valid_at == bare.recorded_at == datetime(2026, 6, 1, 11, tzinfo=UTC)
    assert facts(tmp_path, []) == []


def test_facts_keep_their_ids_corrections_and_times_of_recording(tmp_path):
    (fact,) = facts(tmp_path, [FACT | {"id": "2", "supersedes": "1", "recorded_at": "2026-06-01T15:00:00.5+02:00"}])
    assert (fact.id, fact.supersedes) == ("2", "1")
    assert fact.recorded_at == datetime(2026, 6, 1, 13, 0, 0, 500_000, tzinfo=UTC)


def test_a_unit_may_be_left_out_only_where_the_predicate_has_none(tmp_path):
    count = FACT | {"predicate": "lab.count@1", "value": 1}
    del count["unit"]
    assert facts(tmp_path, [count])[0].unit == "1"
    with pytest.raises(UsageError, match=r"lab\.heat@1 is in Cel, and the fact says none"):
        facts(tmp_path, [{key: value for key, value in FACT.items() if key != "unit"}])


def test_what_a_file_says_of_its_own_signers_is_not_believed(tmp_path):
    assert facts(tmp_path, [FACT | {"signers": ["k1"]}])[0].signers == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"predicate": "lab.heat@9"}, "facts.json: facts[1].predicate: no room publishes"),
        ({"value": "hot"}, "facts.json: facts[1].value: lab.heat@1 is number, and 'hot' is not"),
        ({"value": True}, "facts[1].value: lab.heat@1 is number, and True is not"),
        ({"value": None}, "facts[1].value"),
        ({"value": [1]}, "facts[1].value"),
        ({"unit": "K"}, "facts[1].unit: lab.heat@1 is in Cel, and the fact says K"),
        ({"valid_at": "2026-06-01T11:00:00"}, "facts[1].valid_at: expected a time with a zone"),
        ({"valid_at": "2026-06-31T11:00:00Z"}, "facts[1].valid_at: 2026-06-31T11:00:00Z is not a moment"),
        ({"recorded_at": "yesterday"}, "facts[1].recorded_at: expected a time with a zone"),
        ({"source": ""}, "facts[1].source"),
        ({"colour": "red"}, "facts[1].colour: unknown key"),
        ({"id": "1"}, "facts[1].id: two facts have the id 1"),
    ],
)
def test_an_unsound_fact_is_refused_with_its_field(tmp_path, change, words):
    with pytest.raises(UsageError) as caught:
        facts(tmp_path, {"facts": [FACT | {"id": "1"}, FACT | change]})
    assert words in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"facts": [], "facts": []}', "duplicate key 'facts'"),
        ('[{"value": NaN}]', "NaN is not a JSON number"),
        ('[{"value": 1e999}]', "out of range"),
        ("[\n{", "facts.json:2: "),
        ("{}", "facts.json: missing: facts"),
        ('"x"', "is not of type"),
        ("[1]", "[0]: 1 is not of type 'object'"),
    ],
)
def test_a_file_that_is_not_facts_is_refused(tmp_path, text, words):
    with pytest.raises(UnreadableInput) as caught:
        facts(tmp_path, text)
    assert words in caught.value.message


@settings(max_examples=150)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=4),
        lambda c: st.lists(c, max_size=3) | st.dictionaries(st.sampled_from([*FACT, "facts", "id"]), c, max_size=6),
        max_leaves=10,
    )
)
def test_any_json_is_facts_or_refused_and_never_a_crash(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(value))
    with suppress(UsageError):
        load_facts(path, predicates=PREDICATES)


@pytest.mark.parametrize("name", ["gate", "facts"])
def test_the_schemas_are_schemas_of_their_draft(name):
    schema = json.loads((ROOT / f"src/trueup/kernel/gates/{name}.schema.json").read_text())
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize(
    ("now", "outcome"),
    [
        ("2026-06-01T12:00:00+00:00", Outcome.PASS),
        ("2026-06-03T12:00:00+00:00", Outcome.UNKNOWN),
        ("2027-01-01T00:00:00+00:00", Outcome.FAIL),
        ("2026-06-01T08:00:00+00:00", Outcome.UNKNOWN),
    ],
)
def test_the_example_decides_as_the_reference_says(now, outcome):
    predicates = {predicate.key: predicate for predicate in telemetry.PREDICATES}
    gate = load_gate(ROOT / "examples/gates/certified-run.yaml", predicates=predicates)
    known = load_facts(ROOT / "examples/gates/facts.json", predicates=predicates)
    assert evaluate(gate, known, datetime.fromisoformat(now), subject="run:rig-7").outcome is outcome
    assert f"--now {now.replace('+00:00', 'Z')}" in (ROOT / "docs/reference/gates.md").read_text()


def test_the_reference_shows_the_example_as_it_is():
    page = (ROOT / "docs/reference/gates.md").read_text()
    assert (ROOT / "examples/gates/certified-run.yaml").read_text() in page


def test_importing_the_package_needs_neither_yaml_nor_json_schema():
    code = "import sys, trueup.kernel.gates.facts; sys.exit(bool({'yaml', 'jsonschema'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_package_offers_only_what_it_names():
    assert [hasattr(gates_package, name) for name in gates_package.__all__] == [True] * len(gates_package.__all__)
    with pytest.raises(AttributeError):
        gates_package.nothing  # noqa: B018 - the access is the test
    assert NOW.tzinfo is UTC
