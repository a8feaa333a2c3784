"""The one encoder: two documents have the same bytes only when they are the same."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueup.kernel.evidence.engine.encode import encode, fact_bytes, salted, stamp, value_text
from trueup.kernel.evidence.engine.fact import Fact

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)
DOCUMENTS = st.dictionaries(st.text(), VALUES, max_size=5)
ZONES = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1000, 1, 3), datetime(9999, 12, 29), timezones=ZONES)  # noqa: DTZ001 - the strategy adds the zone
FACTS = st.builds(
    Fact,
    subject=st.text(),
    predicate=st.text(),
    value=st.text() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    valid_at=MOMENTS,
    recorded_at=MOMENTS,
    source=st.text(),
    unit=st.text(),
    id=st.uuids().map(str),
    supersedes=st.text(),
)


def typed(value):
    """Return a value with its types, so that 1, 1.0 and true differ, and the two zeros do."""
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [typed(item) for item in value]
    return (type(value).__name__, repr(value))


@given(DOCUMENTS)
def test_what_is_encoded_is_read_again_exactly(document):
    assert typed(json.loads(encode(document))) == typed(document)


@settings(max_examples=200)
@given(DOCUMENTS, DOCUMENTS)
def test_two_documents_have_the_same_bytes_only_when_they_are_the_same(one, other):
    assert (encode(one) == encode(other)) == (typed(one) == typed(other))


@given(DOCUMENTS, st.randoms())
def test_the_order_of_keys_changes_nothing_at_any_depth(document, random):
    def shuffled(value):
        if isinstance(value, dict):
            keys = list(value)
            random.shuffle(keys)
            return {key: shuffled(value[key]) for key in keys}
        return [shuffled(item) for item in value] if isinstance(value, list) else value

    assert encode(shuffled(document)) == encode(document)


@pytest.mark.parametrize(
    ("one", "other"),
    [({"a": 1}, {"a": 1.0}), ({"a": 1}, {"a": True}), ({"a": 1}, {"a": "1"}), ({"a": 0.0}, {"a": -0.0}), ({"a": None}, {})],
)
def test_values_that_python_or_people_may_confuse_stay_apart(one, other):
    assert encode(one) != encode(other)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), "\ud800"])
def test_what_json_does_not_have_is_refused(value):
    with pytest.raises(ValueError):  # noqa: PT011 - the documented error
        encode({"a": value})


@given(DOCUMENTS)
def test_an_entry_is_one_line_without_space_around_its_marks(document):
    data = encode(document)
    assert b"\n" not in data
    assert data == json.dumps(json.loads(data), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@given(FACTS)
def test_a_facts_bytes_are_those_of_its_moment_in_any_zone(fact):
    moved = replace(
        fact, valid_at=fact.valid_at.astimezone(UTC), recorded_at=fact.recorded_at.astimezone(timezone(timedelta(hours=9)))
    )
    assert fact_bytes(moved) == fact_bytes(fact)


@settings(max_examples=200)
@given(FACTS, FACTS)
def test_two_facts_have_the_same_bytes_only_when_they_say_the_same(one, other):
    said = [
        (f.id, f.subject, f.predicate, typed(f.value), f.unit, f.source, f.supersedes, f.valid_at, f.recorded_at)
        for f in (one, other)
    ]
    assert (fact_bytes(one) == fact_bytes(other)) == (said[0] == said[1])


@pytest.mark.parametrize(
    "field", ["id", "subject", "predicate", "unit", "source", "supersedes", "value", "valid_at", "recorded_at"]
)
def test_every_field_of_a_fact_is_in_its_bytes(field):
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    fact = Fact("s", "p@1", 1, moment, moment, "src", id="i")
    changed = replace(fact, **{field: moment + timedelta(microseconds=1) if field.endswith("_at") else "changed"})
    assert fact_bytes(changed) != fact_bytes(fact)


def test_the_signers_of_a_fact_are_not_what_it_says():
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    fact = Fact("s", "p@1", 1, moment, moment, "src", id="i")
    assert fact_bytes(replace(fact, signers=("k",))) == fact_bytes(fact)


@given(MOMENTS, MOMENTS)
def test_stamps_stand_in_the_order_of_their_moments(one, other):
    assert (stamp(one) < stamp(other)) == (one < other)
    assert datetime.fromisoformat(stamp(one)) == one


def test_the_repeated_hour_of_a_clock_change_is_two_moments():
    from zoneinfo import ZoneInfo

    first = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    assert (stamp(first), stamp(first.replace(fold=1))) == ("2026-10-25T00:30:00.000000Z", "2026-10-25T01:30:00.000000Z")


def test_a_time_without_a_zone_is_no_moment():
    with pytest.raises(ValueError, match="zone"):
        stamp(datetime(2026, 1, 1))  # noqa: DTZ001 - the fault itself


@pytest.mark.requirement("telemetry:W8.3.5")
@given(st.binary(min_size=16, max_size=16), st.binary(), st.binary())
def test_a_salted_digest_tells_data_apart_and_needs_its_salt(salt, one, other):
    assert (salted(salt.hex(), one) == salted(salt.hex(), other)) == (one == other)
    assert salted(salt.hex(), one) != salted(bytes(b ^ 1 for b in salt).hex(), one)


@given(st.text() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_a_facts_value_is_stored_with_its_type(value):
    assert typed(json.loads(value_text(value))) == typed(value)
