"""Asking for an authorization, and proving it; every move is a version."""

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from pydantic import AwareDatetime, Field, field_validator

from trueup.domains.automation import authorizations
from trueup.domains.automation.actions_policies import _PATH, HostInput, ports_of, tiers_of
from trueup.domains.automation.agent import require_extra
from trueup.domains.automation.engine.authorizing import LOOKED_UP, METHODS, State, may_become, objection
from trueup.domains.automation.models import Authorization
from trueup.kernel.actions.base import Action, Context, Input, Outcome, Resource
from trueup.kernel.errors import Conflict, Refused, UnreadableInput
from trueup.kernel.evidence.artifacts import Artifact, check_artifact

if TYPE_CHECKING:
    from trueup.domains.automation.proving import Proof

LONGEST_LETTER = 10 << 20
LETTER = ("letter", "application/octet-stream")
"""Name and media type of a letter that is kept: no browser shows or runs it."""
_ADMINS = frozenset({"owner", "admin"})


class RequestInput(HostInput):
    """What somebody asks to be authorized for, and how they will prove it."""

    method: str
    ports: tuple[int, ...] = Field(default=(), max_length=100)
    path: str = Field(default="/", max_length=500)
    own: bool = False
    inside: bool = False
    strategies: tuple[str, ...] = ("vanilla",)
    job_types: tuple[str, ...] = Field(default=(), max_length=50)
    max_rps: float | None = Field(default=None, ge=0.001, le=10_000)
    max_concurrent: int | None = Field(default=None, ge=1, le=1_000)
    max_requests: int | None = Field(default=None, ge=1, le=10**9)
    opens: AwareDatetime | None = None
    closes: AwareDatetime | None = None
    expires: AwareDatetime
    contact: str = Field(min_length=1, max_length=200)

    @field_validator("method")
    @classmethod
    def _method(cls, value: str) -> str:
        if value not in METHODS:
            raise ValueError(f"{value!r} is none of {', '.join(METHODS)}")
        return value

    @field_validator("ports")
    @classmethod
    def _ports(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        return ports_of(value)

    @field_validator("path")
    @classmethod
    def _path(cls, value: str) -> str:
        if not _PATH.match(value):
            raise ValueError("a path begins with / and holds no spaces, ? or #")
        return value

    @field_validator("strategies")
    @classmethod
    def _tiers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tiers_of(value)


def _drafted(ctx: Context, input: RequestInput) -> Authorization:
    inside = input.inside or authorizations.is_inside(input.host)
    fields = input.model_dump(exclude={"inside", "ports", "strategies", "job_types"})
    lists = {name: list(getattr(input, name)) for name in ("ports", "strategies", "job_types")}
    return Authorization(
        id=uuid4(),
        tenant=ctx.tenant,
        state=str(State.DRAFT),
        inside=inside,
        token=secrets.token_urlsafe(32),
        asked_at=ctx.now,
        asked_by=ctx.principal.who,
        **fields,
        **lists,
    )


class RequestAuthorization(Action[RequestInput, None, None]):
    """Ask for an authorization: what comes back says what to publish, and where."""

    name = "automation.authorization.request"
    summary = "ask to be authorized for a host, and get the challenge that proves it"
    tags = frozenset({"operate", "administer"})
    input = RequestInput

    def check(self, ctx: Context, input: RequestInput, loaded: None) -> None:
        """Refuse what can never be authorized or proved, and this machine to who does not administer it."""
        row = _drafted(ctx, input)
        reason = authorizations.why_not_provable(row.host, row.method) or objection(authorizations.wanted(row), ctx.now)
        if reason:
            raise Refused(f"{row.host}: {reason}", remedy="see 'trueup automation authorize request --help'")
        _require_admin(ctx, row)

    def apply(self, ctx: Context, input: RequestInput, loaded: None, prepared: None) -> Outcome:
        """Write the draft."""
        row = _drafted(ctx, input)
        row.save(force_insert=True)
        return outcome(ctx, row)


def _require_admin(ctx: Context, row: Authorization) -> None:
    """Refuse evidence that a person has to vouch for, of somebody who does not administer the tenant."""
    if row.method not in LOOKED_UP and row.method != "signed_letter" and not ctx.principal.roles & _ADMINS:
        raise Refused("what runs on this machine is opened by an owner or admin alone")


def outcome(ctx: Context, row: Authorization, *, artifacts: tuple[Artifact, ...] = (), **note: Any) -> Outcome:
    """Return what a move hands back: the authorization as it is now, and what its entry says."""
    about = {"authorization": str(row.id), "version": row.version, "state": row.state, "host": row.host, "method": row.method}
    return Outcome(
        authorizations.document(row, ctx.now),
        artifacts=artifacts,
        subjects=[f"authorization/{row.id}", f"host/{row.host}"],
        note={**about, **note},
    )


class AuthorizationInput(Input):
    """Which authorization."""

    id: UUID


class Move[InputT: AuthorizationInput, PreparedT](Action[InputT, Authorization, PreparedT]):
    """A move of an authorization that is there."""

    def load(self, ctx: Context, input: InputT) -> Authorization:
        """Find it."""
        return authorizations.found(ctx.tenant, input.id)

    def resource(self, ctx: Context, input: InputT, loaded: Authorization) -> Resource:
        """Policy decides about the authorization."""
        return Resource("authorization", str(loaded.id), loaded.tenant, created_by=loaded.asked_by)


def require_move(ctx: Context, row: Authorization, wanted: State) -> None:
    """Refuse a move that does not follow from where an authorization stands.

    Raises:
        Conflict: so it is.
    """
    state = authorizations.state_of(row, ctx.now)
    if not may_become(state, wanted):
        raise Conflict(f"authorization {row.id} is {state}, and cannot become {wanted}")


def changed(ctx: Context, loaded: Authorization, state: State, **values: Any) -> Authorization:
    """Write the next version, if nobody wrote one since it was read.

    Raises:
        Conflict: somebody did.
    """
    row = Authorization.objects.select_for_update().get(tenant=ctx.tenant, id=loaded.id)
    if row.version != loaded.version or row.state != loaded.state:
        raise Conflict(f"authorization {row.id} was changed meanwhile", remedy="look at it again")
    row.state, row.version = str(state), row.version + 1
    for name, value in values.items():
        setattr(row, name, value)
    row.save()
    return row


class EvidenceInput(AuthorizationInput):
    """That the challenge was published; or the letter: a file of this machine, or one that was sent here and is stored."""

    letter: Path | None = None
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")


def keep_letter(ctx: Context, data: bytes, name: str) -> Artifact:
    """Store a letter; until an entry names it, ``trueup prune`` may forget it.

    Raises:
        UnreadableInput: it is empty, or too long.
    """
    if not data or len(data) > LONGEST_LETTER:
        raise UnreadableInput(f"{name}: is empty, or longer than {LONGEST_LETTER} bytes")
    return ctx.ports.artifacts.put(ctx.tenant, data, name=LETTER[0], media_type=LETTER[1])


class SubmitEvidence(Move[EvidenceInput, Artifact | None]):
    """Say that the challenge was published, or hand in the letter."""

    name = "automation.authorization.evidence"
    summary = "say that the challenge was published, or hand in the signed letter"
    tags = frozenset({"operate", "administer"})
    input = EvidenceInput
    prepares = True

    def check(self, ctx: Context, input: EvidenceInput, loaded: Authorization) -> None:
        """Refuse evidence of another kind than was announced, and a letter of this machine to who is not at it."""
        require_move(ctx, loaded, State.EVIDENCE)
        _require_admin(ctx, loaded)
        given = [one for one in (input.letter, input.sha256) if one is not None]
        if len(given) != (loaded.method == "signed_letter"):
            raise Refused(
                f"the evidence of this one is {loaded.method}", remedy="--letter FILE is for signed_letter, and only for it"
            )
        if input.letter is not None and not ctx.principal.id.startswith("os:"):
            raise Refused("letter: names a file of the server's machine", remedy="hand it in at that machine")

    def prepare(self, ctx: Context, input: EvidenceInput, loaded: Authorization) -> Artifact | None:
        """Keep the letter, or find the one that was sent."""
        store, tenant = ctx.ports.artifacts, ctx.tenant
        if input.sha256 is not None:
            check_artifact(store, tenant, input.sha256)
            return Artifact(input.sha256, store.size(tenant, input.sha256), *LETTER)
        if input.letter is None:
            return None
        try:
            with input.letter.open("rb") as file:
                data = file.read(LONGEST_LETTER + 1)
        except OSError as exc:
            raise UnreadableInput(f"{input.letter}: {exc.strerror}", remedy="name a file that can be read") from None
        return keep_letter(ctx, data, str(input.letter))

    def apply(self, ctx: Context, input: EvidenceInput, loaded: Authorization, prepared: Artifact | None) -> Outcome:
        """Write that there is evidence."""
        row = changed(ctx, loaded, State.EVIDENCE, evidence=prepared.sha256 if prepared else "")
        return outcome(ctx, row, artifacts=(prepared,) if prepared else ())


class NotProved(Refused):
    """The challenge is not where it has to be."""

    code = "NOT_PROVED"


_VERIFIABLE = (State.EVIDENCE, State.VERIFIED, State.ACTIVE, State.SUSPENDED)


class VerifyAuthorization(Move[AuthorizationInput, tuple["Proof", Artifact] | None]):
    """Look for the evidence now: the first time, or again where it has grown old."""

    name = "automation.authorization.verify"
    summary = "look whether the challenge of an authorization is where it has to be"
    tags = frozenset({"operate", "administer"})
    input = AuthorizationInput
    prepares = True

    def check(self, ctx: Context, input: AuthorizationInput, loaded: Authorization) -> None:
        """Refuse what has no evidence yet, or has ended, and evidence that an admin has to vouch for."""
        state = authorizations.state_of(loaded, ctx.now)
        if state not in _VERIFIABLE:
            raise Conflict(
                f"authorization {loaded.id} is {state}: there is nothing to verify",
                remedy="hand in its evidence with 'trueup automation authorize evidence'" if state is State.DRAFT else "",
            )
        if loaded.method not in LOOKED_UP and not ctx.principal.roles & _ADMINS:
            raise Refused("an owner or admin alone vouches for a letter, or for this machine")

    def prepare(self, ctx: Context, input: AuthorizationInput, loaded: Authorization) -> tuple["Proof", Artifact] | None:
        """Look for it.

        Raises:
            Refused: it is not there, and was never found; nothing changes.
        """
        if loaded.method == "signed_letter":
            check_artifact(ctx.ports.artifacts, ctx.tenant, loaded.evidence)
        if loaded.method not in LOOKED_UP:
            return None
        require_extra()
        from trueup.domains.automation import proving  # loads what fetches

        claim = proving.claim_of(loaded)
        proof = proving.look(ctx, claim)
        if not proof.proved and loaded.state == State.EVIDENCE:
            raise NotProved(
                f"the challenge is not there: {proof.where}",
                remedy=f"publish {loaded.token} there, and nothing else beside it; then verify again",
                details={"where": proof.where, "token": loaded.token},
            )
        kept = ctx.ports.artifacts.put(
            ctx.tenant, proof.document(claim, ctx.now), name="challenge.json", media_type="application/json"
        )
        return proof, kept

    def apply(
        self, ctx: Context, input: AuthorizationInput, loaded: Authorization, prepared: tuple["Proof", Artifact] | None
    ) -> Outcome:
        """Write what was found; what was verified and is gone stops being in force."""
        kept = (prepared[1],) if prepared else ()
        if prepared is not None and not prepared[0].proved:
            state = State.SUSPENDED if loaded.state == State.ACTIVE else State(loaded.state)
            row = changed(ctx, loaded, state, verified_at=None, verified_by="", approver="")
            return outcome(ctx, row, artifacts=kept, proved=False)
        values = {"verified_at": ctx.now, "verified_by": ctx.principal.who}
        values |= {"evidence": prepared[1].sha256} if prepared else {}
        if loaded.state == State.EVIDENCE:
            row = changed(ctx, loaded, State.VERIFIED, **values)
        else:
            row = _refreshed(ctx, loaded, values)
        return outcome(ctx, row, artifacts=kept, proved=True)


def _refreshed(ctx: Context, loaded: Authorization, values: dict[str, Any]) -> Authorization:
    """Write that what was verified holds still: no other terms, so no other version."""
    rows = Authorization.objects.filter(tenant=ctx.tenant, id=loaded.id, version=loaded.version, state=loaded.state)
    if not rows.update(**values):
        raise Conflict(f"authorization {loaded.id} was changed meanwhile", remedy="look at it again")
    return authorizations.found(ctx.tenant, loaded.id)


ACTIONS = (RequestAuthorization, SubmitEvidence, VerifyAuthorization)
