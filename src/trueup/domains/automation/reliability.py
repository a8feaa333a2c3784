"""How well hosts have served, read from stored runs; and that one which fails is gone easy on."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from trueup.domains.automation import jobqueries
from trueup.domains.automation.engine.causes import Whose, cause_of
from trueup.domains.automation.engine.easing import LOOKED_AT, RECENT, RECOVERY, Ease, ease, share_at
from trueup.domains.automation.engine.reliability import (
    MOST,
    WINDOW,
    Drift,
    Incident,
    Opened,
    Outcome,
    Reliability,
    drifts,
    newest,
    reliability,
    timeout_advice,
    wait_advice,
)
from trueup.domains.automation.jobspec import LONGEST
from trueup.domains.automation.models import Run
from trueup.kernel.actions.base import Context
from trueup.kernel.errors import Damaged, NotFound
from trueup.kernel.evidence.engine.encode import stamp

READ = 5_000
"""Runs of a tenant that are read for the list of all hosts, the newest first."""
MANIFESTS = 50
"""Runs of a host whose steps are read, the newest first."""
_LONGEST_MANIFEST = 4 << 20
_TOLD = ("authority", "at", "code", "elapsed_ms", "summary__status")


def settle(tenant: UUID, authority: str, code: str, now: datetime) -> float | None:
    """Go easy on an authority whose runs fail of late; return the share of its limits that it gets now, where it was lowered.

    Args:
        tenant: whose.
        authority: host and port of the run that was just written down.
        code: of its error; empty where it completed, and then nothing is looked at.
        now: the time.
    """
    from trueup.domains.automation import meters  # loads what reads URLs

    if not code or cause_of(code).whose not in (Whose.TARGET, Whose.WISH):
        return None
    rows = Run.objects.filter(tenant=tenant, authority=authority, at__gt=now - RECENT).order_by("-at")
    found = ease(outcomes(rows.values_list(*_TOLD)[: 4 * LOOKED_AT]), now)
    if found is None:
        return None
    meters.go_easy(tenant, authority, found)
    return round(found.share, 4)


def outcomes(rows: Iterable[Sequence[Any]]) -> list[Outcome]:
    """Return rows of runs as what is summed up."""
    return [Outcome(at, code, elapsed, status if isinstance(status, int) else None) for _, at, code, elapsed, status in rows]


@dataclass(frozen=True, slots=True)
class Host:
    """What is known of one authority.

    Args:
        timeout: seconds that jobs should be given; None where too little is known.
        ease: that it is gone easy on; ``share`` of its limits holds now.
        waits: what waiting for ``networkidle`` costs; empty where that is not known, or was not looked for.
        drifts: selectors that were missed; empty where none was, or was not looked for.
    """

    authority: str
    told: Reliability
    timeout: int | None
    ease: Ease | None
    share: float
    days: tuple[tuple[str, int, int], ...]
    waits: str = ""
    drifts: tuple[Drift, ...] = ()


def hosts(tenant: UUID, now: datetime) -> list[Host]:
    """Return all authorities that jobs were made on of late, those that serve worst first."""
    from trueup.domains.automation import meters

    rows = Run.objects.filter(tenant=tenant, at__gt=now - WINDOW).order_by("-at", "-id").values_list(*_TOLD)[:READ]
    by: dict[str, list[Sequence[Any]]] = {}
    for row in rows:
        kept = by.setdefault(row[0], [])
        if len(kept) < MOST:
            kept.append(row)
    lowered = meters.eases(tenant, now, authorities=by)
    found = [_host(authority, outcomes(rows), now, lowered.get(authority)) for authority, rows in by.items()]
    order = {"unreliable": 0, "unknown": 1, "reliable": 2}
    return sorted(
        found, key=lambda one: (order[one.told.standing], one.told.rate if one.told.rate is not None else 2, one.authority)
    )


def of_host(ctx: Context, host: str, now: datetime) -> list[Host]:
    """Return the authorities of one host, with what their steps say: what waiting costs, and selectors that drift.

    Args:
        ctx: whose tenant, and where its artifacts are.
        host: or a host and its port.
        now: the time.
    """
    from trueup.domains.automation import meters

    place = f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host
    rows = Run.objects.filter(tenant=ctx.tenant, at__gt=now - WINDOW)
    exact = place.rpartition(":")[2].isdecimal() and not place.endswith("]")
    rows = rows.filter(authority=place) if exact else rows.filter(authority__startswith=f"{place}:")
    names = list(rows.order_by("authority").values_list("authority", flat=True).distinct()[:100])
    lowered = meters.eases(ctx.tenant, now, authorities=names)
    found = []
    for authority in names:
        mine = rows.filter(authority=authority).order_by("-at", "-id")
        opened, missed = _steps(ctx, mine.filter(executor="browser")[:MANIFESTS])
        told = outcomes(mine.values_list(*_TOLD)[:MOST])
        found.append(_host(authority, told, now, lowered.get(authority), waits=wait_advice(opened), drifts=tuple(drifts(missed))))
    return found


def _host(authority: str, told: Sequence[Outcome], now: datetime, lowered: Ease | None, **more: Any) -> Host:
    timeout = timeout_advice(told, now, most=LONGEST)
    return Host(authority, reliability(told, now), timeout, lowered, share_at(lowered, now), _days(told, now), **more)


def _days(told: Sequence[Outcome], now: datetime) -> tuple[tuple[str, int, int], ...]:
    """Return for each day (UTC) on which there were runs that count: how many, and how many failed."""
    found: dict[str, list[int]] = {}
    for one in newest(told, now):
        if one.counts:
            cell = found.setdefault(f"{one.at:%Y-%m-%d}", [0, 0])
            cell[0] += 1
            cell[1] += bool(one.code)
    return tuple((day, n, bad) for day, (n, bad) in found.items())


type _Missed = tuple[datetime, str, list[dict[str, str]]]


def _steps(ctx: Context, rows: Iterable[Run]) -> tuple[list[Opened], list[_Missed]]:
    """Return how pages were opened and which selectors were missed; what was erased, or is damaged, says nothing."""
    opened: list[Opened] = []
    missed: list[_Missed] = []
    for row in rows:
        with suppress(NotFound, Damaged):
            if ctx.ports.artifacts.size(ctx.tenant, row.manifest) > _LONGEST_MANIFEST:
                continue
            manifest = jobqueries.manifest_of(ctx, row)
            waits = waited_for(manifest["request"])
            for step in manifest["steps"]:
                error = step["error"] or {}
                if step["action"] == "navigate" and step["path"] in waits:
                    opened.append(Opened(waits[step["path"]], step["metrics"]["elapsed_ms"], error.get("code", "")))
                if error.get("hint"):
                    missed.append((row.at, error["message"], error["hint"]))
    return opened, missed


def waited_for(request: dict[str, Any]) -> dict[str, str]:
    """Return what the steps of a job that open pages wait for, by where they lie; those within other steps are left out."""
    payload = request["payload"]
    if request["job_type"] != "steps":
        return {"1": payload.get("wait_until", "load")}
    steps = payload.get("steps", [])
    shift = 1 if steps and steps[0].get("action") == "navigate" else 2  # the job's URL is opened first where no step does
    found = {
        str(place): step.get("wait_until", "load") for place, step in enumerate(steps, shift) if step.get("action") == "navigate"
    }
    return found if shift == 1 else {"1": payload.get("wait_until", "load"), **found}


def document(one: Host) -> dict[str, Any]:
    """Return what is known of an authority as JSON-able data."""
    told = one.told
    return {
        "authority": one.authority,
        "standing": str(told.standing),
        "runs": told.runs,
        "counted": told.counted,
        "succeeded": told.succeeded,
        "rate": told.rate,
        "interval": [round(told.low, 4), round(told.high, 4)],
        "trend": str(told.trend),
        "median_ms": told.median_ms,
        "p95_ms": told.p95_ms,
        "errors": [_error(code, count) for code, count in told.errors],
        "incidents": [_incident(incident) for incident in told.incidents],
        "days": [{"day": day, "runs": n, "failed": bad} for day, n, bad in one.days],
        "advice": {"timeout_seconds": one.timeout, "waits": one.waits or None},
        "drifts": [_drift(drift) for drift in one.drifts],
        "lowered": _lowered(one),
        "since": stamp(told.since) if told.since else None,
        "until": stamp(told.until) if told.until else None,
    }


def _error(code: str, count: int) -> dict[str, Any]:
    cause = cause_of(code)
    return {"code": code, "count": count, "whose": str(cause.whose), "happened": cause.happened}


def _incident(one: Incident) -> dict[str, Any]:
    return {"code": one.code, "count": one.count, "begun": stamp(one.begun), "last": stamp(one.last), "over": one.over}


def _drift(one: Drift) -> dict[str, Any]:
    offered = [{"selector": selector, "why": why, "count": count} for selector, why, count in one.offered]
    return {"missed": one.what, "count": one.count, "last": stamp(one.last), "offered": offered}


def _lowered(one: Host) -> dict[str, Any] | None:
    if one.ease is None:
        return None
    return {
        "share": round(one.share, 4),
        "why": one.ease.why,
        "since": stamp(one.ease.at),
        "until": stamp(one.ease.at + RECOVERY),
    }
