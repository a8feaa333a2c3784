"""Load on a system of one's own: how much, for how long, with which faults, and when it is given up.

Ceilings of the authorization hold over all of this, request by request; nothing here can raise them.
"""

from array import array
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from trueup.domains.automation.engine.percentiles import percentile
from trueup.domains.automation.engine.stepkinds import Part
from trueup.kernel.errors import UsageError

LOOKED_AT = 200
"""Answers of late that are looked at when it is asked whether to give up."""
LINES = 600
"""Lines of a timeline, at most."""
ABORTED, OFFLINE = "aborted", "offline"
"""Faults that take a request's answer away."""


class Faults(Part):
    """What is done to requests on purpose, as shares of all; which ones follows from the job's seed."""

    latency_ms: int = Field(default=0, ge=0, le=60_000, description="waited before each request")
    aborted: float = Field(default=0.0, ge=0, le=1, description="connections cut off after the request was sent")
    offline: float = Field(default=0.0, ge=0, le=1, description="requests that are not sent at all")


class GiveUp(Part):
    """When the run ends by itself; what was broken on purpose is no failure."""

    error_rate: float = Field(default=0.5, gt=0, le=1, description=f"share of the last {LOOKED_AT} requests that failed")
    p95_ms: float = Field(default=30_000, gt=0, description="time within which 95 % of the last answers have to come")
    after: int = Field(default=20, ge=1, le=10_000, description="answers before the first look")


class Load(Part):
    """How hard, and for how long."""

    users: int = Field(default=1, ge=1, le=1_000, description="at the same time, as far as ceilings and limits leave room")
    requests: int = Field(default=100, ge=1, le=1_000_000, description="in all, at most")
    seconds: float = Field(default=30.0, gt=0, le=3_600)
    ramp_seconds: float = Field(default=0.0, ge=0, le=3_600, description="until all users have begun")
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


class Tally:
    """What came of the requests of one run, added up as they end."""

    def __init__(self) -> None:
        self.asked = 0
        self.errors: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self._times = array("d")
        self._begun = array("L")  # the second in which each of them was asked
        self._recent: deque[tuple[float, bool]] = deque(maxlen=LOOKED_AT)
        self._lines: dict[int, list[int]] = {}

    @property
    def judged(self) -> int:
        """Requests that the target had the chance to answer."""
        return len(self._times) + self.errors.total()

    def answer(self, at: float, ms: float, code: str = "") -> None:
        """Add a request that was not broken on purpose.

        Args:
            at: seconds since the run began, when it was asked.
            ms: that the target took.
            code: what failed; empty where it was answered with a status below 500.
        """
        self.asked += 1
        if code:
            self.errors[code] += 1
        else:
            self._times.append(ms)
            self._begun.append(int(at))
        self._recent.append((ms, bool(code)))
        line = self._lines.setdefault(int(at), [0, 0])
        line[0] += 1
        line[1] += bool(code)

    def fault(self, kind: str) -> None:
        """Add a request that was broken on purpose."""
        self.asked += 1
        self.faults[kind] += 1

    def given_up(self, when: GiveUp) -> str:
        """Say why the run ends by itself; empty where it goes on."""
        if self.judged < when.after:
            return ""
        failed = sum(bad for _, bad in self._recent)
        if failed / len(self._recent) >= when.error_rate:
            return f"{failed} of the last {len(self._recent)} requests failed"
        p95 = percentile([ms for ms, bad in self._recent if not bad], 0.95)
        if p95 > when.p95_ms:
            return f"95 % of the last {len(self._recent) - failed} answers took up to {p95:.0f} ms"
        return ""

    def lately(self) -> str:
        """Say how it goes, for whoever waits."""
        failed = sum(bad for _, bad in self._recent)
        return f"{self.asked} requests, {failed} of the last {len(self._recent)} failed"

    def summary(self, seconds: float) -> dict[str, Any]:
        """Return what the run amounts to: counts, times in milliseconds, requests a second, failures by code."""
        sent = self.asked - self.faults[OFFLINE]
        return {
            "requests": sent,
            "answered": len(self._times),
            "failed": self.errors.total(),
            "errors": dict(sorted(self.errors.items())),
            "faults": dict(sorted(self.faults.items())),
            "seconds": round(seconds, 3),
            "per_second": round(sent / seconds, 2) if seconds > 0 else 0.0,
            **{f"p{share}_ms": round(percentile(self._times, share / 100), 2) for share in (50, 95, 99)},
            "max_ms": round(max(self._times, default=0.0), 2),
            "timeline": self._timeline(),
        }

    def _timeline(self) -> list[dict[str, Any]]:
        """Return what began in each span of whole seconds, and how long its answers took; spans are as short as lines allow."""
        span = max(self._lines, default=0) // LINES + 1
        cells: dict[int, list[int]] = {}
        for second, (asked, bad) in sorted(self._lines.items()):
            cell = cells.setdefault(second - second % span, [0, 0])
            cell[0] += asked
            cell[1] += bad
        times: dict[int, list[float]] = {}
        for second, ms in zip(self._begun, self._times, strict=True):
            times.setdefault(second - second % span, []).append(ms)
        return [
            {"second": second, "seconds": span, "requests": asked, "failed": bad, **_times(times.get(second, ()))}
            for second, (asked, bad) in cells.items()
        ]


def _times(found: Sequence[float]) -> dict[str, float | None]:
    """Return the median and the 95th percentile of a span; None where nothing was answered in it."""
    return {f"p{share}_ms": round(percentile(found, share / 100), 2) if found else None for share in (50, 95)}
