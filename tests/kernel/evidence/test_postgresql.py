"""What PostgreSQL alone must hold: insert-only tables against a raw shell (TRUNCATE too), and the wall between tenants."""

import subprocess
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.conftest import TRUEUP
from tests.support import postgres

pytestmark = pytest.mark.postgresql


@pytest.fixture
def log(session, run):
    """A log with five entries, facts and files."""
    from tests.support.actions import Observe

    for number in range(5):
        run(Observe, subject=f"thing-{number}", files={"a.txt": f"file {number}"})


@pytest.fixture
def shell(database):
    """A raw shell as the product's own role."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SELECT set_config('trueup.tenants', '*', false)")
        yield connection


@pytest.fixture
def admin(database, cluster):
    """A raw shell as the cluster's superuser, for whom walls do not stand."""
    name = database.partition("?")[0].rpartition("/")[2]
    with psycopg.connect(host=str(cluster), dbname=name, user="admin", autocommit=True) as connection:
        yield connection


@pytest.fixture
def verify(session):
    from trueup.kernel.evidence import queries

    return lambda against=(): queries.verify(session, against)


TABLES = ("install", "entry", "leaf", "checkpoint", "entrysubject", "fact", "artifactref", "erasure")


@pytest.mark.requirement("kernel:evidence.insert-only")
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.requirement("kernel:postgresql.insert-only")
def test_a_raw_shell_cannot_update_delete_replace_or_truncate(log, shell, verify, table):
    name = f"evidence_{table}"
    columns = [column.name for column in shell.execute(f"SELECT * FROM {name} LIMIT 0").description]
    for statement in (
        f'UPDATE {name} SET "{columns[-1]}" = "{columns[-1]}"',
        f"DELETE FROM {name}",
        f"TRUNCATE {name}",
        f"TRUNCATE {name} CASCADE",
        f'INSERT INTO {name} SELECT * FROM {name} ON CONFLICT DO NOTHING; UPDATE {name} SET "{columns[-1]}" = NULL',
    ):
        with pytest.raises(psycopg.errors.IntegrityError, match="insert-only"):
            shell.execute(statement)
    assert verify().verdict == "PASS"


def test_a_superuser_who_plays_a_replica_is_refused_too(log, admin):
    admin.execute("SET session_replication_role = replica")
    with pytest.raises(psycopg.errors.IntegrityError, match="insert-only"):
        admin.execute("DELETE FROM evidence_entry")


TAKEN = {
    "a dropped trigger": ("DROP TRIGGER trueup_insert_only ON evidence_entry", "trigger evidence_entry"),
    "a disabled trigger": ("ALTER TABLE evidence_fact DISABLE TRIGGER trueup_insert_only", "trigger evidence_fact"),
    "a trigger for replicas only": (
        "ALTER TABLE evidence_fact ENABLE REPLICA TRIGGER trueup_insert_only",
        "trigger evidence_fact",
    ),
    "a function that lets pass": (
        "CREATE OR REPLACE FUNCTION trueup_insert_only() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "function trueup_insert_only",
    ),
    "a wall that is off": ("ALTER TABLE evidence_fact DISABLE ROW LEVEL SECURITY", "wall evidence_fact"),
    "a wall that the owner passes": ("ALTER TABLE evidence_fact NO FORCE ROW LEVEL SECURITY", "wall evidence_fact"),
    "a second, open policy": ("CREATE POLICY open ON evidence_entry USING (true)", "wall evidence_entry"),
    "a policy that is open": ("ALTER POLICY trueup_tenants ON evidence_entry USING (true)", "wall evidence_entry"),
    "a reach that is every tenant": (
        "CREATE OR REPLACE FUNCTION trueup_reaches_every() RETURNS boolean LANGUAGE sql AS 'SELECT true'",
        "function trueup_reaches_every",
    ),
}


@pytest.mark.parametrize("what", TAKEN)
def test_a_guard_that_was_taken_away_is_named_stops_every_action_and_is_put_back(log, admin, trueup, what):
    from trueup.kernel.evidence.guards import assert_guards, missing

    statement, name = TAKEN[what]
    assert missing() == []
    admin.execute(statement)
    assert missing() == [name]
    refused = trueup("secret", "put", "crm/token", stdin="value\n", env={})
    assert (refused.code, name in refused.err) == (3, True), refused.err
    assert assert_guards() == [name]
    assert missing() == []


CHANGES = {
    "an entry's bytes": "UPDATE evidence_entry SET body = convert_to(replace(convert_from(body, 'UTF8'), 'done', 'gone'), 'UTF8') WHERE id = {e}",
    "an entry's bytes and hash": "UPDATE evidence_entry SET body = '{{}}', hash = '\\x00' WHERE id = {e}",
    "a leaf's hash": "UPDATE evidence_leaf SET hash = decode(repeat('00', 32), 'hex') WHERE entry = {e}",
    "a deleted entry": "DELETE FROM evidence_entry WHERE id = {e}",
    "a deleted leaf": "DELETE FROM evidence_leaf WHERE entry = {e}",
    "a fact's value": """UPDATE evidence_fact SET value = '"better"' WHERE entry = {e}""",
    "a fact's time": "UPDATE evidence_fact SET valid_at = '2020-01-01 00:00:00Z' WHERE entry = {e}",
    "a deleted fact": "DELETE FROM evidence_fact WHERE entry = {e}",
    "a fact's value that is no JSON": "UPDATE evidence_fact SET value = 'better' WHERE entry = {e}",
    "a checkpoint's root": "UPDATE evidence_checkpoint SET root = decode(repeat('00', 32), 'hex') WHERE size = 3",
    "a checkpoint's note": "UPDATE evidence_checkpoint SET note = replace(note, 'trueup', 'trueUp') WHERE size = 3",
}


@pytest.fixture
def unguarded(admin):
    for table in TABLES:
        admin.execute(f"DROP TRIGGER trueup_insert_only ON evidence_{table}")
    return admin


@pytest.mark.requirement("kernel:evidence.tamper-located")
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_behind_the_guards_is_found_and_located(log, unguarded, verify, change):
    (entry,) = unguarded.execute(
        'SELECT l.entry FROM evidence_leaf l JOIN evidence_fact f ON f.entry = l.entry WHERE l."index" = 2'
    ).fetchone()
    unguarded.execute(CHANGES[change].format(e=entry))
    report = verify()
    assert report.verdict == "FAIL"
    assert 2 in [finding["sequence"] for finding in report.findings]


def test_an_untouched_log_without_guards_is_found_by_the_guards_alone(log, unguarded, verify):
    findings = verify().findings
    assert [f["sequence"] for f in findings] == [None]
    assert "guards" in findings[0]["problem"]


# --- the wall between tenants ---


@pytest.fixture
def two(session, log):
    """The tenant of the log, and another with one entry."""
    from tests.support.actions import Observe
    from trueup.kernel.actions.runner import run
    from trueup.kernel.identity.actions import CreateTenant

    other = UUID(run(CreateTenant, session.context(system=True), {"slug": "other"}).value["id"])
    context = session.installation.context(session.installation.os_principal(), other)
    run(Observe, context, {"subject": "theirs"})
    return session.tenant, other


def owned(count):
    """Count every row of every tenant-owned table."""
    from django.apps import apps

    from trueup.kernel.evidence.guards_postgresql import tenant_tables

    return {m._meta.db_table: count(m) for m in apps.get_models() if m._meta.db_table in tenant_tables()}


@pytest.mark.requirement("kernel:postgresql.wall")
def test_every_table_that_tenants_own_has_the_wall(session):
    from trueup.kernel.evidence.guards_postgresql import tenant_tables

    assert {"evidence_fact", "evidence_entry", "evidence_pending", "actions_attempt", "secrets_secret"} <= set(tenant_tables())
    assert "identity_tenant" not in tenant_tables()


@pytest.mark.requirement("kernel:postgresql.wall")
def test_a_query_without_a_tenant_sees_the_tenants_in_reach_and_no_other(two):
    from trueup.kernel import tenancy

    mine, other = two
    for reached in (mine, other):
        with tenancy.reaching(reached):
            seen = owned(lambda model: set(model.objects.values_list("tenant", flat=True)))
        assert seen["evidence_fact"] == seen["actions_attempt"] == {reached}
        assert set().union(*seen.values()) == {reached}


@pytest.mark.requirement("kernel:postgresql.wall")
def test_nothing_in_reach_shows_nothing(two):
    from trueup.kernel import tenancy

    with tenancy.reaching():
        assert set(owned(lambda model: model.objects.count()).values()) == {0}
    with tenancy.reaching_every():
        assert owned(lambda model: model.objects.count())["evidence_fact"] == 6


def test_a_connection_that_was_never_told_sees_nothing(two, database):
    with psycopg.connect(database) as raw:
        assert raw.execute("SELECT count(*) FROM evidence_fact").fetchone() == (0,)


def test_a_row_cannot_be_written_into_a_tenant_out_of_reach(two):
    from django.db import ProgrammingError

    from trueup.kernel import tenancy
    from trueup.kernel.evidence import ledger

    mine, other = two
    with tenancy.reaching(mine), pytest.raises(ProgrammingError, match="row-level security"):
        ledger.append(other, {"v": 1})


def test_a_new_connection_keeps_what_is_in_reach(two):
    from django.db import connection

    from trueup.kernel import tenancy
    from trueup.kernel.evidence.models import Fact

    with tenancy.reaching(two[1]):
        connection.close()
        assert Fact.objects.count() == 1


def test_a_rollback_does_not_change_what_is_in_reach(two):
    from django.db import transaction

    from trueup.kernel import tenancy
    from trueup.kernel.evidence.models import Fact

    with tenancy.reaching(two[1]):
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            raise ZeroDivisionError
        assert Fact.objects.count() == 1


def test_a_role_that_passes_through_walls_is_noticed(session, admin):
    from django.db import connection

    from trueup.kernel.evidence.guards_postgresql import bypassed

    with connection.cursor() as cursor:
        assert not bypassed(cursor)
    with admin.cursor() as cursor:
        assert bypassed(cursor)


def test_subjects_are_told_apart_by_their_exact_characters_in_a_database_that_sorts_by_language(session, run, database):
    from tests.support.actions import Observe
    from trueup.kernel.evidence import facts

    with psycopg.connect(database) as raw:
        assert raw.execute("SELECT 'a/b' < 'A0'").fetchone() == (True,), "this cluster must not sort by bytes"
    for subject in ("a", "a/b", "A/b", "a0", "a.b", "a/b_", "a%/x"):
        run(Observe, subject=subject)
    found = lambda subject: sorted(fact.subject for fact in facts.listing(session.tenant, subject=subject))  # noqa: E731
    assert found("a") == ["a", "a/b", "a/b_"]
    assert found("a%") == ["a%/x"]


def test_commands_that_race_to_make_a_home_on_an_empty_database_make_one(cluster, tmp_path):
    name = f"race_{uuid4().hex}"
    postgres.execute(cluster, "postgres", f"CREATE DATABASE {name} OWNER {postgres.ROLE}")
    env = {"TRUEUP_HOME": str(tmp_path / "home"), "TRUEUP_DATABASE_URL": postgres.url(cluster, name), "PATH": "/usr/bin:/bin"}
    call = [str(TRUEUP), "evidence", "log", "verify", "--tenant", "system", "--json"]
    started = [subprocess.Popen(call, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    ended = [process.communicate(timeout=120) for process in started]
    assert [process.returncode for process in started] == [0] * 4, ended
    assert sum("made a new home" in err for _, err in ended) == 1


@pytest.mark.parametrize("address", ["mysql://root:hunter2@db/x", "postgresql://u:hunter2@db", "nonsense-hunter2"])
def test_an_address_that_is_none_is_refused_without_showing_its_password(elsewhere, address):
    refused = elsewhere("fact", "list", env={"TRUEUP_DATABASE_URL": address})
    assert refused.code == 3
    assert "TRUEUP_DATABASE_URL" in refused.err
    assert "hunter2" not in refused.err + refused.out


def test_a_database_that_does_not_answer_is_a_configuration_error_without_its_password(elsewhere):
    refused = elsewhere("fact", "list", env={"TRUEUP_DATABASE_URL": "postgresql://u:hunter2@127.0.0.1:1/x?connect_timeout=2"})
    assert refused.code == 3
    assert "hunter2" not in refused.err + refused.out
