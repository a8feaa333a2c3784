"""Jobs over HTTP and in a browser, through the worker, with policy, evidence and ledger.  python -m benchmarks.automation.jobs

Peers get pages of the same site in the same run, where they are installed (``requirements/bench.txt``).
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.account import counted
from benchmarks.automation.site import served
from benchmarks.harness import measure, references, report

HTTP, BROWSER, BATCH, WARM = 1000, 60, 100, 8


@contextmanager
def allowed(port: int, *, own: bool, at_once: int = 8) -> Iterator[Any]:
    """Open a session on a fresh home in which the site may be worked on, by so many jobs at once."""
    from datetime import timedelta

    from trueup.config.home import Home
    from trueup.config.session import HomeSession

    with tempfile.TemporaryDirectory() as folder:
        session = HomeSession(Home(Path(folder) / "home"))
        from trueup.domains.automation.actions_authorizations import RequestAuthorization, SubmitEvidence, VerifyAuthorization
        from trueup.domains.automation.actions_force import Activate
        from trueup.domains.automation.actions_policies import PutPolicy
        from trueup.kernel.actions.runner import run

        asked = {"host": "127.0.0.1", "ports": [port], "method": "loopback", "contact": "benchmark", "own": own}
        expires = session.context().now + timedelta(days=1)
        id = run(RequestAuthorization, session.context(), {**asked, "expires": expires}).value["id"]
        for action in (SubmitEvidence, VerifyAuthorization, Activate):
            run(action, session.context(), {"id": id})
        limits = {"per_minute": 100_000, "per_hour": 1_000_000, "concurrent": at_once}
        run(PutPolicy, session.context(), {"host": "127.0.0.1", "ports": [port], **limits})
        yield session
        session.close()


def jobs(port: int, job: dict[str, Any], count: int, whose: str, slots: int, at_once: int = 8) -> dict[str, float]:
    """Submit and do so many jobs; return what one costs, the submitting included, the start of the browser not."""
    with counted() as spent, allowed(port, own=whose == "own", at_once=at_once) as session:
        from trueup.domains.automation.actions_jobs import SubmitJobs
        from trueup.kernel.actions.runner import run
        from trueup.kernel.work import tallies
        from trueup.kernel.work.worker import Worker

        def work(pages: range) -> None:
            rows = [{"url": f"http://127.0.0.1:{port}/{n}", **job} for n in pages]
            for at in range(0, len(rows), BATCH):
                run(SubmitJobs, session.context(), {"jobs": rows[at : at + BATCH]})
            while (left := tallies.counts(session.tenant)).get("done") != {5: pages.stop}:
                if wrong := set(left) - {"queued", "running", "delayed", "done"}:
                    raise RuntimeError(f"jobs are {', '.join(sorted(wrong))}")
                time.sleep(0.1 if job.get("job_type") == "fetch" else 0.5)  # asking costs too

        worker = Worker(session.installation, concurrency=slots)
        worker.start()
        try:
            work(range(WARM))  # starts what is started once
            began, before, own = time.perf_counter(), spent(), time.process_time()
            work(range(WARM, WARM + count))
            wall, total, ours = time.perf_counter() - began, spent() - before, time.process_time() - own
        finally:
            worker.stop()
    return {
        "cpu_s": total,
        "wall_s": wall,
        "cpu_ms_a_job": total / count * 1000,
        "jobs_per_s": count / wall,
        "ours_ms": ours / count * 1000,
    }


def main() -> int:
    """Measure, print, write."""
    figures = references()
    with served() as port:
        fetch = {"job_type": "fetch"}
        # hosts are many in real work; one that stands for all of them may be worked on by as many jobs as two slots hold
        figures["HTTP job, whole"] = measure(jobs, port, fetch, HTTP, "own", 2, 100)
        figures["HTTP job, robots read"] = measure(jobs, port, fetch, HTTP, "another's", 2, 100)
        figures["HTTP job, its host allows 8 at once"] = measure(jobs, port, fetch, HTTP, "own", 2, 8, repeats=1)
        figures["browser job, whole"] = measure(jobs, port, {"job_type": "navigate_extract"}, BROWSER, "own", 4, repeats=1)
        for name, figure in figures.items():
            if "jobs_per_s" in figure:
                print(f"{name}: {figure['cpu_ms_a_job']:.2f} ms CPU a job, {figure['jobs_per_s']:.0f} jobs/s")
    targets = {
        "HTTP job, whole": ("cpu_ms_a_job", "<=", 2.0),
        "browser job, whole": ("cpu_ms_a_job", "<=", 250.0),
    }
    return report("automation_jobs", figures, targets)


if __name__ == "__main__":
    sys.exit(main())
