"""The tables of automation."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Q

from trueup.domains.automation import authorizations, queries
from trueup.domains.automation.engine.authorizing import State
from trueup.domains.automation.models import Authorization, PolicyVersion
from trueup.domains.automation.web.forms import span
from trueup.kernel.http.host import host
from trueup.kernel.http.tables import Column, Empty, Filter, Rows, Table


def policy_url(pattern: str) -> str:
    """Return the address of a policy's page."""
    return f"/automation/policies/one/?{urlencode({'host': pattern})}"


def _about(rows: Rows, value: str) -> Rows:
    return rows.filter(pattern__in=queries.patterns_about(queries.host_of(value)))


def _verdict(rows: Rows, value: str) -> Rows:
    denied = Q(body__denied=True) | Q(body__allowed=False)
    return rows.filter(denied) if value == "denied" else rows.exclude(denied)


class PoliciesTable(Table):
    """Policies in force."""

    name, title = "policies", "Host policies"
    columns = (
        Column("host", "Host", sort=("pattern",)),
        Column("verdict", "Verdict", kind="badge"),
        Column("strategies", "Tiers"),
        Column("limits", "Limits", narrow=False),
        Column("version", "Version", kind="number", narrow=False),
        Column("at", "Written", kind="time", sort=("at",), narrow=False),
        Column("by", "By", kind="code", narrow=False),
    )
    order = ("pattern", "id")
    filters = (
        Filter("host", "Stands for", _about, hint="www.example.org"),
        Filter("verdict", "Verdict", _verdict, (("allowed", "allowed"), ("denied", "denied"))),
    )
    empty = Empty(
        "No policy is in force",
        "A policy says which host may be touched, and how hard. Until there is one, the line above holds for every host.",
        "trueup automation policy put example.org --per-minute 5",
        "shield",
    )

    def rows(self, tenant: UUID) -> Rows:
        """The newest version of each policy that is not retired."""
        return queries.policies(tenant)

    def present(self, tenant: UUID, rows: Sequence[PolicyVersion]) -> list[dict[str, Any]]:
        """Show limits together; link to the policy."""
        return [
            {
                "host": row.pattern,
                "host_url": policy_url(row.pattern),
                "verdict": verdict(row.body),
                "strategies": ", ".join(row.body["strategies"]) or "vanilla",
                "limits": limits(row.body),
                "version": row.version,
                "at": row.at,
                "by": row.by,
            }
            for row in rows
        ]


def verdict(body: dict[str, Any]) -> str:
    """Return what a policy says in a word."""
    return "denied" if body["denied"] or not body["allowed"] else "allowed"


def limits(body: dict[str, Any]) -> str:
    """Return the limits of a policy in words."""
    return f"{body['per_minute']}/min, {body['per_hour']}/h, {body['concurrent']} at once"


def _in_state(rows: Rows, value: str) -> Rows:
    return queries.in_state(rows, value, host().clock())


class AuthorizationsTable(Table):
    """All authorizations of a tenant."""

    name, title = "authorizations", "Authorizations"
    columns = (
        Column("host", "Host", sort=("host", "asked_at")),
        Column("state", "State", kind="badge"),
        Column("ends", "Ends", sort=("expires",)),
        Column("strategies", "Opens", narrow=False),
        Column("method", "Evidence", narrow=False),
        Column("asked_by", "Asked by", kind="code", narrow=False),
        Column("asked_at", "Asked", kind="time", sort=("asked_at",), narrow=False),
    )
    order = ("-asked_at", "-id")
    filters = (
        Filter("state", "State", _in_state, tuple((str(state), str(state).replace("_", " ")) for state in State)),
        Filter(
            "host",
            "Stands for",
            lambda rows, value: rows.filter(host__in=queries.patterns_about(queries.host_of(value))),
            hint="www.example.org",
        ),
    )
    empty = Empty(
        "Nothing was authorized yet",
        "An authorization proves that a host is yours, or that its owner allows it; what goes beyond one polite run needs one.",
        "trueup automation authorize request example.org --method dns_txt --contact WHO",
        "id-badge",
    )

    def rows(self, tenant: UUID) -> Rows:
        """All authorizations of a tenant."""
        return Authorization.objects.filter(tenant=tenant)

    def present(self, tenant: UUID, rows: Sequence[Authorization]) -> list[dict[str, Any]]:
        """Show the state that each has now, and how long it lasts."""
        now = host().clock()
        found = []
        for row in rows:
            state = authorizations.state_of(row, now)
            found.append(
                {
                    "host": place(row),
                    "host_url": f"/automation/authorizations/{row.id}/",
                    "state": str(state),
                    "ends": span(row.expires, now) if state is not State.REVOKED else "revoked",
                    "strategies": ", ".join(row.strategies),
                    "method": row.method.replace("_", " "),
                    "asked_by": row.asked_by,
                    "asked_at": row.asked_at,
                }
            )
        return found


def place(row: Authorization) -> str:
    """Return host, ports and path of an authorization in words."""
    ports = f":{','.join(map(str, row.ports))}" if row.ports else ""
    return f"{row.host}{ports}{row.path if row.path != '/' else ''}"


POLICIES, AUTHORIZATIONS = PoliciesTable(), AuthorizationsTable()
