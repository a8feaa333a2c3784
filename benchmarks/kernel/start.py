"""Start-up: ``trueup --version`` in at most 0.3 CPU seconds.  python -m benchmarks.kernel.start"""

import sys
from pathlib import Path

from benchmarks.harness import command, measure, references, report

TRUEUP = str(Path(sys.executable).parent / "trueup")


def main() -> int:
    figures = references()
    figures["trueup --version"] = measure(command, TRUEUP, "--version")
    figures["trueup --help"] = measure(command, TRUEUP, "--help")
    figures["python -c pass (peer)"] = measure(command, sys.executable, "-c", "pass")
    return report("start", figures, {"trueup --version": ("cpu_s", "<=", 0.3)})


if __name__ == "__main__":
    sys.exit(main())
