"""Carry out an action: policy, attempt, work, one short transaction, one ledger entry.

References:
    docs/adr/0001-actions.md.
"""

import hmac
import json
import secrets
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db import DatabaseError, IntegrityError, transaction
from pydantic import ValidationError

from trueup.kernel.actions import attempts
from trueup.kernel.actions.base import AnyAction, Context, Input, Outcome, Principal, Resource
from trueup.kernel.actions.errors import Held, PolicyRefused
from trueup.kernel.actions.models import Attempt
from trueup.kernel.actions.ports import HoldRequest
from trueup.kernel.actions.redaction import has_secrets, redacted, revealed
from trueup.kernel.actions.registry import named
from trueup.kernel.errors import Conflict, NotFound, Refused, TrueupError, UsageError
from trueup.kernel.evidence import facts, ledger
from trueup.kernel.evidence.engine.encode import encode, salted
from trueup.kernel.evidence.guards import require_guards
from trueup.kernel.evidence.models import ArtifactRef, EntrySubject
from trueup.kernel.policy.engine import model as policy
from trueup.kernel.policy.engine.decide import decide, may_call
from trueup.kernel.rows import insert


@dataclass(frozen=True, slots=True)
class Result:
    """How an action ended well.

    Args:
        value: what it answered.
        attempt: id of the attempt that did it.
        replayed: True when an earlier attempt under the same key had done it.
    """

    value: Mapping[str, Any]
    attempt: UUID
    replayed: bool = False


def run(action: type[AnyAction], ctx: Context, input: Mapping[str, Any] | Input) -> Result:
    """Run an action for a context's principal.

    Raises:
        PolicyRefused, Refused: not allowed; recorded.
        UsageError: the input is not valid; nothing was begun.
        Held: stored until it is approved; recorded.
        TrueupError: the action failed; recorded.
    """
    require_guards()
    use = action()
    _may_call(use, ctx)
    parsed = _parsed(use, input)
    before = attempts.earlier(ctx, use.name)
    if before is not None:
        return Result(attempts.replayed(before, _same_input(before, parsed)), before.id, replayed=True)
    return _Run(use, ctx, parsed).go()


def require_permission(action: type[AnyAction], ctx: Context) -> None:
    """Refuse a caller whose roles cannot permit an action on anything; for doors that have not read the body yet.

    Raises:
        PolicyRefused: so it is; recorded.
    """
    require_guards()
    _may_call(action(), ctx)


def release(ctx: Context, attempt: UUID) -> Result:
    """Run a held action: exactly the stored input, once, after everything is checked again.

    Raises:
        NotFound: no such held attempt in this tenant.
        Held: it still lacks approval.
        Conflict: it was released before.
    """
    require_guards()
    row = Attempt.objects.filter(id=attempt, tenant=ctx.tenant).first()
    if row is None:
        raise NotFound(f"there is no attempt {attempt}")
    if row.state != attempts.HELD:
        raise Conflict(f"attempt {attempt} is {row.state}, not held")
    use = named(row.action)()
    _may_call(use, ctx)
    if not hmac.compare_digest(row.input_digest, salted(row.salt, row.input.encode())):
        raise Conflict("the stored input is not the one that was held; it is void")
    if not ctx.ports.approvals.approved(ctx.tenant, row.id, row.input_digest, ctx.now):
        raise Held(f"attempt {attempt} waits for approval", details={"attempt": str(attempt)})
    return _Run(use, ctx, _parsed(use, json.loads(row.input)), held=row).go()


def needs_approval(action: type[AnyAction], principal: Principal) -> bool:
    """Tell whether an action by this principal waits for other people: R3 always, R2 when an agent asks."""
    return action.risk is policy.Risk.R3 or (principal.is_agent and action.risk is policy.Risk.R2)


def _who(ctx: Context) -> policy.Principal:
    kind, _, name = ctx.principal.id.partition(":")
    return policy.Principal(
        policy.PrincipalKind(kind),
        name,
        str(ctx.tenant),
        roles=ctx.principal.roles,
        is_agent=ctx.principal.is_agent,
        mfa=ctx.principal.mfa,
        person=ctx.principal.person,
    )


def _request(use: AnyAction, ctx: Context, resource: Resource) -> policy.Request:
    return policy.Request(
        principal=_who(ctx),
        action=use.name,
        resource=policy.Resource(
            resource.kind, resource.id, str(resource.tenant), owner=resource.owner, created_by=resource.created_by
        ),
        now=ctx.now,
    )


def _may_call(use: AnyAction, ctx: Context) -> None:
    decision = may_call(ctx.ports.policies, _who(ctx), use.name)
    if not decision.allowed:
        attempt = _unstarted(use, ctx)
        _record_refusal(ctx, attempt, decision)
    if use.local and not ctx.principal.id.startswith(f"{policy.PrincipalKind.OS_USER}:"):
        attempt = _unstarted(use, ctx)
        _record_refusal(ctx, attempt, _LOCAL)


_LOCAL = policy.Decision(
    allowed=False,
    policy_ids=(),
    reasons=("its input names files of the machine Trueup runs on: call it from that machine's shell",),
)


def _unstarted(use: AnyAction, ctx: Context) -> Attempt:
    """Return the attempt row of a call whose body was never looked at."""
    return attempts.begin(replace(ctx, key=None), use.name, digest="", salt="", input="")


def _record_refusal(ctx: Context, attempt: Attempt, decision: policy.Decision) -> None:
    with transaction.atomic():
        attempts.finish(attempt, attempts.REFUSED, ctx.now, error=PolicyRefused.code)
        body = attempts.entry_body(ctx, attempt, attempts.REFUSED, error=PolicyRefused.code, policies=list(decision.policy_ids))
        ledger.append(ctx.tenant, body)
    raise PolicyRefused(
        "; ".join(decision.reasons) or "no policy allows this",
        remedy=_remedy(decision.policy_ids),
        details={"action": attempt.action, "policies": list(decision.policy_ids), "reasons": list(decision.reasons)},
    )


def _remedy(policy_ids: Collection[str]) -> str:
    if "consent-is-not-by-the-one-who-asked" in policy_ids:
        return "another person has to consent: your own consent counts for nothing you asked for"
    return "ask an owner or admin of the tenant for a role that may, or see 'trueup policy explain'"


def _parsed(use: AnyAction, input: Mapping[str, Any] | Input) -> Input:
    if isinstance(input, use.input):
        return input
    try:
        return use.input.model_validate(input)
    except ValidationError as exc:
        problems = [
            {"field": ".".join(str(part) for part in e["loc"]), "problem": e["msg"]}
            for e in exc.errors(include_input=False, include_url=False)
        ]
        first = problems[0]
        raise UsageError(f"{use.name}: {first['field'] or 'input'}: {first['problem']}", details={"fields": problems}) from None


def _same_input(before: Attempt, parsed: Input) -> bool:
    return hmac.compare_digest(before.input_digest, salted(before.salt, encode(revealed(parsed)))) if before.salt else False


class _Run:
    """One run, from the parsed input to its entry."""

    def __init__(self, use: AnyAction, ctx: Context, input: Input, *, held: Attempt | None = None) -> None:
        self.use = use
        self.ctx = ctx
        self.input = input
        self.attempt = held
        self.released = held is not None
        self.policies: tuple[str, ...] = ()

    def go(self) -> Result:
        if self.released or self.ctx.key is not None or self.use.prepares:
            self._begin(attempts.RUNNING)
        try:
            loaded = self._permitted()
            prepared = self.use.prepare(self.ctx, self.input, loaded)
            outcome = self._apply(loaded, prepared)
        except Held:
            raise
        except PolicyRefused:
            raise
        except Refused as exc:
            self._end(attempts.REFUSED, exc.code, note=exc.details.get("entry"))
            raise
        except TrueupError as exc:
            self._end(attempts.FAILED, exc.code)
            raise
        except IntegrityError as exc:
            if "insert-only" in str(exc):
                self._end(attempts.FAILED, "INTERNAL")
                raise
            self._end(attempts.FAILED, Conflict.code)
            raise Conflict(
                f"{self.use.name}: somebody else has just made the same, or what it refers to is gone",
                remedy="look at what is there now and try again",
            ) from exc
        except BaseException as exc:
            self._end(attempts.FAILED, "INTERRUPTED" if isinstance(exc, KeyboardInterrupt | SystemExit) else "INTERNAL")
            raise
        self.use.settled(self.ctx, outcome)
        return Result(outcome.value, self._row.id)

    @property
    def _row(self) -> Attempt:
        if self.attempt is None:
            raise RuntimeError("an attempt is used before it was begun")
        return self.attempt

    def _begin(self, state: str) -> None:
        if self.attempt is not None:
            moved = Attempt.objects.filter(id=self.attempt.id, tenant=self.ctx.tenant, state=attempts.HELD).update(
                state=attempts.RUNNING, owner=self.ctx.ports.owner
            )
            if not moved:
                raise Conflict(f"attempt {self.attempt.id} was released before")
            return
        salt = secrets.token_hex(16)
        data = encode(revealed(self.input))
        stored = data.decode() if state == attempts.HELD else encode(redacted(self.input)).decode()
        self.attempt = attempts.begin(self.ctx, self.use.name, digest=salted(salt, data), salt=salt, input=stored, state=state)

    def _permitted(self) -> Any:
        loaded = self.use.load(self.ctx, self.input)
        resource = self.use.resource(self.ctx, self.input, loaded)
        decision = decide(self.ctx.ports.policies, _request(self.use, self.ctx, resource))
        self.policies = tuple(decision.policy_ids)
        if not decision.allowed:
            if self.attempt is None:
                self._begin(attempts.RUNNING)
            _record_refusal(self.ctx, self._row, decision)
        self.use.check(self.ctx, self.input, loaded)
        if needs_approval(type(self.use), self.ctx.principal) and not self.released:
            self._hold(resource)
        return loaded

    def _hold(self, resource: Resource) -> None:
        if has_secrets(self.input):
            raise Refused("an input with a secret in it cannot be held", remedy="store the secret first and pass it by reference")
        with transaction.atomic():
            if self.attempt is None:
                self._begin(attempts.HELD)
            else:
                Attempt.objects.filter(id=self.attempt.id, tenant=self.ctx.tenant).update(
                    state=attempts.HELD, input=encode(revealed(self.input)).decode()
                )
            hold = HoldRequest(
                attempt=self._row.id,
                digest=self._row.input_digest,
                action=self.use.name,
                risk=str(self.use.risk),
                resource=f"{resource.kind}:{resource.id}",
                principal=self.ctx.principal.id,
                person=self.ctx.principal.who,
                input=redacted(self.input),
            )
            request = self.ctx.ports.approvals.request(self.ctx.tenant, hold, self.ctx.now)
            body = attempts.entry_body(
                self.ctx, self._row, attempts.HELD, policies=list(self.policies), note={"request": request} if request else {}
            )
            ledger.append(self.ctx.tenant, body)
        raise Held(
            f"{self.use.name} is held until it is approved ({self.use.risk})",
            remedy=f"another person gives consent with: trueup approval approve {request}" if request else "",
            details={"attempt": str(self._row.id), "request": request},
        )

    def _apply(self, loaded: Any, prepared: Any) -> Outcome:
        with transaction.atomic():
            if self.ctx.job is not None:
                self.ctx.job.require_held()
            if self.attempt is None:
                self._begin(attempts.RUNNING)
            outcome = self.use.apply(self.ctx, self.input, loaded, prepared)
            known = facts.prepared(outcome.facts)
            subjects = sorted({*outcome.subjects, *(fact.subject for fact in known)})
            body = attempts.entry_body(
                self.ctx,
                self._row,
                attempts.DONE,
                policies=list(self.policies),
                facts=facts.digest(known) if known else None,
                artifacts=[artifact.as_dict() for artifact in outcome.artifacts],
                subjects=list(outcome.subjects),
                note=dict(outcome.note),
            )
            entry = ledger.append(self.ctx.tenant, body)
            facts.store(self.ctx.tenant, entry, known)
            self._link(entry, subjects, outcome)
            outcome = self._caused(entry, outcome)
            if not attempts.finish(self._row, attempts.DONE, self.ctx.now, result=encode(dict(outcome.value)).decode()):
                raise Conflict(f"attempt {self._row.id} was closed while it ran")
        return outcome

    def _caused(self, entry: int, outcome: Outcome) -> Outcome:
        """Write the jobs and events of the change; the ids of the jobs join its result."""
        ctx, work = self.ctx, self.ctx.ports.work
        if outcome.events:
            work.publish(ctx.tenant, outcome.events, entry=entry, now=ctx.now)
        if not outcome.jobs:
            return outcome
        ids = work.submit(ctx.tenant, outcome.jobs, entry=entry, principal=ctx.principal.id, now=ctx.now)
        return replace(outcome, value={**outcome.value, "jobs": [str(id) for id in ids]})

    def _link(self, entry: int, subjects: list[str], outcome: Outcome) -> None:
        tenant = self.ctx.tenant
        insert(EntrySubject, ("tenant", "subject", "entry"), [(tenant, subject, entry) for subject in subjects])
        insert(
            ArtifactRef,
            ("tenant", "sha256", "size", "name", "media_type", "entry"),
            [(tenant, a.sha256, a.size, a.name, a.media_type, entry) for a in outcome.artifacts],
        )

    def _end(self, state: str, error: str, *, note: Mapping[str, Any] | None = None) -> None:
        # A store that cannot be written now (disk full) leaves the attempt open; recovery closes it later.
        with suppress(DatabaseError):
            self._close(state, error, note or {})

    def _close(self, state: str, error: str, note: Mapping[str, Any]) -> None:
        if self.attempt is None or not Attempt.objects.filter(id=self.attempt.id).exists():
            self.attempt = None
            self._begin(attempts.RUNNING)
        with transaction.atomic():
            if attempts.finish(self._row, state, self.ctx.now, error=error):
                said = {"error": error, "policies": list(self.policies), "note": dict(note)}
                ledger.append(self.ctx.tenant, attempts.entry_body(self.ctx, self._row, state, **said))
