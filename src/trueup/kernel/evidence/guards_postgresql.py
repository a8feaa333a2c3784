"""The guards of a PostgreSQL store: insert-only triggers that also refuse TRUNCATE, and row-level security between tenants.

References:
    PostgreSQL documentation: CREATE TRIGGER, ``pg_trigger.tgtype``, "Row Security Policies".
"""

import re
from typing import Any

_INSERT_ONLY = "trueup_insert_only"
_WALL = "trueup_tenants"
FUNCTIONS = {
    _INSERT_ONLY: (
        "() RETURNS trigger LANGUAGE plpgsql",
        """BEGIN
    RAISE EXCEPTION '% is insert-only: % refused', TG_TABLE_NAME, lower(TG_OP) USING ERRCODE = 'integrity_constraint_violation';
END""",
    ),
    "trueup_reach": (
        "() RETURNS uuid[] LANGUAGE sql STABLE",
        "SELECT string_to_array(nullif(current_setting('trueup.tenants', true), '*'), ',')::uuid[]",
    ),
    "trueup_reaches_every": (
        "() RETURNS boolean LANGUAGE sql STABLE",
        "SELECT coalesce(current_setting('trueup.tenants', true) = '*', false)",
    ),
}
"""What the guards call: name → signature and body. Uncorrelated subqueries, so that they cost once a statement, not once a row."""

_SEES = "tenant = ANY ((SELECT trueup_reach())::uuid[]) OR (SELECT trueup_reaches_every())"
_SEES_DEPARSED = "tenant=anyselecttrueup_reachastrueup_reach::uuid[]orselecttrueup_reaches_everyastrueup_reaches_every"
_BEFORE_DELETE_UPDATE_TRUNCATE = 2 | 8 | 16 | 32


def tenant_tables() -> tuple[str, ...]:
    """Return the tables whose rows belong to tenants: every model with a column ``tenant`` that holds its id."""
    from django.apps import apps
    from django.db.models import UUIDField

    return tuple(
        sorted(
            model._meta.db_table
            for model in apps.get_models()
            if any(f.column == "tenant" and isinstance(f, UUIDField) for f in model._meta.local_concrete_fields)
        )
    )


def missing(cursor: Any, guarded: tuple[str, ...]) -> list[str]:
    """Return the guards that are absent, disabled or altered: ``function …``, ``trigger …`` and ``wall …``, in creation order."""
    return [
        *(f"function {name}" for name in _missing_functions(cursor)),
        *(f"trigger {table}" for table in sorted(set(guarded) - _triggers(cursor))),
        *(f"wall {table}" for table in sorted(set(tenant_tables()) - _walls(cursor))),
    ]


def create(cursor: Any, guard: str) -> None:
    """Create, or put right, one guard that ``missing`` named."""
    kind, _, name = guard.partition(" ")
    if kind == "function":
        signature, body = FUNCTIONS[name]
        cursor.execute(f"CREATE OR REPLACE FUNCTION {name}{signature} AS $body${body}$body$")
    elif kind == "trigger":
        cursor.execute(f'DROP TRIGGER IF EXISTS {_INSERT_ONLY} ON "{name}"')
        cursor.execute(
            f'CREATE TRIGGER {_INSERT_ONLY} BEFORE UPDATE OR DELETE OR TRUNCATE ON "{name}" EXECUTE FUNCTION {_INSERT_ONLY}()'
        )
        cursor.execute(f'ALTER TABLE "{name}" ENABLE ALWAYS TRIGGER {_INSERT_ONLY}')
    else:
        for policy in _policies_of(cursor, name):
            cursor.execute(f'DROP POLICY "{policy}" ON "{name}"')
        cursor.execute(f'CREATE POLICY {_WALL} ON "{name}" USING ({_SEES}) WITH CHECK ({_SEES})')
        cursor.execute(f'ALTER TABLE "{name}" ENABLE ROW LEVEL SECURITY')
        cursor.execute(f'ALTER TABLE "{name}" FORCE ROW LEVEL SECURITY')


def bypassed(cursor: Any) -> bool:
    """Tell whether the connection's role passes through row-level security (a superuser, or BYPASSRLS)."""
    cursor.execute("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
    return bool(cursor.fetchone()[0])


def _missing_functions(cursor: Any) -> list[str]:
    cursor.execute(
        "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = current_schema()::regnamespace AND proname = ANY(%s)",
        [list(FUNCTIONS)],
    )
    present = dict(cursor.fetchall())
    return [name for name, (_, body) in FUNCTIONS.items() if present.get(name) != body]


def _triggers(cursor: Any) -> set[str]:
    cursor.execute(
        "SELECT c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid "
        "WHERE c.relnamespace = current_schema()::regnamespace AND t.tgname = %s AND p.proname = %s AND t.tgtype = %s "
        "AND t.tgenabled = 'A' AND t.tgqual IS NULL AND t.tgattr = ''::int2vector",
        [_INSERT_ONLY, _INSERT_ONLY, _BEFORE_DELETE_UPDATE_TRUNCATE],
    )
    return {name for (name,) in cursor.fetchall()}


def _walls(cursor: Any) -> set[str]:
    cursor.execute(
        "SELECT c.relname, p.qual, p.with_check, p.permissive || p.cmd || p.roles::text FROM pg_class c "
        "JOIN pg_policies p ON p.tablename = c.relname AND p.schemaname = current_schema() "
        "WHERE c.relnamespace = current_schema()::regnamespace AND c.relrowsecurity AND c.relforcerowsecurity"
    )
    found: dict[str, list[bool]] = {}
    for table, qual, check, form in cursor.fetchall():
        sound = _plain(qual) == _plain(check) == _SEES_DEPARSED and form == "PERMISSIVEALL{public}"
        found.setdefault(table, []).append(sound)
    return {table for table, sound in found.items() if sound == [True]}


def _policies_of(cursor: Any, table: str) -> list[str]:
    cursor.execute("SELECT policyname FROM pg_policies WHERE schemaname = current_schema() AND tablename = %s", [table])
    return [name for (name,) in cursor.fetchall()]


def _plain(expression: str | None) -> str:
    """Return a deparsed expression without what differs between releases: white space, parentheses, capitals."""
    return re.sub(r"[\s()]", "", expression or "").lower()
