"""What the actions room reaches in the rooms above it: protocols that ``config`` fills, closed where it does not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from trueup.kernel.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class JobRequest:
    """Durable work that an action causes; its row is written in the action's transaction.

    Args:
        kind: registered name of the handler (``automation.check.run``).
        args: JSON-able input of the handler; no secrets, those go by reference.
        key: unique within tenant and kind: the same key again is the same job. None: always a new job.
        same: names of args that have to be the same when a key is used again; it is a conflict where they are not.
        priority: 0 (urgent) … 9 (when there is nothing else).
        concurrency_key: jobs that share it run one at a time within the tenant; empty for no limit.
        not_before: earliest start; None for at once.
        max_attempts: tries before the job becomes a dead letter; None for the handler's own number.
    """

    kind: str
    args: Mapping[str, Any] = field(default_factory=dict)
    key: str | None = None
    priority: int = 5
    concurrency_key: str = ""
    not_before: datetime | None = None
    max_attempts: int | None = None
    same: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, for whoever subscribes; an outbox row in the action's transaction.

    Args:
        name: dotted (``change.request.approved``).
        subject: canonical id; subscribers see the events of one subject in their order.
        data: short JSON-able particulars; no secrets, no personal data.
    """

    name: str
    subject: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HoldRequest:
    """An action that waits for people.

    Args:
        attempt: the held attempt; its input is stored there.
        digest: salted digest of exactly that input.
        action: name.
        risk: R1, R2 or R3.
        resource: ``kind:id`` of what policy was asked about.
        principal: who asked (``user:…``, ``key:…``, ``os:…``).
        person: the person behind the principal, whose consent would be self-approval.
        input: the input as people may see it.
    """

    attempt: UUID
    digest: str
    action: str
    risk: str
    resource: str
    principal: str
    person: str
    input: Mapping[str, Any]


class Approvals(Protocol):
    """Where held actions wait for people; the change room fills this port."""

    def request(self, tenant: UUID, hold: HoldRequest, now: datetime) -> str:
        """Open a request inside the caller's transaction; return its id."""

    def approved(self, tenant: UUID, attempt: UUID, digest: str, now: datetime) -> bool:
        """Tell whether exactly this input has all the approvals it needs, and they have not expired."""


class NobodyApproves:
    """The port while no approval room is wired: nothing that needs approval ever runs."""

    def request(self, tenant: UUID, hold: HoldRequest, now: datetime) -> str:
        """Open nothing."""
        return ""

    def approved(self, tenant: UUID, attempt: UUID, digest: str, now: datetime) -> bool:
        """Return False."""
        return False


class Work(Protocol):
    """Where jobs and events of an action go; the work room fills this port."""

    def submit(self, tenant: UUID, jobs: Sequence[JobRequest], *, entry: int, principal: str, now: datetime) -> list[UUID]:
        """Write job rows inside the caller's transaction; return their ids, in the order given."""

    def publish(self, tenant: UUID, events: Sequence[Event], *, entry: int, now: datetime) -> None:
        """Write outbox rows inside the caller's transaction."""


class NoWork:
    """The port while no work room is wired: an action that causes work fails whole."""

    def submit(self, tenant: UUID, jobs: Sequence[JobRequest], *, entry: int, principal: str, now: datetime) -> list[UUID]:
        """Refuse."""
        raise ConfigurationError("no work room is wired, so no job can be submitted")

    def publish(self, tenant: UUID, events: Sequence[Event], *, entry: int, now: datetime) -> None:
        """Refuse."""
        raise ConfigurationError("no work room is wired, so no event can be published")


class Fence(Protocol):
    """A job's hold on its work; a worker that lost its lease must not write."""

    def require_held(self) -> None:
        """Begin the transaction of an action by locking the job's row at this worker's fence.

        Raises:
            Conflict: the job was given to another worker, cancelled or finished.
        """
