"""``trueup telemetry compare`` of two CSVs of 1,000,000 rows x 10 columns.  python -m benchmarks.telemetry.compare

With ``--large`` two of 5,000,000 rows each instead, the drifted pair only: 1.1 GB in all, some minutes.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import REPEATS, command, measure, references, report

TRUEUP = str(Path(sys.executable).parent / "trueup")
MEANS = np.array([10, 20, 5, 100, 1, 0.5, 37, 1013, 3.3, 42.0])
ROWS, LARGE = 1_000_000, 5_000_000
DRIFTED = ["m00", "m01", "m02"]


def generate(path: Path, seed: int, drift: bool, rows: int = ROWS) -> None:  # noqa: FBT001 - positional over the process boundary
    """Write ten metrics with 2 % deviation; with drift m00 +15 %, m01 four times as wide, m02 +50 % in the last tenth."""
    rng = np.random.default_rng(seed)
    data = MEANS * (1 + 0.02 * rng.standard_normal((rows, 10)))
    if drift:
        data[:, 0] *= 1.15
        data[:, 1] = MEANS[1] + (data[:, 1] - MEANS[1]) * 4
        data[int(rows * 0.9) :, 2] *= 1.5
    stamps = 1_700_000_000_000 + np.arange(rows) * 100
    with path.open("w") as file:
        file.write("ts," + ",".join(f"m{i:02d}" for i in range(10)) + "\n")
        np.savetxt(file, np.column_stack([stamps, data]), fmt=["%d"] + ["%.6f"] * 10, delimiter=",")


def compared(home: tuple[str, ...], base: Path, run: Path, *, repeats: int) -> tuple[dict[str, Any], list[str]]:
    """Measure one comparison; return the figure and the metrics that were flagged."""
    args = (TRUEUP, "telemetry", "compare", "--baseline", str(base), "--run", str(run), "--json", *home)
    figure = measure(command, *args, repeats=repeats)
    document = json.loads(subprocess.run(args, capture_output=True, check=False).stdout)
    return figure, sorted({finding["metric"] for finding in document["findings"]})


def large() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base, drift = folder / "base.csv", folder / "drift.csv"
        for path, seed, changed in ((base, 20260102, False), (drift, 20260103, True)):
            measure(generate, path, seed, changed, LARGE, repeats=1)
        figures = references()
        home = ("--home", str(folder / "home"))
        command(TRUEUP, "init", *home)
        figure, flagged = compared(home, base, drift, repeats=1)
    figures["compare, 2 x 5e6 rows, drifted pair"] = figure
    print(f"flagged: {flagged}")
    if flagged != DRIFTED:
        print("the verdict is wrong, so the figures mean nothing")
        return 1
    print(f"peak memory {figure['peak_mib']:.0f} MiB <= 280: {'met' if figure['peak_mib'] <= 280 else 'MISSED'}")
    targets = {"compare, 2 x 5e6 rows, drifted pair": ("cpu_s", "<=", 20.0)}
    return report("compare_large", figures, targets) or int(figure["peak_mib"] > 280)


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base, clean, drift = (folder / f"{n}.csv" for n in ("base", "clean", "drift"))
        # In processes of their own: a child's peak memory counts what its parent held when it was made.
        for path, seed, changed in ((base, 20260102, False), (clean, 20260109, False), (drift, 20260103, True)):
            measure(generate, path, seed, changed, repeats=1)
        figures = references(str(base))
        home = ("--home", str(folder / "home"))
        command(TRUEUP, "init", *home)
        flagged = {}
        for kind, run in (("clean", clean), ("drifted", drift)):
            figures[f"compare, {kind} pair"], flagged[kind] = compared(home, base, run, repeats=REPEATS)
        print(f"flagged: {flagged}")
        if flagged != {"clean": [], "drifted": DRIFTED}:
            print("the verdicts are wrong, so the figures mean nothing")
            return 1
    targets = {"compare, clean pair": ("cpu_s", "<=", 4.0), "compare, drifted pair": ("cpu_s", "<=", 4.0)}
    memory = max(figures[f"compare, {kind} pair"]["peak_mib"] for kind in flagged)
    print(f"peak memory {memory:.0f} MiB <= 250: {'met' if memory <= 250 else 'MISSED'}")
    return report("compare", figures, targets) or int(memory > 250)


if __name__ == "__main__":
    sys.exit(large() if "--large" in sys.argv[1:] else main())
