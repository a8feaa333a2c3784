"""Asserts and early warning in the page and on paper."""

import re
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from pypdf import PdfReader

from tests.domains.telemetry.engine.tables import Memory, table
from trueup.domains.telemetry.engine.asserted import assert_alone
from trueup.domains.telemetry.engine.asserts import Assert
from trueup.domains.telemetry.engine.config import CompareConfig, MetricRule
from trueup.domains.telemetry.engine.whole import examine_run
from trueup.domains.telemetry.report import render_html
from trueup.domains.telemetry.report.pdf import render_pdf
from trueup.domains.telemetry.report.words import meaning
from trueup.kernel.words import Verdict

N = 400
CHECKS = (
    Assert("volt-high", "volt", "<=", 12.0),
    Assert("amp-low", "amp", ">", 0.0),
    Assert("<gone>", "gone", "<", 1.0, "warning"),
)


class Timed(Memory):
    def clock(self):
        return 0.1 * np.arange(self.rows)


def noise(seed, mean):
    return np.random.default_rng(seed).normal(mean, 0.2, N)


@pytest.fixture(scope="module")
def comparison():
    run = Timed(table(volt=noise(1, 11.0) + 0.02 * 0.1 * np.arange(N), amp=noise(2, 3.0)).columns)
    config = CompareConfig(rules={"volt": MetricRule(maximum=14.0, unit="V")})
    return examine_run(Timed(table(volt=noise(3, 11.0), amp=noise(4, 3.0)).columns), run, config=config, checks=CHECKS)


def page(found):
    return render_html(found, title="t", baseline_name="b", run_name="r", meta={})


def words(found):
    data = render_pdf(found, title="t", baseline_name="b", run_name="r", meta={})
    return " ".join("".join(part.extract_text() for part in PdfReader(BytesIO(data)).pages).split())


def plain(text):
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


@pytest.mark.requirement("telemetry:S5.1")
def test_the_page_shows_each_assert_with_rows_times_and_values(comparison):
    text = plain(page(comparison).partition('id="asserts"')[2])
    failed = comparison.asserts[0]
    first, last = failed.index_range
    assert f"rows {first:,} to {last:,}" in text
    assert f"{failed.values[0]:.6g} at row {first:,}" in text
    assert all(said in text for said in ("volt &lt;= 12", "does not hold", "holds", "cannot be told", "&lt;gone&gt;"))


def test_the_page_shows_room_and_time_to_a_bound(comparison):
    text = plain(page(comparison).partition('id="outlook"')[2])
    assert "at most 14" in text
    assert "the limit is reached in" in text


def test_paper_says_what_the_page_says(comparison):
    text = words(comparison)
    assert all(said in text for said in ("Asserts (3)", "volt-high", "does not hold", "Early warning", "at most 14"))


def test_without_asserts_and_bounds_neither_is_shown(comparison):
    bare = replace(comparison, asserts=(), outlook=())
    assert 'id="asserts"' not in page(bare)
    assert 'id="outlook"' not in page(bare)
    assert "Early warning" not in words(bare)


@pytest.mark.parametrize(
    ("checks", "run", "verdict", "said"),
    [
        (CHECKS[1:2], table(amp=noise(1, 3.0)), Verdict.PASS, "Every sample of the run is what 1 assert ask"),
        (CHECKS[:1], table(volt=noise(1, 13.0)), Verdict.FAIL, "The run is not what is asked of it: 1 assert of 1"),
        (CHECKS[:1], table(amp=noise(1, 3.0)), Verdict.INSUFFICIENT_DATA, "This is not a pass"),
        (CHECKS[:1], table(volt=[]), Verdict.NO_DATA, "This is not a pass"),
        (
            (replace(CHECKS[0], severity="warning"),),
            table(volt=noise(1, 13.0)),
            Verdict.PASS_WITH_DRIFT,
            "they were asked as warnings",
        ),
    ],
)
def test_asserts_alone_have_a_page_that_speaks_of_no_baseline(checks, run, verdict, said):
    found = assert_alone(run, checks)
    text = plain(page(found))
    assert (found.verdict, said in meaning(found), said in text) == (verdict, True, True)
    assert "Metrics compared" not in text
    assert "behaves like its baseline" not in text


def test_the_same_asserts_give_the_same_bytes(comparison):
    assert page(comparison) == page(comparison)
    assert words(comparison) == words(comparison)
