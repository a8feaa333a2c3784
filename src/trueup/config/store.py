"""The store: settings, schema, guards; an SQLite file of the home, or PostgreSQL where ``TRUEUP_DATABASE_URL`` says so."""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django
from django.conf import settings as live

from trueup.config.home import Home
from trueup.config.settings import postgresql, settings, sqlite
from trueup.kernel import tenancy
from trueup.kernel.errors import ConfigurationError, StorageFull
from trueup.kernel.files import is_full

URL = "TRUEUP_DATABASE_URL"
_MIGRATING = 0x7275_7570  # the advisory lock of migrations


def database(home: Home) -> dict[str, Any]:
    """Return Django's description of a home's store."""
    url = os.environ.get(URL, "")
    return postgresql(url) if url else sqlite(home.database)


def open_store(home: Home) -> bool:
    """Point Django at a home's store and bring its schema up to date; tell whether the store is new.

    Raises:
        ConfigurationError: the store was made by a newer Trueup, or is no store.
    """
    chosen = database(home)
    configure(chosen)
    name = str(home.database) if "sqlite" in chosen["ENGINE"] else f"database {chosen['NAME']}"
    try:
        version = schema_version()
        wanted = schema()
        if version > wanted:
            raise ConfigurationError(
                f"the store {name} is of schema {version}, newer than this Trueup's {wanted}",
                remedy="use the newer Trueup that made it",
            )
        if version < wanted:
            _migrate(home)
    except (sqlite3.DatabaseError, django.db.DatabaseError) as exc:
        if "full" in str(exc) or is_full(home.path):
            raise StorageFull(f"no room in {home.path}", remedy="free some space and run the command again") from exc
        raise ConfigurationError(
            f"{name} cannot be used as a store: {exc}", remedy="restore it from a back-up, or choose another home"
        ) from exc
    return version == 0


def configure(chosen: Mapping[str, Any] | None) -> None:
    """Set Django up on a store; None sets it up on none, for commands that only need to know the actions."""
    if not live.configured:
        live.configure(**settings(chosen or sqlite(Path(":memory:"))))
        django.setup()
        from django.db.backends.signals import connection_created

        connection_created.connect(_reach, dispatch_uid="trueup.tenancy")
        return
    if chosen is None:
        return
    from django.db import connections

    if all(connections["default"].settings_dict.get(key) == value for key, value in chosen.items()):
        return
    connections["default"].close()
    del connections["default"]
    connections.settings["default"] = connections.configure_settings({"default": dict(chosen)})["default"]


def seal_with(key: str) -> None:
    """Seal sessions, tokens and cursors with an installation's key from now on."""
    live.SECRET_KEY = key


def _reach(connection: Any, **_: Any) -> None:
    tenancy.apply(connection)


def schema() -> int:
    """Return the schema this Trueup works with: the number of migrations of all its rooms and libraries."""
    from django.apps import apps

    return sum(len(list(Path(app.path).glob("migrations/[0-9]*.py"))) for app in apps.get_app_configs())


def schema_version() -> int:
    """Return the schema of the store that Django points at; 0 for an empty one."""
    from django.db import connection

    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA user_version")
        else:
            cursor.execute("SELECT to_regclass('trueup_store')")
            if cursor.fetchone()[0] is None:
                return 0
            cursor.execute("SELECT version FROM trueup_store")
        return int(cursor.fetchone()[0])


def _note_schema(version: int) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"PRAGMA user_version = {version}")
            return
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS trueup_store (one boolean PRIMARY KEY DEFAULT true CHECK (one), version integer)"
        )
        cursor.execute(
            "INSERT INTO trueup_store (version) VALUES (%s) ON CONFLICT (one) DO UPDATE SET version = excluded.version", [version]
        )


@contextmanager
def _alone(home: Home) -> Iterator[None]:
    """Hold off every other process that would migrate the same store."""
    from django.db import connection

    with home.locked("migrate"):
        if connection.vendor == "sqlite":
            yield
            return
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [_MIGRATING])
        try:
            yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_MIGRATING])


def _migrate(home: Home) -> None:
    from django.core.management import call_command

    from trueup.kernel.evidence.guards import assert_guards
    from trueup.kernel.work.tallies import ensure

    with _alone(home):
        call_command("migrate", verbosity=0, interactive=False)
        assert_guards()
        ensure()
        _note_schema(schema())
    if home.database.exists():
        home.database.chmod(0o600)
