import math
import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.domains.telemetry.engine.tables import judged, only
from trueup.domains.telemetry.engine import explain

REAL = st.floats(-1e12, 1e12)


def test_a_rise_is_told_in_its_own_numbers():
    text = explain.level(12.1, 13.9, 7.4, explain.place(9000, 10_000))
    assert text == "rose from 12.1 to 13.9 (+14.9 %), 7.4 baseline standard deviations, from row 9,000 of 10,000 on"


def test_a_fall_is_told_as_a_fall():
    text = explain.level(12.0, 5.0, 3.0, explain.place(0, 10))
    assert text == "fell from 12 to 5 (−58.3 %), 3 baseline standard deviations, from the first row on"


def test_a_zero_baseline_has_no_percentage():
    assert "%" not in explain.level(0.0, 5.0, 3.0, "")


@pytest.mark.parametrize(
    ("before", "after", "text"), [(-5.0, -3.0, " (+40.0 %)"), (-5.0, -8.0, " (−60.0 %)"), (2.0, -2.0, " (−200.0 %)")]
)
def test_the_percentage_of_negative_numbers_has_the_sign_of_the_change(before, after, text):
    assert explain.percent(before, after) == text


@given(REAL, REAL)
def test_the_verb_and_the_sign_follow_the_numbers(before, after):
    assume(before != after)
    text = explain.level(before, after, 1.0, "")
    assert text.startswith("rose" if after > before else "fell")
    if sign := re.search(r"\(([+−])", text):
        assert sign[1] == ("+" if after > before else "−")


@given(REAL, REAL)
def test_two_different_numbers_are_never_written_alike(first, second):
    texts = explain.two_numbers(first, second)
    assert (texts[0] == texts[1]) == (first == second)


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_any_numbers_can_be_written(first, second):
    assume(first != second)
    for text in (explain.number(first), explain.percent(first, second), *explain.two_numbers(first, second)):
        assert "nan" not in text
        assert "inf" not in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (1234567.8, "1,234,568"), (-0.0123456, "−0.0123"), (1e-7, "1.00e-07"), (2.5e20, "2.50e+20"), (100.0, "100")],
)
def test_numbers_are_written_to_be_read(value, text):
    assert explain.number(value) == text


def test_a_percentage_too_great_to_mean_anything_is_left_out():
    assert explain.percent(1e-9, 5.0) == ""


def test_a_tiny_percentage_is_not_written_as_zero():
    assert explain.percent(1e6, 1e6 + 2) == " (+0.0002 %)"
    assert explain.percent(1e9, 1e9 + 1) == ""


def test_a_change_too_small_for_a_percentage_has_none():
    assert explain.percent(1.0, 1.0) == ""


def test_a_wider_and_a_narrower_scatter_are_told_apart():
    assert explain.scale(0.5, 2.0, "").startswith("scatters 4 times as widely: mean deviation from the median rose")
    assert explain.scale(2.0, 0.5, "").startswith("scatters 25 % as widely: mean deviation from the median fell")


def test_a_scatter_from_nothing_is_told_without_a_ratio():
    assert explain.scale(0.0, 2.0, "").startswith("scatters where it hardly did")


@pytest.mark.parametrize(
    ("part", "text"),
    [(0.0, "0 %"), (1.0, "100 %"), (0.0119, "1.19 %"), (1e-9, "less than 0.01 %"), (1 - 1e-9, "more than 99.99 %")],
)
def test_a_share_is_nothing_or_all_only_if_it_is(part, text):
    assert explain.share(part) == text


def test_the_percentage_in_a_finding_is_that_of_its_own_numbers():
    r = np.random.default_rng(1)
    finding = only(judged(r.normal(10.0, 1.0, 2000), r.normal(8.0, 1.0, 2000)))
    change = 100 * (finding.run["mean"] / finding.baseline["mean"] - 1)
    assert f"(−{abs(change):.1f} %)" in finding.explanation
    assert "fell" in finding.explanation
    assert math.isclose(finding.effect, (finding.baseline["mean"] - finding.run["mean"]) / finding.baseline["sd"])


def test_a_finding_with_an_onset_speaks_of_the_mean_after_it():
    r = np.random.default_rng(2)
    run = r.normal(10.0, 1.0, 2000)
    run[1800:] += 5.0
    finding = only(judged(r.normal(10.0, 1.0, 2000), run))
    assert f"to {explain.number(finding.run['mean_after'])} " in finding.explanation
    assert "from row 1,800 of 2,000 on" in finding.explanation
