"""Pauses and tries by tier; codes; profiles: all of it data, and the same every time."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domains.automation.engine.codes import FINAL, NOT_AGAIN, Code, code_of, first_line
from trueup.domains.automation.engine.pacing import LONGEST_MS, Pacing, pacing_of
from trueup.domains.automation.engine.profiles import PROFILES, profile
from trueup.domains.automation.engine.tiers import Strategy
from trueup.kernel.errors import NotFound


@given(st.text(), st.integers(0, 10_000))
def test_pauses_are_the_same_for_the_same_seed_and_within_their_bounds(seed, turn):
    pacing = pacing_of(Strategy.STEALTH, seed)
    assert pacing.pause(turn) == pacing_of(Strategy.STEALTH, seed).pause(turn)
    assert 400 <= pacing.pause(turn) <= 2_000


def test_pauses_differ_from_step_to_step_and_from_seed_to_seed():
    one, other = ([pacing_of(Strategy.STEALTH, seed).pause(turn) for turn in range(50)] for seed in "ab")
    assert len(set(one)) > 40
    assert one != other


def test_vanilla_makes_no_pauses():
    assert Counter(pacing_of(Strategy.VANILLA, "x").pause(turn) for turn in range(20)) == {0: 20}


def test_waits_double_with_a_little_jitter_and_an_end():
    waits = [Pacing("seed").backoff("1", attempt, 100) for attempt in (1, 2, 3)]
    assert all(100 << n <= wait <= (100 << n) * 1.25 for n, wait in enumerate(waits))
    assert Pacing().backoff("1", 9, 600_000) == LONGEST_MS


@pytest.mark.parametrize(
    ("strategy", "action", "own", "code", "tries"),
    [
        (Strategy.VANILLA, "navigate", 1, Code.NAVIGATION_FAILED, 2),
        (Strategy.VANILLA, "navigate", 5, Code.NAVIGATION_FAILED, 2),
        (Strategy.VANILLA, "navigate", 5, Code.HTTP_STATUS, 1),
        (Strategy.VANILLA, "navigate", 5, Code.STEP_TIMEOUT, 1),
        (Strategy.VANILLA, "click", 3, Code.SELECTOR_NOT_FOUND, 3),
        (Strategy.VANILLA, "form_submit", 1, Code.NAVIGATION_FAILED, 1),
        (Strategy.STEALTH, "navigate", 1, Code.HTTP_STATUS, 4),
        (Strategy.STEALTH, "file_download", 2, Code.DOWNLOAD_FAILED, 2),
        (Strategy.STEALTH, "form_submit", 1, Code.FORM_REFUSED, 1),
        (Strategy.STEALTH, "navigate", 5, Code.TARGET_BLOCKED, 1),
        (Strategy.ASSAULT, "navigate", 5, Code.POLICY_VIOLATION, 1),
        (Strategy.ASSAULT, "authenticate", 5, Code.SIGN_IN_FAILED, 1),
    ],
)
def test_what_is_tried_again_depends_on_tier_action_and_code(strategy, action, own, code, tries):
    assert pacing_of(strategy, "x").attempts(action, own, code) == tries


def test_what_ends_a_run_is_never_tried_again():
    assert FINAL <= NOT_AGAIN
    assert {replace(Pacing(), retries=9, network_only=False).attempts("navigate", 5, code) for code in NOT_AGAIN} == {1}


@pytest.mark.parametrize(
    ("message", "timed_out", "code"),
    [
        ("Page.goto: net::ERR_CONNECTION_RESET at http://x/", False, Code.NAVIGATION_FAILED),
        ("Page.goto: Page crashed", False, Code.PAGE_CRASHED),
        ("Target page, context or browser has been closed", False, Code.BROWSER_LOST),
        ("Locator.click: Timeout 100ms exceeded.", True, Code.STEP_TIMEOUT),
        ('Unexpected token "[" while parsing css selector "#["', False, Code.SELECTOR_INVALID),
        ("something new", False, Code.BROWSER_ERROR),
    ],
)
def test_messages_of_the_driver_have_codes(message, timed_out, code):
    assert code_of(message, timed_out=timed_out) is code


def test_a_message_is_passed_on_without_the_drivers_log_of_calls():
    assert first_line('Locator.fill: Timeout\nCall log:\n  - fill("hunter22")') == "Locator.fill: Timeout"
    assert first_line("Call log: x") == ""


def test_profiles_say_what_a_page_is_shown_on_and_never_who_shows_it():
    assert {"desktop", "laptop", "tablet", "phone", "phone-dark"} <= PROFILES.keys()
    for one in PROFILES.values():
        context = one.context()
        assert not {"user_agent", "proxy", "ignore_https_errors"} & context.keys()
        assert min(context["viewport"].values()) > 300
    assert (profile("phone-dark").colours, profile("desktop-calm").context()["reduced_motion"]) == ("dark", "reduce")
    with pytest.raises(NotFound, match="watch"):
        profile("watch")
