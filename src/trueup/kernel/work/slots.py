"""The threads of a worker that run handlers."""

import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from trueup.kernel.work.claims import Claimed, Ended
from trueup.kernel.work.engine.seats import Seats

_WEIGHT = 0.2  # of the newest duration in the running mean


@dataclass(slots=True, eq=False)
class Flight:
    """One job in this worker's hands.

    Args:
        given: monotonic moment at which it was claimed.
        begun: … at which a thread began it; None while it waits for one.
        gone: why it must stop (``lost``, ``cancelled``, ``timeout``); empty while it may go on.
        seat: what the jobs that are done together with it share, and no other.
    """

    job: Claimed
    given: float
    begun: float | None = None
    gone: str = field(default="")
    seat: object = None


type End = Callable[[Sequence[tuple[Flight, Ended]]], None]


class Slots:
    """So many threads, each of which runs one handler at a time.

    Args:
        count: of threads.
        do: does the jobs of one seat, and says how each ended, once.
        signal: set whenever jobs have ended.
        seat: says with which others a job is done together, and how many they may be.
    """

    def __init__(
        self,
        count: int,
        do: Callable[[Sequence[Flight], End], None],
        signal: threading.Event,
        seat: Callable[[Claimed], tuple[Hashable, int]] = lambda _job: ("", 1),
    ) -> None:
        self.count = count
        self._do = do
        self._signal = signal
        self._seat = seat
        self._waiting: queue.SimpleQueue[list[Flight] | None] = queue.SimpleQueue()
        self._flights: dict[UUID, Flight] = {}
        self._ended: list[Ended] = []
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._work, name=f"trueup-job-{n}", daemon=True) for n in range(count)]
        self.mean = 1.0  # seconds that a job of its own takes, of late
        for thread in self._threads:
            thread.start()

    def put(self, jobs: Sequence[Claimed]) -> None:
        """Hand jobs to the threads, in this order; those that are done together go to one."""
        now = time.monotonic()
        seats, seated = Seats(len(jobs)), defaultdict[int | None, list[Flight]](list)
        for job in jobs:
            seated[seats.take(*self._seat(job))].append(Flight(job, now))
        for flights in seated.values():
            with self._lock:
                seat = object()
                for flight in flights:
                    flight.seat = seat
                    self._flights[flight.job.id] = flight
            self._waiting.put(flights)

    def collect(self, *, settle: float = 0.0) -> list[Ended]:
        """Return what has ended since the last call; wait for the rest of a quick batch for at most so many seconds."""
        end = time.monotonic() + settle
        while self._ended and self._flights and time.monotonic() < end:
            time.sleep(0.0005)
        with self._lock:
            ended, self._ended = self._ended, []
        return ended

    def flights(self) -> list[Flight]:
        """Return the jobs in hand."""
        with self._lock:
            return list(self._flights.values())

    def taken(self) -> int:
        """Return how many seats the jobs in hand take."""
        with self._lock:
            return len({flight.seat for flight in self._flights.values()})

    def idle(self) -> bool:
        """Tell whether nothing is in hand, and nothing has ended that was not collected."""
        with self._lock:
            return not self._flights and not self._ended

    def drop(self, flight: Flight, why: str) -> bool:
        """Let a job go: what its thread still says is not heard. Tell whether it was in hand."""
        with self._lock:
            flight.gone = why
            return self._flights.pop(flight.job.id, None) is flight

    def unbegun(self, *, older: float) -> list[Claimed]:
        """Let go of jobs that no thread has begun within so many seconds, and return them."""
        now = time.monotonic()
        with self._lock:
            found = [f for f in self._flights.values() if f.begun is None and now - f.given > older]
            for flight in found:
                flight.gone = "returned"
                del self._flights[flight.job.id]
        return [flight.job for flight in found]

    def _work(self) -> None:
        from django.db import connection

        while (flights := self._waiting.get()) is not None:
            with self._lock:
                flights = [flight for flight in flights if flight.gone != "returned"]
                now = time.monotonic()
                for flight in flights:
                    flight.begun = now
            if not flights:
                continue
            self._do(flights, self._end)
            if len(flights) == 1:
                self.mean += _WEIGHT * (time.monotonic() - now - self.mean)
        connection.close()

    def _end(self, portion: Sequence[tuple[Flight, Ended]]) -> None:
        """Note how jobs ended; those that were let go meanwhile are not heard."""
        with self._lock:
            for flight, ended in portion:
                if self._flights.get(flight.job.id) is flight:
                    del self._flights[flight.job.id]
                    self._ended.append(ended)
        self._signal.set()

    def close(self, *, wait: float) -> None:
        """End the threads; those that do not end within so many seconds are left to the process's end."""
        for _ in self._threads:
            self._waiting.put(None)
        end = time.monotonic() + wait
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
