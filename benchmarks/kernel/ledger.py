"""The ledger: bulk appends and single actions.  python -m benchmarks.kernel.ledger"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.harness import measure, references, report

BATCHES, BATCH, ACTIONS = 200, 1000, 300


def bulk() -> dict[str, float]:
    """Append 200 batches of 1,000 entries, each batch one transaction at FULL, and sequence them all."""
    with tempfile.TemporaryDirectory() as folder:
        session = opened(folder)
        from trueup.kernel.evidence import ledger

        bodies = [
            {"v": 1, "action": "a.b.c", "at": "2026-01-01T00:00:00.000000Z", "n": n, "input": "0" * 64, "outcome": "done"}
            for n in range(BATCH)
        ]
        began, cpu = time.perf_counter(), time.process_time()
        for _ in range(BATCHES):
            ledger.append_many(session.tenant, bodies)
        appended, spent = time.perf_counter() - began, time.process_time() - cpu
        ledger.sequence(session.tenant, session.ports.keys.signer())
        sequenced = time.perf_counter() - began - appended
        session.close()
    count = BATCHES * BATCH
    return {"cpu_s": spent, "wall_s": appended, "entries_per_s": count / appended, "sequenced_per_s": count / sequenced}


def single() -> dict[str, float]:
    """Run 300 actions one by one: role check, policy, secret sealed, row, ledger entry, commit."""
    with tempfile.TemporaryDirectory() as folder:
        session = opened(folder)
        from trueup.kernel.actions.runner import run
        from trueup.kernel.secrets.actions import PutSecret

        context = session.context()
        run(PutSecret, context, {"name": "warm", "value": "up"})
        cpu, began = time.process_time(), time.perf_counter()
        for number in range(ACTIONS):
            run(PutSecret, context, {"name": f"s{number % 10}", "value": "x"})
        spent, wall = time.process_time() - cpu, time.perf_counter() - began
        session.close()
    return {"cpu_s": spent, "wall_s": wall, "cpu_ms_per_action": spent / ACTIONS * 1000}


def decisions() -> dict[str, float]:
    """Decide 10,000 requests by policy alone."""
    with tempfile.TemporaryDirectory() as folder:
        session = opened(folder)
        from trueup.kernel.actions.base import Resource
        from trueup.kernel.actions.runner import _request
        from trueup.kernel.policy.engine.decide import decide
        from trueup.kernel.secrets.actions import PutSecret

        context = session.context()
        request = _request(PutSecret(), context, Resource("secret", "x", session.tenant))
        cpu = time.process_time()
        for _ in range(10_000):
            decide(session.ports.policies, request)
        spent = time.process_time() - cpu
        session.close()
    return {"cpu_s": spent, "us_per_decision": spent / 10_000 * 1e6}


def opened(folder: str) -> Any:
    """Return an open session on a fresh home."""
    from trueup.config.home import Home
    from trueup.config.session import HomeSession

    return HomeSession(Home(Path(folder) / "home"))


def main() -> int:
    figures = references()
    figures["bulk append, batches of 1,000"] = measure(bulk)
    figures["one action"] = measure(single)
    figures["policy decisions"] = measure(decisions)
    targets = {
        "bulk append, batches of 1,000": ("entries_per_s", ">=", 50_000.0),
        "one action": ("cpu_ms_per_action", "<=", 3.0),
        "policy decisions": ("us_per_decision", "<=", 100.0),
    }
    return report("ledger", figures, targets)


if __name__ == "__main__":
    sys.exit(main())
