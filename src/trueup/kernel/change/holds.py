"""The port through which the actions room holds an action for people and asks whether they have consented."""

import hmac
import json
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from trueup.kernel.actions import attempts
from trueup.kernel.actions.models import Attempt
from trueup.kernel.actions.ports import HoldRequest
from trueup.kernel.change.engine.consent import Need, State, need, present
from trueup.kernel.change.models import Request, Rule
from trueup.kernel.evidence.engine.encode import salted


class Holds:
    """Requests as the actions room sees them."""

    def request(self, tenant: UUID, hold: HoldRequest, now: datetime) -> str:
        """Open a request inside the caller's transaction; return its id."""
        wanted = need(rules(tenant), action=hold.action, risk=hold.risk)
        row = Request.objects.create(
            id=uuid4(),
            tenant=tenant,
            attempt=hold.attempt,
            digest=hold.digest,
            action=hold.action,
            risk=hold.risk,
            resource=hold.resource,
            asked_by=hold.principal,
            person=hold.person,
            input=json.dumps(dict(hold.input), ensure_ascii=False, sort_keys=True),
            state=State.OPEN,
            votes_needed=wanted.votes,
            voter_roles=sorted(wanted.roles),
            created_at=now,
            expires_at=now + wanted.expires_after,
        )
        return str(row.id)

    def approved(self, tenant: UUID, attempt: UUID, digest: str, now: datetime) -> bool:
        """Tell whether exactly this input has all the approvals it needs, and they have not expired."""
        row = Request.objects.filter(tenant=tenant, attempt=attempt).first()
        if row is None or present(State(row.state), row.expires_at, now) is not State.APPROVED:
            return False
        return hmac.compare_digest(row.digest, digest) and unchanged(row)


def unchanged(row: Request) -> bool:
    """Tell whether what the attempt would run is, byte for byte, what people were asked about."""
    held = Attempt.objects.filter(id=row.attempt, tenant=row.tenant).first()
    if held is None or held.action != row.action or held.principal != row.asked_by:
        return False
    present_digest = salted(held.salt, held.input.encode())
    return hmac.compare_digest(row.digest, held.input_digest) and hmac.compare_digest(row.digest, present_digest)


def rules(tenant: UUID) -> list[tuple[str, Need]]:
    """Return a tenant's rules of consent."""
    rows = Rule.objects.filter(tenant=tenant).order_by("applies_to")
    return [(row.applies_to, Need(row.votes, timedelta(seconds=row.expires_after), frozenset(row.roles))) for row in rows]


def dismiss(row: Request, why: str, now: datetime) -> None:
    """Close the attempt of a request that will never run."""
    Attempt.objects.filter(id=row.attempt, tenant=row.tenant, state=attempts.HELD).update(
        state=attempts.REFUSED, finished_at=now, error=why
    )
