"""Putting authorizations into force, and taking them out of it: at once, for a while, for good."""

import json

from pydantic import Field

from trueup.domains.automation import authorizations
from trueup.domains.automation.actions_authorizations import AuthorizationInput, Move, changed, outcome, require_move
from trueup.domains.automation.engine.authorizing import State, is_fresh, objection
from trueup.domains.automation.models import Authorization
from trueup.kernel.actions.base import Context, Outcome
from trueup.kernel.change.engine.consent import Choice
from trueup.kernel.change.engine.consent import State as Consent
from trueup.kernel.change.models import Request, Vote
from trueup.kernel.errors import Conflict, Refused
from trueup.kernel.policy.engine.model import Risk


def _require_sound(ctx: Context, row: Authorization) -> None:
    """Refuse to put into force what is not verified now, or could not be asked for any more.

    Raises:
        Refused: so it is.
    """
    if not is_fresh(row.method, row.verified_at, ctx.now):
        raise Refused(
            f"authorization {row.id} was not verified within 24 hours",
            remedy=f"verify it again: trueup automation authorize verify {row.id}",
        )
    reason = objection(authorizations.wanted(row), ctx.now)
    if reason:
        raise Refused(f"authorization {row.id}: {reason}", remedy="ask for another")


class Activate(Move[AuthorizationInput, None]):
    """Put an authorization that opens neither load nor scripts into force."""

    name = "automation.authorization.activate"
    summary = "put a verified authorization into force"
    risk = Risk.R2
    tags = frozenset({"administer"})
    input = AuthorizationInput

    def check(self, ctx: Context, input: AuthorizationInput, loaded: Authorization) -> None:
        """Refuse what is not verified, and what another person has to consent to."""
        state = authorizations.state_of(loaded, ctx.now)
        if state is not State.VERIFIED:
            raise Conflict(f"authorization {loaded.id} is {state}, not verified")
        _require_plain(loaded)
        _require_sound(ctx, loaded)

    def apply(self, ctx: Context, input: AuthorizationInput, loaded: Authorization, prepared: None) -> Outcome:
        """Put it into force."""
        return outcome(ctx, changed(ctx, loaded, State.ACTIVE))


def _require_plain(row: Authorization) -> None:
    if authorizations.opens_load(row):
        raise Refused("it opens load or scripts: another person has to consent to this version of it")


class ActivateLoadInput(AuthorizationInput):
    """Which version: consent is bound to it."""

    version: int = Field(ge=1)


class ActivateLoad(Move[ActivateLoadInput, None]):
    """Put an authorization that opens load or scripts into force; needs the consent of another person."""

    name = "automation.authorization.activate_load"
    summary = "put an authorization into force that opens load or scripts"
    risk = Risk.R3
    tags = frozenset({"administer"})
    input = ActivateLoadInput

    def check(self, ctx: Context, input: ActivateLoadInput, loaded: Authorization) -> None:
        """Refuse another version than was looked at, and what is not verified now."""
        if loaded.version != input.version:
            raise Conflict(f"authorization {loaded.id} is at version {loaded.version}", remedy="look at it again, and ask anew")
        require_move(ctx, loaded, State.ACTIVE)
        _require_sound(ctx, loaded)

    def apply(self, ctx: Context, input: ActivateLoadInput, loaded: Authorization, prepared: None) -> Outcome:
        """Put it into force, with the name of who consented."""
        approver = _who_consented(ctx, loaded, input.version)
        row = changed(ctx, loaded, State.ACTIVE, approver=approver)
        return outcome(ctx, row, approver=approver)


def _who_consented(ctx: Context, row: Authorization, version: int) -> str:
    """Return the person who consented to a version, and is neither who asked for it nor who put it into force.

    Raises:
        Refused: there is none.
    """
    asked = Request.objects.filter(
        tenant=ctx.tenant, action=ActivateLoad.name, resource=f"authorization:{row.id}", state=Consent.APPROVED
    )
    bound = [one.id for one in asked if json.loads(one.input).get("version") == version]
    votes = Vote.objects.filter(tenant=ctx.tenant, request__in=bound, choice=Choice.APPROVE).order_by("at")
    for vote in votes:
        if vote.person not in (row.asked_by, ctx.principal.who):
            return vote.person[:120]
    raise Refused("nobody consented but those who asked for it", remedy="another person has to consent")


class ReasonInput(AuthorizationInput):
    """Which authorization, and why."""

    reason: str = Field(min_length=1, max_length=1_000)


class Suspend(Move[ReasonInput, None]):
    """Take an authorization out of force for a while: it opens nothing from the next hop on."""

    name = "automation.authorization.suspend"
    summary = "take an authorization out of force for a while, at once"
    tags = frozenset({"operate", "administer"})
    input = ReasonInput

    def check(self, ctx: Context, input: ReasonInput, loaded: Authorization) -> None:
        """Refuse what is not in force."""
        require_move(ctx, loaded, State.SUSPENDED)

    def apply(self, ctx: Context, input: ReasonInput, loaded: Authorization, prepared: None) -> Outcome:
        """Take it out of force; consent to load ends with it."""
        return outcome(ctx, changed(ctx, loaded, State.SUSPENDED, approver=""), reason=input.reason)


class Resume(Move[ReasonInput, None]):
    """Put a suspended authorization that opens neither load nor scripts into force again."""

    name = "automation.authorization.resume"
    summary = "put a suspended authorization into force again"
    risk = Risk.R2
    tags = frozenset({"administer"})
    input = ReasonInput

    def check(self, ctx: Context, input: ReasonInput, loaded: Authorization) -> None:
        """Refuse what is not suspended, or not verified now, and what another person has to consent to again."""
        if authorizations.state_of(loaded, ctx.now) is not State.SUSPENDED:
            raise Conflict(f"authorization {loaded.id} is {authorizations.state_of(loaded, ctx.now)}, not suspended")
        _require_plain(loaded)
        _require_sound(ctx, loaded)

    def apply(self, ctx: Context, input: ReasonInput, loaded: Authorization, prepared: None) -> Outcome:
        """Put it into force."""
        return outcome(ctx, changed(ctx, loaded, State.ACTIVE), reason=input.reason)


class Revoke(Move[ReasonInput, None]):
    """End an authorization for good: it opens nothing from the next hop on."""

    name = "automation.authorization.revoke"
    summary = "end an authorization for good, at once"
    tags = frozenset({"operate", "administer"})
    input = ReasonInput

    def check(self, ctx: Context, input: ReasonInput, loaded: Authorization) -> None:
        """Refuse what has ended."""
        require_move(ctx, loaded, State.REVOKED)

    def apply(self, ctx: Context, input: ReasonInput, loaded: Authorization, prepared: None) -> Outcome:
        """End it."""
        return outcome(ctx, changed(ctx, loaded, State.REVOKED), reason=input.reason)


ACTIONS = (Activate, ActivateLoad, Suspend, Resume, Revoke)
