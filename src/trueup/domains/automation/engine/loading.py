"""Load on a system of one's own: how much, for how long, with which faults, and when it is given up.

Ceilings of the authorization hold over all of this, request by request; nothing here can raise them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from trueup.domains.automation.engine.stepkinds import Part
from trueup.kernel.errors import UsageError


class Faults(Part):
    """What is done to requests on purpose, as shares of all."""

    latency_ms: int = Field(default=0, ge=0, le=60_000, description="waited before each request")
    aborted: float = Field(default=0.0, ge=0, le=1, description="connections cut off after the request was sent")
    offline: float = Field(default=0.0, ge=0, le=1, description="requests that are not sent at all")


class GiveUp(Part):
    """When the run ends by itself."""

    error_rate: float = Field(default=0.5, gt=0, le=1, description="share of requests that failed")
    p95_ms: float = Field(default=30_000, gt=0, description="time below which 95 % of answers came")
    after: int = Field(default=20, ge=1, le=10_000, description="requests before the first look")


class Load(Part):
    """How hard, and for how long."""

    users: int = Field(default=1, ge=1, le=1_000)
    requests: int = Field(default=100, ge=1, le=10_000_000, description="in all, at most")
    seconds: float = Field(default=30.0, gt=0, le=3_600)
    ramp_seconds: float = Field(default=0.0, ge=0, le=3_600)
    method: Literal["GET", "HEAD", "POST", "PUT"] = "GET"
    body: str = Field(default="", max_length=100_000)
    faults: Faults = Field(default_factory=Faults)
    give_up: GiveUp = Field(default_factory=GiveUp)

    @model_validator(mode="after")
    def _fits(self) -> "Load":
        if self.ramp_seconds > self.seconds:
            raise ValueError("ramp_seconds is longer than seconds")
        if self.body and self.method in ("GET", "HEAD"):
            raise ValueError(f"a {self.method} has no body")
        return self

    @staticmethod
    def read(said: object) -> "Load":
        """Return what a payload says.

        Raises:
            UsageError: it makes no sense; names the first field that is wrong.
        """
        try:
            return Load.model_validate(said)
        except ValidationError as exc:
            first = exc.errors(include_input=False, include_url=False)[0]
            where = ".".join(("payload.load", *(str(part) for part in first["loc"])))
            raise UsageError(f"{where}: {first['msg'].removeprefix('Value error, ')}", details={"field": where}) from None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one request.

    Args:
        at: seconds since the run began.
        ms: that it took.
        code: empty where it was answered with a status below 500; else what failed.
    """

    at: float
    ms: float
    code: str = ""


def given_up(answers: Sequence[Answer], when: GiveUp) -> str:
    """Say why a run ends by itself; empty where it goes on.

    Args:
        answers: of late, the newest last.
        when: that it is given up.
    """
    if len(answers) < when.after:
        return ""
    failed = sum(bool(one.code) for one in answers)
    if failed / len(answers) >= when.error_rate:
        return f"{failed} of the last {len(answers)} requests failed"
    p95 = percentile([one.ms for one in answers], 0.95)
    if p95 > when.p95_ms:
        return f"95 % of the last {len(answers)} answers took up to {p95:.0f} ms"
    return ""


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that so large a share of all does not exceed; 0 where there is none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)] if ordered else 0.0


def summary(answers: Sequence[Answer], seconds: float) -> Mapping[str, Any]:
    """Return what a run amounts to: counts, times in milliseconds, requests a second, failures by code."""
    codes: dict[str, int] = {}
    for one in answers:
        if one.code:
            codes[one.code] = codes.get(one.code, 0) + 1
    times = [one.ms for one in answers if not one.code]
    return {
        "requests": len(answers),
        "failed": sum(codes.values()),
        "errors": dict(sorted(codes.items())),
        "seconds": round(seconds, 3),
        "per_second": round(len(answers) / seconds, 2) if seconds > 0 else 0.0,
        "p50_ms": round(percentile(times, 0.5), 2),
        "p95_ms": round(percentile(times, 0.95), 2),
        "p99_ms": round(percentile(times, 0.99), 2),
        "timeline": _timeline(answers),
    }


def _timeline(answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """Return one line for each second, at most 600 of them: how many were answered, and how many failed."""
    found: dict[int, list[int]] = {}
    for one in answers:
        cell = found.setdefault(int(one.at), [0, 0])
        cell[0] += 1
        cell[1] += bool(one.code)
    return [{"second": second, "requests": n, "failed": bad} for second, (n, bad) in sorted(found.items())[:600]]
