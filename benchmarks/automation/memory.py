"""Memory over 5,000 pages in the browser: that of the last quarter against the first.  python -m benchmarks.automation.memory [PAGES]"""

import json
import os
import sys
import threading
import time
from pathlib import Path

from benchmarks.automation.jobs import BATCH, allowed
from benchmarks.automation.site import served
from benchmarks.harness import RESULTS

PAGES = 5_000
BOUND = 1.1


def resident() -> float:
    """Return the memory of this process and its descendants, in MiB: the proportional share of what they share."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    mine, grew = {os.getpid()}, True
    while grew:
        more = {pid for pid, parent in parents.items() if parent in mine and pid not in mine}
        grew, mine = bool(more), mine | more
    found = 0
    for pid in mine:
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        found += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return found / 1024


def main() -> int:
    """Work, sample twice a second, compare the quarters by what was worked on."""
    pages = int(sys.argv[1]) if len(sys.argv) > 1 else PAGES
    samples: list[tuple[int, float]] = []
    over = threading.Event()
    with served() as port, allowed(port, own=True) as session:
        from trueup.domains.automation.actions_jobs import SubmitJobs
        from trueup.kernel.actions.runner import run
        from trueup.kernel.work import tallies
        from trueup.kernel.work.worker import Until, Worker

        def done() -> int:
            return sum(tallies.counts(session.tenant).get("done", {}).values())

        def sample() -> None:
            from django.db import connection

            from trueup.kernel import tenancy

            tenancy.reach_every()
            while not over.wait(0.5):
                samples.append((done(), resident()))
            connection.close()

        watching = threading.Thread(target=sample)
        watching.start()
        began = time.perf_counter()
        for at in range(0, pages, BATCH):
            rows = [{"url": f"http://127.0.0.1:{port}/{n}", "job_type": "navigate_extract"} for n in range(at, at + BATCH)]
            run(SubmitJobs, session.context(), {"jobs": rows})
        Worker(session.installation).run(Until.DRAINED)
        wall, finished = time.perf_counter() - began, done()
        over.set()
        watching.join()
    if finished != pages:
        raise RuntimeError(f"{finished} of {pages} pages are done")
    quarters = [[mib for n, mib in samples if pages * q / 4 <= n < pages * (q + 1) / 4 and n] for q in range(4)]
    means = [sum(one) / len(one) for one in quarters]
    ratio = means[3] / means[0]
    figures = {
        "pages": pages,
        "wall_s": wall,
        "mean_mib_of_quarters": means,
        "peak_mib": max(mib for _, mib in samples),
        "last_to_first": ratio,
    }
    print(json.dumps(figures, indent=2))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "automation_memory.json").write_text(json.dumps({"python": sys.version.split()[0], **figures}, indent=2) + "\n")
    return 1 if ratio > BOUND else 0


if __name__ == "__main__":
    sys.exit(main())
