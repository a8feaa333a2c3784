"""The detection matrix: power by fault and kind, and false alarms by length and series.  python -m benchmarks.telemetry.matrix"""

import argparse
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.telemetry.faults import FAULTS, SERIES, table
from trueup.domains.telemetry.engine.compare import CompareConfig, compare
from trueup.domains.telemetry.engine.inject import LIMITS
from trueup.kernel.words import Verdict

METRICS = 10
LENGTHS = (20, 100, 300, 1_000, 10_000, 100_000)
PAGE = Path("docs/reference/detection.md")
RESULTS = Path("benchmarks/results/detection.json")
SEED = 20260102


def wilson(hits: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share.

    References:
        Wilson (1927), "Probable inference, the law of succession, and statistical inference".
    """
    share, square = hits / trials, z * z / trials
    centre = (share + square / 2.0) / (1.0 + square)
    half = z * math.sqrt(share * (1.0 - share) / trials + square / (4.0 * trials)) / (1.0 + square)
    return max(0.0, centre - half), min(1.0, centre + half)


def power(name: str, n: int, trials: int) -> dict[str, Any]:
    """Measure how often a fault is found, and found under its kind alone."""
    kind, generate = FAULTS[name]
    found, named, alone = 0, 0, 0
    others: Counter[str] = Counter()
    for trial in range(trials):
        rng = np.random.default_rng([SEED, trial, sum(map(ord, name))])
        baseline = table({"x": rng.normal(size=n)})
        kinds = {str(finding.kind) for finding in compare(baseline, generate(rng, n), config=CompareConfig()).findings}
        found += bool(kinds)
        named += kind in kinds
        alone += kinds == {kind}
        others.update(kinds - {kind})
    low, high = wilson(named, trials)
    return {
        "fault": name, "kind": kind, "n": n, "trials": trials, "found": found, "named": named, "alone": alone,
        "low": low, "high": high, "others": dict(sorted(others.items())),
    }  # fmt: skip


def runs(name: str, n: int, trials: int) -> Iterator[tuple[Verdict, set[str]]]:
    """Yield the answers for pairs of runs of ten metrics that are alike but for chance, in units of 1e-3 … 1e6.

    Every other pair has no clock, so that whole rows are asked whether they repeat.
    """
    generate = SERIES[name]
    scales = 10.0 ** np.linspace(-3.0, 6.0, METRICS)
    for trial in range(trials):
        rng = np.random.default_rng([SEED, trial, n, sum(map(ord, name))])
        sides = [table({f"m{place}": scale * generate(rng, n) for place, scale in enumerate(scales)}) for _ in range(2)]
        sides = [replace(side, times=None) for side in sides] if trial % 2 else sides
        answer = compare(*sides, config=CompareConfig())
        yield answer.verdict, {str(finding.kind) for finding in answer.findings}


def false_alarms(name: str, n: int, trials: int) -> dict[str, Any]:
    """Measure how many runs that are alike are called different, and how many are not judged."""
    alarms, unjudged = 0, 0
    kinds: Counter[str] = Counter()
    for verdict, found in runs(name, n, trials):
        alarms += bool(found)
        unjudged += verdict is Verdict.INSUFFICIENT_DATA
        kinds.update(found)
    low, high = wilson(alarms, trials)
    return {
        "series": name, "n": n, "trials": trials, "alarms": alarms, "low": low, "high": high, "not_judged": unjudged,
        "kinds": dict(sorted(kinds.items())),
    }  # fmt: skip


def trials_of(n: int, trials: int) -> int:
    """Return the number of trials for a length: long series cost more and are given fewer."""
    return max(20, min(trials, trials * 3_000 // n))


def measured(args: argparse.Namespace) -> dict[str, Any]:
    """Measure everything that was asked for."""
    rows = [power(name, 1_000, args.power_trials) for name in FAULTS]
    alarms = [false_alarms(name, n, trials_of(n, args.trials)) for name in SERIES for n in args.lengths]
    return {"seed": SEED, "metrics": METRICS, "power": rows, "false_alarms": alarms}


def percent(share: float) -> str:
    return f"{100.0 * share:.1f}"


def page(found: dict[str, Any]) -> str:
    """Write the page of the documentation."""
    lines = [
        "# Detection matrix",
        "",
        "Made by `python -m benchmarks.telemetry.matrix`; do not edit. Intervals are Wilson's, 95 %. What is tested, and how:",
        "[comparison](comparison.md).",
        "",
        "## Power",
        "",
        "One metric of 1,000 values; the baseline is normal noise. *Found* is any finding, *named* a finding of the right kind,",
        "*alone* that kind and no other.",
        "",
        "| fault | kind | trials | found, % | named, % (interval) | alone, % |",
        "|---|---|---|---|---|---|",
    ]
    for row in found["power"]:
        shares = [percent(row[key] / row["trials"]) for key in ("found", "named", "alone")]
        interval = f"{percent(row['low'])}–{percent(row['high'])}"
        lines.append(
            f"| {row['fault']} | `{row['kind']}` | {row['trials']:,} | {shares[0]} | {shares[1]} ({interval}) | {shares[2]} |"
        )
    lines += [
        "",
        "## False alarms",
        "",
        (
            f"Runs of {found['metrics']} metrics in units of 1e-3 … 1e6, held against another sample of the same process; "
            "every other pair has no clock. An alarm is"
        ),
        "a run with any finding; a run that is not judged is `INSUFFICIENT_DATA`, which is no pass either.",
        "",
        "| series | n | runs | alarms | alarms, % (interval) | not judged, % |",
        "|---|---|---|---|---|---|",
    ]
    for row in found["false_alarms"]:
        share = f"{percent(row['alarms'] / row['trials'])} ({percent(row['low'])}–{percent(row['high'])})"
        unjudged = percent(row["not_judged"] / row["trials"])
        lines.append(f"| {row['series']} | {row['n']:,} | {row['trials']:,} | {row['alarms']} | {share} | {unjudged} |")
    total, trials = (sum(row[key] for row in found["false_alarms"]) for key in ("alarms", "trials"))
    low, high = wilson(total, trials)
    lines += [
        "",
        f"All series and lengths: {total} of {trials:,} runs, {percent(total / trials)} % ({percent(low)}–{percent(high)}).",
        "",
        "## What is not found",
        "",
        "Everything that `trueup telemetry inject` can do is found under its defaults, within these limits:",
        "",
        "| not found | why |",
        "|---|---|",
        *(f"| {fault} | {why} |" for fault, why in LIMITS.items()),
        "",
    ]
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--power-trials", type=int, default=300, help="pairs for each fault")
    parser.add_argument("--trials", type=int, default=300, help="runs for each series and length; fewer of the long ones")
    parser.add_argument("--lengths", type=int, nargs="+", default=list(LENGTHS))
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args()


def main() -> int:
    args = arguments()
    started = time.process_time()
    found = measured(args)
    args.results.parent.mkdir(parents=True, exist_ok=True)
    args.results.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    args.page.write_text(page(found), encoding="utf-8")
    weak = [row["fault"] for row in found["power"] if row["named"] < 0.95 * row["trials"]]
    print(f"{time.process_time() - started:.0f} CPU s; below 95 %: {', '.join(weak) or 'none'}")
    for row in found["false_alarms"]:
        if row["alarms"]:
            print(f"{row['series']}, n = {row['n']:,}: {row['alarms']} of {row['trials']:,}, {row['kinds']}")
    return int(bool(weak))


if __name__ == "__main__":
    sys.exit(main())
