"""A recorded file of ten million lines replayed into a capture, stopped half-way and gone on by byte offset.  python -m benchmarks.telemetry.replay"""

import sys
import tempfile
import time
from pathlib import Path
from uuid import UUID

from benchmarks.harness import measure, references, report

LINES = 10_000_000
TENANT = UUID(int=1)


def written(path: Path, lines: int) -> int:
    """Write messages of about 60 bytes; return the size of the file."""
    with path.open("w") as file:
        for n in range(lines):
            file.write(f'{{"seq":{n},"ts":{1_700_000_000_000 + 100 * n},"temp":{20 + n % 97 / 10},"p":{n % 31}}}\n')
    return path.stat().st_size


def replayed(lines: int) -> dict[str, float]:
    """Replay them in two runs; the second goes on where the first stopped."""
    from trueup.domains.telemetry.sources.live.capture import Capture
    from trueup.domains.telemetry.sources.live.payload import Fields
    from trueup.domains.telemetry.sources.live.reading import CaptureFile
    from trueup.domains.telemetry.sources.live.sink import Sink
    from trueup.domains.telemetry.sources.live.tail import file_replay

    with tempfile.TemporaryDirectory() as folder:
        source, place = Path(folder, "recorded.jsonl"), Path(folder, "telemetry", "captures", "t", "it.sqlite3")
        size = written(source, lines)
        cpu, began = time.process_time(), time.perf_counter()
        for limit in (lines // 2, 0):
            capture = Capture(place, tenant=TENANT, name="it", kind="file_replay")
            sink = Sink(capture, limit=limit)
            file_replay(source, capture.cursors(), fields=Fields()).run(sink, lambda: sink.finished)  # noqa: B023 - called at once
            capture.close()
        spent, wall = time.process_time() - cpu, time.perf_counter() - began
        counters = CaptureFile(place, TENANT, "it").summary()["counters"]
    if (counters["received"], counters["stored"], counters["duplicates"]) != (lines, lines, 0):
        raise RuntimeError(f"not every line was stored once: {counters}")
    return {"cpu_s": spent, "wall_s": wall, "lines_per_s": lines / spent, "mib": size / (1 << 20)}


def main() -> int:
    figures = references()
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else LINES
    figures["replay"] = measure(replayed, lines, repeats=1)
    print(f"{lines:,} lines: {figures['replay']['lines_per_s']:,.0f} lines a CPU second", flush=True)
    return report("replay", figures, {"replay": ("lines_per_s", ">=", 40_000.0)})


if __name__ == "__main__":
    sys.exit(main())
