"""``trueup telemetry compare`` of two CSVs of 1,000,000 rows x 10 columns.  python -m benchmarks.telemetry.compare"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.harness import command, measure, references, report

TRUEUP = str(Path(sys.executable).parent / "trueup")
MEANS = np.array([10, 20, 5, 100, 1, 0.5, 37, 1013, 3.3, 42.0])
ROWS = 1_000_000


def generate(path: Path, seed: int, drift: bool) -> None:  # noqa: FBT001 - positional over the process boundary
    """Write ten metrics with 2 % deviation; with drift m00 +15 %, m01 four times as wide, m02 +50 % in the last tenth."""
    rng = np.random.default_rng(seed)
    data = MEANS * (1 + 0.02 * rng.standard_normal((ROWS, 10)))
    if drift:
        data[:, 0] *= 1.15
        data[:, 1] = MEANS[1] + (data[:, 1] - MEANS[1]) * 4
        data[int(ROWS * 0.9) :, 2] *= 1.5
    stamps = 1_700_000_000_000 + np.arange(ROWS) * 100
    with path.open("w") as file:
        file.write("ts," + ",".join(f"m{i:02d}" for i in range(10)) + "\n")
        np.savetxt(file, np.column_stack([stamps, data]), fmt=["%d"] + ["%.6f"] * 10, delimiter=",")


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
            args = (TRUEUP, "telemetry", "compare", "--baseline", str(base), "--run", str(run), "--json", *home)
            figures[f"compare, {kind} pair"] = measure(command, *args)
            document = json.loads(subprocess.run(args, capture_output=True, check=False).stdout)
            flagged[kind] = sorted({finding["metric"] for finding in document["findings"]})
        print(f"flagged: {flagged}")
        if flagged != {"clean": [], "drifted": ["m00", "m01", "m02"]}:
            print("the verdicts are wrong, so the figures mean nothing")
            return 1
    targets = {"compare, clean pair": ("cpu_s", "<=", 4.0), "compare, drifted pair": ("cpu_s", "<=", 4.0)}
    memory = max(figures[f"compare, {kind} pair"]["peak_mib"] for kind in flagged)
    print(f"peak memory {memory:.0f} MiB <= 250: {'met' if memory <= 250 else 'MISSED'}")
    return report("compare", figures, targets) or int(memory > 250)


if __name__ == "__main__":
    sys.exit(main())
