"""The embedded store: settings, schema, guards."""

import sqlite3
from pathlib import Path

import django
from django.conf import settings as live

from trueup.config.home import Home
from trueup.config.settings import database, settings
from trueup.kernel.errors import ConfigurationError, StorageFull
from trueup.kernel.files import is_full

SCHEMA = 4  # the number of migrations of all rooms; a test counts them


def open_store(home: Home) -> bool:
    """Point Django at a home's store and bring its schema up to date; tell whether the store is new.

    Raises:
        ConfigurationError: the store was made by a newer Trueup, or is no store.
    """
    configure(home.database)
    from django.db import connection

    try:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA user_version")
            version = cursor.fetchone()[0]
            if version > SCHEMA:
                raise ConfigurationError(
                    f"the store {home.database} is of schema {version}, newer than this Trueup's {SCHEMA}",
                    remedy="use the newer Trueup that made it",
                )
            if version < SCHEMA:
                _migrate(home)
            return bool(version == 0)
    except (sqlite3.DatabaseError, django.db.DatabaseError) as exc:
        if "full" in str(exc) or is_full(home.path):
            raise StorageFull(f"no room in {home.path}", remedy="free some space and run the command again") from exc
        raise ConfigurationError(
            f"{home.database} cannot be used as a store: {exc}", remedy="restore it from a back-up, or choose another home"
        ) from exc


def configure(path: Path | None) -> None:
    """Set Django up on a store; None sets it up on none, for commands that only need to know the actions."""
    if not live.configured:
        live.configure(**settings(path or Path(":memory:")))
        django.setup()
        return
    if path is None:
        return
    from django.db import connections

    connection = connections["default"]
    if connection.settings_dict["NAME"] != str(path):
        connection.close()
        connection.settings_dict.update(database(path))


def _migrate(home: Home) -> None:
    from django.core.management import call_command
    from django.db import connection

    from trueup.kernel.evidence.guards import assert_guards

    with home.locked("migrate"):
        call_command("migrate", verbosity=0, interactive=False)
        assert_guards()
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA user_version = {SCHEMA}")
    home.database.chmod(0o600)
