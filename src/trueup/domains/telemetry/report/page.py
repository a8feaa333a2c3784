"""The page: verdict first, then what was found, then everything that was looked at."""

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from typing import Any

from trueup.domains.telemetry.engine.result import Comparison, Finding, Kind, MetricResult, Test
from trueup.domains.telemetry.report.further import assert_section, counts, is_alone, limits, outlook_section
from trueup.domains.telemetry.report.markup import Node, Safe, compact, figure, join, tag
from trueup.domains.telemetry.report.parts import breakable, facts, label, mark, pill, q_words, section, table
from trueup.domains.telemetry.report.plots import histogram_plot, scale_of, series_plot, sparkline
from trueup.domains.telemetry.report.words import ICONS, KIND_WORDS, TONES, VERDICT_WORDS, effect_words, kind_numbers, meaning
from trueup.kernel.words import Verdict

MAX_PICTURED = 40
MAX_SPARKS = 200
_FAILING = frozenset({Kind.QUARANTINE, Kind.LIMIT, Kind.INVARIANT})
_JUDGED = frozenset({Verdict.PASS, Verdict.PASS_WITH_DRIFT, Verdict.FAIL})


def render_html(comparison: Comparison, *, title: str, baseline_name: str, run_name: str, meta: Mapping[str, str]) -> str:
    """Render a comparison as one self-contained HTML page.

    The page asks for nothing from anywhere, holds no script, and its one style sheet is pinned by hash in its content
    security policy. The same input gives the same bytes.

    Args:
        comparison: what the engine answered; every number and picture on the page is from it.
        title: of the page.
        baseline_name: what to call the baseline.
        run_name: what to call the run.
        meta: further facts. Those whose name begins with ``baseline`` or ``run`` (``baseline_sha256``, ``Run SHA-256``)
            stand with that side, the others under "Record".
    """
    style = resources.files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", f"{VERDICT_WORDS[comparison.verdict]}: {title}"),
        Safe(f"<style>{style}</style>"),
    )
    names = (baseline_name, run_name)
    main = tag(
        "main",
        _verdict(comparison),
        _compared(comparison, names, meta),
        _findings(comparison),
        assert_section(comparison),
        outlook_section(comparison),
        _pictures(comparison, names),
        _others(comparison),
        _excluded(comparison),
        _notes(comparison),
        _numbers(
            "config", "Numbers that decided", "Every limit of this comparison, as it stands in the evidence.", limits(comparison)
        ),
        _numbers("record", "Record", "", _rest(meta)),
        id="main",
    )
    body = tag(
        "body",
        tag("a", "Skip to the verdict", href="#main", class_="skip"),
        tag(
            "header",
            tag(
                "div",
                mark(),
                tag("span", "Trueup", class_="brand"),
                tag("span", "Telemetry asserts" if is_alone(comparison) else "Telemetry comparison", class_="sub"),
                class_="bar",
            ),
            tag("h1", title),
        ),
        main,
        tag("footer", tag("p", "Made by Trueup from the recorded numbers alone. This page loads nothing and runs nothing.")),
    )
    return f'<!doctype html>\n<html lang="en">{head}{body}</html>\n'


def _verdict(comparison: Comparison) -> Safe:
    tone = TONES[comparison.verdict]
    icon = tag("svg", tag("path", d=ICONS[tone], class_="stroke"), viewBox="0 0 24 24", class_="icon", aria_hidden="true")
    affected = len({finding.metric for finding in comparison.findings})
    passed = sum(result.verdict is Verdict.PASS for result in comparison.metrics)
    tiles: tuple[tuple[str, int], ...] = (
        ("Metrics compared", len(comparison.metrics)),
        ("Unchanged", passed),
        ("Changed", affected),
        ("Not judged", len({one.metric for one in comparison.metrics if one.verdict not in _JUDGED})),
        ("Findings", len(comparison.findings)),
        ("Columns left out", len(comparison.excluded)),
    )
    if is_alone(comparison):
        tiles = counts(comparison)
    return tag(
        "section",
        tag(
            "div",
            icon,
            tag("div", tag("h2", VERDICT_WORDS[comparison.verdict], id="verdict-h"), tag("p", meaning(comparison))),
            class_="verdict-words",
        ),
        tag("dl", *(tag("div", tag("dt", name), tag("dd", figure(count))) for name, count in tiles), class_="tiles"),
        id="verdict",
        class_=f"verdict {tone}",
        aria_labelledby="verdict-h",
    )


def _compared(comparison: Comparison, names: tuple[str, str], meta: Mapping[str, str]) -> Safe:
    sides = (("Baseline", "baseline", names[0], comparison.baseline_rows), ("Run", "run", names[1], comparison.run_rows))
    alone = is_alone(comparison)
    cards = [
        tag(
            "div",
            tag("h3", tag("span", class_=f"key {key}"), heading),
            tag("p", name, class_="filename"),
            facts(
                [
                    ("rows", figure(rows)),
                    *((label(fact), value) for side, fact, value in map(_sided, meta.items()) if side == key),
                ]
            ),
            class_="card",
        )
        for heading, key, name, rows in sides[alone:]
    ]
    return section("compared", "What was asked" if alone else "What was compared", tag("div", *cards, class_="pair"))


def _sided(item: tuple[str, str]) -> tuple[str, str, str]:
    """Split a fact's name into the side it speaks of, or none, and the rest of the name."""
    found = re.fullmatch(r"(baseline|run)[ _](.+)", item[0], re.IGNORECASE | re.DOTALL)
    return (found[1].lower(), found[2], item[1]) if found else ("", item[0], item[1])


def _rest(meta: Mapping[str, str]) -> dict[str, str]:
    return {fact: value for side, fact, value in map(_sided, meta.items()) if not side}


def _onset(finding: Finding) -> Node:
    if finding.onset_index is None or finding.onset_fraction is None:
        return "–"
    if not finding.onset_index:
        return "from the start"
    where = tag("span", f"row {finding.onset_index:,}", class_="nowrap")
    return join(where, tag("span", f"{finding.onset_fraction:.1%} in", class_="small nowrap"))


def _findings(comparison: Comparison) -> Safe:
    if not comparison.findings:
        none = "No assert that decides is broken." if is_alone(comparison) else "No significant difference was found."
        return section("findings", "Findings", tag("p", none, class_="nothing"))
    anchors = _anchors(comparison)
    rows = [
        (
            tag("a", breakable(finding.metric), href=f"#{anchors[finding.metric]}")
            if finding.metric in anchors
            else breakable(finding.metric),
            pill(KIND_WORDS[finding.kind], "drift" if finding.kind not in _FAILING else "fail"),
            effect_words(finding),
            q_words(finding.q_value),
            _onset(finding),
            _change(finding),
        )
        for finding in comparison.findings
    ]
    heads = ("Metric", "What changed", "Effect", "q-value", "Onset", "Baseline → run")
    words = [finding.explanation for finding in comparison.findings]
    lines = table("Significant differences, strongest first", heads, rows, class_="stack", below=words)
    return section("findings", "Findings", lines)


def _change(finding: Finding) -> Node:
    numbers = kind_numbers(finding)
    if numbers is None:
        return "–"
    name, before, after = numbers
    return join(tag("span", f"{compact(before)} → {compact(after)}", class_="nowrap"), tag("span", name, class_="small"))


def _anchors(comparison: Comparison) -> dict[str, str]:
    found = {finding.metric for finding in comparison.findings}
    return {
        result.metric: f"metric-{index}"
        for index, result in enumerate([one for one in comparison.metrics if one.metric in found][:MAX_PICTURED])
    }


def _pictures(comparison: Comparison, names: tuple[str, str]) -> Safe | None:
    anchors = _anchors(comparison)
    if not anchors:
        return None
    results = [result for result in comparison.metrics if result.metric in anchors]
    left_out = len({finding.metric for finding in comparison.findings}) - len(results)
    more = f"{left_out:,} further metrics with findings are listed above without a picture." if left_out > 0 else ""
    articles = [_metric(result, comparison, anchors[result.metric], names) for result in results]
    legend = tag(
        "p",
        *(
            tag("span", tag("span", class_=f"key {key}"), f"{words}: {name}")
            for key, words, name in (("baseline", "baseline", names[0]), ("run", "run", names[1]))
        ),
        class_="legend",
    )
    return section("changed", "What the changes look like", legend, *articles, tag("p", more) if more else None)


def _metric(result: MetricResult, comparison: Comparison, anchor: str, names: tuple[str, str]) -> Safe:
    findings = [finding for finding in comparison.findings if finding.metric == result.metric]
    onset = next((finding.onset_fraction for finding in findings if finding.onset_fraction is not None), None)
    scale = scale_of(result.baseline_envelope, result.run_envelope)
    figures: list[Safe] = []
    if scale is not None:
        sides = (
            ("baseline", result.baseline_envelope, comparison.baseline_rows, names[0], None),
            ("run", result.run_envelope, comparison.run_rows, names[1], onset),
        )
        for kind, envelope, rows, name, mark in sides:
            if envelope is not None and len(envelope.mean):
                picture = series_plot(
                    envelope,
                    scale,
                    kind=kind,
                    rows=rows,
                    title=f"{result.metric} in the {kind} {name}",
                    name=f"{anchor}-{kind}",
                    onset=mark,
                )
                figures.append(tag("figure", tag("figcaption", kind.capitalize()), picture))
    if result.baseline_histogram is not None and result.run_histogram is not None and result.histogram_edges is not None:
        picture = histogram_plot(
            result.baseline_histogram,
            result.run_histogram,
            result.histogram_edges,
            title=f"Distribution of {result.metric}",
            name=f"{anchor}-histogram",
        )
        figures.append(tag("figure", tag("figcaption", "Distribution, share of rows"), picture))
    return tag(
        "article",
        tag(
            "h3", tag("span", result.metric, class_="metric"), *(pill(KIND_WORDS[finding.kind], "drift") for finding in findings)
        ),
        tag("ul", *(tag("li", finding.explanation) for finding in findings), class_="explanations"),
        tag("div", *figures, class_="figures") if figures else None,
        tag("details", tag("summary", "Numbers and tests"), _summary(result), _tests(result.tests)),
        id=anchor,
        aria_label=result.metric,
    )


def _summary(result: MetricResult) -> Safe | None:
    keys = [
        key for key in {**result.baseline, **result.run} if _is_plain(result.baseline.get(key)) and _is_plain(result.run.get(key))
    ]
    if not keys:
        return None
    rows = [(label(key), figure(result.baseline.get(key)), figure(result.run.get(key))) for key in keys]
    return table("Summary numbers", ("Number", "Baseline", "Run"), rows, class_="compact")


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)


def _tests(tests: Sequence[Test]) -> Safe | None:
    if not tests:
        return None
    rows = [
        (
            test.name,
            figure(test.statistic),
            q_words(test.p_value),
            q_words(test.q_value),
            f"{figure(test.effect)} (floor {figure(test.floor)})",
            "yes" if test.significant else "no",
        )
        for test in tests
    ]
    return table("Tests", ("Test", "Statistic", "p-value", "q-value", "Effect", "Significant"), rows, class_="compact")


def _others(comparison: Comparison) -> Safe | None:
    found = {finding.metric for finding in comparison.findings}
    results = [result for result in comparison.metrics if result.metric not in found]
    if not results:
        return None
    rows = [
        (
            breakable(result.metric),
            pill(VERDICT_WORDS[result.verdict], TONES[result.verdict]),
            sparkline(result.baseline_envelope, result.run_envelope, title=f"Means of {result.metric}: baseline, then run")
            if index < MAX_SPARKS
            else None,
            _middle(result.baseline),
            _middle(result.run),
            join(
                *(
                    tag(
                        "span",
                        f"{KIND_WORDS[test.kind]} {figure(test.effect)} of {figure(test.floor)}, q {q_words(test.q_value)}",
                        class_="line",
                    )
                    for test in result.tests
                )
            )
            if result.tests
            else "–",
            result.reason or "–",
        )
        for index, result in enumerate(results)
    ]
    heads = ("Metric", "Verdict", "Baseline | run", "Baseline mean ± sd", "Run mean ± sd", "Effect of its floor", "Reason")
    lines = table("Metrics without a significant difference", heads, rows, class_="stack compact")
    return section("others", "All other metrics", lines)


def _middle(numbers: Mapping[str, Any]) -> str:
    if "mean" not in numbers:
        return "–"
    spread = f" ± {compact(numbers['sd'])}" if "sd" in numbers else ""
    return compact(numbers["mean"]) + spread


def _excluded(comparison: Comparison) -> Safe | None:
    if not comparison.excluded:
        return None
    rows = [(item.name, item.reason) for item in comparison.excluded]
    return section(
        "excluded",
        "Columns left out",
        table("Columns that were not compared, and why", ("Column", "Reason"), rows, class_="compact"),
    )


def _notes(comparison: Comparison) -> Safe | None:
    if not comparison.notes:
        return None
    return section("notes", "Notes", tag("ul", *(tag("li", note) for note in comparison.notes)))


def _flat(numbers: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    for name, value in numbers.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{label(name)}: ")
        elif isinstance(value, list | tuple | set | frozenset):
            yield prefix + label(name), ", ".join(sorted(str(one) for one in value)) or "none"
        else:
            yield prefix + label(name), figure(value)


def _numbers(name: str, heading: str, lead: str, numbers: Mapping[str, Any]) -> Safe | None:
    if not numbers:
        return None
    return section(name, heading, facts(_flat(numbers)), lead=lead)
