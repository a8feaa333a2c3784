"""Facts: only what a room has published, kept with its type and moment, listed as asked, digested as a batch."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.actions import LEVEL, STATE
from trueup.kernel.actions.base import Action, Input, Outcome
from trueup.kernel.actions.registry import register
from trueup.kernel.errors import ConfigurationError, NotFound, UsageError
from trueup.kernel.evidence.engine.encode import fact_bytes
from trueup.kernel.evidence.engine.fact import Fact, Predicate, ValueType
from trueup.kernel.evidence.merkle import leaf_hash, verify_inclusion

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
COUNT = Predicate("testing.count", 1, ValueType.INTEGER, "a count, for tests", "1")
READY = Predicate("testing.ready", 1, ValueType.BOOLEAN, "readiness, for tests")


def fact(value="good", predicate=STATE, **changes):
    made = Fact("thing", predicate.key, value, NOW, NOW, "tests", predicate.unit)
    return replace(made, **changes)


class RecordInput(Input):
    """Nothing but a place for the facts."""

    facts: tuple[Fact, ...]


class Record(Action[RecordInput, None, None]):
    """Record given facts."""

    name = "testing.facts.record"
    summary = "record facts"
    tags = frozenset({"operate"})
    input = RecordInput

    def apply(self, ctx, input, loaded, prepared):  # noqa: ARG002 - the contract's signature
        return Outcome({}, facts=input.facts)


register([Record])  # before any session: policies know the actions that were registered when they were loaded


@pytest.fixture
def record(session, run):
    from trueup.kernel.evidence import predicates

    predicates.register([COUNT, READY])
    return lambda *facts: run(Record, facts=facts)


@pytest.fixture
def listing(session):
    from trueup.kernel.evidence import facts as factstore

    return lambda **asked: list(factstore.listing(session.tenant, **asked))


@pytest.fixture
def check(record):
    from trueup.kernel.evidence.predicates import check

    return check


@pytest.mark.parametrize(
    ("predicate", "good", "bad"),
    [
        (STATE, ["", "good", "1"], [1, 1.0, True]),
        (COUNT, [0, -3, 10**30], [1.0, "1", True, False]),
        (LEVEL, [1, 1.5, -0.0], ["1", True, False]),
        (READY, [True, False], [1, 0, "true", 1.0]),
    ],
    ids=lambda item: item.name if isinstance(item, Predicate) else "",
)
def test_a_value_has_the_type_of_its_predicate(check, predicate, good, bad):
    for value in good:
        check(fact(value, predicate))
    for value in bad:
        with pytest.raises(UsageError, match="expected a value of type"):
            check(fact(value, predicate))


@pytest.mark.parametrize("unit", ["", "mV", "v", "V "])
def test_a_number_has_the_unit_of_its_predicate(check, unit):
    check(fact(1.0, LEVEL))
    with pytest.raises(UsageError, match="expected the unit 'V'"):
        check(fact(1.0, LEVEL, unit=unit))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_no_document_can_hold_is_refused(check, value):
    with pytest.raises(UsageError):
        check(fact(value, LEVEL))


@pytest.mark.parametrize("field", ["valid_at", "recorded_at"])
def test_a_time_without_a_zone_is_refused(check, field):
    with pytest.raises(UsageError):
        check(replace(fact(), **{field: NOW.replace(tzinfo=None)}))


@pytest.mark.parametrize("predicate", ["testing.unheard@1", "testing.state", "testing.state@2", "Testing.state@1", ""])
def test_a_predicate_that_no_room_publishes_is_refused(check, predicate):
    with pytest.raises(UsageError, match="no room publishes"):
        check(replace(fact(), predicate=predicate))


def test_one_bad_fact_keeps_the_whole_batch_out(session, record, listing):
    with pytest.raises(UsageError):
        record(fact(), fact(1, STATE), fact())
    assert listing() == []


@pytest.mark.parametrize("change", [{"type": ValueType.TEXT}, {"unit": "mV"}, {"meaning": "another"}])
def test_one_predicate_with_two_meanings_stops_the_start(session, change):
    from trueup.kernel.evidence.predicates import register, registered

    register([LEVEL])
    with pytest.raises(ConfigurationError, match=r"testing\.level@1 with different meanings"):
        register([replace(LEVEL, **change)])
    assert registered()[LEVEL.key] == LEVEL


def test_another_version_is_another_predicate(session):
    from trueup.kernel.evidence.predicates import register, registered

    newer = replace(LEVEL, version=7, unit="mV")
    register([LEVEL, newer])
    assert (registered()["testing.level@1"], registered()["testing.level@7"]) == (LEVEL, newer)


def test_what_is_registered_cannot_be_changed_through_what_is_handed_out(session):
    from trueup.kernel.evidence.predicates import registered

    handed = registered()
    handed.clear()
    assert STATE.key in registered()


IN_ONE_HOME = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
MOMENTS = st.datetimes(datetime(1900, 1, 3), datetime(2999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the strategy adds the zone
VALUES = st.one_of(
    st.tuples(st.just(STATE), st.text()),
    st.tuples(st.just(COUNT), st.integers()),
    st.tuples(st.just(LEVEL), st.integers() | st.floats(allow_nan=False, allow_infinity=False)),
    st.tuples(st.just(READY), st.booleans()),
)


@IN_ONE_HOME
@given(known=VALUES, valid_at=MOMENTS, recorded_at=MOMENTS, subject=st.text(min_size=1), source=st.text())
def test_a_fact_is_read_back_as_it_was_recorded(record, listing, known, valid_at, recorded_at, subject, source):
    predicate, value = known
    made = fact(value, predicate, valid_at=valid_at, recorded_at=recorded_at, subject=subject, source=source)
    record(made)
    found = [
        f for f in listing(subject=subject) if f.recorded_at == recorded_at and f.valid_at == valid_at and f.source == source
    ]
    assert [(type(f.value), repr(f.value)) for f in found if f.predicate == predicate.key][-1:] == [(type(value), repr(value))]


def test_a_moment_of_another_zone_is_kept_as_the_same_moment_in_utc(record, listing):
    away = NOW.astimezone(timezone(timedelta(hours=-9, minutes=-30)))
    record(fact(valid_at=away, recorded_at=away))
    (found,) = listing()
    assert (found.valid_at, found.valid_at.utcoffset(), found.recorded_at) == (NOW, timedelta(0), NOW)


@pytest.fixture
def known(record):
    """Facts about three subjects, of two predicates, recorded minute by minute."""
    for minute, (subject, predicate, value) in enumerate(
        [
            ("thing", STATE, "a"),
            ("thing/part", LEVEL, 1.0),
            ("thingy", STATE, "b"),
            ("THING/part", STATE, "c"),
            ("thing%", STATE, "d"),
            ("thing/part", STATE, "e"),
        ]
    ):
        moment = NOW + timedelta(minutes=minute)
        record(fact(value, predicate, subject=subject, valid_at=moment, recorded_at=moment))


@pytest.mark.parametrize(
    ("asked", "values"),
    [
        ({}, ["e", "d", "c", "b", 1.0, "a"]),
        ({"subject": "thing"}, ["e", 1.0, "a"]),
        ({"subject": "thing/part"}, ["e", 1.0]),
        ({"subject": "thin"}, []),
        ({"subject": "thing%"}, ["d"]),
        ({"subject": "THING"}, ["c"]),
        ({"subject": "thing/"}, []),
        ({"predicate": "testing.level@1"}, [1.0]),
        ({"predicate": "testing.level@2"}, []),
        ({"subject": "thing", "predicate": "testing.state@1"}, ["e", "a"]),
        ({"limit": 2}, ["e", "d"]),
        ({"until": NOW + timedelta(minutes=1)}, [1.0, "a"]),
        ({"until": NOW - timedelta(seconds=1)}, []),
        ({"subject": "thing", "until": NOW + timedelta(minutes=4), "limit": 1}, [1.0]),
    ],
    ids=str,
)
def test_a_listing_holds_what_was_asked_for_the_newest_first(known, listing, asked, values):
    assert [found.value for found in listing(**asked)] == values


def test_a_pack_holds_nothing_of_a_subject_whose_name_only_looks_alike(known, run, tmp_path):
    from tests.support.actions import Observe
    from trueup.kernel.evidence.actions import CreatePack

    run(Observe, subject="THING/1", files={"private.txt": "not of this pack"})
    value = run(CreatePack, subject="thing", out=tmp_path / "thing.zip")
    assert (value["facts"], value["entries"], value["artifacts"]) == (3, 3, 0)
    assert b"not of this pack" not in (tmp_path / "thing.zip").read_bytes()


def test_a_correction_names_what_it_supersedes_and_both_stay(record, listing, session):
    from trueup.kernel.evidence import queries

    record(fact("wrong"))
    (first,) = listing()
    record(fact("right", supersedes=first.id, recorded_at=NOW + timedelta(seconds=1)))
    assert [(f.value, f.supersedes) for f in listing()] == [("right", first.id), ("wrong", "")]
    assert queries.fact(session.tenant, listing()[0].id)["supersedes"] == first.id


def test_a_fact_is_shown_with_its_place_in_the_log(record, listing, session):
    from trueup.kernel.evidence import queries

    record(fact("a"))
    record(fact("b"), fact("c", subject="other"))
    shown = queries.fact(session.tenant, listing(subject="other")[0].id)
    assert (shown["value"], shown["entry"], shown["index"], shown["valid_at"]) == ("c", 1, 1, "2026-06-01T12:00:00.000000Z")


@pytest.mark.parametrize("unknown", ["", "nothing", "00000000-0000-4000-8000-000000000000", "' OR 1=1 --"])
def test_a_fact_that_is_not_there_is_not_found(record, session, unknown):
    from trueup.kernel.evidence import queries

    record(fact())
    with pytest.raises(NotFound):
        queries.fact(session.tenant, unknown)


def test_the_log_holds_the_merkle_root_of_a_batch_and_each_fact_proves_its_place(record, session):
    from trueup.kernel.evidence import facts as factstore
    from trueup.kernel.evidence import queries
    from trueup.kernel.evidence.models import Leaf

    record(*(fact(str(n), subject=f"thing/{n}") for n in range(7)))
    (entry,) = queries.entries(session.tenant, limit=5)
    known = factstore.of_entry(session.tenant, Leaf.objects.get(tenant=session.tenant, index=0).entry)
    assert [f.value for f in known] == [str(n) for n in range(7)]
    assert entry["facts"] == {"count": 7, "root": factstore.fact_tree(known).root().hex()}
    for index, one in enumerate(known):
        verify_inclusion(
            leaf_index=index,
            tree_size=7,
            leaf_hash=leaf_hash(fact_bytes(one)),
            proof=factstore.fact_tree(known).inclusion(index),
            root=bytes.fromhex(entry["facts"]["root"]),
        )


def test_the_digest_of_a_batch_changes_with_every_fact_their_order_and_their_number(session):
    from trueup.kernel.evidence import facts as factstore

    facts = factstore.prepared([fact(str(n)) for n in range(3)])
    variants = [
        facts,
        facts[::-1],
        facts[:2],
        [*facts, facts[0]],
        [*facts[:2], replace(facts[2], value="x")],
        [*facts[:2], replace(facts[2], valid_at=NOW + timedelta(microseconds=1))],
        [],
    ]
    assert len({factstore.digest(variant)["root"] for variant in variants}) == len(variants)
    assert factstore.digest([]) == {"root": hashlib.sha256().hexdigest(), "count": 0}


def test_facts_get_ids_of_their_own_and_keep_those_they_have(session):
    from trueup.kernel.evidence import facts as factstore

    made = factstore.prepared([fact(), fact(), fact(id="11111111-1111-4111-8111-111111111111")])
    assert len({f.id for f in made}) == 3
    assert made[2].id == "11111111-1111-4111-8111-111111111111"
