"""Every change to requests, votes and the rules of consent."""

from datetime import timedelta
from uuid import UUID, uuid4

from pydantic import Field

from trueup.kernel.actions import attempts
from trueup.kernel.actions.base import Action, Context, Input, Outcome, Resource
from trueup.kernel.actions.models import Attempt
from trueup.kernel.actions.registry import registered
from trueup.kernel.change import holds
from trueup.kernel.change.engine import consent
from trueup.kernel.change.engine.consent import Choice, Standing, State
from trueup.kernel.change.models import Request, Rule, Vote
from trueup.kernel.errors import Conflict, NotFound
from trueup.kernel.policy.engine.model import Risk

DAY = 86_400


class RequestInput(Input):
    """Which request."""

    request: UUID


class _OnRequest[InputT: RequestInput](Action[InputT, Request, None]):
    """What everything that is done to a request begins with."""

    def load(self, ctx: Context, input: InputT) -> Request:
        """Find the request in this tenant."""
        row = Request.objects.filter(id=input.request, tenant=ctx.tenant).first()
        if row is None:
            raise NotFound(f"there is no request {input.request}", remedy="list them with 'trueup approval list'")
        return row

    def resource(self, ctx: Context, input: InputT, loaded: Request) -> Resource:
        """The request; whoever asked is its owner and its maker."""
        return Resource("request", str(loaded.id), loaded.tenant, owner=loaded.person, created_by=loaded.person)

    def locked(self, ctx: Context, input: InputT) -> Request:
        """Lock the request inside the transaction."""
        return Request.objects.select_for_update().get(id=input.request, tenant=ctx.tenant)


def _about(row: Request, **more: object) -> Outcome:
    value = {"request": str(row.id), "state": str(row.state), "attempt": str(row.attempt), **more}
    return Outcome(value, subjects=[f"request:{row.id}"], note=value)


def _close(row: Request, state: State, outcome: str, ctx: Context) -> None:
    row.state, row.outcome, row.closed_at = state, outcome, ctx.now
    row.save(update_fields=["state", "outcome", "closed_at"])


class VoteInput(RequestInput):
    """Consent or refusal, and why."""

    choice: Choice
    comment: str = Field(default="", max_length=2000)


class CastVote(_OnRequest[VoteInput]):
    """Consent to what somebody else asked for, or refuse it. Persons are counted, whatever keys they use."""

    name = "change.request.vote"
    summary = "consent to a request, or refuse it"
    tags = frozenset({"approve"})
    input = VoteInput

    def check(self, ctx: Context, input: VoteInput, loaded: Request) -> None:
        """Refuse who may not vote by the rule, and a request whose action's input has changed."""
        consent.require_voter(ctx.principal.roles, loaded.voter_roles)
        if loaded.state == State.OPEN and not holds.unchanged(loaded):
            raise Conflict("what would run is not what was asked for; the request is void", remedy="ask again")

    def apply(self, ctx: Context, input: VoteInput, loaded: Request, prepared: None) -> Outcome:
        """Write the vote, and what it makes of the request."""
        row = self.locked(ctx, input)
        votes = list(Vote.objects.filter(request=row, tenant=ctx.tenant))
        before = Standing(
            State(row.state),
            row.votes_needed,
            row.expires_at,
            frozenset(vote.person for vote in votes if vote.choice == Choice.APPROVE),
            frozenset(vote.person for vote in votes if vote.choice == Choice.REJECT),
        )
        after = consent.vote(before, person=ctx.principal.who, choice=input.choice, now=ctx.now)
        Vote.objects.create(
            id=uuid4(),
            tenant=ctx.tenant,
            request=row,
            person=ctx.principal.who,
            principal=ctx.principal.id,
            choice=input.choice,
            comment=input.comment,
            at=ctx.now,
        )
        row.state = after.state
        row.save(update_fields=["state"])
        if after.state is State.REJECTED:
            _close(row, State.REJECTED, "rejected", ctx)
            holds.dismiss(row, "REJECTED", ctx.now)
        return _about(row, choice=str(input.choice), votes=len(after.persons_for), votes_needed=row.votes_needed)


class WithdrawRequest(_OnRequest[RequestInput]):
    """Take a request back before it ran."""

    name = "change.request.withdraw"
    summary = "take a request back"
    tags = frozenset({"administer"})
    input = RequestInput

    def apply(self, ctx: Context, input: RequestInput, loaded: Request, prepared: None) -> Outcome:
        """Void it; its action never runs."""
        row = self.locked(ctx, input)
        state = consent.present(State(row.state), row.expires_at, ctx.now)
        if state not in (State.OPEN, State.APPROVED):
            raise Conflict(f"the request is {state}; there is nothing to take back")
        if not Attempt.objects.filter(id=row.attempt, tenant=ctx.tenant, state=attempts.HELD).exists():
            raise Conflict("the action is running, or has run")
        _close(row, State.VOID, "withdrawn", ctx)
        holds.dismiss(row, "WITHDRAWN", ctx.now)
        return _about(row)


class SettleInput(RequestInput):
    """Which request, and why its action could not be started (empty: it was)."""

    refused: str = Field(default="", pattern="^(|principal_gone|policy_refused)$")


class SettleRequest(_OnRequest[SettleInput]):
    """Write down what became of a request: it ran, it ended badly, it expired, its input changed, its asker is gone.

    The installation itself does this; what it writes follows from the attempt, the stored input and the clock.
    """

    name = "change.request.settle"
    summary = "write down what became of a request"
    tags = frozenset({"administer"})
    input = SettleInput
    local = True

    def apply(self, ctx: Context, input: SettleInput, loaded: Request, prepared: None) -> Outcome:
        """Derive the state and write it."""
        row = self.locked(ctx, input)
        state, outcome = self._found(ctx, row)
        if state is State(row.state) and not input.refused:
            raise Conflict(f"the request is {state}; nothing new is known of it")
        if state is not State(row.state):
            _close(row, state, outcome, ctx)
            holds.dismiss(row, outcome.upper(), ctx.now)
        return _about(row, outcome=outcome, **({"refused": input.refused} if input.refused else {}))

    def _found(self, ctx: Context, row: Request) -> tuple[State, str]:
        """Return state and outcome by what is stored."""
        attempt = Attempt.objects.filter(id=row.attempt, tenant=ctx.tenant).first()
        state = consent.present(State(row.state), row.expires_at, ctx.now)
        if State(row.state) not in (State.OPEN, State.APPROVED):
            return State(row.state), row.outcome
        if attempt is None:
            return State.VOID, "attempt_gone"
        if attempt.state == attempts.DONE:
            return State.DONE, "done"
        if attempt.state in (attempts.FAILED, attempts.REFUSED):
            return State.VOID, attempt.state
        if attempt.state == attempts.HELD and not holds.unchanged(row):
            return State.VOID, "input_changed"
        if state is State.EXPIRED and attempt.state == attempts.HELD:
            return State.EXPIRED, "expired"
        return State(row.state), row.outcome


class PutRuleInput(Input):
    """What the rule is for, and how much consent it asks."""

    applies_to: str = Field(pattern=r"^(\*|R[123]|[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+)$", description="an action, a risk, or *")
    votes: int = Field(ge=1, le=20)
    expires_after: int = Field(default=3 * DAY, ge=60, le=90 * DAY, description="seconds")
    roles: tuple[str, ...] = Field(default=(), max_length=30)


class PutRule(Action[PutRuleInput, None, None]):
    """Say how much consent an action needs; requests that are open keep the rule they began with."""

    name = "change.rule.put"
    summary = "say how much consent an action needs"
    tags = frozenset({"administer"})
    input = PutRuleInput

    def resource(self, ctx: Context, input: PutRuleInput, loaded: None) -> Resource:
        """The rule."""
        return Resource("rule", input.applies_to, ctx.tenant)

    def check(self, ctx: Context, input: PutRuleInput, loaded: None) -> None:
        """Refuse roles and actions that nobody declared."""
        unknown = sorted(set(input.roles) - set(ctx.ports.policies.roles))
        if unknown:
            raise NotFound(f"there is no role {unknown[0]!r}", remedy=f"one of: {', '.join(ctx.ports.policies.roles)}")
        if input.applies_to not in ("*", *Risk) and input.applies_to not in {action.name for action in registered()}:
            raise NotFound(f"there is no action {input.applies_to!r}", remedy="list them with 'trueup policy explain'")

    def apply(self, ctx: Context, input: PutRuleInput, loaded: None, prepared: None) -> Outcome:
        """Write the rule."""
        seconds = int(timedelta(seconds=input.expires_after).total_seconds())
        values = {"votes": input.votes, "expires_after": seconds, "roles": sorted(set(input.roles)), "updated_at": ctx.now}
        Rule.objects.update_or_create(tenant=ctx.tenant, applies_to=input.applies_to, defaults=values)
        value = {"applies_to": input.applies_to, **{name: values[name] for name in ("votes", "expires_after", "roles")}}
        return Outcome(value, note=value)


class RemoveRuleInput(Input):
    """Which rule goes."""

    applies_to: str


class RemoveRule(Action[RemoveRuleInput, Rule, None]):
    """Remove a rule of consent; the next wider one holds from now on."""

    name = "change.rule.remove"
    summary = "remove a rule of consent"
    tags = frozenset({"administer"})
    input = RemoveRuleInput

    def load(self, ctx: Context, input: RemoveRuleInput) -> Rule:
        """Find it in this tenant."""
        row = Rule.objects.filter(tenant=ctx.tenant, applies_to=input.applies_to).first()
        if row is None:
            raise NotFound(f"there is no rule for {input.applies_to!r}", remedy="list them with 'trueup approval rule list'")
        return row

    def apply(self, ctx: Context, input: RemoveRuleInput, loaded: Rule, prepared: None) -> Outcome:
        """Remove the row."""
        loaded.delete()
        return Outcome({"removed": input.applies_to}, note={"removed": input.applies_to})


ACTIONS = (CastVote, WithdrawRequest, SettleRequest, PutRule, RemoveRule)
