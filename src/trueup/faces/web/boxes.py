"""The home page's boxes: what needs the caller, what changed, what is unknown; all from stored facts and entries."""

from dataclasses import dataclass, field
from importlib import import_module
from typing import Any
from uuid import UUID

from django.http import HttpRequest

from trueup.domains.telemetry import facts as telemetry
from trueup.faces.web.shell import there
from trueup.kernel.evidence import ledger, lists, queries
from trueup.kernel.evidence.models import Fact
from trueup.kernel.gates import facts as gates
from trueup.kernel.http.callers import caller_of
from trueup.kernel.http.navigation import Line

SHOWN, READ = 8, 400
CLAIMS = (telemetry.VERDICT.key, gates.OUTCOME.key)
BROUGHT = (
    "trueup.domains.automation.web.home",
    "trueup.kernel.change.web.home",
    "trueup.kernel.work.web.home",
    "trueup.kernel.notify.web.home",
)
"""Modules of rooms with ``needs_me(request) -> list[Line]``."""


@dataclass(frozen=True, slots=True)
class Box:
    """One box: its lines, and what is said where there are none."""

    name: str
    title: str
    icon: str
    calm: str
    lines: list[Line] = field(default_factory=list)
    url: str = ""


def boxes(request: HttpRequest) -> list[Box]:
    """Return the boxes for a caller."""
    tenant = caller_of(request).tenant
    newest = newest_claims(tenant)
    return [
        Box("needs", "Needs me", "checklist", "Nothing waits for you.", needs_me(request, newest)[:SHOWN]),
        Box("changed", "What changed", "history", "Nothing has been recorded yet.", changed(tenant), url="/log/"),
        Box("unknown", "What is unknown", "help", "No claim is without an answer.", unknown(tenant, newest)[:SHOWN]),
    ]


def newest_claims(tenant: UUID) -> list[dict[str, Any]]:
    """Return the newest fact of each claim (verdicts and gate outcomes) among those recorded last."""
    found: dict[tuple[str, str], Fact] = {}
    for predicate in CLAIMS:
        rows = lists.facts(tenant, predicate=predicate).order_by("-entry", "-index")[:READ]
        for row in rows:
            found.setdefault((row.subject, row.predicate), row)
    ordered = sorted(found.values(), key=lambda row: (row.entry, row.index), reverse=True)
    return lists.fact_rows(tenant, ordered)


def _claim(fact: dict[str, Any]) -> Line:
    return Line(fact["subject"], f"/facts/{fact['id']}/", str(fact["value"]), fact["valid_at"], fact["predicate"])


def needs_me(request: HttpRequest, newest: list[dict[str, Any]]) -> list[Line]:
    """Return what rooms say needs the caller, then claims that turned out false."""
    brought = [line for name in BROUGHT if there(name) for line in import_module(name).needs_me(request)]
    return brought + [_claim(fact) for fact in newest if str(fact["value"]).upper() in ("FAIL", "PASS_WITH_DRIFT")]


def changed(tenant: UUID) -> list[Line]:
    """Return the newest entries of the log."""
    found = lists.entries(tenant, lists.Wanted(), beyond=None, limit=SHOWN).entries
    places = lists.places_of(tenant, [id for id, _ in found])
    return [
        Line(
            body["action"],
            f"/log/{places[id]}/" if id in places else "/log/",
            body["outcome"],
            body["at"],
            "" if id in places else "not yet covered",
        )
        for id, body in found
    ]


def unknown(tenant: UUID, newest: list[dict[str, Any]]) -> list[Line]:
    """Return claims without an answer, and how much of the log is not yet signed for."""
    lines = [_claim(fact) for fact in newest if str(fact["value"]).upper() not in ("PASS", "FAIL", "PASS_WITH_DRIFT")]
    pending = queries.coverage(tenant)["pending"]
    if pending:
        lines.insert(0, Line(f"{pending} entries are not yet covered by a checkpoint", "/log/", "pending"))
    if ledger.newest(tenant) is None and not pending:
        lines.append(Line("Nothing has been claimed in this tenant yet", "/facts/", "NO_DATA"))
    return lines
