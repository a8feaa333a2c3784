"""The page of hosts: how well each has served."""

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render

from trueup.domains.automation import reliability
from trueup.domains.automation.api_reliability import place_of
from trueup.domains.automation.engine.causes import cause_of
from trueup.domains.automation.engine.easing import RECOVERY
from trueup.domains.automation.reliability import Host
from trueup.kernel.errors import UsageError
from trueup.kernel.http import readers
from trueup.kernel.http.callers import caller_of, context_of
from trueup.kernel.http.host import host as installation

SHOWN = 100
_HIGH, _DAY = 24, 6
"""Height of the drawing of days, and the width of one."""


def hosts(request: HttpRequest) -> HttpResponseBase:
    """List hosts, those that serve worst first; of one that is asked for also what its steps say."""
    caller, now = caller_of(request), installation().clock()
    readers.require(caller, "read")
    asked, problem = request.GET.get("host", "").strip()[:300], ""
    found: list[Host] = []
    try:
        found = reliability.of_host(context_of(request), place_of(asked), now) if asked else reliability.hosts(caller.tenant, now)
    except UsageError as exc:
        problem = exc.message
    context = {
        "asked": asked,
        "problem": problem,
        "hosts": [shown(one) for one in found[:SHOWN]],
        "more": max(0, len(found) - SHOWN),
    }
    return render(request, "automation/hosts.html", context, status=400 if problem else 200)


def shown(one: Host) -> dict[str, Any]:
    """Return a host as the page shows it."""
    told = one.told
    return {
        "authority": one.authority,
        "name": one.authority.rpartition(":")[0].strip("[]"),
        "standing": str(told.standing),
        "rate": f"{told.succeeded} of {told.counted}" if told.counted else "",
        "interval": f"{100 * told.low:.0f} to {100 * told.high:.0f} %" if told.counted else "",
        "others": told.runs - told.counted,
        "trend": str(told.trend),
        "median": seconds(told.median_ms),
        "p95": seconds(told.p95_ms),
        "errors": [{"code": code, "count": count, "happened": cause_of(code).happened} for code, count in told.errors],
        "incidents": told.incidents[:20],
        "timeout": one.timeout,
        "waits": one.waits,
        "drifts": one.drifts[:20],
        "share": f"{100 * one.share:.0f} %" if one.ease else "",
        "ease": one.ease,
        "recovers": one.ease.at + RECOVERY if one.ease else None,
        "days": days(one),
    }


def seconds(milliseconds: float | None) -> str:
    """Return a time for people, or nothing where there is none.

    >>> seconds(480.0), seconds(12_340.0), seconds(None)
    ('480 ms', '12.3 s', '')
    """
    if milliseconds is None:
        return ""
    return f"{milliseconds:.0f} ms" if milliseconds < 1_000 else f"{milliseconds / 1000:.1f} s"


def days(one: Host) -> dict[str, Any]:
    """Return a bar for each day that had runs: how many there were against the busiest day, and how many of them failed."""
    most = max((n for _, n, _ in one.days), default=1)
    bars = []
    for place, (day, n, bad) in enumerate(one.days):
        high, wrong = _HIGH * n / most, _HIGH * bad / most
        bars.append(
            {
                "day": day,
                "runs": n,
                "failed": bad,
                "x": place * _DAY,
                "y": round(_HIGH - high, 2),
                "high": round(high - wrong, 2),
                "bad_y": round(_HIGH - wrong, 2),
                "bad": round(wrong, 2),
            }
        )
    return {"bars": bars, "width": max(1, len(bars) * _DAY), "height": _HIGH}
