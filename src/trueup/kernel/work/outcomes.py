"""What the end of a handler means for its job."""

from datetime import datetime

from django.db import transaction

from trueup.kernel.actions import attempts
from trueup.kernel.actions.base import Principal
from trueup.kernel.actions.errors import Held, IdempotencyConflict
from trueup.kernel.errors import ConfigurationError, NotFound, Refused, TrueupError, UsageError
from trueup.kernel.evidence import ledger
from trueup.kernel.work.claims import Claimed, Ended
from trueup.kernel.work.engine.backoff import Backoff
from trueup.kernel.work.engine.digest import canonical
from trueup.kernel.work.engine.states import Move, failed
from trueup.kernel.work.errors import ChildFailed, Final, OutOfMemory, Postponed, PrincipalGone, ResultTooLarge
from trueup.kernel.work.fence import JobFence
from trueup.kernel.work.host import Host

RESULT_BYTES = 64 * 1024
REFUSED_RUN = "work.job.run"
"""What a refusal is called in the ledger when who asked for a job may act no more."""

_PERMANENT = (Refused, UsageError, NotFound, IdempotencyConflict, Held, Final)


def permanent(exc: BaseException) -> bool:
    """Tell whether no retry mends a failure: refused, wrong input, nothing there, held for people."""
    return exc.permanent if isinstance(exc, ChildFailed) else isinstance(exc, _PERMANENT)


def problem(exc: BaseException) -> tuple[str, str]:
    """Return code and words of a failure; an unexpected one gives its type alone, its text may hold anything."""
    if isinstance(exc, ConfigurationError) and exc.remedy:
        return exc.code, f"{exc.message}; {exc.remedy}"  # whoever reads of the job may be who can mend the machine
    if isinstance(exc, TrueupError):
        return exc.code, exc.message
    if isinstance(exc, MemoryError):
        return OutOfMemory.code, "the job ran out of memory"
    return TrueupError.code, type(exc).__name__


def succeeded(job: Claimed, value: object) -> Ended:
    """Return how a job ends that gave a result.

    Raises:
        ResultTooLarge: it does not fit into the row.
        UsageError: it is not JSON-able.
    """
    try:
        text = canonical(value if value is not None else {})
    except (TypeError, ValueError) as exc:
        raise UsageError(f"{job.kind}: the result cannot be written as JSON: {exc}") from None
    if len(text.encode()) > RESULT_BYTES:
        raise ResultTooLarge(f"{job.kind}: a result of more than {RESULT_BYTES} bytes", remedy="store it as an artifact")
    return Ended(job, Move.SUCCEED, result=text)


def failure(job: Claimed, exc: BaseException, backoff: Backoff, now: datetime) -> Ended:
    """Return how an attempt ends that failed, or that may not go on yet."""
    code, words = problem(exc)
    if isinstance(exc, Postponed):
        return Ended(job, Move.RETURN, error=f"{code}: {words}"[:2000], again=max(exc.until, now))
    move = failed(permanent=permanent(exc), attempts=job.attempts, max_attempts=job.max_attempts)
    again = now + backoff.wait(job.attempts, seed=str(job.id)) if move is Move.RETRY else None
    return Ended(job, move, error=f"{code}: {words}"[:2000], again=again)


def record_refusal(host: Host, job: Claimed) -> None:
    """Write the entry of a job that nobody stands behind any more.

    Raises:
        StaleFence: the job is no longer this worker's.
    """
    ctx = host.context(Principal(job.principal, frozenset()), job.tenant)
    with transaction.atomic():
        JobFence(job.id, job.tenant, job.fence).require_held()
        attempt = attempts.begin(ctx, REFUSED_RUN, digest="", salt="", input="")
        attempts.finish(attempt, attempts.REFUSED, ctx.now, error=PrincipalGone.code)
        note = {"job": str(job.id), "kind": job.kind}
        ledger.append(job.tenant, attempts.entry_body(ctx, attempt, attempts.REFUSED, error=PrincipalGone.code, note=note))
