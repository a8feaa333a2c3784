"""What the API of automation answers with, for its description."""

from typing import Any

from ninja import Field, Schema

from trueup.kernel.http.replies import PageOut

_POLICY = {
    "host": "*.example.org",
    "version": 2,
    "retired": False,
    "allowed": True,
    "denied": False,
    "ports": [],
    "paths": ["/news"],
    "strategies": ["vanilla"],
    "per_minute": 5,
    "per_hour": 30,
    "concurrent": 1,
    "notes": "asked for by the press office",
}


class PolicyOut(Schema):
    """One version of a policy."""

    host: str = Field(description="a host, `*.host` for every name below it, or `*`", examples=["*.example.org"])
    version: int
    retired: bool = Field(description="this version takes the policy out of force")
    allowed: bool
    denied: bool = Field(description="a denial is stronger than whatever allows")
    ports: list[int] = Field(description="that may be connected to; empty: 80 and 443")
    paths: list[str] = Field(description="what paths begin with; empty: any")
    strategies: list[str] = Field(description="tiers that are open; empty: vanilla alone", examples=[["vanilla"]])
    per_minute: int
    per_hour: int
    concurrent: int
    notes: str
    by: str = Field(description="who wrote it", examples=["user:0f1e…"])
    at: str | None = Field(None, description="when it was written (UTC)")


class PoliciesOut(PageOut):
    """One page of policies, and what holds for hosts that none names."""

    items: list[PolicyOut]  # type: ignore[assignment]
    listing: str = Field(description="`allowlist`: other hosts are refused; `denylist`: they are allowed, plainly")


class ChangeOut(Schema):
    """A field in which two versions differ."""

    host: str = Field("", description="of the policy; empty for what holds for other hosts")
    field: str
    before: Any = None
    after: Any = None


class VersionOut(PolicyOut):
    """One version of a policy, and what it changed."""

    changes: list[ChangeOut] = Field(description="against the version before; empty for the first")


class VersionsOut(Schema):
    """All versions of a policy, the newest first."""

    host: str
    in_force: bool
    items: list[VersionOut]


class LimitsOut(Schema):
    """How hard a target may be touched."""

    per_minute: int
    per_hour: int
    concurrent: int


class CeilingsOut(Schema):
    """The most that an authorization opens; null where it says nothing."""

    rps: float | None
    concurrent: int | None
    requests: int | None


class PolicyRef(Schema):
    """A version of a policy."""

    host: str
    version: int


class AuthorizationRef(Schema):
    """A version of an authorization."""

    id: str
    version: int


class DecisionOut(Schema):
    """What is decided about one URL before any name is resolved."""

    url: str
    allowed: bool
    reason: str
    rule_ids: list[str] = Field(description="the rule that refuses, or all that allow", examples=[["policy.example.org"]])
    mode: str = Field(description="on whose word: public, customer-authorized or internal; derived, never claimed")
    limits: LimitsOut | None = Field(description="null where it is refused")
    ceilings: CeilingsOut | None = Field(description="of the authorization that opens it")
    policy: PolicyRef | None
    authorization: AuthorizationRef | None


class CheckedOut(DecisionOut):
    """A decision, beside the one that holds without the change that was tried."""

    in_force: DecisionOut | None = Field(None, description="what is decided now; there where a change was tried")
    differs: bool = Field(default=False, description="the change makes a difference to it")


class CheckOut(Schema):
    """A dry run."""

    decisions: list[CheckedOut] = Field(description="one for each URL, in their order")
    allowed: int
    refused: int
    snapshot: str = Field(description="digest of all policies, authorizations and switches that were asked")
    changes: list[ChangeOut] = Field(description="fields in which the change that was tried differs from what is in force")


class ChallengeOut(Schema):
    """What has to be published, and where."""

    token: str
    where: str = Field(examples=["TXT record _trueup-challenge.example.org"])


class AuthorizationOut(Schema):
    """An authorization as it is now."""

    id: str
    version: int = Field(description="raised by every move; jobs freeze the one that they began with")
    state: str = Field(description="draft, evidence_submitted, verified, active, suspended, expired or revoked")
    host: str
    ports: list[int]
    path: str
    method: str = Field(description="dns_txt, well_known_file, html_meta, signed_letter or loopback")
    own: bool
    inside: bool = Field(description="its target is no public place")
    strategies: list[str]
    job_types: list[str]
    contact: str
    evidence: str = Field(description="SHA-256 of what proved it, an artifact; empty before")
    max_rps: float | None
    max_concurrent: int | None
    max_requests: int | None
    opens: str
    closes: str
    expires: str
    verified_at: str
    asked_at: str
    verified_by: str
    approver: str = Field(description="who consented, where another person has to")
    asked_by: str
    fresh: bool = Field(description="its verification can be relied on now")
    challenge: ChallengeOut | None = Field(description="before it is verified")
    consent: str | None = Field(None, description="request that waits for another person (`/api/v1/change/requests/{id}`)")


class AuthorizationsOut(PageOut):
    """One page of authorizations."""

    items: list[AuthorizationOut]  # type: ignore[assignment]


class BreakerOut(Schema):
    """A breaker that is not simply closed."""

    authority: str = Field(description="host and port", examples=["example.org:443"])
    phase: str = Field(description="closed (it counts failures), open, or half_open (one probe is out)")
    failures: int = Field(description="in a row")
    trips: int = Field(description="how often it opened without closing since")
    until: str | None = Field(description="when a probe is let through")
    forced: bool = Field(description="somebody opened it: it stays open until it is reset")
    reason: str
    at: str


class BreakersOut(PageOut):
    """One page of breakers."""

    items: list[BreakerOut]  # type: ignore[assignment]


class BreakerDone(Schema):
    """Where a breaker stands after it was opened or reset."""

    authority: str
    phase: str
    forced: bool


class SwitchOut(Schema):
    """What is switched off."""

    host: str = Field(description="a host, a pattern, or `*`: everything")
    reason: str
    at: str
    by: str


class KillSwitchOut(Schema):
    """The state of the kill switch."""

    everything: bool = Field(description="nothing leaves, for any host")
    off: list[SwitchOut]


class SwitchedOut(Schema):
    """How a switch stands after it was moved."""

    host: str
    off: bool


class UsedOut(Schema):
    """What one target was used for within the last hour."""

    authority: str
    minute: int
    hour: int
    running: int
    limits: LimitsOut
    not_before: str | None = Field(description="until when it asked to be left alone")


class UsageOut(Schema):
    """What targets were used for, the nearest to a limit first."""

    items: list[UsedOut]


class EntryOut(Schema):
    """One entry of the log."""

    index: int | None = Field(description="its place in the log; null while no checkpoint covers it")
    covered: bool
    proof: str | None = Field(description="where its inclusion proof is; null while it is not covered yet")
    at: str
    action: str = Field(examples=["automation.policy.put"])
    outcome: str = Field(description="done, failed, refused or held")
    principal: str


class AuditOut(PageOut):
    """One page of the log of this room."""

    items: list[EntryOut]  # type: ignore[assignment]
    coverage: dict[str, int] = Field(description="entries of the whole log under the newest checkpoint, and not yet covered")
    verify: str = Field(description="where the whole log is verified", examples=["/api/v1/evidence/verify"])
