"""What a worker does beside jobs: leases, schedules, events, the ledger's batches, its own row."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from django.db import DatabaseError, connection

from trueup.kernel import tenancy
from trueup.kernel.actions.attempts import alive
from trueup.kernel.actions.runner import run
from trueup.kernel.errors import TrueupError
from trueup.kernel.work import claims, outbox, scheduler, sql, tallies, wake
from trueup.kernel.work.engine import lease
from trueup.kernel.work.host import Host
from trueup.kernel.work.models import WorkerRow

if TYPE_CHECKING:
    from trueup.kernel.work.worker import Worker

TICK = 0.25
FLUSH = 1.0
SEEN = 5.0
FORGOTTEN = timedelta(days=1)
_FLUSHES = 0x7275_666C  # the advisory lock of flushes
_log = logging.getLogger("trueup.work")


class Upkeep:
    """A worker's second thread.

    Args:
        host: the process it lives in.
        worker: whose jobs it keeps.
    """

    def __init__(self, host: Host, worker: "Worker") -> None:
        self._host = host
        self._worker = worker
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="trueup-upkeep", daemon=True)
        self._listener: wake.Listener | None = None
        self._again: dict[str, float] = {}
        self._looks = True

    def start(self, *, looks: bool) -> None:
        """Begin; the worker's row is there when this returns.

        Args:
            looks: also fire schedules and hand on events; a worker that drains does so itself, to know when it has done all.
        """
        self._looks = looks
        self._seen("working")
        self._safely("lost", self._free_lost)
        if sql.on_postgresql():
            self._listener = wake.Listener()
            self._listener.start()
        self._thread.start()

    def stop(self) -> None:
        """End, after the last batch is in the ledger."""
        self._ended.set()
        self._thread.join(30.0)
        if self._listener is not None:
            self._listener.stop()
        self._safely("flush", self._flush)
        self._safely("seen", lambda: self._seen("stopped"))

    def look(self) -> int:
        """Fire what is due and hand on what has happened; return how many jobs and events that were."""
        now = self._host.clock()
        return scheduler.fire(now) + outbox.dispatch(now)

    def _run(self) -> None:
        tenancy.reach_every()
        try:
            while not self._ended.wait(TICK):
                self._tick()
        finally:
            connection.close()

    def _tick(self) -> None:
        third = self._worker.lease / 3
        if self._looks:
            self._every("look", 2 * TICK, self.look)
        self._every("stand", min(2 * TICK, third), self._stand)
        self._every("extend", third, self._extend)
        self._every("flush", FLUSH, self._flush)
        self._every("lost", SEEN, self._free_lost)
        self._every("tally", SEEN, tallies.add_up)
        self._every("seen", SEEN, lambda: self._seen("stopping" if self._worker.stopping else "working"))

    def _every(self, name: str, seconds: float, do: Callable[[], object]) -> None:
        now = time.monotonic()
        if now >= self._again.get(name, 0.0):
            self._again[name] = now + seconds
            self._safely(name, do)

    def _safely(self, name: str, do: Callable[[], object]) -> None:
        """Do one thing; a store that does not answer now is asked again at the next tick."""
        try:
            do()
        except (DatabaseError, TrueupError) as exc:
            _log.warning("upkeep (%s) failed: %s", name, exc.code if isinstance(exc, TrueupError) else type(exc).__name__)
            connection.close()

    def _stand(self) -> None:
        """Learn which jobs in hand were cancelled or given to others."""
        flights = {flight.job.id: flight for flight in self._worker.flights()}
        if flights:
            for id, why in claims.standing([flight.job for flight in flights.values()]).items():
                self._worker.lose(flights[id], why)

    def _extend(self) -> None:
        """Publish the work time and put off the end of the leases in hand."""
        until = lease.until(self._worker.time.sync(), self._worker.lease)
        claims.extend([flight.job for flight in self._worker.flights()], until=until)

    def _flush(self) -> None:
        """Bring the endings of jobs into the ledger, one entry a tenant and batch."""
        from trueup.kernel.work.actions_batch import RecordBatch, unrecorded

        principal = self._host.os_principal()
        if not principal.roles:
            return
        with _alone(_FLUSHES) as mine:
            tenants = unrecorded() if mine else []
            for tenant in tenants:
                while run(RecordBatch, self._host.context(principal, tenant), {}).value["more"]:
                    pass
        if tenants:
            self._host.sequence(*tenants)

    def _free_lost(self) -> None:
        """Free the jobs of workers of this home that have died: no need to wait for their leases."""
        rows = WorkerRow.objects.filter(place=self._place).exclude(state__in=("stopped", "lost"))
        for id, owner in rows.values_list("id", "owner"):
            if not alive(self._host.home.run, owner):
                claims.free(str(id))
                WorkerRow.objects.filter(id=id).update(state="lost")
                wake.wake()

    @cached_property
    def _place(self) -> str:
        """What names this very home on this very machine, until it is started anew."""
        found = self._host.home.run.stat()
        boot = Path("/proc/sys/kernel/random/boot_id")
        return f"{boot.read_text().strip() if boot.exists() else ''}:{found.st_dev}:{found.st_ino}"

    def _seen(self, state: str) -> None:
        worker, now = self._worker, self._host.clock()
        host, pid = worker.place
        WorkerRow.objects.update_or_create(
            id=worker.id,
            defaults={
                "host": host,
                "pid": pid,
                "slots": worker.concurrency,
                "busy": worker.busy(),
                "ended": worker.ended,
                "state": state,
                "owner": self._host.ports.owner,
                "place": self._place,
                "started": worker.started,
                "seen": now,
            },
        )
        WorkerRow.objects.filter(seen__lt=now - FORGOTTEN).delete()


@contextmanager
def _alone(name: int) -> Iterator[bool]:
    """Hold a lock of the installation while the block runs, if nobody else does; SQLite's writers are alone anyway."""
    if not sql.on_postgresql():
        yield True
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [name])
        mine = bool(cursor.fetchone()[0])
    try:
        yield mine
    finally:
        if mine:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [name])
