"""Policies about hosts, compiled: which targets may be touched, how hard, by which tier; looked up in memory for each hop."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from trueup.domains.automation.engine.tiers import Granted, Strategy

ROBOTS = "/robots.txt"
"""May be read wherever anything of the host may be: what it says is obeyed."""


class Listing(StrEnum):
    """What holds for a host that no policy names."""

    ALLOWLIST = "allowlist"  # it is refused
    DENYLIST = "denylist"  # it is allowed, plainly


@dataclass(frozen=True, slots=True)
class Limits:
    """How hard a target may be touched; counted for each authority over all ways of fetching and retries together."""

    per_minute: int = 5
    per_hour: int = 30
    concurrent: int = 1


@dataclass(frozen=True, slots=True)
class Ceilings:
    """The most that an authorization opens; None where it says nothing.

    Args:
        rps: requests a second.
        concurrent: requests at once.
        requests: requests in all, from its beginning to its end.
    """

    rps: float | None = None
    concurrent: int | None = None
    requests: int | None = None

    @property
    def complete(self) -> bool:
        """Whether it says something of each."""
        return None not in (self.rps, self.concurrent, self.requests)


@dataclass(frozen=True, slots=True)
class HostPolicy:
    """One version of a policy.

    Args:
        id: of the policy; ``version`` counts its versions.
        pattern: a host; ``*.example.org`` stands for every name below one, ``*`` for every host.
        allowed, denied: a denial is stronger than any allowance, of this policy or a narrower one.
        ports: that may be connected to; empty means those of http and https.
        paths: that paths have to begin with; empty means any.
        strategies: tiers that are listed; empty means vanilla alone.
        scripts: SHA-256 of reviewed scripts that the tier custom may run.
    """

    id: str
    version: int
    pattern: str
    allowed: bool = True
    denied: bool = False
    ports: frozenset[int] = frozenset()
    paths: tuple[str, ...] = ()
    strategies: frozenset[Strategy] = frozenset()
    limits: Limits = field(default_factory=Limits)
    scripts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Authorization:
    """What somebody entitled to it allows.

    Args:
        host: a host or ``*.`` pattern; a private or loopback target has to be named exactly.
        ports: that it is for; a private or loopback target has to be named with its port.
        path: that paths have to begin with.
        active: whether its evidence was verified, and it was neither revoked nor suspended.
        opens, closes: its window; None where it has none.
        expires: when it ends.
        job_types: that it is for; empty means any.
        inside: whether its target is no public place: a loopback or private address, or a name that leads to one.
        stale: when its verification is too old to be relied on; None for evidence that nobody can look up again.
    """

    id: str
    version: int
    host: str
    ports: frozenset[int]
    granted: Granted
    expires: datetime
    path: str = "/"
    active: bool = True
    opens: datetime | None = None
    closes: datetime | None = None
    job_types: frozenset[str] = frozenset()
    inside: bool = False
    stale: datetime | None = None
    ceilings: Ceilings = field(default_factory=Ceilings)

    def state(self, now: datetime) -> str:
        """Return why it opens nothing at a time; empty where it does."""
        if not self.active:
            return "authorization.inactive"
        if now >= self.expires:
            return "authorization.expired"
        if (self.opens and now < self.opens) or (self.closes and now >= self.closes):
            return "authorization.window"
        if self.stale and now >= self.stale:
            return "authorization.stale"
        return ""

    def names(self, host: str, port: int, path: str) -> bool:
        """Whether it is about a target."""
        return covers(self.host, host) and (not self.ports or port in self.ports) and _reaches(self.path, path)

    def names_exactly(self, host: str, port: int, path: str) -> bool:
        """Whether it names a target that is no public place: by its host and port, and as such."""
        return self.inside and self.host == host and port in self.ports and _reaches(self.path, path)


def _reaches(prefix: str, path: str) -> bool:
    """Whether a path lies under a prefix, or says what robots may fetch there."""
    return within(prefix, path) or path == ROBOTS


def within(prefix: str, path: str) -> bool:
    """Whether a path lies under a prefix, whole segments alone: ``/a`` holds ``/a`` and ``/a/b``, not ``/ab``."""
    plain = path.partition("?")[0]
    base = prefix.rstrip("/")
    return not base or plain == base or plain.startswith(f"{base}/")


def covers(pattern: str, host: str) -> bool:
    """Whether a pattern stands for a host; a bare name stands for its ``www.`` too.

    >>> covers("*.example.org", "a.b.example.org"), covers("*.example.org", "example.org")
    (True, False)
    """
    if pattern == "*":
        return True
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) > len(pattern) - 1
    return host in (pattern, f"www.{pattern}")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that decides about hops, at one moment.

    Args:
        exact, below: policies by host, and by the name that a ``*.`` pattern ends with.
        everywhere: the policy of ``*``.
        killed: hosts that are switched off; ``*`` switches everything off.
        digest: of the whole, by which decisions name it.
    """

    listing: Listing
    exact: Mapping[str, HostPolicy]
    below: Mapping[str, HostPolicy]
    everywhere: HostPolicy | None
    authorizations: tuple[Authorization, ...] = ()
    killed: frozenset[str] = frozenset()
    digest: str = ""

    def policies(self, host: str) -> list[HostPolicy]:
        """Return the policies about a host, the narrowest first."""
        found = [self.exact.get(host)]
        if host.startswith("www."):
            found.append(self.exact.get(host[4:]))
        labels = host.split(".")
        found += [self.below.get(".".join(labels[start:])) for start in range(1, len(labels))]
        found.append(self.everywhere)
        return [policy for policy in found if policy is not None]

    def is_killed(self, host: str) -> bool:
        """Whether everything, or this host, is switched off."""
        return "*" in self.killed or any(covers(pattern, host) for pattern in self.killed)


def compiled(
    policies: Iterable[HostPolicy],
    *,
    listing: Listing,
    authorizations: Iterable[Authorization] = (),
    killed: Iterable[str] = (),
    digest: str = "",
) -> Snapshot:
    """Compile policies for looking up.

    Raises:
        ValueError: two policies are about the same pattern.
    """
    exact: dict[str, HostPolicy] = {}
    below: dict[str, HostPolicy] = {}
    everywhere: HostPolicy | None = None
    for policy in policies:
        table, key = (below, policy.pattern[2:]) if policy.pattern.startswith("*.") else (exact, policy.pattern)
        if policy.pattern == "*":
            there, everywhere = everywhere, policy
        else:
            there = table.get(key)
            table[key] = policy
        if there is not None:
            raise ValueError(f"two policies are about {policy.pattern}")
    return Snapshot(listing, exact, below, everywhere, tuple(authorizations), frozenset(killed), digest)
