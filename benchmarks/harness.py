"""What every benchmark shares: measure a step in a process of its own, beside reference loops of the same run.

Machines differ and are shared, so each figure is given as CPU seconds, wall seconds and peak memory, and as a multiple of a
reference loop measured in the same run.
"""

import hashlib
import json
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
REPEATS = 3


def _child(step: Callable[..., Any], args: tuple[Any, ...], pipe: Any) -> None:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    began, cpu = time.perf_counter(), usage.ru_utime + usage.ru_stime
    extra = step(*args)
    wall = time.perf_counter() - began
    usage = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = usage.ru_utime + usage.ru_stime - cpu + children.ru_utime + children.ru_stime
    pipe.send({"cpu_s": spent, "wall_s": wall, "peak_mib": max(usage.ru_maxrss, children.ru_maxrss) / 1024, "extra": extra})


def measure(step: Callable[..., Any], *args: Any, repeats: int = REPEATS) -> dict[str, Any]:
    """Run a step in fresh processes and return the run with the median CPU time.

    A step may return ``{"cpu_s": …}`` (or ``wall_s``) to stand for a part of itself that it timed.
    """
    runs = []
    spawn = multiprocessing.get_context("spawn")
    for _ in range(repeats):
        ours, theirs = spawn.Pipe(duplex=False)
        child = spawn.Process(target=_child, args=(step, args, theirs))
        child.start()
        theirs.close()
        run = ours.recv()
        child.join()
        extra = run.pop("extra") or {}
        runs.append(run | extra)
    return sorted(runs, key=lambda run: run["cpu_s"])[len(runs) // 2]


def command(*args: str) -> dict[str, Any]:
    """Run a command to its end and return nothing: the harness counts the children of a step."""
    import subprocess

    done = subprocess.run(args, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    if done.returncode not in (0, 10):
        raise RuntimeError(f"{args}: exit {done.returncode}: {done.stderr.decode()[-500:]}")
    return {}


def sha256_loop() -> None:
    """The reference loop: a million SHA-256 of 64 bytes."""
    sha256, data = hashlib.sha256, bytes(64)
    for _ in range(1_000_000):
        sha256(data).digest()


def one_fsync() -> dict[str, float]:
    """The reference for commits: the median of 21 appends of 4 KiB, each synced."""
    with tempfile.TemporaryDirectory() as folder:
        handle = os.open(Path(folder) / "file", os.O_WRONLY | os.O_CREAT)
        times = []
        for _ in range(21):
            began = time.perf_counter()
            os.write(handle, bytes(4096))
            os.fsync(handle)
            times.append(time.perf_counter() - began)
        os.close(handle)
    return {"wall_s": sorted(times)[10]}


def duckdb_scan(path: str) -> None:
    """The reference for reading: DuckDB sums every numeric column of the same CSV, one thread."""
    import duckdb

    connection = duckdb.connect(config={"threads": 1})
    names = [row[0] for row in connection.execute(f"describe select * from read_csv('{path}')").fetchall()]
    connection.execute(f"select {', '.join(f'sum({name})' for name in names)} from read_csv('{path}')").fetchall()


def report(name: str, figures: dict[str, dict[str, Any]], targets: dict[str, tuple[str, str, float]]) -> int:
    """Print and write the figures; return 1 when a target is missed.

    Args:
        name: of the result file.
        figures: step → what was measured.
        targets: step → (quantity, "<=" or ">=", bound).
    """
    reference = figures["reference: 1e6 SHA-256 of 64 B"]["cpu_s"]
    missed = 0
    for step, figure in figures.items():
        figure["times_reference"] = round(figure["cpu_s"] / reference, 2)
        line = f"{step:<48} cpu {figure['cpu_s']:7.3f} s  wall {figure['wall_s']:7.3f} s  peak {figure['peak_mib']:6.0f} MiB  x{figure['times_reference']:.2f}"
        if step in targets:
            quantity, sign, bound = targets[step]
            met = figure[quantity] <= bound if sign == "<=" else figure[quantity] >= bound
            missed += not met
            figure["target"] = f"{quantity} {sign} {bound:g}"
            line += f"   {quantity} {figure[quantity]:.4g} {sign} {bound:g}: {'met' if met else 'MISSED'}"
        print(line, flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps({"python": sys.version.split()[0], "figures": figures}, indent=2) + "\n")
    return 1 if missed else 0


def references(csv: str = "") -> dict[str, dict[str, Any]]:
    """Measure the reference loops of this run."""
    found = {"reference: 1e6 SHA-256 of 64 B": measure(sha256_loop), "reference: one fsync": measure(one_fsync, repeats=1)}
    if csv:
        found["reference: DuckDB scans the same CSV"] = measure(duckdb_scan, csv)
    return found
