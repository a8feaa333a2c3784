"""Make the recorded runs of a test rig that the documentation compares: seeded, so the same bytes each time.

python make_runs.py [FOLDER]      default: the folder runs/ beside this file
"""

import random
import sys
from collections.abc import Callable
from pathlib import Path

ROWS = 600
START_MS = 1_790_000_000_000  # a moment in 2026; one row every 100 ms
COLUMNS = ("time_ms", "temperature_c", "pressure_bar", "vibration_mm_s", "flow_l_min", "pump_rpm")
LAST_FIFTH = ROWS * 4 // 5

Cell = Callable[[random.Random, int], float]
STEADY: dict[str, Cell] = {
    "temperature_c": lambda rng, _: rng.gauss(41.0, 0.6),
    "pressure_bar": lambda rng, _: rng.gauss(3.2, 0.05),
    "vibration_mm_s": lambda rng, _: rng.gauss(1.8, 0.2),
    "flow_l_min": lambda rng, _: rng.gauss(12.0, 0.3),
    "pump_rpm": lambda _rng, _: 1450.0,
}
# What is wrong with the drifted run: it shakes more, regulates worse, and warms up towards its end.
DRIFTED: dict[str, Cell] = {
    **STEADY,
    "vibration_mm_s": lambda rng, _: rng.gauss(2.1, 0.2),
    "pressure_bar": lambda rng, _: rng.gauss(3.2, 0.15),
    "temperature_c": lambda rng, row: rng.gauss(41.0 if row < LAST_FIFTH else 45.0, 0.6),
}
DIGITS = {"temperature_c": 2, "pressure_bar": 3, "vibration_mm_s": 3, "flow_l_min": 2, "pump_rpm": 0}


def table(cells: dict[str, Cell], *, seed: int, start_ms: int) -> str:
    """Return a run as CSV text: the time, then every column of the rig."""
    rng = random.Random(seed)  # noqa: S311 - recordings to try things with, not keys
    lines = [",".join(COLUMNS)]
    for row in range(ROWS):
        values = [f"{cells[name](rng, row):.{DIGITS[name]}f}" for name in COLUMNS[1:]]
        lines.append(",".join([str(start_ms + 100 * row), *values]))
    return "\n".join(lines) + "\n"


def runs() -> dict[str, str]:
    """Return file name → content of every run."""
    day = 86_400_000
    return {
        "certified.csv": table(STEADY, seed=1, start_ms=START_MS),
        "monday.csv": table(STEADY, seed=2, start_ms=START_MS + day),
        "tuesday.csv": table(DRIFTED, seed=3, start_ms=START_MS + 2 * day),
    }


def main() -> None:
    """Write every run into a folder."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "runs"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in runs().items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
