"""Jobs of automation: each attempt is one action; limits postpone it, and what it sent is on record however it ends."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from trueup.domains.automation import jobqueries
from trueup.domains.automation.actions_authorizations import VerifyAuthorization
from trueup.domains.automation.actions_fetches import RecordEgress
from trueup.domains.automation.actions_jobs import PerformJob
from trueup.domains.automation.egress.spool import forget
from trueup.domains.automation.jobspec import KIND, LONGEST, JobArgs, Watch, watched
from trueup.domains.automation.models import Run
from trueup.kernel.actions.runner import run
from trueup.kernel.errors import TrueupError
from trueup.kernel.work.claims import Claimed
from trueup.kernel.work.context import JobContext
from trueup.kernel.work.engine.backoff import Backoff
from trueup.kernel.work.errors import Final, JobCancelled, Postponed
from trueup.kernel.work.handlers import Portion, handler

if TYPE_CHECKING:
    from trueup.domains.automation.meters import Turn

SOON = timedelta(seconds=1)
"""After which a job looks again whether others have ended at its authority."""
_WAITS = ("limit.", "ceiling.rps", "ceiling.concurrent", "breaker.")


class RunFailed(TrueupError):
    """An attempt ended badly, and another may mend it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


MOST = 25
"""Fetch jobs that are done together."""


def plain(job: Claimed) -> bool:
    """Tell whether a job is one fetch, and nothing else: such jobs are done together."""
    return _plain(job.args)


@lru_cache(maxsize=1_024)
def _plain(args: str) -> bool:
    from trueup.domains.automation.engine.jobtypes import FETCH  # loads what reads URLs

    if f'"job_type":"{FETCH}"' not in args:
        return False
    request = json.loads(args)["request"]
    return bool(request["job_type"] == FETCH and not request["payload"])


def _together(jobs: Sequence[JobContext]) -> Iterator[Portion]:
    from trueup.domains.automation.batches import together  # loads what fetches

    return together(jobs)


@handler(
    KIND,
    args=JobArgs,
    timeout=float(LONGEST + 600),
    backoff=Backoff(base=1.0, cap=60.0),
    batch=MOST,
    together=_together,
    joins=plain,
)
def do(job: JobContext) -> dict[str, Any]:
    """Make an attempt at a job; one whose attempt was written down before its worker died is only ended."""
    before = jobqueries.runs(job.job.tenant, job.job.id)
    replayed = jobqueries.replayed_at(job.job.tenant, job.job.id)
    if before and before[-1].final and (replayed is None or before[-1].at > replayed):
        return over(before[-1])
    number = len(before) + 1
    lease = _turn(job, number)
    watch = Watch(lambda: "cancelled" if job.cancelled() else "", job.progress, lease)
    try:
        with watched(watch):
            value = job.run(PerformJob, {"job": str(job.job.id), "attempt": number}, step=f"attempt-{number}")
    except JobCancelled as stopped:
        _keep_record(job, getattr(stopped, "record", ""))
        raise
    return done(value)


def done(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result of a job from what an attempt at it says.

    Raises:
        Final, RunFailed: it ended badly.
    """
    if value["ended"] == "completed":
        return dict(value)
    raise Final(value["code"], value["reason"]) if value["final"] else RunFailed(value["code"], value["reason"])


def over(row: Run) -> dict[str, Any]:
    """Return the result of a job whose last attempt was written down before it could be ended.

    Raises:
        Final: it ended badly.
    """
    if row.ended != "completed":
        raise Final(row.code, row.reason)
    found = jobqueries.run_document(row)
    return {name: found[name] for name in ("ended", "final", "elapsed_ms", "manifest", "summary")} | {"record": row.record}


def _turn(job: JobContext, number: int) -> str:
    """Take the job's first turn at its target before anything is started; return the lease, empty where a rule refuses it.

    Raises:
        Postponed: limits or the breaker say later.
    """
    from trueup.domains.automation import snapshots
    from trueup.domains.automation.engine.decide import Asked, decide
    from trueup.domains.automation.engine.tiers import may_open, strategy_of
    from trueup.domains.automation.tolls import take

    args, ctx = jobqueries.args_of(job.job.tenant, job.job.id), job.context
    _verified_again(job, args, number)
    asked = Asked(
        strategy_of(args.request.strategy),
        may_open(ctx.principal.roles),
        authorization=args.frozen.authorization,
        job_type=args.request.job_type,
    )
    decision = decide(snapshots.current(ctx.tenant), args.request.url, asked, ctx.now)
    if not decision.allowed:
        return ""  # the attempt says why, and writes it down
    lasts = timedelta(seconds=args.request.timeout_seconds + 60)
    # by the job's own id: what an attempt held whose worker died is this attempt's now
    turn = take(ctx.tenant, decision, ctx.now, lease=lasts, within=job.job.id.hex)
    later = postponed(args.frozen.authority, turn, ctx.now)
    if later is not None:
        raise later
    return turn.lease


def postponed(authority: str, turn: "Turn", now: datetime) -> Postponed | None:
    """Return what puts a job off whose turn it is not; None where it may begin, or a rule refuses it for good."""
    from trueup.domains.automation.tolls import words

    if turn.allowed or not turn.rule.startswith(_WAITS) or not (turn.again or turn.rule.endswith(".concurrent")):
        return None
    return Postponed(f"{authority}: {words(turn)}", until=_later(turn.again, now))


def _later(again: datetime | None, now: datetime) -> datetime:
    return again if again is not None and again > now else now + SOON


def _verified_again(job: JobContext, args: JobArgs, number: int) -> None:
    """Look again for the evidence of an authorization that nobody looked at for a day."""
    from trueup.domains.automation.snapshots import current

    now = job.now()
    for one in current(job.job.tenant).authorizations:
        if one.id == args.frozen.authorization and one.state(now) == "authorization.stale":
            try:
                job.run(VerifyAuthorization, {"id": one.id}, step=f"verify-{number}")
            except TrueupError as exc:  # the attempt is then refused by it
                job.log(f"authorization {one.id} was not verified again: {exc.code}")


def _keep_record(job: JobContext, record: str) -> None:
    """Write down what had left of a job that was ended from outside: it holds nothing any more, so it is no step of it."""
    if record:
        held = job.job
        ctx = replace(job.context, job=None, key=f"egress:{held.id}:{held.fence}")
        run(RecordEgress, ctx, {"run": str(held.id), "sha256": record})
        forget(ctx.ports.data, held.id)
