"""``trueup telemetry normalize`` of long CSVs of 1e7 and 5e7 events.  python -m benchmarks.telemetry.normalise [--largest]

The 5e7 events (2.2 GB) are made and measured with ``--largest`` alone.
"""

import csv
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.harness import command, measure, references, report

TRUEUP = str(Path(sys.executable).parent / "trueup")
MEANS = np.array([10, 20, 5, 100, 1, 0.5, 37, 1013, 3.3, 42.0])
NAMES = ("Bus Voltage", "Load Power", "Coil Current", "Flow", "Ratio", "Duty", "Board Temp", "Pressure", "Rail 3V3", "Angle")
UNITS = ("V", "kW", "mA", "l/min", "", "%", "degC", "hPa", "V", "deg")
CANONICAL = ("V", "W", "A", "m^3/h", "1", "1", "K", "Pa", "V", "rad")
REGISTRY = "version: 1\nmetrics:\n" + "".join(
    f'  m{index:02d}: {{aliases: ["{name}"], unit: "{unit}"}}\n'
    for index, (name, unit) in enumerate(zip(NAMES, CANONICAL, strict=True))
)
TICKS, LARGEST_TICKS, BLOCK = 1_000_000, 5_000_000, 20_000


def generate(path: Path, ticks: int, seed: int = 20260102) -> None:
    """Write ten metrics every 0.1 s with 2 % deviation, one event a line."""
    rng = np.random.default_rng(seed)
    with path.open("w") as file:
        file.write("timestamp,metric,value,unit\n")
        for first in range(0, ticks, BLOCK):
            count = min(BLOCK, ticks - first)
            data = (MEANS * (1 + 0.02 * rng.standard_normal((count, 10)))).tolist()
            stamps = (1_700_000_000_000 + (first + np.arange(count)) * 100).tolist()
            pairs = list(zip(NAMES, UNITS, strict=True))
            file.writelines(
                f"{stamp},{name},{value:.14f},{unit}\n"
                for stamp, row in zip(stamps, data, strict=True)
                for (name, unit), value in zip(pairs, row, strict=True)
            )


def naive(path: str) -> None:
    """The reference: Python's csv module reads the same lines, and does nothing with them but to convert the value."""
    with open(path, newline="") as file:  # noqa: PTH123 - as people write it
        rows = csv.reader(file)
        next(rows)
        sum(float(row[2]) for row in rows)


def main() -> int:
    largest = "--largest" in sys.argv[1:]
    sizes = {"1e7": TICKS} | ({"5e7": LARGEST_TICKS} if largest else {})
    figures = references()
    targets, bounds = {}, {"1e7": (12.0, 250.0), "5e7": (60.0, 300.0)}
    wrong = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        home = ("--home", str(folder / "home"))
        command(TRUEUP, "init", *home)
        (folder / "registry.yaml").write_text(REGISTRY)
        for size, ticks in sizes.items():
            path, out = folder / f"long-{size}.csv", folder / f"out-{size}.parquet"
            measure(generate, path, ticks, repeats=1)
            if size == "1e7":
                figures["reference: csv module reads 1e7 events"] = measure(naive, str(path), repeats=1)
            step = f"normalize, {size} events ({path.stat().st_size / 1e6:.0f} MB)"
            args = (TRUEUP, "telemetry", "normalize", "--input", str(path), "--output", str(out))
            figures[step] = measure(
                command, *args, "--registry", str(folder / "registry.yaml"), *home, repeats=3 if size == "1e7" else 1
            )
            targets[step] = ("cpu_s", "<=", bounds[size][0])
            counts = json.loads((folder / f"{out.name}.meta.json").read_text())["counts"]
            wrong = wrong or (counts["written"], counts["quarantined"]) != (10 * ticks, 0)
            memory, bound = figures[step]["peak_mib"], bounds[size][1]
            wrong = wrong or memory > bound
            met = "met" if memory <= bound else "MISSED"
            print(f"{size}: {counts['written']} events written, peak memory {memory:.0f} MiB <= {bound:.0f}: {met}")
            path.unlink()
    return report("normalise", figures, targets) or int(wrong)


if __name__ == "__main__":
    sys.exit(main())
