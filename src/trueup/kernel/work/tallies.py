"""How many jobs are in each state: counted as they move, by triggers, so that asking costs the same at any number of jobs.

SQLite has one writer, and its triggers keep one row a cell. PostgreSQL's triggers add a row a statement, so that no two
transactions wait for a cell; upkeep adds such rows up.
"""

from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Sum

from trueup.kernel import tenancy
from trueup.kernel.work import sql
from trueup.kernel.work.models import Tally

DELAYED = "delayed"
"""What a job is counted as that waits for another attempt."""
_CELL = "tenant, kind, CASE WHEN state = 'queued' AND error <> '' THEN 'delayed' ELSE state END, priority"
NAMES = frozenset(f"work_job_tally_{verb}" for verb in ("insert", "update", "delete"))
_MANY = 200
"""Rows above which they are added up."""


_ONE_MOVED = (
    "INSERT INTO work_tally (tenant, kind, state, priority, n) SELECT R.tenant, R.kind, S, R.priority, 0 WHERE NOT EXISTS "
    "(SELECT 1 FROM work_tally WHERE tenant = R.tenant AND kind = R.kind AND state = S AND priority = R.priority); "
    "UPDATE work_tally SET n = n + BY WHERE tenant = R.tenant AND kind = R.kind AND state = S AND priority = R.priority;"
)
_MOVED = (
    "CREATE FUNCTION NAME() RETURNS trigger LANGUAGE plpgsql AS $body$BEGIN "
    "INSERT INTO work_tally (tenant, kind, state, priority, n) "
    "SELECT moved.tenant, moved.kind, moved.state, moved.priority, sum(moved.n) FROM (ROWS) "
    "AS moved(tenant, kind, state, priority, n) GROUP BY 1, 2, 3, 4 HAVING sum(moved.n) <> 0; RETURN NULL; END$body$"
)


def _sqlite() -> list[str]:
    found = []
    for verb, when, moves in (
        ("insert", "AFTER INSERT", (("NEW", 1),)),
        ("update", "AFTER UPDATE OF state, error", (("OLD", -1), ("NEW", 1))),
        ("delete", "AFTER DELETE", (("OLD", -1),)),
    ):
        body = " ".join(_moved(row, by) for row, by in moves)
        found.append(f"CREATE TRIGGER work_job_tally_{verb} {when} ON work_job BEGIN {body} END")
    return found


def _moved(row: str, by: int) -> str:
    state = f"CASE WHEN {row}.state = 'queued' AND {row}.error <> '' THEN 'delayed' ELSE {row}.state END"
    return _ONE_MOVED.replace("R.", f"{row}.").replace(" S,", f" {state},").replace("= S ", f"= {state} ").replace("BY", str(by))


def _postgresql() -> list[str]:
    found = []
    old = f"SELECT {_CELL}, -1 AS n FROM gone"  # noqa: S608 - our own names
    new = f"SELECT {_CELL}, 1 AS n FROM come"  # noqa: S608 - our own names
    for verb, rows, tables in (
        ("insert", new, "NEW TABLE AS come"),
        ("update", f"{old} UNION ALL {new}", "OLD TABLE AS gone NEW TABLE AS come"),
        ("delete", old, "OLD TABLE AS gone"),
    ):
        name = f"work_job_tally_{verb}"
        found.append(_MOVED.replace("NAME", name).replace("(ROWS)", f"({rows})"))
        found.append(
            f"CREATE TRIGGER {name} AFTER {verb.upper()} ON work_job REFERENCING {tables} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
        )
    return found


def ensure() -> None:
    """Count anew, and from here on by triggers, where they are not all there: in a new store, or after its tables were remade."""
    with tenancy.reaching_every(), transaction.atomic(), connection.cursor() as cursor:
        if _present(cursor) == NAMES:
            return
        _remove(cursor)
        cursor.execute("DELETE FROM work_tally")
        cursor.execute(
            "INSERT INTO work_tally (tenant, kind, state, priority, n) "
            "SELECT counted.a, counted.b, counted.c, counted.d, count(*) FROM (SELECT tenant AS a, kind AS b, CASE WHEN "
            "state = 'queued' AND error <> '' THEN 'delayed' ELSE state END AS c, priority AS d FROM work_job) AS counted "
            "GROUP BY 1, 2, 3, 4"
        )
        for statement in _postgresql() if sql.on_postgresql() else _sqlite():
            cursor.execute(statement)


def _present(cursor: Any) -> frozenset[str]:
    if sql.on_postgresql():
        cursor.execute(
            "SELECT t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
            "WHERE c.relname = 'work_job' AND c.relnamespace = current_schema()::regnamespace AND t.tgenabled <> 'D'"
        )
    else:
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'work_job'")
    return NAMES & {name for (name,) in cursor.fetchall()}


def _remove(cursor: Any) -> None:
    for name in sorted(NAMES):
        cursor.execute(f"DROP FUNCTION IF EXISTS {name} CASCADE" if sql.on_postgresql() else f"DROP TRIGGER IF EXISTS {name}")


def counts(tenant: UUID, kind: str = "") -> dict[str, dict[int, int]]:
    """Return how many jobs of a tenant there are: by state (``delayed`` for those that wait for another attempt), by priority.

    Args:
        tenant: whose.
        kind: of this kind alone; of all where it is empty.
    """
    rows = Tally.objects.filter(tenant=tenant)
    rows = rows.filter(kind=kind) if kind else rows
    found: dict[str, dict[int, int]] = {}
    for state, priority, n in rows.values_list("state", "priority").annotate(total=Sum("n")).order_by():
        if n:
            found.setdefault(state, {})[priority] = n
    return found


def add_up() -> None:
    """Make one row of each cell where there have become many; on PostgreSQL alone, SQLite's are added up already."""
    if not sql.on_postgresql():
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM (SELECT tenant FROM work_tally LIMIT %s) AS cells", [_MANY + 1])
        if cursor.fetchone()[0] <= _MANY:
            return
        cursor.execute(
            "WITH gone AS (DELETE FROM work_tally WHERE id IN (SELECT id FROM work_tally FOR UPDATE SKIP LOCKED) "
            "RETURNING tenant, kind, state, priority, n) INSERT INTO work_tally (tenant, kind, state, priority, n) "
            "SELECT tenant, kind, state, priority, sum(n) FROM gone GROUP BY 1, 2, 3, 4 HAVING sum(n) <> 0"
        )
