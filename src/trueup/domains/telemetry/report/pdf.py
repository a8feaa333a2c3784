"""A comparison as a PDF: verdict, findings and every metric on paper, made without a browser."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from math import isnan
from typing import TYPE_CHECKING, Any

from trueup.domains.telemetry.engine.result import Comparison, Envelope, MetricResult
from trueup.domains.telemetry.report.further import OUTCOME_WORDS, limits, outlook_rows, samples, where
from trueup.domains.telemetry.report.markup import figure, short
from trueup.domains.telemetry.report.parts import q_words
from trueup.domains.telemetry.report.plots import Scale, scale_of
from trueup.domains.telemetry.report.words import KIND_WORDS, TONES, VERDICT_WORDS, meaning
from trueup.kernel.words import Verdict

if TYPE_CHECKING:
    from reportlab.graphics.shapes import Drawing
    from reportlab.platypus import Flowable, Table

MAX_PICTURED = 40
_COLOURS = {"pass": "#13692f", "drift": "#7d4a00", "fail": "#a5161d", "unknown": "#4a5364"}
_BASELINE, _RUN = "#2f6fb0", "#c2410c"
_LONGEST = 300  # characters of one cell: a name or sentence beyond would not fit on a page


def render_pdf(comparison: Comparison, *, title: str, baseline_name: str, run_name: str, meta: Mapping[str, str]) -> bytes:
    """Render a comparison as a PDF (A4). The same input gives the same bytes.

    Args:
        comparison: what the engine answered.
        title: of the document.
        baseline_name: what to call the baseline.
        run_name: what to call the run.
        meta: further facts, in their order.
    """
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.units import mm
    from reportlab.platypus import SimpleDocTemplate

    target = BytesIO()
    document = SimpleDocTemplate(
        target,
        pagesize=A4,
        leftMargin=18 * mm,
        rightMargin=18 * mm,
        topMargin=18 * mm,
        bottomMargin=18 * mm,
        title=f"{VERDICT_WORDS[comparison.verdict]}: {title}",
        author="Trueup",
        lang="en",
        invariant=1,
    )
    words = _Words()
    story = [
        words.heading(title),
        words.verdict(comparison),
        words.text(meaning(comparison)),
        words.table(
            [
                ("Baseline", f"{baseline_name}, {comparison.baseline_rows:,} rows"),
                ("Run", f"{run_name}, {comparison.run_rows:,} rows"),
                *meta.items(),
            ]
        ),
        *_findings(words, comparison),
        *_asserts(words, comparison),
        *_outlook(words, comparison),
        *_pictures(words, comparison),
        *_metrics(words, comparison),
        *_rest(words, comparison),
    ]
    document.build(story, onFirstPage=_foot, onLaterPages=_foot)
    return target.getvalue()


def _foot(canvas: Any, document: Any) -> None:
    canvas.setFont(_fonts()[0], 7)
    canvas.setFillColor("#566071")
    canvas.drawString(document.leftMargin, 28, "Made by Trueup from the recorded numbers alone.")
    canvas.drawRightString(document.pagesize[0] - document.rightMargin, 28, f"Page {document.page}")


def _fonts() -> tuple[str, str]:
    """Return the names of the plain and the bold face; both are embedded, so that every reader has them."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    for name, file in (("Vera", "Vera.ttf"), ("VeraBd", "VeraBd.ttf")):
        if name not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(name, file))
    return "Vera", "VeraBd"


class _Words:
    """Paragraphs and tables in this document's hand."""

    def __init__(self) -> None:
        from reportlab.lib.styles import ParagraphStyle

        self.plain, self.bold = _fonts()
        self._cell = ParagraphStyle("cell", fontName=self.plain, fontSize=8, leading=10.5, wordWrap="CJK")
        self._name = ParagraphStyle("name", parent=self._cell, textColor="#566071")
        self._text = ParagraphStyle("text", fontName=self.plain, fontSize=9.5, leading=13, spaceAfter=8)
        self._small = ParagraphStyle("small", parent=self._text, fontSize=8, leading=11, spaceAfter=3)
        self._heading = ParagraphStyle("h1", fontName=self.bold, fontSize=15, leading=19, spaceAfter=6, wordWrap="CJK")
        self._part = ParagraphStyle(
            "h2", fontName=self.bold, fontSize=11, leading=14, spaceBefore=12, spaceAfter=5, keepWithNext=1
        )

    def _made(self, text: str, style: Any) -> "Flowable":
        from html import escape

        from reportlab.platypus import Paragraph

        shown = text if len(text) <= _LONGEST * 4 else f"{text[: _LONGEST * 4]}…"
        return Paragraph(escape("".join(c if c.isprintable() else " " for c in shown)), style)

    def heading(self, text: str) -> "Flowable":
        return self._made(text[:_LONGEST], self._heading)

    def part(self, text: str) -> "Flowable":
        return self._made(text, self._part)

    def text(self, text: str) -> "Flowable":
        return self._made(text, self._text)

    def small(self, text: str) -> "Flowable":
        return self._made(text, self._small)

    def verdict(self, comparison: Comparison) -> "Flowable":
        from reportlab.lib.styles import ParagraphStyle

        colour = _COLOURS[TONES[comparison.verdict]]
        style = ParagraphStyle("verdict", fontName=self.bold, fontSize=20, leading=26, textColor=colour, spaceAfter=4)
        return self._made(VERDICT_WORDS[comparison.verdict], style)

    def table(self, rows: Sequence[tuple[str, ...]], *, head: tuple[str, ...] = (), widths: Sequence[float] = ()) -> "Table":
        from reportlab.lib.colors import HexColor
        from reportlab.platypus import Table, TableStyle

        cells = [
            [self._made(str(cell)[:_LONGEST], self._name if head or not place else self._cell) for place, cell in enumerate(row)]
            for row in ([head] if head else [])
        ]
        cells += [
            [
                self._made(str(cell)[:_LONGEST], self._name if not head and not place else self._cell)
                for place, cell in enumerate(row)
            ]
            for row in rows
        ]
        made = Table(cells, colWidths=list(widths) or [110, 382], repeatRows=1 if head else 0, hAlign="LEFT")
        lines = [("LINEBELOW", (0, 0), (-1, -1), 0.4, HexColor("#e3e6eb")), ("VALIGN", (0, 0), (-1, -1), "TOP")]
        made.setStyle(TableStyle([*lines, ("LEFTPADDING", (0, 0), (-1, -1), 0), ("RIGHTPADDING", (0, 0), (-1, -1), 6)]))
        return made


def _findings(words: _Words, comparison: Comparison) -> list[Any]:
    if not comparison.findings:
        return [words.part("Findings"), words.text("None.")]
    rows = [
        (
            finding.metric,
            KIND_WORDS.get(finding.kind, str(finding.kind)),
            figure(finding.effect),
            str(q_words(finding.q_value)),
            finding.explanation,
        )
        for finding in comparison.findings
    ]
    head = ("Metric", "Kind", "Effect", "Adjusted p", "What was found")
    return [words.part(f"Findings ({len(rows):,})"), words.table(rows, head=head, widths=(92, 56, 48, 56, 240))]


def _asserts(words: _Words, comparison: Comparison) -> list[Any]:
    if not comparison.asserts:
        return []
    rows = [
        (
            answer.check.id,
            f"{answer.check.condition} ({answer.check.severity})",
            OUTCOME_WORDS[answer.result],
            f"{answer.count:,} of {answer.samples:,}",
            "; ".join([where(answer) or answer.reason, *samples(answer)[:3]]),
        )
        for answer in comparison.asserts
    ]
    head = ("Assert", "Condition", "Result", "Break it", "Where, and the first values")
    return [words.part(f"Asserts ({len(rows):,})"), words.table(rows, head=head, widths=(82, 116, 62, 64, 168))]


def _outlook(words: _Words, comparison: Comparison) -> list[Any]:
    if not comparison.outlook:
        return []
    rows = [(*row[:4], row[4] or "none") for row in outlook_rows(comparison)]
    head = ("Metric", "Bound", "Room left", "Time to the bound", "Signs")
    lines = words.table(rows, head=head, widths=(82, 62, 116, 116, 116))
    return [words.part("Early warning, no part of the verdict"), lines]


def _metrics(words: _Words, comparison: Comparison) -> list[Any]:
    if not comparison.metrics:
        return []
    rows = [
        (
            one.metric,
            VERDICT_WORDS[one.verdict],
            figure(one.baseline.get("mean")),
            figure(one.run.get("mean")),
            figure(one.run.get("n")),
            one.reason,
        )
        for one in comparison.metrics
    ]
    head = ("Metric", "Verdict", "Baseline mean", "Run mean", "Values", "Why")
    return [words.part(f"Every metric ({len(rows):,})"), words.table(rows, head=head, widths=(92, 64, 62, 62, 44, 168))]


def _rest(words: _Words, comparison: Comparison) -> list[Any]:
    story: list[Any] = []
    if comparison.excluded:
        rows = [(item.name, item.reason) for item in comparison.excluded]
        story += [words.part("Columns that were not compared"), words.table(rows)]
    if comparison.notes:
        story += [words.part("Notes"), *(words.small(note) for note in comparison.notes)]
    numbers = [(str(name), str(value)) for name, value in limits(comparison).items()]
    return [*story, words.part("Numbers that decided"), words.table(numbers)] if numbers else story


def _pictures(words: _Words, comparison: Comparison) -> list[Any]:
    from reportlab.platypus import KeepTogether

    drawn = [one for one in comparison.metrics if one.verdict != Verdict.PASS and one.baseline_envelope and one.run_envelope]
    if not drawn:
        return []
    story: list[Any] = [
        words.part("Baseline and run"),
        words.small(
            "Blue: the baseline; orange: the run. Each line is the mean of a stretch of rows; a dashed line marks where the change begins."
        ),
    ]
    onsets = {finding.metric: finding.onset_fraction for finding in reversed(comparison.findings)}
    story += [
        KeepTogether([words.small(one.metric), _drawing(one, onsets.get(one.metric), words.plain)])
        for one in drawn[:MAX_PICTURED]
    ]
    if len(drawn) > MAX_PICTURED:
        story.append(words.small(f"{len(drawn) - MAX_PICTURED:,} further metrics are in the table alone."))
    return story


def _drawing(one: MetricResult, onset: float | None, font: str) -> "Drawing":
    from reportlab.graphics.shapes import Drawing, Line, PolyLine, String
    from reportlab.lib.colors import HexColor

    width, height, left = 490.0, 96.0, 44.0
    drawing = Drawing(width, height)
    sides = [
        (side, colour) for side, colour in ((one.baseline_envelope, _BASELINE), (one.run_envelope, _RUN)) if side is not None
    ]
    scale = scale_of(*(Envelope(side.mean, side.mean, side.mean) for side, _ in sides)) or Scale(0.0, 1.0)

    def y(value: float) -> float:
        return 6.0 + scale.place(value) * (height - 14.0)

    for value in (scale.low, scale.high):
        drawing.add(
            String(
                left - 5, y(value) - 2, short(value), fontName=font, fontSize=6.5, textAnchor="end", fillColor=HexColor("#566071")
            )
        )
    for side, colour in sides:
        count = len(side.mean)
        points = [
            coordinate
            for place, value in enumerate(side.mean.tolist())
            if not isnan(value)  # a stretch without values has no mean
            for coordinate in (left + (place + 0.5) / count * (width - left), y(value))
        ]
        if len(points) > 2:
            drawing.add(PolyLine(points, strokeColor=HexColor(colour), strokeWidth=0.9))
    if onset is not None:
        x = left + onset * (width - left)
        drawing.add(Line(x, 4, x, height - 4, strokeColor=HexColor("#4a5364"), strokeWidth=0.7, strokeDashArray=[3, 2]))
    return drawing
