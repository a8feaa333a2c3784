"""The words of policy: actions with their tags, principals, resources, requests, decisions."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from trueup.kernel.errors import ConfigurationError, UsageError

ROLES = ("owner", "admin", "operator", "analyst", "approver", "auditor", "viewer")
"""The roles of the product itself; rooms may declare more to :func:`load_policies`."""

KINDS = ("read", "write")
"""What an action does to what is stored or outside: ``read`` changes nothing, ``write`` may."""

TAGS: dict[str, str] = {
    "read": "looks at data of the tenant and changes nothing",
    "operate": "runs the daily work: samples, comparisons, jobs, packs, gate decisions",
    "analyse": "computes something new from data: comparisons, models, forecasts",
    "approve": "consents to what somebody else asked for, or refuses it",
    "audit": "verifies, exports and packs evidence, and looks at what is not for every reader",
    "administer": "changes how the tenant or the installation is set up: people, keys, secrets, policies",
    "destroy": "removes for good what others may rely on: erasure of data, destruction of keys",
}
"""The closed vocabulary of tags. A tag says who is meant to call an action: **each** tag grants."""

_ACTION_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
_WORD = re.compile(r"[a-z][a-z0-9_]*")


class Risk(StrEnum):
    """How far an action reaches: R1 reversible inside Trueup; R2 changes an outside system reversibly; R3 cannot be undone."""

    R1 = "R1"
    R2 = "R2"
    R3 = "R3"


class PrincipalKind(StrEnum):
    """Who acts; the value is the prefix of the principal's name."""

    USER = "user"
    API_KEY = "key"
    OS_USER = "os"


class Effect(StrEnum):
    """What a policy does when it applies; one forbid outweighs any number of permits."""

    PERMIT = "permit"
    FORBID = "forbid"


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """What policy knows of one registered action.

    Args:
        name: dotted, the room first (``evidence.pack.create``).
        risk: ``R1``, ``R2`` or ``R3``.
        kind: one of ``KINDS``.
        room: the room that registers it (``evidence``).
        tags: one or more of ``TAGS``; they decide which roles may call it.
    """

    name: str
    risk: Risk
    kind: str
    room: str
    tags: frozenset[str]

    def problem(self) -> str:
        """Return what is wrong with the specification, in words; empty when it is sound."""
        unknown = sorted(set(self.tags) - set(TAGS))
        rules = (
            (_ACTION_NAME.fullmatch(self.name) is None, f"the name {self.name!r} is not dotted lower-case words"),
            (_WORD.fullmatch(self.room) is None, f"the room {self.room!r} is not one lower-case word"),
            (self.risk not in tuple(Risk), f"the risk {self.risk!r} is none of {', '.join(Risk)}"),
            (self.kind not in KINDS, f"the kind {self.kind!r} is none of {', '.join(KINDS)}"),
            (not self.tags, "it carries no tag, so no role could be meant"),
            (bool(unknown), f"unknown tag {', '.join(unknown)}"),
            ("read" in self.tags and self.kind != "read", "it is tagged read, and its kind is not read"),
            ("destroy" in self.tags and self.risk != Risk.R3, "it is tagged destroy, and its risk is not R3"),
        )
        return next((f"action {self.name}: {words}" for broken, words in rules if broken), "")


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody acting in one tenant, with the roles held in that tenant and in no other.

    Args:
        kind: user, API key or user of the operating system.
        id: canonical id, without the kind.
        tenant: id of the tenant in which the principal acts.
        roles: roles held there; empty means that nothing is permitted.
        is_agent: an AI agent acts, by itself or for somebody.
        mfa: a second factor was shown in this session.
        person: ``kind:id`` of the person behind the principal (the maker of an API key); the principal itself when empty.
    """

    kind: PrincipalKind
    id: str
    tenant: str
    roles: frozenset[str] = frozenset()
    is_agent: bool = False
    mfa: bool = False
    person: str = ""

    def __post_init__(self) -> None:
        if not self.id or not self.tenant:
            raise UsageError("a principal has an id and acts in a tenant", remedy="name the tenant with --tenant")

    @property
    def ref(self) -> str:
        """``kind:id`` of the person, as ``Resource.owner`` and ``Resource.created_by`` name one."""
        return self.person or f"{self.kind}:{self.id}"


@dataclass(frozen=True, slots=True)
class Resource:
    """What an action is done to.

    Args:
        kind: of thing (``pack``, ``artifact``), one word.
        id: canonical id; a collection or a thing that does not exist yet is named ``*``.
        tenant: id of the tenant it belongs to.
        owner: ``Principal.ref`` of whoever answers for it; empty where nobody does.
        created_by: ``Principal.ref`` of whoever made it or asked for it; empty where unknown.
    """

    kind: str
    id: str
    tenant: str
    owner: str = ""
    created_by: str = ""

    def __post_init__(self) -> None:
        if not self.kind or not self.id or not self.tenant:
            raise UsageError("a resource has a kind, an id and a tenant", remedy="write * for the id of a collection")


@dataclass(frozen=True, slots=True)
class Request:
    """One question: may this principal do this to that, now?

    Args:
        action: name of a registered action.
        now: timezone-aware.
        risk: raises the action's own risk class for this input (many targets); it never lowers it.
    """

    principal: Principal
    action: str
    resource: Resource
    now: datetime
    risk: Risk = Risk.R1

    def __post_init__(self) -> None:
        if self.now.tzinfo is None:
            raise UsageError("the time of a request has no zone", remedy="give the time in UTC")
        object.__setattr__(self, "now", self.now.astimezone(UTC))


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy as it stands in its file."""

    id: str
    effect: Effect
    reason: str
    file: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer, and why.

    Args:
        allowed: True only when a policy permits, none forbids, and nothing went wrong on the way.
        policy_ids: the deciding policies, sorted; empty when none permits.
        reasons: sentences for people, in the order of ``policy_ids``.
        errors: what went wrong in evaluation; with any, the answer is a refusal.
    """

    allowed: bool
    policy_ids: tuple[str, ...]
    reasons: tuple[str, ...]
    errors: tuple[str, ...] = ()


def checked(actions: Collection[ActionSpec]) -> dict[str, ActionSpec]:
    """Return actions by name, in the order of names.

    Raises:
        ConfigurationError: an unsound specification, or two actions of one name.
    """
    found: dict[str, ActionSpec] = {}
    for spec in sorted(actions, key=lambda spec: spec.name):
        problem = spec.problem() or (f"action {spec.name}: registered twice" if spec.name in found else "")
        if problem:
            raise ConfigurationError(problem, remedy=f"correct the action's registration; the tags are {', '.join(TAGS)}")
        found[spec.name] = spec
    return found
