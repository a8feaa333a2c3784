"""Readings of authorizations, and what has to hold of one whoever asks for it."""

from datetime import datetime
from ipaddress import ip_address
from typing import Any
from uuid import UUID

from trueup.domains.automation.engine.addresses import special
from trueup.domains.automation.engine.authorizing import CEILINGS, State, Wanted, is_fresh
from trueup.domains.automation.engine.challenge import META, PATH, base_of, front, record_name
from trueup.domains.automation.engine.tiers import NEEDS_APPROVAL, Strategy
from trueup.domains.automation.models import Authorization
from trueup.kernel.errors import NotFound
from trueup.kernel.evidence.engine.encode import stamp


def found(tenant: UUID, id: UUID) -> Authorization:
    """Return an authorization.

    Raises:
        NotFound: this tenant has none of that id.
    """
    row = Authorization.objects.filter(tenant=tenant, id=id).first()
    if row is None:
        raise NotFound(f"there is no authorization {id}", remedy="list them with 'trueup automation authorize list'")
    return row


def listed(tenant: UUID) -> list[Authorization]:
    """Return a tenant's authorizations, the newest first."""
    return list(Authorization.objects.filter(tenant=tenant).order_by("-asked_at", "id"))


def state_of(row: Authorization, now: datetime) -> State:
    """Return where an authorization stands now: what is past its end has expired, whether or not anybody looked."""
    state = State(row.state)
    return State.EXPIRED if state is not State.REVOKED and now >= row.expires else state


def wanted(row: Authorization) -> Wanted:
    """Return what an authorization is for, as far as it decides whether that can be."""
    strategies = frozenset(Strategy(name) for name in row.strategies)
    ceilings = {name: getattr(row, name) for name in CEILINGS}
    return Wanted(
        *(row.host, frozenset(row.ports), row.method, row.own, row.inside, strategies, row.expires, row.opens, row.closes),
        **ceilings,
    )


def opens_load(row: Authorization) -> bool:
    """Whether it opens load or scripts, which a second person has to consent to."""
    return any(Strategy(name) in NEEDS_APPROVAL for name in row.strategies)


def why_not_provable(host: str, method: str) -> str:
    """Say why a host cannot be proved in a way; empty where it can.

    Args:
        host: a host or ``*.`` pattern, in the one form that decisions know.
        method: of the evidence.
    """
    from trueup.domains.automation.engine.urls import private_name  # loads what reads addresses

    base = base_of(host)
    address = _address(base)
    special_place = special(address) if address else None
    rule = special_place.rule if special_place else "" if address else private_name(base)
    loopback = rule in ("egress.address.loopback", "egress.name.localhost")
    if host == "*":
        return "nobody can authorize every host"
    if rule in ("egress.address.metadata", "egress.name.metadata"):
        return f"{base} is a place that nothing opens"
    if method == "loopback":
        return "" if loopback else "the method loopback is for loopback addresses and names alone"
    if loopback:
        return f"{base} is this machine: use the method loopback"
    if method in ("well_known_file", "html_meta") and rule:
        return f"{base} is no public place, and is not fetched to prove anything"
    if method == "dns_txt" and address:
        return "an address has no record to prove it by"
    return ""


def is_inside(host: str) -> bool:
    """Whether a host is no public place by its name or address alone."""
    from trueup.domains.automation.engine.urls import private_name

    address = _address(base_of(host))
    return bool(special(address)) if address else bool(private_name(base_of(host)))


def _address(text: str) -> Any:
    try:
        return ip_address(text)
    except ValueError:
        return None


def document(row: Authorization, now: datetime) -> dict[str, Any]:
    """Return an authorization as lists and commands show it."""
    state = state_of(row, now)
    fields = ("version", "host", "ports", "path", "method", "own", "inside", "strategies", "job_types", "contact", "evidence")
    ceilings = {name: getattr(row, name) for name in CEILINGS}
    return {
        "id": str(row.id),
        "state": str(state),
        **{name: getattr(row, name) for name in fields},
        **ceilings,
        **{name: _stamp(getattr(row, name)) for name in ("opens", "closes", "expires", "verified_at", "asked_at")},
        **{name: getattr(row, name) for name in ("verified_by", "approver", "asked_by")},
        "fresh": is_fresh(row.method, row.verified_at, now),
        "challenge": challenge(row) if state in (State.DRAFT, State.EVIDENCE) else None,
    }


def challenge(row: Authorization) -> dict[str, str]:
    """Return what has to be published, and where."""
    base = front(base_of(row.host), row.ports)
    where = {
        "dns_txt": f"TXT record {record_name(row.host)}",
        "well_known_file": f"{base}{PATH}",
        "html_meta": f'{base}/, in its head: <meta name="{META}" content="{row.token}">',
    }
    return {"token": row.token, "where": where.get(row.method, "")}


def _stamp(at: datetime | None) -> str:
    return stamp(at) if at else ""
