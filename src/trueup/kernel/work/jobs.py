"""Kinds that show whether workers work."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from trueup.kernel.work.context import JobContext
from trueup.kernel.work.handlers import handler


class Nothing(BaseModel):
    """No args."""

    model_config = ConfigDict(extra="forbid")


class SleepArgs(BaseModel):
    """How long to wait."""

    model_config = ConfigDict(extra="forbid")

    seconds: float = Field(default=1.0, ge=0, le=3600)


@handler("work.noop", submittable=True, args=Nothing, timeout=10.0)
def noop(job: JobContext) -> dict[str, Any]:  # noqa: ARG001 - every handler is given its job
    """Do nothing: whoever sees it done knows that a worker works."""
    return {}


@handler("work.sleep", submittable=True, args=SleepArgs, timeout=4000.0)
def sleep(job: JobContext) -> dict[str, Any]:
    """Wait, with progress, and stop when it is cancelled."""
    seconds = job.input.seconds
    for tenth in range(10):
        job.progress(tenth / 10, f"{seconds * tenth / 10:g} of {seconds:g} s")
        job.sleep(seconds / 10)
    return {"slept": seconds}
