"""Between a source and its spool: batches, the answer whether they are durable, and the state of both."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from trueup.domains.telemetry.sources.live.capture import Committed, SpoolFault
from trueup.domains.telemetry.sources.live.event import Dead, Event

BATCH_EVENTS = 5_000
BATCH_BYTES = 8 << 20
BATCH_SECONDS = 0.1
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
STORAGE, TRANSPORT = "storage", "transport"


class State(StrEnum):
    """How a running source is."""

    STARTING = "starting"
    LIVE = "live"
    DEGRADED = "degraded"
    STOPPED = "stopped"


class Spool(Protocol):
    """Where batches become durable."""

    def commit(self, events: list[Event], dead: list[Dead], cursors: Mapping[str, str], counts: Mapping[str, int]) -> Committed:
        """Write a batch whole, or raise ``SpoolFault``."""


class Source(Protocol):
    """Something that goes on telling.

    A source never acknowledges, and never moves its own place, before ``Sink.commit`` has answered True.
    """

    kind: str

    def run(self, sink: "Sink", stop: Callable[[], bool]) -> None:
        """Hand on what is heard until ``stop`` says so (asked at least five times a second) or there is no more."""


@dataclass(slots=True)
class Totals:
    """Counts of one run."""

    received: int = 0
    stored: int = 0
    duplicates: int = 0
    dead: int = 0


class Backoff:
    """Pauses that double, from 0.1 s to 5 s, until something goes well."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._pause, self._next = FIRST_PAUSE, 0.0

    @property
    def ready(self) -> bool:
        """Whether it is time to try again."""
        return self._monotonic() >= self._next

    def failed(self) -> None:
        """Wait longer."""
        self._next = self._monotonic() + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def went_well(self) -> None:
        """Begin anew."""
        self._pause, self._next = FIRST_PAUSE, 0.0


class Sink:
    """Takes events of one source and makes them durable in batches.

    Args:
        spool: where to.
        limit: events and dead letters after which the source is to stop; 0 for no limit.
        changed: told of every change of state, with its reason.
        now: epoch microseconds.
        monotonic: seconds.

    Attributes:
        full: no more should be put before a commit.
    """

    def __init__(
        self,
        spool: Spool,
        *,
        limit: int = 0,
        changed: Callable[[State, str], None] = lambda _state, _reason: None,
        now: Callable[[], int] = lambda: time.time_ns() // 1000,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spool, self._limit, self._changed, self._monotonic = spool, limit, changed, monotonic
        self.now = now
        self.state, self.totals = State.STARTING, Totals()
        self._events: list[Event] = []
        self._dead: list[Dead] = []
        self._cursors: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._bytes, self._since = 0, 0.0
        self._count, self._most = 0, min(limit or BATCH_EVENTS, BATCH_EVENTS)
        self.full = False
        self._faults: dict[str, str] = {}
        self._backoff = Backoff(monotonic=monotonic)

    def put(self, event: Event | Dead) -> None:
        """Take one event or dead letter."""
        if not self._count:
            self._since = self._monotonic()
        self._count += 1
        self._bytes += len(event.payload)
        if self._count >= self._most or self._bytes >= BATCH_BYTES:
            self.full = True
        if isinstance(event, Event):
            self._events.append(event)
        else:
            self._dead.append(event)

    def count(self, name: str, number: int) -> None:
        """Let a counter of the source grow with the next batch."""
        self._counts[name] = self._counts.get(name, 0) + number

    def cursor(self, name: str, value: str) -> None:
        """Say where the source stands after what it has put so far."""
        self._cursors[name] = value

    @property
    def pending(self) -> int:
        """Events and dead letters that are not durable yet."""
        return self._count

    @property
    def room(self) -> int:
        """How many more may be put before a commit; at least one."""
        return max(1, self._most - self._count)

    @property
    def due(self) -> bool:
        """Whether it is time to commit: the batch is full, or its oldest event has waited long enough."""
        return self.full or (self.pending > 0 and self._monotonic() - self._since >= BATCH_SECONDS)

    @property
    def finished(self) -> bool:
        """Whether as many were taken as were asked for."""
        return bool(self._limit) and self.totals.received + self.pending >= self._limit

    @property
    def storing(self) -> bool:
        """Whether the spool took the last batch; while not, a source should take in nothing more."""
        return STORAGE not in self._faults

    @property
    def reason(self) -> str:
        """Why it is degraded; empty while it is not."""
        return "; ".join(self._faults[name] for name in sorted(self._faults))

    def commit(self) -> bool:
        """Make durable what was put; True only when all of it is. After a fault it is tried again at growing intervals."""
        if not self._events and not self._dead and not self._cursors and not self._counts:
            return True
        if not self._backoff.ready:
            return False
        try:
            done = self._spool.commit(self._events, self._dead, self._cursors, self._counts)
        except SpoolFault as fault:
            self._backoff.failed()
            self.fault(STORAGE, str(fault))
            return False
        self.totals.received += self.pending
        self.totals.stored += done.stored
        self.totals.duplicates += done.duplicates
        self.totals.dead += done.dead
        self._events, self._dead, self._cursors, self._counts = [], [], {}, {}
        self._began_anew()
        self._backoff.went_well()
        self.well(STORAGE)
        return True

    def _began_anew(self) -> None:
        self._bytes = self._count = 0
        if self._limit:
            self._most = min(BATCH_EVENTS, self._limit - self.totals.received)
        self.full = self.finished

    def fault(self, part: str, reason: str) -> None:
        """Note that the spool or the transport does not work."""
        if self._faults.get(part) != reason:
            self._faults[part] = reason
            self.state = State.DEGRADED
            self._changed(self.state, self.reason)

    def well(self, part: str) -> None:
        """Note that it works again."""
        if self._faults.pop(part, None) is not None and self._faults:
            self._changed(State.DEGRADED, self.reason)
        if not self._faults and self.state is State.DEGRADED:
            self.state = State.LIVE
            self._changed(self.state, "")

    def live(self) -> None:
        """Note that the source listens."""
        if self.state is State.STARTING and not self._faults:
            self.state = State.LIVE
            self._changed(self.state, "")

    def stopped(self) -> None:
        """Note that the source has ended."""
        self.state = State.STOPPED
        self._changed(self.state, self.reason)
