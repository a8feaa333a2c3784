"""CPU time of a process with everything that it starts, exited or not: counted by the kernel for a control group.

Sums over ``/proc`` miss what ends between two looks, and browsers end a process with every page.

References:
    Linux documentation: ``admin-guide/cgroup-v1/cpuacct.rst``, ``admin-guide/cgroup-v2.rst`` (``cpu.stat``).
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_V1 = (Path("/sys/fs/cgroup/cpuacct"), Path("/sys/fs/cgroup/cpu,cpuacct"))
_V2 = Path("/sys/fs/cgroup")


@contextmanager
def counted() -> Iterator[Callable[[], float]]:
    """Count this process and what it starts from here on; yield what tells the CPU seconds until now.

    Raises:
        RuntimeError: this machine lets nobody make a group (it needs root).
    """
    root = next((place for place in _V1 if (place / "cpuacct.usage").exists()), _V2)
    before = _own(root)
    group = root / f"trueup-bench-{os.getpid()}"
    try:
        group.mkdir()
        (group / "cgroup.procs").write_text(str(os.getpid()))
    except OSError as exc:
        raise RuntimeError(f"no control group can be made in {root}: {exc}") from None
    try:
        yield lambda: _spent(group)
    finally:
        for pid in (group / "cgroup.procs").read_text().split():
            (before / "cgroup.procs").write_text(pid)
        group.rmdir()


def _own(root: Path) -> Path:
    """Return the group that this process is in."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if ("cpuacct" in controllers.split(",")) == (root != _V2):
            return root / path.lstrip("/")
    return root


def _spent(group: Path) -> float:
    usage = group / "cpuacct.usage"
    if usage.exists():
        return int(usage.read_text()) / 1e9
    stat = dict(line.split() for line in (group / "cpu.stat").read_text().splitlines())
    return int(stat["usage_usec"]) / 1e6
