"""Kinds of jobs for tests: real handlers through the same registry as every other."""

import os
import time
from collections.abc import Iterator, Sequence
from typing import Any

from tests.support.actions import Observe, Remove
from trueup.kernel.errors import TrueupError, UsageError
from trueup.kernel.work.context import JobContext
from trueup.kernel.work.engine.backoff import Backoff
from trueup.kernel.work.handlers import Portion, handler, subscribe

AT_ONCE = Backoff(base=0.0)
SEEN: list[tuple[str, Any]] = []
CALLS: list[list[Any]] = []


@handler("testing.note", submittable=True)
def note(job: JobContext) -> dict[str, Any]:
    """Remember what was seen, in this process."""
    SEEN.append((job.job.kind, dict(job.args)))
    job.log("noted")
    return {"noted": True}


@handler("testing.effect", submittable=True, max_attempts=1000, backoff=AT_ONCE)
def effect(job: JobContext) -> dict[str, Any]:
    """Record two facts, each of which must be there exactly once in the end."""
    job.run(Observe, {"subject": f"effect/{job.args['n']}/a"})
    time.sleep(job.args.get("seconds", 0.0))
    job.run(Observe, {"subject": f"effect/{job.args['n']}/b"})
    return {"n": job.args["n"]}


def _each(jobs: Sequence[JobContext]) -> Iterator[Portion]:
    """Do several jobs in the way that each one's args say; those that say ``later`` come in a portion of their own."""
    CALLS.append([job.args.get("n") for job in jobs])
    for slow in (False, True):
        mine = [job for job in jobs if bool(job.args.get("later")) is slow]
        if any(job.args.get("how") == "break" for job in mine):
            raise ZeroDivisionError("personal data")
        outcomes = [(job, _outcome(job)) for job in mine if job.args.get("how") != "forgotten"]
        if slow:
            while not all(job.cancelled() or job.args["later"] is True for job in mine):
                time.sleep(0.02)
        yield outcomes


def _outcome(job: JobContext) -> dict[str, Any] | BaseException:
    how = job.args.get("how", "")
    if how == "usage":
        return UsageError("never right")
    if how == "odd":
        return {"big": "x" * 70_000}
    return {"n": job.args.get("n"), "alone": False}


@handler("testing.many", submittable=True, batch=5, together=_each, max_attempts=2, timeout=1.0, backoff=AT_ONCE)
def many(job: JobContext) -> dict[str, Any]:
    """Do one alone."""
    return {"n": job.args.get("n"), "alone": True}


def _effects(jobs: Sequence[JobContext]) -> Iterator[Portion]:
    for part in "ab":
        for job in jobs:
            job.run(Observe, {"subject": f"effect/{job.args['n']}/{part}"}, step=part)
        time.sleep(jobs[0].args.get("seconds", 0.0))
    yield [(job, {"n": job.args["n"]}) for job in jobs]


@handler("testing.effects", submittable=True, batch=8, together=_effects, max_attempts=1000, backoff=AT_ONCE)
def effects(job: JobContext) -> dict[str, Any]:
    """Record two facts, as its fellows do together."""
    ((_, value),) = next(_effects([job]))
    return dict(value)  # type: ignore[arg-type]


@handler("testing.fail", submittable=True, max_attempts=3, backoff=AT_ONCE)
def fail(job: JobContext) -> None:
    """Fail in the way that the args say, after a recorded effect."""
    job.run(Observe, {"subject": "failing"}, step="observe")
    how = job.args["how"]
    if how == "bug":
        raise ZeroDivisionError("personal data")
    if how == "usage":
        raise UsageError("never right")
    if how == "twice" and job.job.attempts >= 3:
        return
    raise TrueupError("not now")


@handler("testing.again", submittable=True, backoff=Backoff(base=100.0))
def again(job: JobContext) -> None:
    """Fail in a way that a retry may mend."""
    raise TrueupError("not now")


@handler("testing.hold", submittable=True)
def hold(job: JobContext) -> dict[str, Any]:
    """Ask for something that waits for people."""
    return {"removed": job.run(Remove, {"subject": "x"})["removed"]}


@handler("testing.slow", submittable=True, timeout=0.3, max_attempts=1)
def slow(job: JobContext) -> dict[str, Any]:
    """Take longer than the kind may."""
    end = time.monotonic() + 5
    while time.monotonic() < end and not job.cancelled():
        time.sleep(0.02)
    job.run(Observe, {"subject": "too-late"})
    return {}


@handler("testing.odd", submittable=True)
def odd(job: JobContext) -> Any:
    """Give a result that cannot be stored."""
    return {"big": "x" * 70_000} if job.args.get("big") else {"not": object()}


@handler("testing.heavy", submittable=True, child=True, timeout=20.0, max_attempts=1)
def heavy(job: JobContext) -> dict[str, Any]:
    """Work in a process of its own."""
    job.run(Observe, {"subject": "from-a-child"})
    job.log(f"in {os.getpid()}")
    if job.args.get("how") == "usage":
        raise UsageError("never right")
    if job.args.get("how") == "crash":
        os.abort()
    return {"pid": os.getpid()}


@handler("testing.long", submittable=True, child=True, timeout=3.0, max_attempts=1)
def long(job: JobContext) -> None:
    """Never end, and leave a grandchild behind."""
    import subprocess

    subprocess.Popen(["sleep", "333.25"])
    time.sleep(60)


@handler("testing.greedy", submittable=True, child=True, timeout=30.0, memory=3 << 30, max_attempts=1)
def greedy(job: JobContext) -> dict[str, Any]:
    """Need more memory than the kind may."""
    return {"bytes": len(bytearray(4 << 30))}


subscribe("testing.happened.*", kind="testing.note")
