"""The token bucket: never more than burst + rate × elapsed, in any span, over threads and processes."""

import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.kernel.http.engine.bucket import Level, Limit, draw
from trueup.kernel.http.limits import Buckets
from trueup.kernel.http.problem import TooMany

steps = st.lists(st.floats(-3, 5, allow_nan=False), min_size=1, max_size=60)
limits = st.builds(Limit, rate=st.floats(0.1, 20), burst=st.integers(1, 10))


@pytest.mark.requirement("automation:AR-10", "automation:W14")
@given(limit=limits, steps=steps)
def test_in_no_span_of_time_do_more_tokens_leave_than_burst_and_rate_allow(limit, steps):
    level, now, given_at, latest = None, 100.0, [], 0.0
    for step in steps:
        now += step  # also backwards: a clock that was set
        latest = max(latest, now)
        drawn = draw(limit, level, now)
        level = drawn.level
        if drawn.given:
            given_at.append(latest)
    for first in range(len(given_at)):
        for last in range(first, len(given_at)):
            elapsed = given_at[last] - given_at[first]
            assert last - first + 1 <= limit.burst + limit.rate * elapsed + 1e-6


@given(limit=limits, steps=st.lists(st.floats(0, 2), min_size=1, max_size=40))
def test_who_was_refused_and_waits_as_told_is_let_through(limit, steps):
    level, now = None, 0.0
    for step in steps:
        now += step
        drawn = draw(limit, level, now)
        level = drawn.level
        if not drawn.given:
            assert draw(limit, level, now + drawn.wait + 1e-9).given
            return


@pytest.mark.requirement("automation:W14")
def test_a_bucket_is_full_at_first_and_never_holds_more_than_its_burst():
    limit = Limit(rate=1, burst=3)
    level = Level(3.0, 0.0)
    for _ in range(3):
        level = draw(limit, level, 1000.0).level
    assert not draw(limit, level, 1000.0).given


def taken(buckets, caller, limit, tries):
    found = 0
    for _ in range(tries):
        try:
            buckets.take(caller, limit)
        except TooMany:
            continue
        found += 1
    return found


@pytest.mark.requirement("kernel:api.rate-limit", "automation:AR-10")
def test_two_hundred_requests_at_once_take_no_token_twice(tmp_path):
    buckets, limit = Buckets(tmp_path / "limits", clock=lambda: 5.0), Limit(rate=1, burst=50)
    start, found = threading.Barrier(200), []

    def request():
        start.wait()
        found.append(taken(buckets, "key:a", limit, 1))

    threads = [threading.Thread(target=request) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    buckets.close()
    assert (len(found), sum(found)) == (200, 50)


PROCESS = """
import sys
from pathlib import Path
from trueup.kernel.http.engine.bucket import Limit
from trueup.kernel.http.limits import Buckets
from trueup.kernel.http.problem import TooMany
buckets, found = Buckets(Path(sys.argv[1]), clock=lambda: 5.0), 0
sys.stdin.readline()
for _ in range(400):
    try:
        buckets.take("key:a", Limit(rate=1, burst=500))
    except TooMany:
        continue
    found += 1
print(found)
"""


@pytest.mark.requirement("kernel:api.rate-limit")
def test_the_processes_of_a_server_share_one_bucket(tmp_path):
    children = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(tmp_path / "limits")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    found = [int(child.communicate("go\n", timeout=60)[0]) for child in children]
    assert sum(found) == 500


def test_callers_do_not_take_each_others_tokens(tmp_path):
    buckets, limit = Buckets(tmp_path / "limits", clock=lambda: 5.0), Limit(rate=1, burst=2)
    assert [taken(buckets, f"key:{n}", limit, 5) for n in range(100)] == [2] * 100
    buckets.close()


def test_asking_without_taking_takes_nothing(tmp_path):
    buckets, limit = Buckets(tmp_path / "limits", clock=lambda: 5.0), Limit(rate=1, burst=1)
    for _ in range(5):
        buckets.require("address:x", limit)
    buckets.take("address:x", limit)
    with pytest.raises(TooMany) as refused:
        buckets.require("address:x", limit)
    assert refused.value.details == {"retry_after_seconds": 1}
    buckets.close()


def test_of_more_callers_than_there_is_room_for_the_longest_quiet_are_forgotten(tmp_path):
    now = iter(range(1, 10**6))
    buckets, limit = Buckets(tmp_path / "limits", clock=lambda: float(next(now))), Limit(rate=1e-6, burst=1)
    taken(buckets, "first", limit, 1)
    assert taken(buckets, "first", limit, 1) == 0
    assert sum(taken(buckets, f"key:{n}", limit, 1) for n in range(20_000)) == 20_000
    buckets.close()
