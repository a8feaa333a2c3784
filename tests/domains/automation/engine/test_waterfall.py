"""Waterfalls of archives: each bar where its request began and as long as it took; nothing that a page says is taken for granted."""

import json

from hypothesis import given
from hypothesis import strategies as st

from trueup.domains.automation.engine.waterfall import LEFT, MOST, ROW, WIDTH, waterfall

NAMES = ["log", "entries", "request", "response", "timings", "wait", "receive", "status", "startedDateTime", "content", "size"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=30,
)


def entry(second, wait=100, receive=50, status=200, **more):
    return {
        "startedDateTime": f"2026-01-01T00:00:{second:06.3f}Z",
        "timings": {"wait": wait, "receive": receive},
        "request": {"method": "GET", "url": "https://a.org/"},
        "response": {"status": status, "content": {"size": 12}},
        **more,
    }


def archive(*entries):
    return {"log": {"entries": list(entries)}}


def test_bars_stand_where_their_requests_began_and_are_as_long_as_they_took():
    found = waterfall(archive(entry(1.0, 200, 200), entry(0.0, 500, 0), entry(1.5, 250, 250)))
    assert found.total_ms == 2_000
    assert [(bar.begun_ms, bar.total_ms) for bar in found.bars] == [(0, 500), (1_000, 400), (1_500, 500)]
    second = found.bars[1]
    assert (second.x, second.wait, second.receive, second.y) == (LEFT + WIDTH / 2, 60, 60, ROW)
    assert second.end_of_wait == second.x + 60
    assert [words for _, words in found.ticks] == ["0 ms", "500 ms", "1.0 s", "1.5 s", "2.0 s"]


def test_a_request_that_failed_is_marked_and_one_that_did_not_is_not():
    found = waterfall(archive(entry(0), entry(0.1, status=404), entry(0.2, status=0, comment="net::ERR_FAILED")))
    assert [bar.bad for bar in found.bars] == [False, True, True]
    assert found.bars[2].comment == "net::ERR_FAILED"


def test_many_requests_are_drawn_up_to_a_number_and_the_others_counted():
    found = waterfall(archive(*(entry(0.01 * n) for n in range(MOST + 7))))
    assert (len(found.bars), found.more, found.height) == (MOST, 7, MOST * ROW)


def test_an_archive_without_requests_is_empty():
    for odd in ({}, {"log": []}, archive(), archive(1, {"startedDateTime": "soon"}, {**entry(0), "timings": None})):
        assert waterfall(odd).bars == ()


@given(JSON, st.lists(st.builds(entry, st.floats(0, 59), JSON, JSON, JSON), max_size=5))
def test_whatever_an_archive_holds_every_bar_lies_within_the_drawing(odd, entries):
    found = waterfall(odd if isinstance(odd, dict) else {"log": {"entries": [odd, *entries]}})
    for bar in found.bars:
        assert LEFT <= bar.x <= LEFT + WIDTH + 0.01
        assert bar.wait >= 0
        assert bar.receive >= 0
        assert bar.end_of_wait + bar.receive <= LEFT + WIDTH + 2
    json.dumps(found.total_ms)
