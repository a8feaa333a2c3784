"""A drift check of 1,000,000 rows x 10 columns against a stored baseline, beside peers.  python -m benchmarks.telemetry.peers

All three get the run as ten float64 arrays in memory. Ours loads the baseline's sketches from disk; SciPy's ``ks_2samp`` in a
loop and Evidently's ``DataDriftPreset`` with its defaults load the baseline's columns from disk, for they keep nothing less.
Evidently is measured from the data frames on: that it is imported is not counted, for any of them. The peers live in an
environment of their own, ``.venv-bench`` from ``requirements/bench.txt``, which is made here when it is missing.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.harness import measure, references, report

ROOT = Path(__file__).parents[2]
PEERS = ROOT / ".venv-bench"
LOCK = ROOT / "requirements" / "bench.txt"
ROWS, COLUMNS = 1_000_000, 10
MEANS = np.array([10, 20, 5, 100, 1, 0.5, 37, 1013, 3.3, 42.0])
DRIFTED = ["m00", "m01", "m02"]

# what a peer does, timed inside its own process once it and the run are loaded
FRAME = """
import json, resource, sys, time, warnings
warnings.simplefilter("ignore")
import numpy as np
{imports}
folder = sys.argv[1]
run = [np.load(f"{{folder}}/run-{{i}}.npy") for i in range({columns})]
def spent():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
wall, cpu = time.perf_counter(), spent()
base = [np.load(f"{{folder}}/base-{{i}}.npy") for i in range({columns})]
{step}
print(json.dumps({{"cpu_s": spent() - cpu, "wall_s": time.perf_counter() - wall,
    "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "flagged": flagged}}))
"""
SCIPY = (
    "from scipy.stats import ks_2samp",
    'flagged = [f"m{i:02d}" for i in range(len(run)) if ks_2samp(base[i], run[i]).pvalue < 0.001]',
)
EVIDENTLY = (
    "import pandas as pd\nfrom evidently import Report\nfrom evidently.presets import DataDriftPreset",
    """
first, second = (pd.DataFrame({f"m{i:02d}": x for i, x in enumerate(side)}, copy=False) for side in (base, run))
found = Report([DataDriftPreset()]).run(second, first).dict()["metrics"]
flagged = [one["config"]["column"] for one in found if "column" in one["config"] and float(one["value"]) >= one["config"]["threshold"]]
""",
)


def generate(folder: str) -> None:
    """Write a baseline, a run with three drifts, and the sketches of the baseline."""
    from trueup.domains.telemetry.engine.sketch import TableSketch, sketch_column
    from trueup.domains.telemetry.engine.sketchdoc import SketchFile, sketch_document
    from trueup.domains.telemetry.engine.table import ColumnData
    from trueup.kernel.evidence.engine.encode import encode

    sketches = {}
    for side, seed in (("base", 20260102), ("run", 20260103)):
        rng = np.random.default_rng(seed)
        for i, mean in enumerate(MEANS):
            values = mean * (1 + 0.02 * rng.standard_normal(ROWS))
            if side == "base":
                sketches[f"m{i:02d}"] = sketch_column(ColumnData(values, ROWS))
            elif i == 0:
                values *= 1.15
            elif i == 1:
                values = mean + (values - mean) * 4
            elif i == 2:
                values[int(ROWS * 0.9) :] *= 1.5
            np.save(f"{folder}/{side}-{i}.npy", values)
    file = SketchFile({"name": "base", "sha256": hashlib.sha256(b"generated").hexdigest()}, TableSketch(ROWS, sketches))
    Path(folder, "base.sketches").write_bytes(encode(sketch_document(file)))


def ours(folder: str) -> dict[str, object]:
    """Load the baseline's sketches from disk, sketch the run's columns, check."""
    import resource
    import time

    from trueup.domains.telemetry.engine.config import CompareConfig
    from trueup.domains.telemetry.engine.sketch import TableSketch, sketch_column
    from trueup.domains.telemetry.engine.sketchcheck import check
    from trueup.domains.telemetry.engine.table import ColumnData
    from trueup.domains.telemetry.sources.sketchfile import read_sketches

    run = [np.load(f"{folder}/run-{i}.npy") for i in range(COLUMNS)]
    began, usage = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    baseline, _ = read_sketches(Path(folder, "base.sketches"))
    sketches = {f"m{i:02d}": sketch_column(ColumnData(values, ROWS)) for i, values in enumerate(run)}
    answer = check(baseline.whole, TableSketch(ROWS, sketches), config=CompareConfig())
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "cpu_s": after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime,
        "wall_s": time.perf_counter() - began,
        "peak_mib": after.ru_maxrss / 1024,
        "flagged": sorted({finding.metric for finding in answer.comparison.findings}),
    }


def peer(imports: str, step: str, folder: str) -> dict[str, object]:
    """Let a peer do the same in its own environment."""
    program = FRAME.format(imports=imports, step=step, columns=COLUMNS)
    done = subprocess.run([str(PEERS / "bin" / "python"), "-c", program, folder], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-500:])
    found: dict[str, object] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def environment() -> None:
    """Make the peers' environment from its lock file, unless it is there."""
    stamp, wanted = PEERS / ".lock", hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"peers: making {PEERS.name} from {LOCK.relative_to(ROOT)}", flush=True)
    uv = str(ROOT / ".boot" / "bin" / "uv")
    subprocess.run([uv, "venv", "-q", "--clear", "--python", sys.executable, str(PEERS)], check=True)
    python = str(PEERS / "bin" / "python")
    subprocess.run([uv, "pip", "sync", "-q", "--python", python, "--require-hashes", str(LOCK)], check=True)
    stamp.write_text(wanted)


def main() -> int:
    environment()
    with tempfile.TemporaryDirectory() as folder:
        measure(generate, folder, repeats=1)
        figures = references()
        figures["ours: check by sketches"] = measure(ours, folder)
        figures["SciPy: ks_2samp in a loop"] = measure(peer, *SCIPY, folder)
        figures["Evidently: DataDriftPreset, defaults"] = measure(peer, *EVIDENTLY, folder, repeats=1)
    own = figures["ours: check by sketches"]
    flagged = {name: figure["flagged"] for name, figure in figures.items() if "flagged" in figure}
    print(f"flagged: {flagged}")
    if own["flagged"] != DRIFTED:
        print("the answer is wrong, so the figures mean nothing")
        return 1
    missed = 0
    for name, least in (("SciPy: ks_2samp in a loop", 3.0), ("Evidently: DataDriftPreset, defaults", 75.0)):
        times = figures[name]["cpu_s"] / own["cpu_s"]
        own[f"times_faster_than_{name.split(':')[0].lower()}"] = round(times, 1)
        print(f"{name}: {times:.1f} times our CPU seconds >= {least:g}: {'met' if times >= least else 'MISSED'}")
        missed |= times < least
    return report("peers", figures, {}) or int(missed)


if __name__ == "__main__":
    sys.exit(main())
