"""The threads of a worker that run handlers."""

import queue
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from uuid import UUID

from trueup.kernel.work.claims import Claimed, Ended

_WEIGHT = 0.2  # of the newest duration in the running mean


@dataclass(slots=True)
class Flight:
    """One job in this worker's hands.

    Args:
        given: monotonic moment at which it was claimed.
        begun: … at which a thread began it; None while it waits for one.
        gone: why it must stop (``lost``, ``cancelled``, ``timeout``); empty while it may go on.
    """

    job: Claimed
    given: float
    begun: float | None = None
    gone: str = field(default="")


class Slots:
    """So many threads, each of which runs one handler at a time.

    Args:
        count: of threads.
        do: runs one job and says how it ended.
        signal: set whenever a job has ended.
    """

    def __init__(self, count: int, do: Callable[[Flight], Ended], signal: threading.Event) -> None:
        self.count = count
        self._do = do
        self._signal = signal
        self._waiting: queue.SimpleQueue[Flight | None] = queue.SimpleQueue()
        self._flights: dict[UUID, Flight] = {}
        self._ended: list[Ended] = []
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._work, name=f"trueup-job-{n}", daemon=True) for n in range(count)]
        self.mean = 1.0  # seconds that a job takes, of late
        for thread in self._threads:
            thread.start()

    def put(self, jobs: Iterable[Claimed]) -> None:
        """Hand jobs to the threads, in this order."""
        now = time.monotonic()
        for job in jobs:
            flight = Flight(job, now)
            with self._lock:
                self._flights[job.id] = flight
            self._waiting.put(flight)

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

        while (flight := self._waiting.get()) is not None:
            with self._lock:
                if flight.gone == "returned":
                    continue
                flight.begun = time.monotonic()
            ended = self._do(flight)
            lasted = time.monotonic() - flight.begun
            with self._lock:
                self.mean += _WEIGHT * (lasted - self.mean)
                if self._flights.get(flight.job.id) is flight:
                    del self._flights[flight.job.id]
                    self._ended.append(ended)
            self._signal.set()
        connection.close()

    def close(self, *, wait: float) -> None:
        """End the threads; those that do not end within so many seconds are left to the process's end."""
        for _ in self._threads:
            self._waiting.put(None)
        end = time.monotonic() + wait
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
