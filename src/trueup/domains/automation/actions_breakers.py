"""Opening breakers by hand, and closing what opened."""

import re
from typing import Any

from pydantic import Field, field_validator

from trueup.domains.automation import breakers
from trueup.domains.automation.engine.breaker import Breaker, Phase
from trueup.kernel.actions.base import Action, Context, Input, Outcome
from trueup.kernel.errors import Conflict
from trueup.kernel.policy.engine.model import Risk


def authority_of(text: str) -> str:
    """Return an authority in the one form that limits and breakers know; without a port it is that of https.

    Raises:
        ValueError: it is none.

    >>> authority_of("Example.ORG"), authority_of("127.0.0.1:8080")
    ('example.org:443', '127.0.0.1:8080')
    """
    from trueup.domains.automation.engine.urls import UrlRefused, read  # loads what reads addresses

    if set(text) & set("/?#@"):
        raise ValueError(f"{text!r} names no host: give host:port, without scheme or path")
    bare = text.count(":") > 1 and not text.startswith("[")
    try:
        return read(f"https://{f'[{text}]' if bare else text}/").authority
    except UrlRefused as refused:
        raise ValueError(f"{text!r} names no host: {refused.reason}") from None


class BreakerInput(Input):
    """Which authority, and why."""

    authority: str = Field(min_length=1, max_length=262)
    reason: str = Field(min_length=1, max_length=1_000)

    @field_validator("authority")
    @classmethod
    def _form(cls, value: str) -> str:
        return authority_of(value)


class OpenBreaker(Action[BreakerInput, None, None]):
    """Leave an authority alone until somebody resets its breaker."""

    name = "automation.breaker.open"
    summary = "leave a host and port alone until its breaker is reset"
    tags = frozenset({"operate", "administer"})
    input = BreakerInput

    def apply(self, ctx: Context, input: BreakerInput, loaded: None, prepared: None) -> Outcome:
        """Open it."""
        return _outcome(input, breakers.force_open(ctx.tenant, input.authority, input.reason, ctx.now))


class ResetBreaker(Action[BreakerInput, None, None]):
    """Close a breaker, so that its authority is reached again."""

    name = "automation.breaker.reset"
    summary = "let a host and port be reached again"
    risk = Risk.R2
    tags = frozenset({"administer"})
    input = BreakerInput

    def check(self, ctx: Context, input: BreakerInput, loaded: None) -> None:
        """Refuse what is closed."""
        if breakers.of(ctx.tenant, input.authority) == Breaker():
            raise Conflict(f"the breaker of {input.authority} is closed", remedy="see 'trueup automation breaker list'")

    def apply(self, ctx: Context, input: BreakerInput, loaded: None, prepared: None) -> Outcome:
        """Close it."""
        return _outcome(input, breakers.reset(ctx.tenant, input.authority, input.reason, ctx.now))


def _outcome(input: BreakerInput, found: Breaker) -> Outcome:
    value: dict[str, Any] = {"authority": input.authority, "phase": str(found.phase), "forced": found.forced}
    host = re.sub(r":\d+$", "", input.authority)
    note = {"authority": input.authority, "open": found.phase is not Phase.CLOSED, "reason": input.reason}
    return Outcome(value, subjects=[f"host/{host}"], note=note)


ACTIONS = (OpenBreaker, ResetBreaker)
