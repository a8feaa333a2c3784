"""After the last needed vote: the held action runs, once, with what its asker may do now.

It happens after the vote's own action, never within it. Who runs it is of no account: the attempt's state lets one
process through, and a process that dies on the way leaves an attempt that recovery closes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from trueup.kernel.actions.attempts import HELD
from trueup.kernel.actions.base import Context, Principal
from trueup.kernel.actions.errors import Held, PolicyRefused
from trueup.kernel.actions.models import Attempt
from trueup.kernel.actions.runner import Result, release, run
from trueup.kernel.change.actions import CastVote, SettleRequest
from trueup.kernel.change.engine.consent import State, present
from trueup.kernel.change.holds import unchanged
from trueup.kernel.change.models import Request
from trueup.kernel.errors import Conflict, NotFound, Refused, TrueupError


class Host(Protocol):
    """What carrying out a request needs of the installation."""

    clock: Callable[[], datetime]

    def context(self, principal: Principal, tenant: UUID) -> Context:
        """Return an action context."""

    def os_principal(self) -> Principal:
        """Return the user that the process runs as."""

    def principal(self, id: str, tenant: UUID) -> Principal | None:
        """Return a principal with its present rights; None when it is gone."""


@dataclass(frozen=True, slots=True)
class Voted:
    """What came of a vote.

    Args:
        value: what the vote answered.
        result: of the action, when this was the last needed vote and it ran.
        problem: why it did not run well, or at all, though the vote counts.
    """

    value: Mapping[str, Any]
    result: Result | None = None
    problem: TrueupError | None = None


def vote(host: Host, ctx: Context, input: Mapping[str, Any]) -> Voted:
    """Vote, and carry the action out when that was the last vote needed.

    Raises:
        TrueupError: the vote itself was refused or failed; nothing ran.
    """
    value = run(CastVote, ctx, input).value
    if value["state"] != State.APPROVED:
        return Voted(value)
    try:
        return Voted(value, result=carry_out(host, ctx.tenant, UUID(str(value["request"]))))
    except TrueupError as exc:
        return Voted(value, problem=exc)


def carry_out(host: Host, tenant: UUID, request: UUID) -> Result:
    """Run the action of an approved request, and write down what became of the request.

    Raises:
        NotFound: this tenant has no such request.
        Held: it lacks consent.
        Conflict: it ran before, runs at this moment, or its input is not the one that was approved.
        Refused: consent has expired, or the asker is gone or may no longer do this.
        TrueupError: the action itself failed; it will not run again.
    """
    row = Request.objects.filter(id=request, tenant=tenant).first()
    if row is None:
        raise NotFound(f"there is no request {request}", remedy="list them with 'trueup approval list'")
    _require_runnable(host, row)
    principal = host.principal(row.asked_by, tenant)
    if principal is None:
        _settle(host, row, refused="principal_gone")
        raise Refused(
            "whoever asked for this is gone, or not to be found from here, so it does not run",
            remedy="let the person who asked run it with 'trueup approval run', or ask again",
        )
    try:
        result = release(host.context(principal, tenant), row.attempt)
    except PolicyRefused:
        _settle(host, row, refused="policy_refused")
        raise
    except (Held, Conflict):
        raise
    except BaseException:
        _settle(host, row)
        raise
    _settle(host, row)
    return result


def _require_runnable(host: Host, row: Request) -> None:
    state = present(State(row.state), row.expires_at, host.clock())
    attempt = Attempt.objects.filter(id=row.attempt, tenant=row.tenant).first()
    if state in (State.REJECTED, State.VOID, State.DONE):
        raise Conflict(f"the request is {state}; it runs no more", details={"outcome": row.outcome})
    if attempt is not None and attempt.state != HELD:
        _settle(host, row)
        raise Conflict(f"the action of this request is {attempt.state}; it runs once", details={"attempt": str(row.attempt)})
    if not unchanged(row):
        _settle(host, row)
        raise Conflict("what would run is not what was approved; the request is void", remedy="ask again")
    if state is State.EXPIRED:
        _settle(host, row)
        raise Refused("consent to this has expired", remedy="ask again")
    if state is State.OPEN:
        raise Held("the request still waits for consent", details={"request": str(row.id)})


def _settle(host: Host, row: Request, *, refused: str = "") -> None:
    try:
        run(SettleRequest, host.context(host.os_principal(), row.tenant), {"request": row.id, "refused": refused})
    except (Conflict, Refused):  # written down by another process; nothing new; or not this user's to write, and recorded so
        return
