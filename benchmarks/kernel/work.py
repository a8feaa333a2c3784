"""Durable work on both stores: throughput, latency, lists.  python -m benchmarks.kernel.work

PostgreSQL runs as a private cluster with its defaults (``fsync`` on), on a UNIX socket, for as long as a step lasts.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.harness import measure, references, report
from tests.support import postgres

JOBS, BATCH, LISTED, ROUNDS = 5000, 100, 100_000, 40
URL = "TRUEUP_DATABASE_URL"


@contextmanager
def server() -> Iterator[str]:
    """Run a private PostgreSQL with default durability; yield the address of an empty database."""
    folder = Path(tempfile.mkdtemp(prefix="trueup-bench-", dir="/tmp"))
    who = postgres.unprivileged()
    if who:
        os.chown(folder, who["user"], who["group"])
    data, binaries = str(folder / "data"), postgres.binaries()

    def call(*args: str) -> None:
        subprocess.run(args, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **who)

    try:
        call(str(binaries / "initdb"), "-D", data, "-U", "admin", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder}"
        call(str(binaries / "pg_ctl"), "-D", data, "-l", str(folder / "log"), "-w", "-o", options, "start")
        try:
            statements = (f"CREATE ROLE {postgres.ROLE} LOGIN", f"CREATE DATABASE bench OWNER {postgres.ROLE}")
            postgres.execute(folder, "postgres", *statements)
            yield postgres.url(folder, "bench")
        finally:
            call(str(binaries / "pg_ctl"), "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def opened(store: str) -> Iterator[Any]:
    """Open a session on a fresh home and store."""
    from trueup.config.home import Home
    from trueup.config.session import HomeSession

    with tempfile.TemporaryDirectory() as folder:
        if store == "postgresql":
            with server() as address:
                os.environ[URL] = address
                session = HomeSession(Home(Path(folder) / "home"))
                yield session
                session.close()
        else:
            session = HomeSession(Home(Path(folder) / "home"))
            yield session
            session.close()


def submitted(session: Any, count: int) -> None:
    """Submit no-op jobs in batches of 100."""
    from trueup.kernel.actions.runner import run
    from trueup.kernel.work.actions import SubmitJobs

    for _ in range(count // BATCH):
        run(SubmitJobs, session.context(), {"kind": "work.noop", "jobs": [{}] * BATCH})


def counted(session: Any) -> int:
    """Return how many jobs are done."""
    from trueup.kernel.work import queries

    return queries.counts(session.tenant)["done"]


def require_all_done(session: Any) -> None:
    """Refuse to give a figure for work that was not done."""
    if counted(session) != JOBS:
        raise RuntimeError(f"{counted(session)} of {JOBS} jobs are done")


def one_worker() -> dict[str, float]:
    """Submit and do 5,000 no-op jobs on SQLite with one worker in this process."""
    with opened("sqlite") as session:
        from trueup.kernel.work.worker import Until, Worker

        began, cpu = time.perf_counter(), time.process_time()
        submitted(session, JOBS)
        between = time.perf_counter()
        Worker(session.installation).run(Until.DRAINED)
        ended, spent = time.perf_counter(), time.process_time() - cpu
        require_all_done(session)
    return {
        "cpu_s": spent,
        "wall_s": ended - began,
        "jobs_per_s": JOBS / (ended - between),
        "submitted_per_s": JOBS / (between - began),
        "jobs_per_s_with_submit": JOBS / (ended - began),
    }


def two_workers() -> dict[str, float]:
    """Do 5,000 no-op jobs on PostgreSQL with two worker processes, from the first job that starts to the last that ends."""
    with opened("postgresql") as session:
        from django.db.models import Max, Min

        from trueup.kernel.work.models import Job

        submitted(session, JOBS)
        command = [sys.executable, "-m", "trueup", "--home", str(session.installation.home.path), "worker", "--drain"]
        workers = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(2)]
        for worker in workers:
            worker.wait()
        require_all_done(session)
        span = Job.objects.filter(tenant=session.tenant).aggregate(first=Min("started_at"), last=Max("finished_at"))
        seconds = (span["last"] - span["first"]).total_seconds()
    return {"wall_s": seconds, "jobs_per_s": JOBS / seconds}


def latency(store: str) -> dict[str, float]:
    """Submit single jobs to a worker of another process that has nothing to do; submit-to-start, median."""
    with opened(store) as session:
        from trueup.kernel.work import queries

        home = str(session.installation.home.path)
        worker = subprocess.Popen(
            [sys.executable, "-m", "trueup", "--home", home, "worker"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            submitted(session, BATCH)
            while counted(session) < BATCH:
                time.sleep(0.1)
            time.sleep(1.0)
            for n in range(ROUNDS):
                one(session)
                time.sleep(0.1 + (n % 7) / 50)
            while counted(session) < BATCH + ROUNDS:
                time.sleep(0.1)
            rows = queries.jobs(session.tenant, limit=ROUNDS)["jobs"]
        finally:
            worker.terminate()
            worker.wait()
    waits = sorted(stamp(row["started_at"]) - stamp(row["created_at"]) for row in rows)
    return {"wall_s": sum(waits), "p50_ms": statistics.median(waits) * 1000, "p95_ms": waits[int(ROUNDS * 0.95) - 1] * 1000}


def one(session: Any) -> None:
    """Submit one job."""
    from trueup.kernel.actions.runner import run
    from trueup.kernel.work.actions import SubmitJobs

    run(SubmitJobs, session.context(), {"kind": "work.noop"})


def stamp(text: str) -> float:
    """Return seconds since 1970 of a stored moment."""
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()


def listing(store: str) -> dict[str, float]:
    """List the newest 50 of 100,000 jobs and count them by state; the median of 21."""
    with opened(store) as session:
        from django.db import connection

        from trueup.kernel.work import queries
        from trueup.kernel.work.models import Job

        submitted(session, LISTED)
        some = list(Job.objects.filter(tenant=session.tenant).values_list("id", flat=True)[: LISTED // 2])
        for at in range(0, len(some), 10_000):
            Job.objects.filter(tenant=session.tenant, id__in=some[at : at + 10_000]).update(state="done")
        if store == "postgresql":
            with connection.cursor() as cursor:  # what autovacuum has done a minute after so many changes
                cursor.execute("VACUUM ANALYZE work_job")
        times, cpu = [], time.process_time()
        for _ in range(21):
            began = time.perf_counter()
            queries.jobs(session.tenant, limit=50)
            queries.counts(session.tenant)
            times.append(time.perf_counter() - began)
        spent = time.process_time() - cpu
        narrow = []
        for _ in range(21):
            began = time.perf_counter()
            queries.jobs(session.tenant, states=["queued"], limit=50)
            narrow.append(time.perf_counter() - began)
    return {
        "cpu_s": spent,
        "wall_s": sum(times),
        "list_and_count_ms": statistics.median(times) * 1000,
        "list_one_state_ms": statistics.median(narrow) * 1000,
    }


def idle() -> dict[str, float]:
    """Let a worker on SQLite have nothing to do for five seconds."""
    with opened("sqlite") as session:
        from trueup.kernel.work.worker import Worker

        worker = Worker(session.installation)
        worker.start()
        time.sleep(1.0)
        cpu = time.process_time()
        time.sleep(5.0)
        spent = time.process_time() - cpu
        worker.stop()
    return {"cpu_s": spent, "wall_s": 5.0, "percent_of_a_core": spent / 5 * 100}


def main() -> int:
    figures = references()
    figures["no-op jobs, SQLite, one worker"] = measure(one_worker)
    figures["no-op jobs, PostgreSQL, two workers"] = measure(two_workers)
    figures["submit to start, SQLite"] = measure(latency, "sqlite", repeats=1)
    figures["submit to start, PostgreSQL"] = measure(latency, "postgresql", repeats=1)
    figures["100,000 jobs listed and counted, SQLite"] = measure(listing, "sqlite", repeats=1)
    figures["100,000 jobs listed and counted, PostgreSQL"] = measure(listing, "postgresql", repeats=1)
    figures["idle worker, SQLite"] = measure(idle, repeats=1)
    targets = {
        "no-op jobs, SQLite, one worker": ("jobs_per_s", ">=", 1000.0),
        "no-op jobs, PostgreSQL, two workers": ("jobs_per_s", ">=", 800.0),
        "submit to start, SQLite": ("p50_ms", "<=", 50.0),
        "submit to start, PostgreSQL": ("p50_ms", "<=", 50.0),
        "100,000 jobs listed and counted, SQLite": ("list_and_count_ms", "<=", 50.0),
        "100,000 jobs listed and counted, PostgreSQL": ("list_and_count_ms", "<=", 50.0),
        "idle worker, SQLite": ("percent_of_a_core", "<=", 2.0),
    }
    return report("work", figures, targets)


if __name__ == "__main__":
    sys.exit(main())
