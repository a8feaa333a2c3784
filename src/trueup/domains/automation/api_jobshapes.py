"""What the API of jobs answers with, for its description."""

from typing import Any

from ninja import Field, Schema

from trueup.kernel.http.replies import PageOut


class ErrorOut(Schema):
    """Why it did not end well."""

    code: str = Field(examples=["TARGET_BLOCKED"])
    message: str


class CreatedOut(Schema):
    """The jobs that were asked for; a key that was used before answers with its job."""

    count: int
    jobs: list[str] = Field(description="their ids, in the order in which they were asked for")


class JobOut(Schema):
    """A job as lists show it."""

    id: str
    url: str
    host: str = Field(description="read from the URL, and from nothing else")
    job_type: str = Field(examples=["navigate_extract"])
    strategy: str = Field(examples=["vanilla"])
    mode: str = Field(description="on whose word: public, customer-authorized or internal; derived, never claimed")
    state: str = Field(description="queued, running, retry_wait, completed, failed, cancelled, timed_out or denied")
    priority: int = Field(description="0 is urgent, 9 is when there is nothing else")
    progress: float = Field(description="0 to 1")
    words: str = Field(description="how far it is, in words")
    attempts: int
    max_attempts: int
    error: ErrorOut | None
    key: str | None
    principal: str
    authorization: str | None
    created_at: str
    not_before: str
    started_at: str | None
    finished_at: str | None
    cancel_asked: bool


class JobsOut(PageOut):
    """One page of jobs."""

    items: list[JobOut]  # type: ignore[assignment]


class ExecutionOut(Schema):
    """One attempt at a job."""

    id: str
    job: str
    attempt: int
    url: str
    executor: str = Field(description="http or browser")
    strategy: str
    mode: str
    ended: str = Field(description="completed, failed, blocked, denied, timed_out or unknown")
    final: bool = Field(description="no further attempt is made")
    error: ErrorOut | None
    begun_at: str
    ended_at: str
    elapsed_ms: int
    steps: int
    summary: dict[str, Any]
    manifest: str = Field(description="SHA-256 of the whole attempt, step by step: an artifact")
    egress: str = Field(description="SHA-256 of the record of what left: an artifact")


class ExecutionsOut(Schema):
    """The attempts at a job, in their order."""

    items: list[ExecutionOut]


class EventOut(Schema):
    """Something that happened to a job."""

    number: int
    at: str
    what: str
    words: str
    fence: int
    batch: str | None


class WholeJobOut(JobOut):
    """A job with what was asked for, what was decided, its attempts and what happened to it."""

    request: dict[str, Any] = Field(description="as it was asked for")
    frozen: dict[str, Any] = Field(description="by which policy and authorization, each with its version")
    executions: list[ExecutionOut]
    result: dict[str, Any] | None = Field(description="of the attempt that completed")
    events: list[EventOut]
    position: int | None = Field(description="jobs before it; null where it does not wait")


class KeptOut(Schema):
    """What an attempt kept; at `/api/v1/evidence/artifacts/{sha256}`."""

    attempt: int
    sha256: str
    name: str = Field(examples=["final.png"])
    media_type: str
    size: int | None = None


class ArtifactsOut(Schema):
    """All that a job kept."""

    items: list[KeptOut]


class HopOut(Schema):
    """One request that left, or that was refused."""

    attempt: int
    at: str
    via: str = Field(description="http, browser or tunnel; through a tunnel only the host is known")
    method: str
    url: str
    allowed: bool
    rule_ids: list[str] = Field(description="the rule that refused, or all that allowed")
    reason: str
    address: str = Field(description="that was connected to; empty where nothing was")
    status: int | None
    sent: int
    received: int
    outcome: str
    intent: int | None = Field(None, description="its number among the job's requests that change something")


class EgressOut(Schema):
    """What left, in its order."""

    items: list[HopOut]
    total: int = Field(description="in all")
    next: int | None = Field(description="`after` of what follows; null at the end")


class MovedOut(Schema):
    """A job that was cancelled."""

    job: str
    kind: str
    state: str = Field(description="of the durable job: cancelled, or running until it has stopped")
    asked: bool = Field(description="it runs, and was asked to stop; false where it ended at once")


class RetriedOut(Schema):
    """A job that is queued again."""

    job: str
    kind: str
    state: str
    was: str = Field(description="its state before")


class StatsOut(Schema):
    """The queue in numbers."""

    queued: int
    running: int
    delayed: int = Field(description="waiting for another attempt, or for its turn at the target")
    dlq: int = Field(description="dead letters: jobs that ended badly")
    ended: dict[str, int]
    by_priority: dict[str, int] = Field(description="jobs that wait, by priority")
    limit: int = Field(description="jobs of this tenant that may run at once")
    workers: int = Field(description="seen working within a minute")
