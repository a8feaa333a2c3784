"""Changing which targets may be touched: policies of hosts, what holds for the rest, and the kill switch."""

import re
from collections.abc import Iterable
from typing import Any

from pydantic import Field, field_validator

from trueup.domains.automation import snapshots
from trueup.domains.automation.engine.hostpolicy import Listing as Kind
from trueup.domains.automation.engine.tiers import Strategy, strategy_of
from trueup.domains.automation.models import Listing, PolicyVersion, Switch
from trueup.kernel.actions.base import Action, Context, Input, Outcome
from trueup.kernel.errors import Conflict, NotFound
from trueup.kernel.policy.engine.model import Risk

_DIGEST = re.compile(r"^[0-9a-f]{64}$")
_PATH = re.compile(r"^/[^\x00-\x20\x7f?#]*$")


def pattern_of(text: str) -> str:
    """Return a host pattern in the one form that decisions know.

    Raises:
        ValueError: it is none.

    >>> pattern_of("*.Example.ORG.")
    '*.example.org'
    """
    from trueup.domains.automation.engine.urls import UrlRefused, read

    if text == "*":
        return text
    wild, name = ("*.", text[2:]) if text.startswith("*.") else ("", text)
    if set(name) & set("/?#@"):
        raise ValueError(f"{text!r} names no host: give the host alone, without scheme or path")
    try:
        target = read(f"http://{f'[{name}]' if name.count(':') > 1 else name}/")
    except UrlRefused as refused:
        raise ValueError(f"{text!r} names no host: {refused.reason}") from None
    if target.port != 80 or (wild and target.address is not None):
        raise ValueError(f"{text!r} is no host, *.host or *: ports have a field of their own")
    return f"{wild}{target.host}"


def ports_of(value: Iterable[int]) -> tuple[int, ...]:
    """Return ports in their order, each once.

    Raises:
        ValueError: one is none.
    """
    found = tuple(sorted(set(value)))
    if any(not 0 < port < 65_536 for port in found):
        raise ValueError("a port is a number from 1 to 65535")
    return found


def tiers_of(value: Iterable[str]) -> tuple[str, ...]:
    """Return the names of tiers in their order, each once.

    Raises:
        ValueError: one is none.
    """
    try:
        found = {strategy_of(name) for name in value}
    except ValueError as exc:
        raise ValueError(f"{exc}; there are {', '.join(Strategy)}") from None
    return tuple(str(one) for one in Strategy if one in found)


class HostInput(Input):
    """What a change is about."""

    host: str = Field(min_length=1, max_length=255)

    @field_validator("host")
    @classmethod
    def _pattern(cls, value: str) -> str:
        return pattern_of(value)


class PutPolicyInput(HostInput):
    """A policy of a host, of every name below one (``*.host``) or of every host (``*``)."""

    allowed: bool = True
    denied: bool = False
    ports: tuple[int, ...] = Field(default=(), max_length=100)
    paths: tuple[str, ...] = Field(default=(), max_length=100)
    strategies: tuple[str, ...] = ("vanilla",)
    per_minute: int = Field(default=5, ge=0, le=100_000)
    per_hour: int = Field(default=30, ge=0, le=1_000_000)
    concurrent: int = Field(default=1, ge=0, le=1_000)
    scripts: tuple[str, ...] = Field(default=(), max_length=100, description="SHA-256 of scripts that the tier custom may run")
    notes: str = Field(default="", max_length=2_000)
    after: int | None = Field(
        default=None,
        ge=0,
        description="write it only if this version is in force (0: none is), and nobody wrote another meanwhile",
    )

    @field_validator("scripts")
    @classmethod
    def _scripts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(not _DIGEST.match(one) for one in value):
            raise ValueError("a script is named by its SHA-256, 64 hexadecimal digits in lower case")
        return tuple(sorted(set(value)))

    @field_validator("ports")
    @classmethod
    def _ports(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        return ports_of(value)

    @field_validator("paths")
    @classmethod
    def _paths(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(not _PATH.match(path) or len(path) > 500 for path in value):
            raise ValueError("a path begins with / and holds no spaces, ? or #")
        return value

    @field_validator("strategies")
    @classmethod
    def _tiers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tiers_of(value)

    def body(self) -> dict[str, Any]:
        """Return what is stored of it."""
        return self.model_dump(mode="json", exclude={"host", "after", *(() if self.scripts else ("scripts",))})


class PutPolicy(Action[PutPolicyInput, None, None]):
    """Set the policy of a host; it holds for jobs that are queued already, too."""

    name = "automation.policy.put"
    summary = "set which targets may be touched, and how hard"
    risk = Risk.R2
    tags = frozenset({"administer"})
    input = PutPolicyInput

    def apply(self, ctx: Context, input: PutPolicyInput, loaded: None, prepared: None) -> Outcome:
        """Write the next version; the same as the newest is that version.

        Raises:
            Conflict: another version is in force than the one that this was written after.
        """
        there = snapshots.policy_versions(ctx.tenant, input.host)
        in_force = there[0].version if there and not there[0].retired else 0
        if input.after not in (None, in_force):
            found = f"version {in_force} is in force" if in_force else "none is in force"
            raise Conflict(f"the policy of {input.host} has changed: {found}", remedy="look at it, and write yours again")
        if there and not there[0].retired and there[0].body == input.body():
            return _outcome(there[0])
        return _outcome(_next(ctx, input.host, there, input.body()))


def _next(
    ctx: Context, pattern: str, there: list[PolicyVersion], body: dict[str, Any], *, retired: bool = False
) -> PolicyVersion:
    return PolicyVersion.objects.create(
        tenant=ctx.tenant,
        pattern=pattern,
        version=there[0].version + 1 if there else 1,
        retired=retired,
        body=body,
        at=ctx.now,
        by=ctx.principal.id,
    )


def _outcome(row: PolicyVersion) -> Outcome:
    note = {"version": row.version, "retired": row.retired, "allowed": row.body["allowed"] and not row.body["denied"]}
    return Outcome(policy_document(row), subjects=[f"host/{row.pattern}"], note=note)


def policy_document(row: PolicyVersion) -> dict[str, Any]:
    """Return a version as lists and commands show it."""
    return {"host": row.pattern, "version": row.version, "retired": row.retired, **row.body, "by": row.by}


class RetirePolicy(Action[HostInput, list[PolicyVersion], None]):
    """Take the policy of a host out of force; all its versions stay on record."""

    name = "automation.policy.retire"
    summary = "take the policy of a host out of force"
    risk = Risk.R2
    tags = frozenset({"administer"})
    input = HostInput

    def load(self, ctx: Context, input: HostInput) -> list[PolicyVersion]:
        """Find its versions.

        Raises:
            NotFound: none is in force.
        """
        there = snapshots.policy_versions(ctx.tenant, input.host)
        if not there or there[0].retired:
            raise NotFound(f"no policy of {input.host} is in force", remedy="list them with 'trueup automation policy list'")
        return there

    def apply(self, ctx: Context, input: HostInput, loaded: list[PolicyVersion], prepared: None) -> Outcome:
        """Write a version that says so."""
        return _outcome(_next(ctx, input.host, loaded, loaded[0].body, retired=True))


class SetListingInput(Input):
    """What holds for hosts that no policy names."""

    listing: Kind


class SetListing(Action[SetListingInput, None, None]):
    """Say what holds for hosts that no policy names."""

    name = "automation.listing.set"
    summary = "say whether hosts that no policy names are allowed"
    risk = Risk.R2
    tags = frozenset({"administer"})
    input = SetListingInput

    def apply(self, ctx: Context, input: SetListingInput, loaded: None, prepared: None) -> Outcome:
        """Write it down."""
        Listing.objects.create(tenant=ctx.tenant, listing=str(input.listing), at=ctx.now, by=ctx.principal.id)
        return Outcome({"listing": str(input.listing)}, note={"listing": str(input.listing)})


class SwitchInput(HostInput):
    """What to switch, and why; ``*`` is everything."""

    reason: str = Field(min_length=1, max_length=1_000)


class SwitchOff(Action[SwitchInput, None, None]):
    """Stop all work on a host, or on every host: nothing leaves from the next step on."""

    name = "automation.kill.on"
    summary = "stop all work on a host, or on every host, at once"
    tags = frozenset({"operate", "administer"})
    input = SwitchInput

    def apply(self, ctx: Context, input: SwitchInput, loaded: None, prepared: None) -> Outcome:
        """Write the switch."""
        return _switched(ctx, input, off=True)


class SwitchOn(Action[SwitchInput, None, None]):
    """Let work on a host, or on every host, go on."""

    name = "automation.kill.off"
    summary = "let work on a host, or on every host, go on"
    risk = Risk.R2
    tags = frozenset({"administer"})
    input = SwitchInput

    def check(self, ctx: Context, input: SwitchInput, loaded: None) -> None:
        """Refuse to switch on what is not off."""
        if input.host not in {row.pattern for row in snapshots.switched_off(ctx.tenant)}:
            raise Conflict(f"{input.host} is not switched off", remedy="see 'trueup automation kill list'")

    def apply(self, ctx: Context, input: SwitchInput, loaded: None, prepared: None) -> Outcome:
        """Write the switch."""
        return _switched(ctx, input, off=False)


def _switched(ctx: Context, input: SwitchInput, *, off: bool) -> Outcome:
    Switch.objects.create(tenant=ctx.tenant, pattern=input.host, off=off, reason=input.reason, at=ctx.now, by=ctx.principal.id)
    return Outcome({"host": input.host, "off": off}, subjects=[f"host/{input.host}"], note={"off": off, "reason": input.reason})


ACTIONS = (PutPolicy, RetirePolicy, SetListing, SwitchOff, SwitchOn)
