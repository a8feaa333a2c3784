"""The queue's numbers at a million jobs, and decisions about hops with their record.  python -m benchmarks.automation.queue"""

import statistics
import sys
import time
from typing import Any

from benchmarks.harness import measure, references, report
from benchmarks.kernel.work import opened

ROWS, ASKED, DECISIONS = 1_000_000, 50, 20_000


def stats(store: str) -> dict[str, float]:
    """Fill the queue of one kind with a million jobs, and ask for its numbers; the median of fifty answers."""
    with opened(store) as session:
        from uuid import uuid4

        from django.db import connection

        from trueup.domains.automation import jobqueries
        from trueup.domains.automation.jobspec import KIND
        from trueup.kernel import tenancy
        from trueup.kernel.work import sql, tallies
        from trueup.kernel.work.models import Job

        now, tenant = session.context().now, session.tenant
        states = ("queued", "done", "done", "done", "failed", "cancelled", "dead", "queued", "done", "running")
        tenancy.reach_every()
        began = time.perf_counter()
        for at in range(0, ROWS, 20_000):
            rows = [
                Job(
                    id=uuid4(), tenant=tenant, kind=KIND, args="{}", priority=n % 10, rank=n, concurrency_key="", max_attempts=1,
                    state=states[n % 10], not_before=now, principal="os:x", entry=1, created_at=now,
                )
                for n in range(at, at + 20_000)
            ]  # fmt: skip
            Job.objects.bulk_create(rows, batch_size=500)
            tallies.add_up()
        filled = time.perf_counter() - began
        times = []
        for _ in range(ASKED):
            begun = time.perf_counter()
            found = jobqueries.stats(tenant, now)
            times.append((time.perf_counter() - begun) * 1000)
        if found["queued"] != ROWS // 5:
            raise RuntimeError(f"{found['queued']} jobs are counted")
        with connection.cursor() as cursor:
            begun = time.perf_counter()
            cursor.execute("SELECT state, COUNT(*) FROM work_job WHERE tenant = %s GROUP BY state", [sql.uid(tenant)])
            cursor.fetchall()
            counted = (time.perf_counter() - begun) * 1000
    return {"ms": statistics.median(times), "worst_ms": max(times), "counting_rows_ms": counted, "filled_s": filled}


def decisions() -> dict[str, float]:
    """Decide about hops among 1,000 policies and 100 authorizations, and write each down; milliseconds of CPU each."""
    from datetime import UTC, datetime, timedelta

    from trueup.domains.automation.egress.record import Record
    from trueup.domains.automation.engine.decide import Asked, decide
    from trueup.domains.automation.engine.hostpolicy import Authorization, HostPolicy, Listing, compiled
    from trueup.domains.automation.engine.tiers import Granted, Strategy

    now = datetime(2026, 3, 1, tzinfo=UTC)
    granted = Granted("dns_txt", frozenset(Strategy), own=True)
    hosts = [f"site{n}.example" for n in range(1000)]
    policies = [HostPolicy(str(n), 1, host) for n, host in enumerate(hosts)]
    given = [Authorization(str(n), 1, f"site{n}.example", frozenset(), granted, now + timedelta(days=1)) for n in range(100)]
    snapshot = compiled(policies, listing=Listing.ALLOWLIST, authorizations=given)
    record, asked = Record("digest"), Asked()
    cpu = time.process_time()
    for n in range(DECISIONS):
        found = decide(snapshot, f"https://{hosts[n % 1000]}/a/b/{n}?q=1", asked, now)
        record.note(found, at=now, via="http", method="GET")
    spent = time.process_time() - cpu
    record.lines()
    return {"cpu_s": spent, "ms": spent / DECISIONS * 1000, "with_lines_ms": (time.process_time() - cpu) / DECISIONS * 1000}


def robots() -> dict[str, float]:
    """Ask a robots file of 500 rules about a URL, as for the first time; milliseconds of CPU."""
    from trueup.domains.automation.engine import robots as engine

    lines = ["User-agent: *", *(f"Disallow: /private{n}/*/end{n}$" for n in range(500))]
    text = "\n".join(lines).encode()
    cached: Any = getattr(engine, "_parsed", None)
    cpu = time.process_time()
    for n in range(100):
        if cached is not None and hasattr(cached, "cache_clear"):
            cached.cache_clear()
        engine.is_allowed(text, "Trueup", f"https://a.example/private{n}x/y/z")
    return {"ms": (time.process_time() - cpu) * 10}


def main() -> int:
    """Measure, print, write."""
    figures = references()
    figures["decision with its record"] = measure(decisions)
    figures["robots file of 500 rules"] = measure(robots)
    figures["queue stats at 1e6 jobs, SQLite"] = measure(stats, "sqlite", repeats=1)
    figures["queue stats at 1e6 jobs, PostgreSQL"] = measure(stats, "postgresql", repeats=1)
    targets = {
        "decision with its record": ("with_lines_ms", "<=", 0.3),
        "robots file of 500 rules": ("ms", "<=", 1.0),
        "queue stats at 1e6 jobs, SQLite": ("ms", "<=", 5.0),
        "queue stats at 1e6 jobs, PostgreSQL": ("ms", "<=", 5.0),
    }
    return report("automation_queue", figures, targets)


if __name__ == "__main__":
    sys.exit(main())
