"""The report: one file that asks for nothing, escapes everything and shows only what was computed."""

import base64
import hashlib
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domains.telemetry.engine.result import Comparison, Envelope, Finding, Kind, MetricResult
from trueup.domains.telemetry.engine.table import Excluded
from trueup.domains.telemetry.report import render_html
from trueup.domains.telemetry.report.markup import figure, join, short, tag, text
from trueup.domains.telemetry.report.plots import Scale, histogram_plot, scale_of, series_plot, sparkline
from trueup.domains.telemetry.report.words import effect_words, kind_numbers, meaning
from trueup.kernel.words import Verdict

Build = Callable[..., Comparison]


def page(comparison: Comparison, **meta: str) -> str:
    return render_html(comparison, title="A title", baseline_name="base.csv", run_name="run.csv", meta=meta)


class Outline(HTMLParser):
    """Collects what a browser would see: open elements, their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.unbalanced: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in {"meta", "br", "wbr"}:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data + " "

    def named(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag == name]


def test_the_page_is_well_formed_and_has_its_landmarks(build: Build) -> None:
    outline = Outline(page(build()))
    assert outline.unbalanced == []
    assert [len(outline.named(name)) for name in ("main", "header", "footer", "h1")] == [1, 1, 1, 1]
    assert outline.named("html")[0]["lang"] == "en"
    headings = {attributes.get("id") for attributes in outline.named("h2")}
    assert all(attributes["aria-labelledby"] in headings for attributes in outline.named("section"))


def test_ids_are_unique_and_every_link_leads_somewhere(build: Build) -> None:
    outline = Outline(page(build()))
    ids = [attributes["id"] for _, attributes in outline.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert all((attributes["href"] or "").removeprefix("#") in ids for attributes in outline.named("a"))
    assert len(outline.named("a")) == 4


def test_the_page_asks_for_nothing_and_runs_nothing(build: Build) -> None:
    html = page(build())
    outline = Outline(html)
    assert not {"script", "link", "img", "iframe", "object", "form", "base"} & {name for name, _ in outline.elements}
    assert not re.search(r"""(src|href)=["'](?!#)|url\(|@import|\bon\w+=|style=|https?://""", html)


def test_the_style_sheet_is_the_one_the_security_policy_names(build: Build) -> None:
    html = page(build())
    styles = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    assert len(styles) == 1
    digest = base64.b64encode(hashlib.sha256(styles[0].encode()).digest()).decode()
    policy = next(one["content"] for one in Outline(html).named("meta") if one.get("http-equiv") == "Content-Security-Policy")
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def test_planted_markup_stays_text_wherever_it_comes_from(build: Build) -> None:
    evil = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    comparison = build(odd=evil, excluded=(Excluded(evil, evil),), notes=(evil,), config={evil: evil, "nested": {evil: [evil]}})
    html = render_html(comparison, title=evil, baseline_name=evil, run_name=evil, meta={evil: evil, f"run_{evil}": evil})
    outline = Outline(html)
    assert not outline.named("script")
    assert not outline.named("img")
    assert outline.unbalanced == []
    assert evil in outline.text


def test_the_same_comparison_gives_the_same_bytes(build: Build) -> None:
    assert page(build(), a="1") == page(build(), a="1")


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_has_its_words_its_tone_and_a_sentence(build: Build, verdict: Verdict) -> None:
    comparison = build(verdict=verdict)
    html = page(comparison)
    assert meaning(comparison) in Outline(html).text
    assert ("This is not a pass" in html) == (verdict not in {Verdict.PASS, Verdict.PASS_WITH_DRIFT, Verdict.FAIL})


def test_only_a_pass_is_shown_as_a_pass(build: Build) -> None:
    for verdict in Verdict:
        assert ('class="verdict pass"' in page(build(verdict=verdict))) == (verdict is Verdict.PASS)


def test_findings_are_told_with_their_numbers(build: Build) -> None:
    words = Outline(page(build(), **{"baseline_sha256": "aa11", "Run SHA-256": "bb22", "tenant": "default"})).text
    for expected in (
        "7.46 baseline sd",
        "4.02 × the spread",
        "row 9,000",
        "90.0% in",
        "12.1 → 13.92",
        "<\u00a00.0001",
        "aa11",
        "bb22",
        "10,000",
        "alpha",
        "from the start",
    ):
        assert expected in words


def test_other_metrics_exclusions_and_notes_are_listed(build: Build) -> None:
    words = Outline(page(build())).text
    for expected in (
        "m03",
        "effective n 2.1 is below 8",
        "time column (by name, epoch ms)",
        "column m99 is in the run alone",
        "All other metrics",
    ):
        assert expected in words


def test_a_metric_with_findings_is_pictured_and_one_without_is_not(build: Build) -> None:
    html = page(build())
    titles = re.findall(r'<title id="[^"]*">(.*?)</title>', html)
    assert titles.count("m01 in the baseline base.csv") == 1
    assert titles.count("Distribution of m01") == 1
    assert not [title for title in titles if "m03" in title]


def test_every_picture_has_a_title_and_is_well_formed(build: Build) -> None:
    html = page(build())
    pictures = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    assert len(pictures) >= 11
    for picture in pictures:
        root = ET.fromstring(picture)  # noqa: S314 - our own page
        assert root.get("aria-hidden") == "true" or root.find("title") is not None


def test_a_comparison_without_findings_says_so_and_draws_nothing(build: Build) -> None:
    html = page(build(verdict=Verdict.PASS, findings=()))
    assert "No significant difference was found." in html
    assert 'class="plot"' not in html


def test_a_comparison_of_nothing_is_a_page_all_the_same() -> None:
    nothing = Comparison(Verdict.NO_DATA, (), (), (), (), 0, 0, {})
    outline = Outline(page(nothing))
    assert outline.unbalanced == []
    assert "There are no rows to compare." in outline.text


def test_a_missing_metric_is_a_finding_without_a_picture(build: Build) -> None:
    missing = Finding("gone", Kind.MISSING, 1.0, None, None, None, {"n": 100}, {}, "gone is in the baseline and not in the run.")
    html = page(build(findings=(missing,)))
    assert "not tested" in html
    assert "100.0% of cells" in html
    assert 'href="#metric' not in html


def test_pictures_are_limited_and_the_rest_is_counted(build: Build) -> None:
    one = build()
    results = tuple(replace(one.metrics[0], metric=f"x{i}") for i in range(43))
    findings = tuple(replace(one.findings[0], metric=f"x{i}") for i in range(43))
    html = page(replace(one, metrics=results, findings=findings))
    assert html.count("<article") == 40
    assert "3 further metrics with findings" in html


def test_a_metric_that_was_not_loaded_is_listed_without_pictures(build: Build) -> None:
    one = build()
    first = one.metrics[0]
    bare = MetricResult(first.metric, first.verdict, "", {}, {}, (), None, None, None, None, None)
    html = page(replace(one, metrics=(bare, replace(bare, metric="other"))))
    assert 'class="plot"' not in html
    assert 'class="spark"' not in html


def test_colours_keep_a_contrast_of_four_and_a_half_in_both_modes(build: Build) -> None:
    style = re.findall(r"<style>(.*?)</style>", page(build()), re.DOTALL)[0]
    for block in re.findall(r":root \{(.*?)\}", style, re.DOTALL)[:2]:
        colour = dict(re.findall(r"--([\w-]+): (#\w+)", block))
        pairs = [(ink, paper) for ink in ("ink", "soft", "link") for paper in ("paper", "sheet", "wash")]
        pairs += [(tone, f"{tone}-wash") for tone in ("pass", "drift", "fail", "unknown")]
        assert {
            pair: contrast(colour[pair[0]], colour[pair[1]]) for pair in pairs if contrast(colour[pair[0]], colour[pair[1]]) < 4.5
        } == {}


def contrast(one: str, other: str) -> float:
    def luminance(code: str) -> float:
        parts = [int(code[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def flat(value: float, count: int = 5) -> Envelope:
    return Envelope(*(np.full(count, value),) * 3)


def test_a_gap_in_the_data_is_a_gap_in_the_line() -> None:
    values = np.array([1.0, 2.0, np.nan, 4.0, np.nan, 5.0, 6.0])
    envelope = Envelope(values, values, values)
    scale = scale_of(envelope)
    assert scale is not None
    svg = series_plot(envelope, scale, kind="run", rows=7, title="t", name="n")
    assert (svg.count('class="mean run"'), svg.count("<circle")) == (2, 1)
    assert "nan" not in svg.lower().replace("n-t", "")


@pytest.mark.parametrize("value", [0.0, 5.0, -1e308, 1e308, 5e-324, 1e-300])
def test_a_constant_of_any_size_can_be_drawn(value: float) -> None:
    scale = scale_of(flat(value))
    assert scale is not None
    svg = series_plot(flat(value), scale, kind="baseline", rows=5, title="t", name="n", onset=0.0)
    assert not re.search(r'="[^"]*\b(nan|inf)\b', svg)


def test_the_widest_range_of_doubles_can_be_drawn() -> None:
    wide = Envelope(np.array([-1.7e308, -1.0]), np.array([0.0, 0.0]), np.array([1.7e308, 1.0]))
    scale = scale_of(wide)
    assert scale is not None
    assert scale.place(0.0) == pytest.approx(0.5)
    svg = series_plot(wide, scale, kind="run", rows=2, title="t", name="n")
    assert not re.search(r'="[^"]*\b(nan|inf)\b', svg)


def test_nothing_to_draw_has_no_scale() -> None:
    assert scale_of(None, flat(np.nan), Envelope(*(np.array([]),) * 3)) is None
    assert sparkline(None, None, title="t") is None
    assert sparkline(None, flat(1.0), title="t") is not None


def test_histograms_are_drawn_as_shares_even_of_nothing() -> None:
    edges = np.array([0.0, 1.0, 2.0])
    svg = histogram_plot(np.array([0.0, 0.0]), np.array([500.0, 1.0]), edges, title="t", name="n")
    assert "100%" in svg
    assert "nan" not in svg
    assert "0.2%" in histogram_plot(np.ones(400), np.ones(400), np.arange(401.0), title="t", name="n")


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_every_axis_has_few_finite_ticks_within_reach(one: float, other: float) -> None:
    low, high = sorted((one, other))
    ticks = Scale(low, high).ticks
    assert 1 <= len(ticks) <= 11
    assert all(np.isfinite(ticks))
    if low < high:
        assert 0 <= Scale(low, high).place(low / 2 + high / 2) <= 1


@given(st.text())
def test_any_text_comes_back_out_of_its_markup(words: str) -> None:
    parser = Outline(str(tag("p", words, title=words)))
    assert [name for name, _ in parser.elements] == ["p"]
    kept = "".join(one for one in words if ord(one) >= 32 or one in "\t\n\r")
    assert parser.text.replace(" ", "") == kept.replace(" ", "") or "\r" in kept or "\0" in words
    assert "<" not in text(words)


def test_markup_is_joined_and_bare_elements_close_themselves() -> None:
    assert join("a", None, ["<", tag("b", "c")]) == "a&lt;<b>c</b>"
    assert tag("meta", charset="utf-8") == '<meta charset="utf-8">'
    assert tag("line", x1=1.5, class_=None) == '<line x1="1.5"/>'


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (float("nan"), "nan"),
        (-1234.5, "−1234"),
        (-12345.6, "−12,346"),
        (-0.5, "−0.5"),
        (-1e-9, "−1.000e-9"),
        (10**15, "1.000e15"),
        (False, "false"),
        ("x", "x"),
        (123456, "123,456"),
    ],
)
def test_numbers_are_written_for_readers(value: object, words: str) -> None:
    assert figure(value) == words


def test_axis_labels_are_short() -> None:
    assert [short(value) for value in (999.9, -2e6, 1e12, -1e-9, 123456.0)] == ["1000", "−2M", "1T", "−1e-9", "123k"]


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_of_finding_has_words_and_numbers(kind: Kind) -> None:
    finding = Finding("m", kind, 0.5, 0.01, 3, 0.3, {}, {}, "…")
    assert effect_words(finding)
    assert kind_numbers(finding) is None
    assert (
        kind_numbers(replace(finding, run={"n": 1, "mean": 2, "sd": 1, "median": 5, "missing": 4, "quarantined": 7})) is not None
    )
