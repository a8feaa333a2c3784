"""The API of reliability: how well hosts have served, from how jobs on them ended."""

from django.http import HttpRequest, HttpResponse
from ninja import Field, Query, Router, Schema

from trueup.domains.automation import reliability as readings
from trueup.domains.automation.actions_policies import pattern_of
from trueup.kernel.errors import UsageError
from trueup.kernel.http.callers import context_of
from trueup.kernel.http.host import host
from trueup.kernel.http.replies import reply, tenant_of

router = Router()


class HostIn(Schema):
    """Which host."""

    host: str = Field("", max_length=300, description="a host, or a host and its port; empty: all", examples=["www.example.org"])


class ErrorOut(Schema):
    """A code of errors, and how often."""

    code: str
    count: int
    whose: str = Field(description="target, wish (it asks to be left alone), page, job, policy, ours or unknown")
    happened: str


class IncidentOut(Schema):
    """Failures of one code in a row."""

    code: str
    count: int
    begun: str
    last: str
    over: bool


class DayOut(Schema):
    """Runs of one day (UTC) that count."""

    day: str
    runs: int
    failed: int


class AdviceOut(Schema):
    """What could be done; nothing of it is applied."""

    timeout_seconds: int | None = Field(description="thrice what 19 of 20 need, never more than a job may be given")
    waits: str | None = Field(description="what waiting for networkidle costs; where one host is asked for")


class OfferedOut(Schema):
    """A selector that could be meant."""

    selector: str
    why: str
    count: int


class DriftOut(Schema):
    """A selector that was missed."""

    missed: str
    count: int
    last: str
    offered: list[OfferedOut]


class LoweredOut(Schema):
    """That a host is gone easy on."""

    share: float = Field(description="of the limits of its policy that holds now; never above 1")
    why: str
    since: str
    until: str


class HostOut(Schema):
    """What is known of one host and port."""

    authority: str
    standing: str = Field(description="reliable, unreliable or unknown: whether the interval lies above or below 0.9")
    runs: int
    counted: int = Field(description="that say something about the host: refusals, broken jobs and lost browsers do not")
    succeeded: int
    rate: float | None = Field(description="null where nothing is counted")
    interval: list[float] = Field(description="of the rate, Wilson's at 95 %")
    trend: str = Field(description="the newer half against the older: better, worse, no difference seen, unknown")
    median_ms: float | None
    p95_ms: float | None
    errors: list[ErrorOut]
    incidents: list[IncidentOut]
    days: list[DayOut]
    advice: AdviceOut
    drifts: list[DriftOut] = Field(description="where one host is asked for")
    lowered: LoweredOut | None
    since: str | None
    until: str | None


class HostsOut(Schema):
    """Hosts, those that serve worst first."""

    items: list[HostOut]


@router.get(
    "/reliability",
    response=HostsOut,
    operation_id="automation.reliability",
    summary="how well hosts have served, from their last 200 runs within 30 days",
)
def reliability(request: HttpRequest, asked: Query[HostIn]) -> HttpResponse:
    """Sum up how jobs ended, host by host; a host without runs is not listed, and too few of them claim nothing."""
    now = host().clock()
    if not asked.host:
        found = readings.hosts(tenant_of(request), now)
    else:
        found = readings.of_host(context_of(request), place_of(asked.host), now)
    return reply({"items": [readings.document(one) for one in found]})


def place_of(text: str) -> str:
    """Return a host, or a host and its port, as runs name it.

    Raises:
        UsageError: it is none.
    """
    name, _, port = text.strip().rpartition(":")
    if not (name and port.isascii() and port.isdigit() and len(port) < 6) or (":" in name and not name.endswith("]")):
        name, port = text.strip(), ""
    try:
        host = pattern_of(name.strip("[]") if ":" in name else name)
    except ValueError as exc:
        problem = str(exc)
        raise UsageError(problem, details={"fields": [{"field": "host", "problem": problem}]}) from None
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}:{port}" if port else shown
