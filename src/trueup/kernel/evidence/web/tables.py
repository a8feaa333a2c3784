"""The tables of evidence."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from trueup.kernel.evidence import facts as factstore
from trueup.kernel.evidence import lists
from trueup.kernel.evidence.api import entry_page, pack_page
from trueup.kernel.evidence.models import Fact
from trueup.kernel.http.paging import Page
from trueup.kernel.http.tables import Column, Empty, Filter, Query, Rows, Table

OUTCOMES = (("done", "done"), ("failed", "failed"), ("refused", "refused"), ("held", "held"))


def _unfiltered(rows: Rows, value: str) -> Rows:  # noqa: ARG001 - the table filters by itself
    return rows


class FactsTable(Table):
    """What is known."""

    name, title = "facts", "Facts"
    columns = (
        Column("subject", "Subject", sort=("subject", "predicate", "valid_at")),
        Column("predicate", "Predicate", kind="code", sort=("predicate", "entry", "index"), narrow=False),
        Column("value", "Value", kind="value"),
        Column("valid_at", "Holds since", kind="time"),
        Column("entry", "Entry", kind="number", sort=("entry", "index"), narrow=False),
        Column("source", "Source", kind="code", narrow=False),
    )
    order = ("-entry", "-index")
    filters = (
        Filter("subject", "Subject", lambda rows, value: rows.filter(factstore.about(value)), hint="rig-7"),
        Filter("predicate", "Predicate", lambda rows, value: rows.filter(predicate=value), hint="telemetry.verdict@1"),
    )
    empty = Empty(
        "Nothing is known yet",
        "Facts are recorded by actions: compare a run with its baseline, or decide a gate.",
        "trueup telemetry compare --baseline BASELINE --run RUN",
        "database",
    )

    def rows(self, tenant: UUID) -> Rows:
        """All facts of a tenant."""
        return lists.facts(tenant)

    def present(self, tenant: UUID, rows: Sequence[Fact]) -> list[dict[str, Any]]:
        """Show value and unit together; link to the fact and to its entry."""
        found = lists.fact_rows(tenant, rows)
        for row in found:
            row["value"] = value_words(row["value"], row["unit"])
            row["subject_url"] = f"/facts/{row['id']}/"
            if row["entry"] is not None:
                row["entry_url"] = f"/log/{row['entry']}/"
        return found


def value_words(value: object, unit: str) -> str:
    """Return a fact's value for people, to six digits; the unit ``1`` of a count goes without saying."""
    text = value if isinstance(value, str) else f"{value:.6g}" if isinstance(value, float) else json.dumps(value)
    return f"{text} {unit}" if unit not in ("", "1") else text


class LogTable(Table):
    """The tenant's log."""

    name, title = "log", "Log"
    columns = (
        Column("index", "Entry", kind="number", sort=("id",)),
        Column("action", "Action", kind="code"),
        Column("outcome", "Outcome", kind="badge"),
        Column("at", "When", kind="time"),
        Column("principal", "By", kind="code", narrow=False),
        Column("covered", "In the tree", kind="badge", narrow=False),
    )
    order = ("-id",)
    filters = (
        Filter("subject", "Subject", _unfiltered, hint="rig-7"),
        Filter("action", "Action", _unfiltered, hint="evidence. or a whole name"),
        Filter("outcome", "Outcome", _unfiltered, choices=OUTCOMES),
        Filter("principal", "By", _unfiltered, hint="user:… or key:…"),
    )
    empty = Empty(
        "The log is empty", "Every action of this tenant will have its entry here, refusals too.", "trueup demo", "list-details"
    )

    def page(self, tenant: UUID, query: Query) -> Page[dict[str, Any]]:
        """Return one page of entries; the page of a filter may be short and still have a next one."""
        found = entry_page(tenant, query.asked, lists.Wanted(**dict(query.filters)), oldest_first=query.order[0] == "id")
        for row in found.rows:
            row["covered"] = "pending" if row["index"] is None else "covered"
            if row["index"] is not None:
                row["index_url"] = row["action_url"] = f"/log/{row['index']}/"
        return found


class PacksTable(Table):
    """Packs that were made here."""

    name, title = "packs", "Packs"
    columns = (
        Column("subject", "Subject"),
        Column("at", "Made", kind="time"),
        Column("tree_size", "Tree size", kind="number", narrow=False),
        Column("sha256", "SHA-256", kind="digest"),
        Column("bytes", "Size", narrow=False),
        Column("download", "Download"),
    )
    order = ("-id",)
    empty = Empty(
        "No pack has been made here",
        "A pack holds everything that is known of a subject, with proofs, in one file that verifies without Trueup. Name a subject above.",
        icon="package",
    )

    def page(self, tenant: UUID, query: Query) -> Page[dict[str, Any]]:
        """Return one page of packs."""
        found = pack_page(tenant, query.asked)
        for row in found.rows:
            row["bytes"] = f"{row['size']:,} B"
            row["download"] = "erased" if row["erased"] else "Download"
            if not row["erased"]:
                row["download_url"] = f"/artifacts/{row['sha256']}/"
        return found


FACTS, LOG, PACKS = FactsTable(), LogTable(), PacksTable()
