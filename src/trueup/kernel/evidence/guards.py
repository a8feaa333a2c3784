"""Triggers that refuse to change or remove what was recorded, even from a raw SQL shell; on PostgreSQL, the tenants' wall too."""

from django.db import connection

from trueup.kernel.errors import ConfigurationError
from trueup.kernel.evidence import guards_postgresql

# table → the columns whose repetition would make SQLite's REPLACE remove an older row
GUARDED: dict[str, tuple[str, ...]] = {
    "evidence_install": ("id",),
    "evidence_entry": ("id",),
    "evidence_leaf": ("tenant", "index"),
    "evidence_checkpoint": ("id",),
    "evidence_entrysubject": ("id",),
    "evidence_fact": ("id",),
    "evidence_artifactref": ("id",),
    "evidence_erasure": ("id",),
}


def expected() -> dict[str, str]:
    """Return every guard of an SQLite store: trigger name → the statement that creates it."""
    guards = {}
    for table, unique in GUARDED.items():
        for verb in ("update", "delete"):
            name = f"{table}_no_{verb}"
            guards[name] = (
                f'CREATE TRIGGER "{name}" BEFORE {verb.upper()} ON "{table}" '
                f"BEGIN SELECT RAISE(ABORT, '{table} is insert-only: {verb} refused'); END"
            )
        name = f"{table}_no_replace"
        same = " AND ".join(f'"{column}" = NEW."{column}"' for column in unique)
        guards[name] = (
            f'CREATE TRIGGER "{name}" BEFORE INSERT ON "{table}" WHEN EXISTS (SELECT 1 FROM "{table}" WHERE {same}) '  # noqa: S608 - our own table names
            f"BEGIN SELECT RAISE(ABORT, '{table} is insert-only: replace refused'); END"
        )
    return guards


def missing() -> list[str]:
    """Return the names of guards that are absent or altered, sorted."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            return guards_postgresql.missing(cursor, tuple(GUARDED))
        cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        present = dict(cursor.fetchall())
    return sorted(name for name, sql in expected().items() if present.get(name) != sql)


def assert_guards() -> list[str]:
    """Create every guard that is missing or altered; return their names."""
    lacking = missing()
    with connection.cursor() as cursor:
        for name in lacking:
            if connection.vendor == "postgresql":
                guards_postgresql.create(cursor, name)
                continue
            cursor.execute(f'DROP TRIGGER IF EXISTS "{name}"')
            cursor.execute(expected()[name])
    return lacking


def require_guards() -> None:
    """Refuse to go on without every guard.

    Raises:
        ConfigurationError: someone took guards away.
    """
    lacking = missing()
    if lacking:
        raise ConfigurationError(
            f"{len(lacking)} guards of the evidence tables are gone (first: {lacking[0]})",
            remedy="see whether records were changed with 'trueup evidence log verify', then put the guards back with 'trueup init'",
            details={"missing": lacking},
        )
