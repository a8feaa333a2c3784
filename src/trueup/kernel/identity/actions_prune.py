"""Forgetting what identity no longer needs: sessions that ended, old failed sign-ins, keys that open nothing any more."""

from datetime import timedelta
from typing import Any

from pydantic import Field

from trueup.kernel.actions.base import Action, Context, Input, Outcome
from trueup.kernel.errors import Refused
from trueup.kernel.evidence.ledger import SYSTEM
from trueup.kernel.identity.models import ApiKey, LoginFailure


class PruneInput(Input):
    """What is old enough, and whether only to look."""

    days: int = Field(ge=1, le=36_500)
    dry_run: bool = False


class PruneSessions(Action[PruneInput, dict[str, Any], None]):
    """Remove sessions that ended, and failed sign-ins that are old; nobody is signed out."""

    name = "identity.session.prune"
    summary = "remove sessions that ended, and old failed sign-ins"
    tags = frozenset({"administer"})
    input = PruneInput

    def check(self, ctx: Context, input: PruneInput, loaded: dict[str, Any]) -> None:
        """Refuse a tenant's admin: sessions are of people, and those are the installation's."""
        if ctx.tenant != SYSTEM:
            raise Refused("sessions are the installation's", remedy="run 'trueup prune' as the owner of the home")

    def load(self, ctx: Context, input: PruneInput) -> dict[str, Any]:
        """Find them."""
        from allauth.usersessions.models import UserSession
        from django.contrib.sessions.models import Session

        ended = Session.objects.filter(expire_date__lt=ctx.now)
        live = Session.objects.filter(expire_date__gte=ctx.now).values("session_key")
        return {
            "sessions": ended,
            "listed": UserSession.objects.exclude(session_key__in=live),
            "failures": LoginFailure.objects.filter(window__lt=ctx.now - timedelta(days=input.days)),
        }

    def apply(self, ctx: Context, input: PruneInput, loaded: dict[str, Any], prepared: None) -> Outcome:
        """Remove them, unless only asked to look."""
        counts = {name: rows.count() for name, rows in loaded.items()}
        if not input.dry_run:
            for rows in loaded.values():
                rows.delete()
        return Outcome({**counts, "removed": not input.dry_run}, note={**counts, "dry_run": input.dry_run})


class PruneKeys(Action[PruneInput, Any, None]):
    """Remove API keys that were revoked or ran out long ago from the list; what they did stays in the log."""

    name = "identity.apikey.prune"
    summary = "remove API keys that were revoked or ran out long ago"
    tags = frozenset({"administer"})
    input = PruneInput

    def load(self, ctx: Context, input: PruneInput) -> Any:
        """Find them."""
        from django.db.models import Q

        before = ctx.now - timedelta(days=input.days)
        return ApiKey.objects.filter(tenant=ctx.tenant).filter(Q(revoked_at__lt=before) | Q(expires_at__lt=before))

    def apply(self, ctx: Context, input: PruneInput, loaded: Any, prepared: None) -> Outcome:
        """Remove them, unless only asked to look."""
        ids = [str(id) for id in loaded.values_list("id", flat=True)]
        if not input.dry_run:
            loaded.delete()
        return Outcome({"keys": ids, "removed": not input.dry_run}, note={"keys": len(ids), "dry_run": input.dry_run})


ACTIONS = (PruneSessions, PruneKeys)
