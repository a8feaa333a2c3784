"""What an action is: one use case, the only way to change anything."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, model_validator

from trueup.kernel.actions.ports import Approvals, Event, Fence, JobRequest, NobodyApproves, NoWork, Work
from trueup.kernel.evidence.artifacts import Artifact, ArtifactStore
from trueup.kernel.evidence.engine.fact import Fact
from trueup.kernel.evidence.keys import KeyFolder
from trueup.kernel.policy.engine.model import ActionSpec, Risk
from trueup.kernel.policy.engine.store import PolicyStore


class Input(BaseModel):
    """An action's input: frozen, no field that is not known, no text with a NUL (no store but SQLite keeps one)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _no_nul(cls, data: Any) -> Any:
        if has_nul(data):
            raise ValueError("holds a NUL character")
        return data


def has_nul(data: Any) -> bool:
    """Tell whether JSON-able data holds a NUL character in any text."""
    if isinstance(data, str):
        return "\0" in data
    if isinstance(data, dict):  # by far the most common, and asked first: whether it is a Mapping takes ten times as long
        for key, value in data.items():
            if "\0" in key if isinstance(key, str) else has_nul(key):
                return True
            if "\0" in value if isinstance(value, str) else has_nul(value):
                return True
        return False
    if isinstance(data, list | tuple):
        return any(map(has_nul, data))
    if data is None or isinstance(data, bool | int | float):
        return False
    return isinstance(data, Mapping) and has_nul(dict(data))


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts, and with which roles in the tenant of the context.

    Args:
        id: ``os:<user>``, ``user:<uuid>`` or ``key:<uuid>``.
        roles: held in the tenant of the context; none means that nothing is permitted.
        is_agent: an AI agent acts, by itself or for somebody.
        person: who stands behind the principal (the maker of an API key); consent counts persons. The principal
            itself when empty.
        mfa: a second factor was shown in this session.
    """

    id: str
    roles: frozenset[str]
    is_agent: bool = False
    person: str = ""
    mfa: bool = False

    @property
    def who(self) -> str:
        """The person behind the principal."""
        return self.person or self.id


@dataclass(frozen=True, slots=True)
class Ports:
    """What actions reach beyond their own room, wired in ``config``."""

    policies: PolicyStore
    keys: KeyFolder
    artifacts: ArtifactStore
    owner: str
    spool: Callable[[], Path]
    outbox: Path = Path("outbox")  # where file sinks write
    data: Path = Path("data")  # where rooms keep files that are neither rows nor artifacts
    approvals: Approvals = field(default_factory=NobodyApproves)
    work: Work = field(default_factory=NoWork)


def utc_now() -> datetime:
    """Return the present moment; the default clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Context:
    """Who calls, for which tenant, at what time, with which ports.

    Args:
        key: idempotency key; the same key and input give the first result again.
        job: the hold of the job that acts; checked at the start of every ``apply``.
    """

    tenant: UUID
    principal: Principal
    ports: Ports
    clock: Callable[[], datetime] = utc_now
    key: str | None = None
    job: Fence | None = None

    @property
    def now(self) -> datetime:
        """The present moment by the context's clock."""
        return self.clock()


@dataclass(frozen=True, slots=True)
class Resource:
    """What policy is asked about.

    Args:
        kind: of thing, one word (``artifact``).
        id: canonical id, ``*`` for what does not exist yet.
        tenant: whose it is; may differ from the caller's, and is then refused.
        created_by: principal that made it or asked for it.
        owner: principal that answers for it, for what everybody may do with what is their own.
    """

    kind: str
    id: str
    tenant: UUID
    created_by: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What ``apply`` hands back: the result and what is now known.

    Args:
        value: JSON-able result, stored with the attempt for callers that repeat the key.
        facts: recorded in the same transaction.
        artifacts: stored before, named by the entry.
        subjects: what the entry is about, for packs; the facts' subjects are added.
        note: short particulars for the entry; no secrets, no personal data.
        jobs: work that this causes; their ids join the result as ``jobs``.
        events: what happened, for subscribers.
    """

    value: Mapping[str, Any]
    facts: Sequence[Fact] = ()
    artifacts: Sequence[Artifact] = ()
    subjects: Sequence[str] = ()
    note: Mapping[str, Any] = field(default_factory=dict)
    jobs: Sequence[JobRequest] = ()
    events: Sequence[Event] = ()


class Action[InputT: Input, LoadedT, PreparedT]:
    """One use case.

    ``load`` reads what the action is about; ``check`` refuses what policy cannot know; ``prepare`` does the long work
    outside any transaction; ``apply`` writes, in one short transaction, without I/O.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    risk: ClassVar[Risk] = Risk.R1
    kind: ClassVar[str] = "write"
    tags: ClassVar[frozenset[str]]
    input: ClassVar[type[Input]]
    prepares: ClassVar[bool] = False  # True: an attempt row precedes the work
    local: ClassVar[bool] = (
        False  # True: it names files of this machine, or is about the installation; only its users may call it
    )

    @classmethod
    def spec(cls) -> ActionSpec:
        """Return what policy knows of the action."""
        return ActionSpec(name=cls.name, risk=cls.risk, kind=cls.kind, room=cls.name.partition(".")[0], tags=cls.tags)

    def load(self, ctx: Context, input: InputT) -> LoadedT:
        """Read what the action is about; nothing by default."""
        return None  # type: ignore[return-value]

    def resource(self, ctx: Context, input: InputT, loaded: LoadedT) -> Resource:
        """Say what policy decides about; the tenant itself by default."""
        return Resource("tenant", str(ctx.tenant), ctx.tenant)

    def check(self, ctx: Context, input: InputT, loaded: LoadedT) -> None:
        """Refuse what policy cannot know (separation of duties, state); nothing by default."""

    def prepare(self, ctx: Context, input: InputT, loaded: LoadedT) -> PreparedT:
        """Do the long work outside any transaction; nothing by default."""
        return None  # type: ignore[return-value]

    def apply(self, ctx: Context, input: InputT, loaded: LoadedT, prepared: PreparedT) -> Outcome:
        """Write the change. Runs inside one short transaction and does no I/O."""
        raise TypeError(f"{type(self).__name__} has no apply")

    def settled(self, ctx: Context, outcome: Outcome) -> None:
        """Finish what must follow the commit (put a staged file in force); must be safe to lose."""


AnyAction = Action[Any, Any, Any]
