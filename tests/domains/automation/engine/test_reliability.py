"""What runs say about a host: rates with their uncertainty, incidents, advice; and going easy on one that fails, never harder."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domains.automation.engine.causes import CAUSES, Whose, cause_of
from trueup.domains.automation.engine.codes import Code
from trueup.domains.automation.engine.easing import LEAST, LOOKED_AT, RECENT, RECOVERY, Ease, ease, eased, share_at
from trueup.domains.automation.engine.endings import BLOCKED, OURS, TIMEOUT, UNKNOWN, VIOLATION
from trueup.domains.automation.engine.hostpolicy import Limits
from trueup.domains.automation.engine.reliability import (
    MOST,
    WINDOW,
    Opened,
    Outcome,
    Standing,
    Trend,
    drifts,
    reliability,
    timeout_advice,
    wait_advice,
    wilson,
)

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
BAD = "NAVIGATION_FAILED"


def runs(codes, *, each=timedelta(minutes=1), ms=1_000):
    """Return runs that ended so, the newest last and now."""
    return [Outcome(NOW - each * (len(codes) - 1 - place), code, ms) for place, code in enumerate(codes)]


CODES = st.sampled_from(["", "", BAD, "TARGET_BLOCKED", "SELECTOR_NOT_FOUND", "POLICY_VIOLATION", "PAGE_CRASHED", "NEW_CODE"])
OUTCOMES = st.lists(
    st.builds(
        Outcome,
        st.integers(-10, 90 * 60).map(lambda seconds: NOW - timedelta(seconds=seconds)),
        CODES,
        st.integers(0, 4_000_000),
        st.sampled_from([None, 200, 404, 503]),
    ),
    max_size=40,
)


# codes


def test_every_code_of_a_job_says_whose_doing_it_is_what_happened_and_what_can_be_done():
    assert {str(code) for code in Code} | OURS | {TIMEOUT, BLOCKED, VIOLATION, UNKNOWN} <= set(CAUSES)
    for code, cause in CAUSES.items():
        assert cause.happened.endswith("."), code
        assert cause.remedy.endswith("."), code
    assert {code for code, cause in CAUSES.items() if cause.whose is Whose.OURS} >= OURS


def test_a_code_that_nobody_knows_is_nobodys_doing():
    assert cause_of("BRAND_NEW").whose is Whose.UNKNOWN
    assert not Outcome(NOW, "BRAND_NEW").counts


# rates


@pytest.mark.parametrize(
    ("good", "of", "low", "high"),
    # R. G. Newcombe, "Two-sided confidence intervals for the single proportion" (1998), table I, method 3
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_of_a_rate_is_wilsons(good, of, low, high):
    assert wilson(good, of) == pytest.approx((low, high), abs=5.1e-5)


@given(st.integers(0, 200), st.integers(0, 200))
def test_an_interval_holds_its_rate_and_lies_within_0_and_1(good, bad):
    low, high = wilson(good, good + bad)
    rate = good / (good + bad) if good + bad else 0.5
    assert 0 <= low <= rate <= high <= 1


def test_without_any_run_nothing_is_known_and_nothing_is_good():
    for outcomes in ([], runs(["POLICY_VIOLATION", "PAGE_CRASHED"]), [Outcome(NOW - WINDOW - timedelta(seconds=1))]):
        found = reliability(outcomes, NOW)
        assert (found.rate, found.standing, found.trend, found.counted) == (None, Standing.UNKNOWN, Trend.UNKNOWN, 0)
        assert timeout_advice(outcomes, NOW, most=300) is None


@pytest.mark.parametrize(
    ("good", "bad", "standing"),
    [(5, 0, "unknown"), (34, 0, "unknown"), (35, 0, "reliable"), (200, 0, "reliable"), (6, 4, "unreliable"), (1, 1, "unknown")],
)
def test_a_host_is_reliable_only_where_its_whole_interval_says_so(good, bad, standing):
    assert str(reliability(runs([""] * good + [BAD] * bad), NOW).standing) == standing


def test_only_the_newest_runs_count_and_refusals_of_ours_do_not():
    found = reliability(runs([BAD] * 50 + [""] * (MOST - 20) + ["POLICY_VIOLATION"] * 20), NOW)
    assert (found.runs, found.counted, found.succeeded, found.errors) == (MOST, 180, 180, (("POLICY_VIOLATION", 20),))


def test_times_are_those_of_runs_that_succeeded():
    outcomes = [Outcome(NOW - timedelta(minutes=n), "", 100 * n) for n in range(1, 21)] + runs([TIMEOUT], ms=300_000)
    found = reliability(outcomes, NOW)
    assert (found.median_ms, found.p95_ms) == (1_000, 1_900)


@pytest.mark.parametrize(
    ("codes", "trend"),
    [
        ([""] * 20 + [BAD] * 20, "worse"),
        ([BAD] * 20 + [""] * 20, "better"),
        (["", "", "", BAD] * 10, "no difference seen"),
        ([""] * 4 + [BAD] * 5, "unknown"),
    ],
)
def test_a_trend_is_claimed_where_the_halves_differ_beyond_chance(codes, trend):
    assert str(reliability(runs(codes), NOW).trend) == trend


def test_failures_of_one_code_in_a_row_are_one_incident_and_a_single_one_is_none():
    found = reliability(runs(["", BAD, BAD, "", BAD, "", TIMEOUT, "PAGE_CRASHED", TIMEOUT, BAD, BAD, BAD]), NOW)
    assert [(one.code, one.count, one.over) for one in found.incidents] == [(BAD, 3, False), (TIMEOUT, 2, True), (BAD, 2, True)]
    newest = found.incidents[0]
    assert (newest.last, newest.last - newest.begun) == (NOW, timedelta(minutes=2))


@given(OUTCOMES)
def test_incidents_hold_no_more_failures_than_there_are_and_the_order_of_runs_does_not_matter(outcomes):
    distinct = list({one.at: one for one in outcomes}.values())
    found = reliability(distinct, NOW)
    assert found == reliability(list(reversed(distinct)), NOW)
    assert sum(one.count for one in found.incidents) <= found.counted - found.succeeded
    assert (found.rate is None) == (found.counted == 0)


# advice


@given(OUTCOMES, st.integers(1, 3_600))
def test_a_timeout_that_is_suggested_is_never_more_than_a_job_may_be_given(outcomes, most):
    found = timeout_advice(outcomes, NOW, most=most)
    assert found is None or 1 <= found <= most


def test_a_timeout_is_thrice_what_nineteen_of_twenty_need():
    assert timeout_advice(runs([""] * 20, ms=4_000), NOW, most=300) == 12
    assert timeout_advice(runs([""] * 20, ms=4_000), NOW, most=10) == 10
    assert timeout_advice(runs([""] * 20, ms=10), NOW, most=300) == 5
    assert timeout_advice(runs([""] * 4, ms=10), NOW, most=300) is None


def test_waiting_for_an_idle_network_is_advised_against_only_where_load_was_seen_to_do():
    load = [Opened("load", 200)] * 3
    late = [Opened("networkidle", 30_000, "STEP_TIMEOUT")] * 2
    assert wait_advice([*load, *late]) == "networkidle timed out 2 times; load opened the page 3 times"
    assert (
        wait_advice([*load, *[Opened("networkidle", 900)] * 3])
        == "networkidle costs 0.7 s more than load; load opened the page 3 times"
    )
    assert wait_advice(late) == ""
    assert wait_advice([*load, *[Opened("networkidle", 150)] * 3]) == ""
    assert wait_advice([Opened("load", 9, "STEP_TIMEOUT")] * 3 + late) == ""


def test_selectors_that_were_missed_are_collected_with_what_was_offered():
    one, other = {"selector": "#a2", "why": "like"}, {"selector": ".b", "why": "near"}
    found = drifts([(NOW, "no #c", [other]), (NOW, "no #a", [one, other]), (NOW + RECENT, "no #a", [one])])
    assert [(drift.what, drift.count, drift.last) for drift in found] == [("no #a", 2, NOW + RECENT), ("no #c", 1, NOW)]
    assert found[0].offered == (("#a2", "like", 2), (".b", "near", 1))


# going easy

SHARES = st.floats(allow_nan=False, allow_infinity=True, width=32)
LIMITS = st.builds(Limits, *[st.integers(0, 1_000)] * 3)


@given(LIMITS, OUTCOMES, st.integers(-7_200, 7_200))
def test_nothing_ever_raises_a_limit(limits, outcomes, seconds):
    found = ease(outcomes, NOW)
    share = share_at(found, NOW + timedelta(seconds=seconds))
    assert LEAST <= share <= 1
    after = eased(limits, share)
    for name in ("per_minute", "per_hour", "concurrent"):
        least = 1 if getattr(limits, name) else 0
        assert least <= getattr(after, name) <= getattr(limits, name)


@given(LIMITS, SHARES)
def test_not_even_a_share_that_nobody_should_have_stored_raises_a_limit(limits, share):
    stored = Ease(share, NOW, "")
    for moment in (NOW, NOW + RECOVERY / 3, NOW + RECOVERY * 2):
        assert LEAST <= share_at(stored, moment) <= 1
    after = eased(limits, share)
    assert (after.per_minute, after.per_hour, after.concurrent) <= (limits.per_minute, limits.per_hour, limits.concurrent)


def test_a_healthy_host_is_asked_as_its_policy_says():
    for codes in ([""] * 40, ["", "", "", BAD] * 5, ["SELECTOR_NOT_FOUND"] * 20, ["POLICY_VIOLATION"] * 20, [BAD] * 4, []):
        assert ease(runs(codes), NOW) is None
    assert share_at(None, NOW) == 1
    assert eased(Limits(7, 70, 3), 1.0) == Limits(7, 70, 3)


def test_answers_that_the_server_means_so_are_no_reason_to_go_easy_and_errors_of_the_server_are():
    def answering(status):
        return [Outcome(NOW - timedelta(minutes=n), "HTTP_STATUS", 1, status) for n in range(8)]

    assert ease(answering(404), NOW) is None
    assert ease(answering(503), NOW) == Ease(LEAST, NOW, "8 of its last 8 runs failed")


def test_a_host_that_fails_half_the_time_gets_half_and_what_is_long_ago_is_forgotten():
    assert ease(runs(["", BAD] * 5), NOW) == Ease(0.5, NOW, "5 of its last 10 runs failed")
    assert ease(runs([BAD] * 10, each=RECENT / 3), NOW) is None
    assert ease(runs([BAD] * 10), NOW + RECENT + timedelta(hours=1)) is None


@given(st.lists(st.sampled_from(["", BAD]), min_size=5, max_size=LOOKED_AT))
def test_one_more_failure_never_makes_us_ask_more_and_one_more_success_never_less(codes):
    def share(more):
        return share_at(ease(runs([*codes, *more]), NOW), NOW)

    assert share([BAD]) <= share([]) <= share([""])


def test_limits_come_back_evenly_and_no_further_than_the_policy():
    found = Ease(0.5, NOW, "")
    shares = [share_at(found, NOW + RECOVERY * part) for part in (0, 0.25, 0.5, 1, 3)]
    assert shares == [0.5, 0.625, 0.75, 1.0, 1.0]
    assert math.isclose(share_at(found, NOW - RECOVERY), 0.5)  # a clock that was set back gives nothing
