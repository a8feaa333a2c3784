"""Parsing syslog messages of both RFCs, on one core.  python -m benchmarks.telemetry.syslog"""

import sys
import time

from benchmarks.harness import measure, references, report

COUNT = 200_000


def messages(kind: str) -> list[bytes]:
    """Return messages of about 120 bytes, no two of them the same, ten in each second."""
    found = []
    for n in range(COUNT):
        minute, second = divmod(n // 10 % 3600, 60)
        clock = f"12:{minute:02d}:{second:02d}"
        text = f"request {n} served in {n % 97}.{n % 10} ms by worker {n % 8}, queue {n % 31}"
        if kind == "rfc5424":
            line = f"<{n % 192}>1 2026-11-21T{clock}.{n % 1000:03d}Z rig-{n % 20}.example.com app{n % 9} {n % 500} ID{n % 40} - {text}"
        else:
            line = f"<{n % 192}>Nov 21 {clock} rig-{n % 20} app{n % 9}[{n % 500}]: {text}"
        found.append(line.encode())
    return found


def parsed(kind: str) -> dict[str, float]:
    """Parse them all; in MiB of message a CPU second."""
    from trueup.domains.telemetry.sources.live.syslog_parse import parse

    lines = messages(kind)
    cpu, began = time.process_time(), time.perf_counter()
    wrong = sum(parse(line, 1_795_262_400_000_000).grammar != kind for line in lines)
    spent, wall = time.process_time() - cpu, time.perf_counter() - began
    if wrong:
        raise RuntimeError(f"{wrong} messages were not understood")
    return {"cpu_s": spent, "wall_s": wall, "mib_per_s": sum(map(len, lines)) / spent / (1 << 20)}


def main() -> int:
    figures = references()
    for kind in ("rfc5424", "rfc3164"):
        figures[f"parse {kind}"] = measure(parsed, kind)
        print(f"{kind}: {figures[f'parse {kind}']['mib_per_s']:.1f} MiB/s", flush=True)
    return report("syslog", figures, {f"parse {kind}": ("mib_per_s", ">=", 13.0) for kind in ("rfc5424", "rfc3164")})


if __name__ == "__main__":
    sys.exit(main())
