"""Fixtures of work: kinds for tests, jobs submitted through the door, workers that are stopped whatever happens."""

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest

CREW = (sys.executable, "-m", "tests.kernel.work.crew")


class Clock:
    """A clock that goes as it is told."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def step(self, **delta: float) -> None:
        self.at += timedelta(**delta)


class Ticks:
    """A monotonic clock that goes as it is told."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock(session: Any) -> Clock:
    """The installation's wall clock, in the test's hand."""
    made = Clock()
    session.installation.clock = made
    return made


@pytest.fixture
def submit(session: Any, run: Callable[..., Any]) -> Callable[..., list[UUID]]:
    """Submit jobs of one kind through the action; return their ids."""
    from tests.kernel.work import kinds
    from trueup.kernel.work.actions import SubmitJobs

    kinds.SEEN.clear()

    def call(kind: str, *jobs: dict[str, Any], **job: Any) -> list[UUID]:
        value = run(SubmitJobs, kind=kind, jobs=list(jobs) or [job])
        return [UUID(id) for id in value["jobs"]]

    return call


@pytest.fixture
def drain(session: Any) -> Callable[..., Any]:
    """Run a worker until nothing is due."""

    def call(**options: Any) -> Any:
        from trueup.kernel.work.worker import Until, Worker

        worker = Worker(session.installation, command=CREW, **options)
        worker.run(Until.DRAINED)
        return worker

    return call


@pytest.fixture
def worker(session: Any) -> Iterator[Callable[..., Any]]:
    """Start workers in threads; they are stopped at the end."""
    from trueup.kernel.work.worker import Worker

    started = []

    def call(**options: Any) -> Any:
        made = Worker(session.installation, command=CREW, **options)
        made.start()
        started.append(made)
        return made

    yield call
    for made in started:
        made.stop(grace=0.0)


@pytest.fixture
def job(session: Any) -> Callable[[UUID], dict[str, Any]]:
    """Read one job with its events."""
    from trueup.kernel.work import queries

    return partial(queries.job, session.tenant)


def until(true: Callable[[], Any], *, seconds: float = 15.0) -> None:
    """Wait until something is so."""
    import time

    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.02)
