"""Asserts over signals: what holds, what does not and where, and what is not known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domains.telemetry.engine.tables import Memory, column, table
from trueup.domains.telemetry.engine.asserts import OPERATORS, Assert, Outcome, asserts_of, check_all
from trueup.domains.telemetry.engine.table import Excluded
from trueup.kernel.errors import TrueupError, UsageError


class Timed(Memory):
    """A table with a row every half second."""

    def clock(self):
        return 0.5 * np.arange(self.rows)


def checked(values, op, value, **more):
    (answer,) = check_all([Assert("a", "x", op, value, **more)], table(x=values))
    return answer


@pytest.mark.parametrize(
    ("op", "value", "bad"),
    [
        ("<", 3.0, [2, 3]),
        ("<=", 3.0, [3]),
        (">", 1.0, [0]),
        (">=", 2.0, [0]),
        ("==", 2.0, [0, 2, 3]),
        ("!=", 2.0, [1]),
        ("in", (1.0, 2.0, 3.0), [3]),
        ("not_in", (1.0, 4.0), [0, 3]),
    ],
)
def test_every_operator_names_the_samples_that_break_it(op, value, bad):
    answer = checked([1.0, 2.0, 3.0, 4.0], op, value)
    assert (answer.result, list(answer.rows), answer.count) == (Outcome.FAIL, bad, len(bad))


@pytest.mark.parametrize(("op", "value"), [("<", 9.0), ("in", (1.0, 2.0)), ("!=", 0.0)])
def test_what_holds_in_every_sample_passes(op, value):
    answer = checked([1.0, 2.0], op, value)
    assert (answer.result, answer.samples, answer.index_range) == (Outcome.PASS, 2, None)


@pytest.mark.requirement("telemetry:S5.1")
def test_a_failure_carries_segment_values_and_times():
    run = Timed(table(x=[0.0, 0.0, 7.0, 8.0, 0.0, 9.0]).columns)
    (answer,) = check_all([Assert("a", "x", "<", 5.0)], run)
    assert (answer.index_range, answer.time_range) == ((2, 5), (1.0, 2.5))
    assert (answer.values, answer.rows, answer.times) == ((7.0, 8.0, 9.0), (2, 3, 5), (1.0, 1.5, 2.5))
    assert answer.reason == "does not hold in 3 of 6 samples, rows 2 to 5"


def test_rows_are_counted_where_cells_are_missing():
    assert checked(column([0.0, 0.0, 9.0], missing=[0]), "<", 5.0).index_range == (2, 2)


def test_a_failure_that_does_not_persist_is_none():
    values = [0.0, 9.0, 0.0, 0.0, 9.0, 9.0]
    assert checked(values, "<", 5.0, persistence=(2, 2)).index_range == (4, 5)
    assert checked(values[:4], "<", 5.0, persistence=(2, 2)).result is Outcome.PASS


def test_a_metric_that_is_not_there_is_unknown():
    run = table((Excluded("y", "text column"),), x=[1.0])
    answers = check_all([Assert("a", "gone", "<", 1.0), Assert("b", "y", "<", 1.0)], run)
    assert [answer.result for answer in answers] == [Outcome.UNKNOWN] * 2
    assert answers[1].reason == "is no numeric column of the run (text column)"


def test_a_metric_without_a_sample_is_unknown():
    assert checked(column([1.0], missing=[0]), "<", 5.0).result is Outcome.UNKNOWN


@pytest.mark.parametrize(("values", "result"), [([1.0, np.nan], Outcome.UNKNOWN), ([9.0, np.nan], Outcome.FAIL)])
def test_cells_that_are_no_numbers_never_pass(values, result):
    assert checked(values, "<", 5.0).result is result


GOOD = {"id": "a", "metric": "x", "op": "<", "value": 3}


def test_asserts_are_read_from_plain_data():
    data = {
        "asserts": [GOOD | {"severity": "warning", "persistence": {"k": 2, "n": 3}}, GOOD | {"id": "b", "op": "in", "value": [1]}]
    }
    assert asserts_of(data) == (Assert("a", "x", "<", 3.0, "warning", (2, 3)), Assert("b", "x", "in", (1.0,)))


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"id": ""}, r"asserts\[0\]\.id"),
        ({"metric": 3}, r"asserts\[0\]\.metric"),
        ({"op": "~"}, r"asserts\[0\]\.op"),
        ({"op": []}, r"asserts\[0\]\.op"),
        ({"value": "3"}, r"asserts\[0\]\.value"),
        ({"value": float("nan")}, r"asserts\[0\]\.value"),
        ({"value": True}, r"asserts\[0\]\.value"),
        ({"op": "in", "value": []}, r"asserts\[0\]\.value"),
        ({"severity": "fatal"}, r"asserts\[0\]\.severity"),
        ({"persistence": [3, 2]}, r"asserts\[0\]\.persistence"),
        ({"unit": "V"}, r"asserts\[0\]\.unit"),
    ],
)
def test_a_field_that_cannot_be_read_is_named(change, place):
    with pytest.raises(UsageError, match=place):
        asserts_of([GOOD | change])


@pytest.mark.parametrize("data", [None, 3, "x", {}, {"asserts": 3}, {"asserts": [], "more": 1}, [3], [GOOD, GOOD]])
def test_what_is_no_list_of_asserts_is_refused(data):
    with pytest.raises(UsageError):
        asserts_of(data)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(OPERATORS),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "metric", "op", "value", "severity", "persistence", "k", "n"]), inner, max_size=6
        )
    ),
    max_leaves=12,
)


@given(st.lists(ANYTHING, max_size=3) | ANYTHING)
def test_any_data_is_read_or_refused(data):
    try:
        found = asserts_of(data)
    except TrueupError:
        return
    assert all(isinstance(check, Assert) for check in found)
