"""A load to measure: burns CPU and holds memory for a while, then ends by itself.

Run as ``python -m trueup.domains.telemetry.sources.workload --seconds 20 --memory-mib 512 --cpu 1``; with ``--idle``
it only waits. It writes ``ready`` to standard output once the memory is held and the burners run, and ends when its time is
over or the process that started it is gone.
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Sequence

_PAGE = 4096
_CHUNK = 200_000
_WATCH_SECONDS = 0.1


def hold(mebibytes: int) -> bytearray:
    """Take memory and touch every page of it, since the system only counts what was touched."""
    block = bytearray(mebibytes << 20)
    block[::_PAGE] = b"\x01" * (len(block) // _PAGE)
    return block


def burn(until: Callable[[], bool]) -> None:
    """Keep one core busy until the condition holds."""
    while not until():
        sum(range(_CHUNK))


def _ends(seconds: float, parent: int) -> Callable[[], bool]:
    deadline = time.monotonic() + seconds
    return lambda: time.monotonic() >= deadline or os.getppid() != parent


def _burner(seconds: float, parent: int) -> None:
    burn(_ends(seconds, parent))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the load that the arguments describe."""
    parser = argparse.ArgumentParser(description="Burn CPU and hold memory for a while.")
    parser.add_argument("--seconds", type=float, required=True, help="how long")
    parser.add_argument("--memory-mib", type=int, default=512, help="memory to hold, in MiB")
    parser.add_argument("--cpu", type=int, default=1, help="cores to keep busy")
    parser.add_argument("--idle", action="store_true", help="hold nothing and burn nothing: only wait")
    options = parser.parse_args(arguments)
    if not options.seconds > 0 or options.memory_mib < 0 or options.cpu < 0:
        parser.error("--seconds must be above 0, --memory-mib and --cpu not below")
    over = _ends(options.seconds, os.getppid())
    block = bytearray() if options.idle else hold(options.memory_mib)
    spawn = multiprocessing.get_context("spawn")
    count = 0 if options.idle else options.cpu
    burners = [spawn.Process(target=_burner, args=(options.seconds, os.getpid()), daemon=True) for _ in range(count)]
    for burner in burners:
        burner.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while not over():
        time.sleep(_WATCH_SECONDS)
    for burner in burners:
        burner.terminate()
        burner.join()
    del block
    return 0


if __name__ == "__main__":
    sys.exit(main())
