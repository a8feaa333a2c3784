"""The embedded store: durable, one writer at a time, of a schema that is known."""

import sqlite3
import stat
from contextlib import closing

import pytest

from trueup.config.home import Home
from trueup.config.settings import FACES, LIBRARIES, ROOMS, postgresql, settings, sqlite
from trueup.kernel.errors import ConfigurationError


@pytest.fixture
def empty(tmp_path):
    home = Home(tmp_path / "new")
    home.make()
    return home


@pytest.fixture(autouse=True)
def _leave(request):
    """Close what a test has opened."""
    yield
    from django.conf import settings as live

    if live.configured:
        from django.db import connection

        connection.close()


@pytest.mark.requirement("automation:W3")
def test_a_new_store_is_made_once_and_is_for_its_owner_alone(empty):
    from trueup.config.store import open_store, schema

    assert open_store(empty)
    assert not open_store(empty)
    assert stat.S_IMODE(empty.database.stat().st_mode) == 0o600
    with closing(sqlite3.connect(empty.database)) as store:
        assert store.execute("PRAGMA user_version").fetchone() == (schema(),)


def test_every_commit_reaches_the_disk_and_readers_do_not_stop_the_writer(session):
    from django.db import connection

    with connection.cursor() as cursor:
        found = {name: cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "journal_mode", "busy_timeout")}
    assert found == {"synchronous": 2, "journal_mode": "wal", "busy_timeout": 30_000}


def test_a_transaction_takes_the_write_lock_at_its_start(session, home):
    from django.db import transaction

    with (
        closing(sqlite3.connect(home / "trueup.sqlite3", timeout=0, isolation_level=None)) as other,
        transaction.atomic(),
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        other.execute("BEGIN IMMEDIATE")


def test_a_new_store_has_every_guard(empty):
    from trueup.config.store import open_store
    from trueup.kernel.evidence.guards import expected, missing

    open_store(empty)
    assert (len(expected()), missing()) == (24, [])


@pytest.mark.requirement("automation:AR-2")
def test_a_store_of_an_older_schema_is_brought_up_to_date_and_keeps_what_it_holds(session, run, home):
    from django.db import connection

    from tests.support.actions import Observe
    from trueup.config.store import open_store, schema
    from trueup.kernel.evidence import queries

    run(Observe, subject="kept")
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA user_version = 1")
    assert not open_store(session.home)
    with connection.cursor() as cursor:
        assert cursor.execute("PRAGMA user_version").fetchone() == (schema(),)
    assert [fact["subject"] for fact in queries.facts(session.tenant)] == ["kept"]


@pytest.mark.parametrize("content", [b"not a database" * 100, b"SQLite format 3\x00" + b"\xff" * 200])
def test_what_is_no_store_is_refused_and_left_as_it_is(empty, content):
    from trueup.config.store import open_store

    empty.database.write_bytes(content)
    with pytest.raises(ConfigurationError, match="cannot be used as a store"):
        open_store(empty)
    assert empty.database.read_bytes() == content


def test_a_store_of_a_newer_trueup_is_refused_and_left_as_it_is(session, home):
    from django.db import connection

    from trueup.config.store import open_store, schema

    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA user_version = {schema() + 1}")
    with pytest.raises(ConfigurationError, match="newer than this Trueup"):
        open_store(session.home)
    with connection.cursor() as cursor:
        assert cursor.execute("PRAGMA user_version").fetchone() == (schema() + 1,)


def test_two_homes_in_one_process_do_not_mix(session, run, empty):
    from tests.support.actions import Observe
    from trueup.config.session import HomeSession
    from trueup.kernel.evidence import queries

    run(Observe, subject="first")
    other = HomeSession(empty)
    assert queries.facts(other.tenant) == []
    other.close()


def test_the_settings_name_rooms_that_there_are(tmp_path):
    from importlib.util import find_spec

    assert all(find_spec(f"{room}.apps") for room in ROOMS)
    made = settings(sqlite(tmp_path / "x"))
    assert (made["USE_TZ"], made["TIME_ZONE"]) == (True, "UTC")
    assert made["INSTALLED_APPS"] == [*LIBRARIES, *ROOMS, *FACES]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p%40ss@db.example.org:6432/trueup", ("trueup", "u", "p@ss", "db.example.org", "6432", {})),
        ("postgres:///trueup?host=/run/postgresql&user=u", ("trueup", "u", "", "/run/postgresql", "", {})),
        ("postgresql://u@/trueup?host=/run&sslmode=verify-full", ("trueup", "u", "", "/run", "", {"sslmode": "verify-full"})),
    ],
)
def test_an_address_of_a_database_says_where_it_is(url, expected):
    made = postgresql(url)
    assert tuple(made[key] for key in ("NAME", "USER", "PASSWORD", "HOST", "PORT", "OPTIONS")) == expected


@pytest.mark.requirement("automation:AR-18", "automation:W3")
def test_the_models_and_the_migrations_say_the_same(session):
    from django.core.management import call_command

    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
