"""A comparison as the engine would answer it: one drifting machine, and whatever a test wants changed."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from trueup.domains.telemetry.engine.result import Comparison, Envelope, Finding, Kind, MetricResult, Test
from trueup.domains.telemetry.engine.table import Excluded
from trueup.kernel.words import Verdict

Floats = NDArray[np.float64]


def envelope(values: Floats, buckets: int = 200) -> Envelope:
    parts = np.array_split(values, buckets)
    return Envelope(
        np.array([part.min() for part in parts]),
        np.array([part.mean() for part in parts]),
        np.array([part.max() for part in parts]),
    )


def numbers(values: Floats) -> dict[str, Any]:
    return {
        "n": len(values),
        "mean": float(values.mean()),
        "sd": float(values.std()),
        "median": float(np.median(values)),
        "min": float(values.min()),
        "max": float(values.max()),
    }


def metric(name: str, baseline: Floats, run: Floats, *, verdict: Verdict = Verdict.PASS, reason: str = "") -> MetricResult:
    edges = np.histogram_bin_edges(np.concatenate((baseline, run)), 50)
    significant = verdict is not Verdict.PASS
    tests = tuple(
        Test(kind.value, kind, 1.5, 0.2, 1e-9 if significant else 0.61, 7.4 if significant else 0.02, 0.25, significant)
        for kind in (Kind.LEVEL, Kind.SCALE, Kind.SHAPE)
    )
    return MetricResult(
        name, verdict, reason, numbers(baseline), numbers(run), tests, envelope(baseline), envelope(run),
        np.histogram(baseline, edges)[0].astype(float), np.histogram(run, edges)[0].astype(float), edges,
    )  # fmt: skip


@pytest.fixture
def build() -> Callable[..., Comparison]:
    def make(odd: str = "m02", **changes: Any) -> Comparison:
        rng = np.random.default_rng(7)
        n = 10_000
        base = {
            name: rng.normal(mean, mean * 0.02, n) for name, mean in (("latency_ms", 12.1), ("m01", 20), (odd, 5), ("m03", 100))
        }
        run = {name: rng.normal(mean, mean * 0.02, n) for name, mean in (("latency_ms", 12.1 * 1.15), ("m03", 100))}
        run["m01"] = rng.normal(20, 1.6, n)
        run[odd] = np.concatenate((rng.normal(5, 0.1, 9000), rng.normal(7.5, 0.1, 1000)))
        found = (
            (
                "latency_ms",
                Kind.LEVEL,
                7.46,
                0,
                "rose from 12.1 to 13.9 (+14.9 %), 7.5 baseline standard deviations, from the first row on",
            ),
            ("m01", Kind.SCALE, 4.02, None, "spread grew from 0.40 to 1.60, 4.0 times the baseline's"),
            (
                odd,
                Kind.LEVEL,
                2.47,
                9000,
                "rose from 5.00 to 5.25 (+5.0 %), 2.5 baseline standard deviations, from row 9,001 of 10,000 on",
            ),
        )
        findings = tuple(
            Finding(
                name,
                kind,
                effect,
                0.0,
                onset,
                None if onset is None else onset / n,
                numbers(base[name]),
                numbers(run[name]),
                f"{name} {words}.",
            )
            for name, kind, effect, onset, words in found
        )
        names = {finding.metric for finding in findings}
        results = tuple(
            metric(name, base[name], run[name], verdict=Verdict.PASS_WITH_DRIFT if name in names else Verdict.PASS)
            for name in base
        )
        slow = replace(
            metric("memory_used_bytes", np.linspace(4e8, 4.1e8, n), np.linspace(4e8, 4.1e8, n)),
            verdict=Verdict.INSUFFICIENT_DATA,
            reason="effective n 2.1 is below 8",
        )
        comparison = Comparison(
            verdict=Verdict.PASS_WITH_DRIFT,
            findings=findings,
            metrics=(*results, slow),
            excluded=(Excluded("ts", "time column (by name, epoch ms)"), Excluded("host", "text column")),
            notes=("column m99 is in the run alone and was not compared",),
            baseline_rows=n,
            run_rows=n,
            config={"alpha": 0.01, "min_n": 30, "level_floor": 0.25, "critical": [], "drift_is_fail": False},
        )
        return replace(comparison, **changes)

    return make
