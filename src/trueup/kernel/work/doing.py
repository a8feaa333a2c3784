"""Doing jobs in one of a worker's threads: one by its kind's handler, or several together, each with an end of its own."""

import logging
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog
from django.db import DatabaseError, connection

from trueup.kernel import tenancy
from trueup.kernel.errors import TrueupError
from trueup.kernel.work import handlers, outcomes
from trueup.kernel.work.child import in_child
from trueup.kernel.work.claims import Claimed, Ended
from trueup.kernel.work.context import JobContext
from trueup.kernel.work.engine.backoff import Backoff
from trueup.kernel.work.errors import PrincipalGone, StaleFence
from trueup.kernel.work.handlers import Handler
from trueup.kernel.work.host import Host
from trueup.kernel.work.slots import End, Flight

_log = logging.getLogger("trueup.work")


class LeftOut(TrueupError):
    """A handler that does several jobs at once said nothing of this one."""

    code = "LEFT_OUT"


class Doing:
    """Runs handlers.

    Args:
        host: the process.
        command: how a process for heavy jobs is started.
    """

    def __init__(self, host: Host, command: Sequence[str]) -> None:
        self._host = host
        self._command = command

    def __call__(self, flights: Sequence[Flight], end: End) -> None:
        """Do the jobs of one seat; say once of each how it ended."""
        job = flights[0].job
        alone = {"job_id": str(job.id), "trace_id": job.trace or job.id.hex}
        structlog.contextvars.bind_contextvars(**(alone if len(flights) == 1 else {"jobs": len(flights)}))
        try:
            tenancy.reach(job.tenant)
            if len(flights) == 1:
                end([(flights[0], self._one(flights[0]))])
            else:
                self._together(flights, end)
        finally:
            structlog.contextvars.clear_contextvars()
            connection.close_if_unusable_or_obsolete()

    def _one(self, flight: Flight) -> Ended:
        job, backoff = flight.job, Backoff()
        try:
            handler = handlers.named(job.kind)
            backoff = handler.backoff
            context = JobContext(self._host, job, handler, gone=lambda: flight.gone)
            if not handler.for_nobody:
                context.principal()
            if handler.child:
                value = in_child(self._host, job, handler, lambda: flight.gone, self._command)
            else:
                value = handler.call(context)
            return outcomes.succeeded(job, value)
        except BaseException as exc:  # noqa: BLE001 - a handler's bug is its job's failure, not the worker's
            return self._failed(job, exc, backoff)

    def _together(self, flights: Sequence[Flight], end: End) -> None:
        """Do several jobs by one call; whatever becomes of it, each of them ends, and no other suffers from it."""
        handler = handlers.named(flights[0].job.kind)
        left = {flight.job.id: flight for flight in flights}
        problem: BaseException = LeftOut("what does several jobs at once said nothing of this one")
        try:
            jobs = [JobContext(self._host, f.job, handler, gone=_gone(f)) for f in flights]
            if not handler.for_nobody:
                jobs[0].principal()
            if handler.together is None:
                raise TypeError(f"{handler.kind} does no jobs together")
            for portion in handler.together(jobs):
                known = [(left.pop(job.job.id), job.job, outcome) for job, outcome in portion if job.job.id in left]
                end([(flight, self._said(job, outcome, handler)) for flight, job, outcome in known])
        except BaseException as exc:  # noqa: BLE001 - a handler's bug is its jobs' failure, not the worker's
            problem = exc
        end([(flight, self._failed(flight.job, problem, handler.backoff)) for flight in left.values()])

    def _said(self, job: Claimed, outcome: Mapping[str, Any] | BaseException | None, handler: Handler) -> Ended:
        try:
            if isinstance(outcome, BaseException):
                raise outcome
            return outcomes.succeeded(job, outcome)
        except BaseException as exc:  # noqa: BLE001 - a handler's bug is its job's failure, not the worker's
            return self._failed(job, exc, handler.backoff)

    def _failed(self, job: Claimed, exc: BaseException, backoff: Backoff) -> Ended:
        if isinstance(exc, PrincipalGone):
            return self._nobody(job, exc)
        if isinstance(exc, TrueupError):
            _log.info("job of kind %s failed: %s", job.kind, exc.code)
        else:
            # Where it happened, never what it said: the text of an error may hold anything.
            where = "".join(traceback.format_tb(exc.__traceback__)[-5:])
            _log.warning("job of kind %s failed: %s\n%s", job.kind, type(exc).__name__, where)
        return outcomes.failure(job, exc, backoff, self._host.clock())

    def _nobody(self, job: Claimed, exc: PrincipalGone) -> Ended:
        try:
            outcomes.record_refusal(self._host, job)
        except (StaleFence, DatabaseError) as other:
            return outcomes.failure(job, other, Backoff(), self._host.clock())
        return outcomes.failure(job, exc, Backoff(), self._host.clock())


def _gone(flight: Flight) -> Callable[[], str]:
    return lambda: flight.gone
