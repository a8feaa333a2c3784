"""Looking for the challenge of an authorization: in the DNS, in a file, or in the head of the front page.

What is fetched is decided about as everything is, by policies of its own: the host that is being verified and no other,
nothing that is no public place, and nothing that the tenant denies or has switched off.
"""

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from trueup.domains.automation import snapshots
from trueup.domains.automation.agent import contact, user_agent
from trueup.domains.automation.desk import Desk
from trueup.domains.automation.egress.dns import Server, servers, txt
from trueup.domains.automation.egress.gate import Gate
from trueup.domains.automation.egress.http import Bounds, Fetcher, FetchFailed, Request
from trueup.domains.automation.egress.record import Record
from trueup.domains.automation.engine.challenge import PATH, base_of, front, in_file, in_page, in_records, record_name
from trueup.domains.automation.engine.decide import Asked
from trueup.domains.automation.engine.hostpolicy import HostPolicy, Listing, Snapshot
from trueup.domains.automation.models import Authorization
from trueup.domains.automation.tolls import Counted
from trueup.kernel.actions.base import Context
from trueup.kernel.errors import TrueupError
from trueup.kernel.evidence.engine.encode import stamp
from trueup.kernel.words import ExitCode

RESOLVER = "TRUEUP_RESOLVER"
BOUNDS = Bounds(wire=1 << 20, unpacked=1 << 20, seconds=15.0, redirects=3)
_SEEN = 2_000


class ProofUnknown(TrueupError):
    """Whether the challenge is there could not be found out."""

    code = "PROOF_UNKNOWN"
    exit_code = ExitCode.UNKNOWN


@dataclass(frozen=True, slots=True)
class Claim:
    """What is to be proved.

    Args:
        host: a host or ``*.`` pattern.
        token: of the challenge.
    """

    host: str
    ports: tuple[int, ...]
    method: str
    token: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found where the challenge has to be.

    Args:
        where: name of the record, or address.
        seen: what stands there, as far as it is kept.
    """

    proved: bool
    where: str
    seen: str

    def document(self, claim: Claim, at: datetime) -> bytes:
        """Return it as the artifact that is kept."""
        body = {"method": claim.method, "host": claim.host, "token": claim.token, "at": stamp(at)}
        found = {"proved": self.proved, "where": self.where, "seen": self.seen[:_SEEN]}
        return json.dumps({**body, **found}, ensure_ascii=False, indent=1).encode() + b"\n"


def claim_of(row: Authorization) -> Claim:
    """Return what an authorization claims."""
    return Claim(row.host, tuple(row.ports), row.method, row.token)


def snapshot_for(tenant: UUID, claim: Claim) -> Snapshot:
    """Compile what a verification may reach: its host, by http and https, where the tenant does not deny that."""
    rows = [snapshots.policy_of(row.pattern, row.version, row.body) for row in snapshots.policies_in_force(tenant)]
    denials = [policy for policy in rows if policy.denied or not policy.allowed]
    own = HostPolicy("verification", 1, base_of(claim.host), ports=frozenset({80, 443}))
    policies = denials if any(policy.pattern == own.pattern for policy in denials) else [*denials, own]
    off = [row.pattern for row in snapshots.switched_off(tenant)]
    return snapshots.build(policies, listing=Listing.ALLOWLIST, killed=off)


def look(ctx: Context, claim: Claim) -> Proof:
    """Look for a challenge now.

    Raises:
        HopRefused: it may not be looked for.
        ProofUnknown: whether it is there could not be found out.
    """
    if claim.method == "dns_txt":
        return asyncio.run(in_dns(claim, servers(os.environ.get(RESOLVER, ""))))
    address = contact()
    with Desk(ctx.tenant) as desk:
        compiled = snapshot_for(ctx.tenant, claim)
        gate = Gate(
            lambda: compiled,
            Asked(job_type="verification"),
            ctx.clock,
            Record(compiled.digest),
            toll=Counted(desk, ctx.tenant, ctx.clock, contact=address),
        )
        return asyncio.run(on_site(claim, gate, front(base_of(claim.host), claim.ports), agent=user_agent(address)))


async def in_dns(claim: Claim, asked: Sequence[Server]) -> Proof:
    """Look for a challenge in the DNS.

    Raises:
        DnsFailed: no name server answered.
    """
    name = record_name(claim.host)
    found = await txt(name, asked)
    return Proof(in_records(found, claim.token), name, "\n".join(found))


async def on_site(claim: Claim, gate: Gate, base: str, *, agent: str) -> Proof:
    """Look for a challenge in a file, or in the head of the front page.

    Args:
        claim: what is to be proved.
        gate: the way there.
        base: scheme and host of the site.
        agent: who we say we are.

    Raises:
        HopRefused: the site may not be reached.
        ProofUnknown: it did not answer, or with an error of its own.
    """
    url = f"{base}{PATH}" if claim.method == "well_known_file" else f"{base}/"
    try:
        async with Fetcher(gate, agent=agent, bounds=BOUNDS) as fetcher:
            found = await fetcher.fetch(Request(url))
    except FetchFailed as failed:
        raise ProofUnknown(failed.message, remedy="see that the site answers, and verify again") from failed
    if found.status == 429 or found.status >= 500:
        raise ProofUnknown(f"{url} answers with {found.status}", remedy="verify again when it answers")
    holds = in_file if claim.method == "well_known_file" else in_page
    return Proof(
        found.status == 200 and holds(found.body[:], claim.token), found.url, found.body[:_SEEN].decode(errors="replace")
    )
