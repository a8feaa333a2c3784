"""A worker: claims jobs, runs their handlers in threads, ends them in batches; in a process of its own or inside ``serve``."""

import gc
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from enum import StrEnum
from uuid import UUID, uuid4

from django.db import DatabaseError, connection

from trueup.kernel import tenancy
from trueup.kernel.work import claims, handlers, outcomes, sql, wake
from trueup.kernel.work.child import COMMAND
from trueup.kernel.work.claims import Claimed, Ended, Hand
from trueup.kernel.work.doing import Doing
from trueup.kernel.work.engine.states import Move
from trueup.kernel.work.errors import JobTimeout
from trueup.kernel.work.host import Host
from trueup.kernel.work.scale import WorkTime
from trueup.kernel.work.slots import Flight, Slots
from trueup.kernel.work.upkeep import Upkeep

BATCH = 10
POLL = 0.25  # seconds: the longest that an idle worker does not look by itself
_GLANCE = 0.025  # seconds between two glances at whether another process has written to an SQLite store
_QUICK = 0.005  # seconds: jobs that take less are claimed ahead of a free thread
_PREFETCHED = 0.25  # seconds after which a job that was claimed ahead is given back
_log = logging.getLogger("trueup.work")


class Until(StrEnum):
    """When a worker ends."""

    STOPPED = "stopped"
    DRAINED = "drained"  # nothing is due any more
    ONCE = "once"  # one batch is done


class Worker:
    """One worker with so many slots.

    Args:
        host: the process it lives in.
        concurrency: handlers that run at the same time.
        tenants: whose jobs it does; empty for everybody's.
        lease: seconds after which others take over from a worker that is silent.
        command: how a process for heavy jobs is started.
        monotonic: the monotonic clock behind the leases.
    """

    def __init__(
        self,
        host: Host,
        *,
        concurrency: int = 4,
        tenants: Sequence[UUID] = (),
        lease: float = 30.0,
        command: Sequence[str] = COMMAND,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.id = uuid4()
        self.concurrency = concurrency
        self.ended = 0
        self.started = host.clock()
        self.place = (socket.gethostname(), os.getpid())
        self.time = WorkTime(monotonic)
        self._host = host
        known = handlers.kinds()
        most = max((handler.batch for handler in known), default=1)
        self._hand = Hand(str(self.id), lease, tuple(one.kind for one in known), tuple(tenants), most, handlers.seat)
        self._signal = threading.Event()
        self._stop_asked = False  # a plain flag: a signal handler may meet this very thread inside an Event's lock
        self._grace = 10.0
        self._unwritten: list[Ended] = []
        self._slots = Slots(concurrency, Doing(host, command), self._signal, handlers.seat)
        self._upkeep = Upkeep(host, self)
        self._thread = threading.Thread(target=self._guarded, name="trueup-worker", daemon=True)
        self._version = -1

    @property
    def lease(self) -> float:
        """Seconds of a lease."""
        return self._hand.seconds

    @property
    def stopping(self) -> bool:
        """Whether it takes no more jobs."""
        return self._stop_asked

    def flights(self) -> list[Flight]:
        """Return the jobs in hand."""
        return self._slots.flights()

    def busy(self) -> int:
        """Return how many slots they take."""
        return min(self.concurrency, self._slots.taken())

    def lose(self, flight: Flight, why: str) -> None:
        """Let a job go that was given to others; one that is cancelled only learns of it."""
        if why == "lost":
            self._slots.drop(flight, why)
        else:
            flight.gone = why
        self._signal.set()

    def start(self) -> None:
        """Work in threads of this process until :meth:`stop`."""
        self._thread.start()

    def stop(self, *, grace: float = 10.0) -> None:
        """Take no more jobs, give those in hand so many seconds to end, return the rest to the queue."""
        self.ask_to_stop(grace=grace)
        self._signal.set()
        if self._thread.ident is not None:
            self._thread.join(grace + 30.0)

    def ask_to_stop(self, *, grace: float = 10.0) -> None:
        """Make :meth:`run` end soon; safe in a signal handler."""
        self._grace = grace
        self._stop_asked = True

    def run(self, until: Until = Until.STOPPED) -> int:
        """Work in the calling thread; return how many jobs ended."""
        gc.freeze()  # what is loaded stays: the collector need not look at it again and again
        with tenancy.reaching_every():
            self.time.sync()
            wake.join(self._signal)
            self._upkeep.start(looks=until is Until.STOPPED)
            try:
                self._serve(until)
            finally:
                wake.leave(self._signal)
                self._give_back()
                self._slots.close(wait=1.0)
                self._upkeep.stop()
                handlers.end()
                gc.unfreeze()  # a process that goes on, or ends, takes everything apart again
        return self.ended

    def _guarded(self) -> None:
        try:
            self.run()
        finally:
            connection.close()

    def _serve(self, until: Until) -> None:
        """Turn after turn: end what has ended, take what there is room for, wait for either."""
        hungry, pause, taken_once, since = True, 0.0, False, 0.0
        while True:
            self._signal.clear()
            ended = self._over()
            room = 0 if self.stopping or (taken_once and until is Until.ONCE) else self._room()
            taken: list[Claimed] = []
            try:
                if ended or (hungry and room):
                    taken = self._turn(ended, room)
                    taken_once, hungry = True, bool(taken)
                pause = 0.0
            except DatabaseError as exc:
                pause = self._trouble(exc, pause)
            if self._finished(until, idle=not (taken or ended or pause), since=since):
                return
            if not (taken or ended) or not self._room():
                since = since if self.stopping and since else time.monotonic()
                hungry = self._wait(pause) or hungry

    def _turn(self, ended: list[Ended], room: int) -> list[Claimed]:
        self._unwritten += ended
        taken = claims.turn(self._hand, self._unwritten, room, now=self._host.clock(), scale=self.time.now())
        self.ended += sum(item.move is not Move.RETURN for item in self._unwritten)
        self._unwritten = []
        self._slots.put(taken)
        return taken

    def _trouble(self, exc: DatabaseError, pause: float) -> float:
        """Say that the store does not answer, and return how long to wait."""
        _log.warning("the store does not answer (%s); trying again", type(exc).__name__)
        connection.close()
        return min(5.0, pause * 2 or 0.2)

    def _room(self) -> int:
        quick = self._slots.mean < _QUICK
        return max(self.concurrency, BATCH if quick else 0) - self._slots.taken()

    def _over(self) -> list[Ended]:
        """Return what has ended, by itself or because it took too long or waited too long for a thread."""
        ended = self._slots.collect(settle=_QUICK if self._slots.mean < _QUICK else 0.0)
        returned = self._slots.unbegun(older=_PREFETCHED)
        if returned:
            self._slots.mean = 1.0  # a slow job stands before them: no more claims ahead
        ended += [Ended(job, Move.RETURN) for job in returned]
        now = time.monotonic()
        for flight in self._slots.flights():
            handler = handlers.named(flight.job.kind)
            if not handler.child and flight.begun is not None and now - flight.begun > handler.timeout:
                late = JobTimeout(f"the job ran longer than {handler.timeout:g} s")
                if self._slots.drop(flight, "timeout"):
                    ended.append(outcomes.failure(flight.job, late, handler.backoff, self._host.clock()))
        return ended

    def _finished(self, until: Until, *, idle: bool, since: float) -> bool:
        """Tell whether the worker may end; jobs in hand get their time first."""
        waiting = bool(self._unwritten) or not self._slots.idle()
        if self.stopping:
            return not waiting or (since > 0 and time.monotonic() - since > self._grace)
        if until is Until.STOPPED or waiting or not idle:
            return False
        return until is Until.ONCE or not self._upkeep.look()

    def _wait(self, pause: float) -> bool:
        """Wait until something is to be done; tell whether there may be new jobs."""
        if pause:
            self._signal.wait(pause)
            return True
        end = time.monotonic() + (POLL if self._room() > 0 or self.stopping else 1.0)
        while (left := end - time.monotonic()) > 0:
            if self._signal.wait(min(left, POLL if sql.on_postgresql() else _GLANCE)):
                return True
            if not sql.on_postgresql() and self._changed():
                return True
        return True

    def _changed(self) -> bool:
        """Tell whether another connection has written to the SQLite store since the last glance."""
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA data_version")
            version = int(cursor.fetchone()[0])
        changed, self._version = version != self._version, version
        return changed

    def _give_back(self) -> None:
        """Return what is still in hand to the queue; its threads can write nothing any more."""
        left = [flight for flight in self._slots.flights() if self._slots.drop(flight, "returned")]
        ended = [*self._unwritten, *self._slots.collect(), *(Ended(flight.job, Move.RETURN) for flight in left)]
        if ended:
            try:
                claims.turn(self._hand, ended, 0, now=self._host.clock(), scale=self.time.now())
            except DatabaseError as exc:
                _log.warning("%d jobs could not be given back (%s): their leases run out", len(ended), type(exc).__name__)
