"""The drawing of load: its bars and lines are those of the timeline, and stay within the drawing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domains.automation.engine.loadchart import HEIGHT, WIDTH, ceiling, loadchart
from trueup.domains.automation.engine.loading import Tally

told = st.lists(
    st.tuples(st.floats(0, 4_000, allow_nan=False), st.floats(0, 60_000, allow_nan=False), st.sampled_from(["", "HTTP_500"])),
    min_size=1,
    max_size=200,
)


def points(stretch):
    return [tuple(map(float, one.split(","))) for one in stretch.split()]


@given(told)
def test_what_a_run_tallied_is_drawn_whole_and_within_the_drawing(answers):
    tally = Tally()
    for at, ms, code in answers:
        tally.answer(at, ms, code)
    chart = loadchart(tally.summary(1.0)["timeline"])
    assert sum(line.requests for line in chart.lines) == len(answers)
    assert sum(line.failed for line in chart.lines) == sum(bool(code) for *_, code in answers)
    assert max(line.requests / line.seconds for line in chart.lines) <= chart.most
    for bar in chart.bars:
        assert 0 <= bar.x < WIDTH
        assert bar.y >= -0.01
        assert bar.y + bar.answered + bar.bad == pytest.approx(HEIGHT, abs=0.05)
    for x, y in [one for stretch in (*chart.median, *chart.p95) for one in points(stretch)]:
        assert (0 <= x <= WIDTH, -0.01 <= y <= HEIGHT) == (True, True)
    assert [line.p50_ms is None for line in chart.lines] == [line.failed == line.requests for line in chart.lines]


def test_a_line_does_not_go_over_a_second_without_answers():
    rows = [{"second": n, "requests": 1, "failed": int(n == 1), "p50_ms": None if n == 1 else 10, "p95_ms": 20} for n in range(3)]
    chart = loadchart([*rows, {"second": 9, "requests": 1, "failed": 0, "p50_ms": 10, "p95_ms": 20}])
    assert (len(chart.median), len(chart.p95), chart.seconds) == (3, 2, 10)
    assert chart.median[0] == "0,50 60,50"


def test_a_span_of_several_seconds_is_drawn_as_requests_a_second():
    chart = loadchart([{"second": 0, "seconds": 5, "requests": 50, "failed": 10, "p50_ms": 1.5, "p95_ms": 2}])
    assert (chart.most, chart.slowest_ms, chart.seconds) == (10.0, 2.0, 5)
    assert (chart.bars[0].answered, chart.bars[0].bad) == (80.0, 20.0)


@pytest.mark.parametrize(
    "stored",
    [None, "x", {}, [], [1], [{}], [{"second": -1, "requests": 1, "failed": 0}], [{"second": 0, "requests": 1, "failed": 2}]],
)
def test_what_is_no_timeline_is_not_drawn(stored):
    assert loadchart(stored) is None


@given(st.floats(1e-6, 1e9))
def test_a_drawing_is_at_most_five_times_as_high_as_what_is_in_it(value):
    assert value <= ceiling(value) <= 2.5 * value * 1.0001
