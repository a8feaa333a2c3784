"""The PDF of a comparison: the same words as the page, the same bytes each time, and no text that is more than text."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from pypdf import PdfReader

from trueup.domains.telemetry.engine.result import Comparison, Envelope
from trueup.domains.telemetry.engine.table import Excluded
from trueup.domains.telemetry.report.pdf import render_pdf
from trueup.domains.telemetry.report.words import VERDICT_WORDS, meaning
from trueup.kernel.words import Verdict


def pdf(comparison, **meta):
    return render_pdf(comparison, title="A title", baseline_name="base.csv", run_name="run.csv", meta=meta)


def words(data):
    text = " ".join(page.extract_text() for page in PdfReader(BytesIO(data)).pages)
    return " ".join(text.split())


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_stands_on_paper_with_its_sentence(build, verdict):
    comparison = build(verdict=verdict)
    shown = words(pdf(comparison))
    assert VERDICT_WORDS[verdict] in shown
    assert " ".join(meaning(comparison).split()) in shown


def test_findings_metrics_columns_left_out_notes_and_numbers_stand_on_paper(build):
    comparison = build(
        excluded=(Excluded("ts", "time column"),), notes=("mind the gap",), config={"alpha": 0.01}, verdict=Verdict.FAIL
    )
    shown = words(pdf(comparison, Subject="rig-7"))
    for said in ("rig-7", "latency_ms", "rose from 12.1 to 13.9", "m03", "time column", "mind the gap", "0.01", "base.csv"):
        assert said in shown, said


def test_the_same_comparison_gives_the_same_bytes(build):
    assert pdf(build(), a="1") == pdf(build(), a="1")


def test_text_that_looks_like_markup_is_text(build):
    evil = "<b>bold</b> <a href='x:y'>z</a> &amp;"
    comparison = build(odd=evil, notes=(evil,), config={evil: evil})
    data = render_pdf(comparison, title=evil, baseline_name=evil, run_name=evil, meta={evil: evil})
    assert "<b>bold</b>" in words(data)
    assert not any("/Annots" in page for page in PdfReader(BytesIO(data)).pages)


def test_names_of_any_length_and_characters_no_font_has_end_on_a_page(build):
    comparison = build(odd="x" * 5000, notes=("\x00\x07 \u202e 漢字 " * 50, "n" * 20_000), config={"k" * 900: "v" * 9000})
    assert len(PdfReader(BytesIO(pdf(comparison))).pages) >= 2


def test_a_comparison_of_nothing_is_a_document_all_the_same():
    shown = words(pdf(Comparison(Verdict.NO_DATA, (), (), (), (), 0, 0, {})))
    assert "No data" in shown
    assert "None." in shown


def test_only_metrics_that_did_not_pass_are_drawn_and_the_rest_is_counted(build):
    one = build()
    assert "Baseline and run" not in words(
        pdf(replace(one, metrics=tuple(replace(m, verdict=Verdict.PASS) for m in one.metrics), findings=()))
    )
    many = tuple(replace(one.metrics[0], metric=f"x{i}") for i in range(43))
    assert "3 further metrics are in the table alone." in words(pdf(replace(one, metrics=many, findings=())))


@pytest.mark.parametrize("values", [np.full(5, np.nan), np.zeros(5), np.array([1.7e308, -1.7e308]), np.array([5e-324, 0.0])])
def test_any_series_can_be_drawn(build, values):
    one = build()
    drawn = Envelope(values, values, values)
    metrics = (replace(one.metrics[0], baseline_envelope=drawn, run_envelope=drawn),)
    assert pdf(replace(one, metrics=metrics, findings=())).startswith(b"%PDF-")
