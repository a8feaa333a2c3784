"""May this hop be made? Pure, in memory, the same for HTTP, for browsers, and for those who only ask."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from trueup.domains.automation.engine.addresses import Address, special
from trueup.domains.automation.engine.hostpolicy import (
    ROBOTS,
    Authorization,
    Ceilings,
    HostPolicy,
    Limits,
    Listing,
    Snapshot,
    within,
)
from trueup.domains.automation.engine.tiers import Mode, Strategy, mode_of, refusal
from trueup.domains.automation.engine.urls import Target, UrlRefused, private_name, read

_PLAIN_PORTS = frozenset({80, 443})
_OPENED = "authorization.open"
_NOTHING = Limits(0, 0, 0)
_UNBOUNDED = Ceilings()
_LOCALHOST, _LOOPBACK = "egress.name.localhost", "egress.address.loopback"
_NEVER = frozenset(f"egress.address.{name}" for name in ("metadata", "multicast", "broadcast", "unspecified"))
"""What no authorization opens."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, and for what.

    Args:
        strategy: the tier.
        roles_allow: tiers that the caller's role and plan allow.
        authorization: id that the job froze; empty where any that names the target will do.
        job_type: empty where it does not matter.
        came_from: the target that led here by a redirect; None for a first hop.
    """

    strategy: Strategy = Strategy.VANILLA
    roles_allow: Collection[Strategy] = frozenset(Strategy)
    authorization: str = ""
    job_type: str = ""
    came_from: Target | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer.

    Args:
        rule_ids: what decided: the rule that refused, or all that allowed.
        target: as it was read; None where it could not be.
        policy: id and version of the policy that decided.
        authorization: id and version of the one that opened it.
        private: whether an authorization opened an address that is no public place: only then may one be connected to.
        ceilings: of the authorization.
    """

    allowed: bool
    reason: str
    rule_ids: tuple[str, ...]
    url: str
    target: Target | None = None
    mode: Mode = Mode.PUBLIC
    limits: Limits = _NOTHING
    policy: tuple[str, int] | None = None
    authorization: tuple[str, int] | None = None
    private: bool = False
    ceilings: Ceilings = _UNBOUNDED


def decide(snapshot: Snapshot, url: str, asked: Asked, now: datetime) -> Decision:
    """Decide about a hop before any name is resolved.

    Args:
        snapshot: the tenant's policies and authorizations.
        url: of the hop; the host is read from it and from nothing else.
        asked: who asks.
        now: the time, with its zone.
    """
    try:
        target = read(url)
    except UrlRefused as refused:
        return Decision(allowed=False, reason=refused.reason, rule_ids=(refused.rule,), url=url)
    if snapshot.is_killed(target.host):
        return _refused(target, "kill_switch", f"{target.host} is switched off")
    found = snapshot.policies(target.host)
    denial = next((policy for policy in found if policy.denied or not policy.allowed), None)
    if denial is not None:
        return _refused(target, f"policy.{denial.id}", f"the policy of {denial.pattern} denies it", denial)
    opened, why_not = _authorization(snapshot, target, asked, now)
    own = _private(target)
    if own in _NEVER or own == "egress.name.metadata":
        return _refused(target, own, f"{target.host} is a place that nothing opens")
    if own and opened is None:
        return _refused(
            target, why_not or own, f"{target.host} is no public place, and no authorization opens {target.authority}"
        )
    inside = opened is not None and opened.names_exactly(target.host, target.port, target.path)
    if inside and asked.came_from is not None and asked.came_from.authority != target.authority:
        return _refused(target, "egress.redirect.private", f"a redirect led to {target.authority}, which is no public place")
    policy = found[0] if found else None
    if policy is None and snapshot.listing is Listing.ALLOWLIST and not inside:
        return _refused(target, "policy.allowlist", f"no policy names {target.host}, and only what is named is allowed")
    return _touching(target, asked, policy, opened, why_not, private=inside)


def _touching(
    target: Target, asked: Asked, policy: HostPolicy | None, opened: Authorization | None, why_not: str, *, private: bool
) -> Decision:
    """Decide about port, path and tier of a host that may be touched at all."""
    ports = (policy.ports if policy else frozenset()) or _PLAIN_PORTS
    if target.port not in ports and not private:
        return _refused(target, "policy.port", f"port {target.port} is not among those allowed", policy)
    if policy and policy.paths and target.path != ROBOTS and not any(within(prefix, target.path) for prefix in policy.paths):
        return _refused(target, "policy.path", f"the policy of {policy.pattern} does not list this path", policy)
    granted = opened.granted if opened else None
    listed = policy.strategies if policy else granted.strategies if granted and private else frozenset()
    rule = refusal(asked.strategy, granted, listed, asked.roles_allow)
    if rule:
        reason = f"{asked.strategy} is not open for {target.authority} ({rule}{f', {why_not}' if why_not else ''})"
        return _refused(target, why_not or rule, reason, policy)
    rules = [f"policy.{policy.id}" if policy else _OPENED if private else "policy.denylist"]
    rules += [f"authorization.{opened.id}"] if opened else []
    return Decision(
        allowed=True,
        reason=f"allowed by the policy of {policy.pattern}" if policy else "allowed: nothing denies it",
        rule_ids=tuple(rules),
        url=target.url,
        target=target,
        mode=mode_of(granted),
        limits=policy.limits if policy else Limits(),
        policy=(policy.id, policy.version) if policy else None,
        authorization=(opened.id, opened.version) if opened else None,
        private=private,
        ceilings=opened.ceilings if opened else _UNBOUNDED,
    )


def _authorization(snapshot: Snapshot, target: Target, asked: Asked, now: datetime) -> tuple[Authorization | None, str]:
    """Return what opens a target now, or why the one that could does not."""
    exactly = bool(_private(target))
    why_not = ""
    for one in snapshot.authorizations:
        if asked.authorization and one.id != asked.authorization:
            continue
        names = one.names_exactly if exactly else one.names
        if not names(target.host, target.port, target.path) or (one.job_types and asked.job_type not in one.job_types):
            continue
        state = one.state(now)
        if not state:
            return one, ""
        why_not = why_not or state
    return None, why_not


def _private(target: Target) -> str:
    """Return the rule by which a target is no public place; empty where it is one, or its name has to be resolved first."""
    if target.address is not None:
        found = special(target.address)
        return found.rule if found else ""
    return private_name(target.host)


def may_connect(decision: Decision, addresses: Collection[Address]) -> tuple[bool, str, str]:
    """Decide about what a name resolved to: every address has to be a public place, or all of them opened by name and port.

    Args:
        decision: about the hop, allowed.
        addresses: every answer of the resolver.

    Returns:
        Whether to connect, the rule that refuses, and words.
    """
    if not addresses:
        return False, "egress.dns.no_answer", "its name has no address"
    for address in addresses:
        found = special(address)
        if found is not None and (not decision.private or found.rule in _NEVER):
            return False, found.rule, f"its name leads to {address}: {found.reason}"
        if _is_local(decision.target) and (found is None or found.rule != _LOOPBACK):
            return False, _LOCALHOST, f"its name is one of this machine, and leads to {address}"
    return True, "", ""


def _is_local(target: Target | None) -> bool:
    return target is not None and private_name(target.host) == _LOCALHOST


def _refused(target: Target, rule: str, reason: str, policy: HostPolicy | None = None) -> Decision:
    named = (policy.id, policy.version) if policy else None
    return Decision(allowed=False, reason=reason, rule_ids=(rule,), url=target.url, target=target, policy=named)
