"""The vault: what was sealed opens for its own tenant, name and version alone, and is never shown."""

import json
import os
import stat
import subprocess
import sys
import time
import traceback
from contextlib import contextmanager
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from trueup.kernel.errors import ConfigurationError, Damaged, NotFound, TrueupError

PLANTED = "s3cr3t-planted"
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,40}", fullmatch=True)
IN_ONE_HOME = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def vault(session):
    from trueup.kernel.secrets.actions import vault

    return vault(session.context())


@pytest.fixture
def put(session):
    """Store a secret in a tenant, the home's own by default."""
    from dataclasses import replace

    from trueup.kernel.actions.runner import run
    from trueup.kernel.secrets.actions import PutSecret

    def call(name, value, tenant=None):
        return run(PutSecret, replace(session.context(), tenant=tenant or session.tenant), {"name": name, "value": value}).value

    return call


@pytest.fixture
def row(session):
    """Return the stored row of a secret, as a query that may change it."""
    from trueup.kernel.secrets.models import Secret

    return lambda name: Secret.objects.filter(tenant=session.tenant, name=name)


@IN_ONE_HOME
@given(name=NAMES, value=st.text(min_size=1))
def test_what_was_put_is_revealed(session, vault, put, name, value):
    put(name, value)
    assert vault.reveal(session.tenant, name).get_secret_value() == value


@IN_ONE_HOME
@given(first=st.text(min_size=1), second=st.text(min_size=1))
def test_a_new_value_replaces_the_old_one_under_a_higher_version(session, vault, put, first, second):
    name = f"n{uuid4().hex}"
    assert put(name, first)["version"] == 1
    assert put(name, second)["version"] == 2
    assert vault.reveal(session.tenant, name).get_secret_value() == second


@IN_ONE_HOME
@given(value=st.text(min_size=1), place=st.integers(0), bit=st.integers(0, 7), field=st.sampled_from(["nonce", "sealed"]))
def test_a_changed_bit_of_nonce_or_sealed_bytes_is_damage(session, vault, put, row, value, place, bit, field):
    put("token", value)
    stored = bytearray(getattr(row("token").get(), field))
    stored[place % len(stored)] ^= 1 << bit
    row("token").update(**{field: bytes(stored)})
    with pytest.raises(Damaged, match="token"):
        vault.reveal(session.tenant, "token")


@pytest.mark.parametrize("change", ["name", "tenant", "version", "older", "key", "cut", "empty"])
def test_sealed_bytes_open_only_where_they_were_sealed(session, vault, put, row, change):
    put("token", "older value")
    before = {key: getattr(row("token").get(), key) for key in ("nonce", "sealed")}
    put("token", PLANTED)
    assert vault.reveal(session.tenant, "token").get_secret_value() == PLANTED
    tenant, name = session.tenant, "token"
    match change:
        case "name":
            row("token").update(name="other")
            name = "other"
        case "tenant":
            tenant = uuid4()
            row("token").update(tenant=tenant)
        case "version":
            row("token").update(version=3)
        case "older":
            row("token").update(**before)
        case "key":
            vault.path.write_bytes(os.urandom(32))
        case "cut":
            row("token").update(sealed=bytes(row("token").get().sealed)[:15])
        case "empty":
            row("token").update(sealed=b"")
    with pytest.raises(Damaged) as caught:
        vault.reveal(tenant, name)
    assert caught.value.exit_code == 20


def test_a_secret_of_another_tenant_or_name_is_not_found(session, vault, put):
    put("token", PLANTED)
    for tenant, name in ((uuid4(), "token"), (session.tenant, "Token"), (session.tenant, "toke")):
        with pytest.raises(NotFound):
            vault.reveal(tenant, name)


def test_the_key_is_made_with_the_first_secret_for_its_owner_alone(session, vault, put):
    assert not vault.path.exists()
    put("token", PLANTED)
    assert stat.S_IMODE(vault.path.stat().st_mode) == 0o600
    assert vault.path.stat().st_size == 32
    key = vault.path.read_bytes()
    put("other", PLANTED)
    assert vault.path.read_bytes() == key


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_key_open_to_others_is_refused(session, vault, put, mode):
    put("token", PLANTED)
    vault.path.chmod(mode)
    for use in (lambda: vault.reveal(session.tenant, "token"), lambda: put("more", PLANTED)):
        with pytest.raises(ConfigurationError, match="open to other users") as caught:
            use()
        assert caught.value.remedy.startswith("chmod 600")


def test_a_lost_key_is_not_replaced_while_secrets_exist_in_any_tenant(session, vault, put):
    put("token", PLANTED, tenant=uuid4())
    vault.path.unlink()
    with pytest.raises(ConfigurationError, match="missing, but secrets exist"):
        put("more", PLANTED)
    assert not vault.path.exists()


def test_without_its_key_a_secret_is_not_revealed(session, vault, put):
    put("token", PLANTED)
    vault.path.unlink()
    with pytest.raises(ConfigurationError, match="cannot read"):
        vault.reveal(session.tenant, "token")


def test_a_lost_key_is_made_anew_when_no_secret_is_left(session, vault, put):
    from trueup.kernel.actions.runner import run
    from trueup.kernel.secrets.actions import DeleteSecret

    put("token", PLANTED)
    run(DeleteSecret, session.context(), {"name": "token"})
    vault.path.unlink()
    put("token", "again")
    assert vault.reveal(session.tenant, "token").get_secret_value() == "again"


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_key_of_a_wrong_size_is_damaged(session, vault, put, size):
    put("token", PLANTED)
    vault.path.write_bytes(b"k" * size)
    with pytest.raises(ConfigurationError, match="damaged"):
        vault.reveal(session.tenant, "token")


@pytest.mark.requirement("automation:W14")
def test_two_sealings_of_one_value_share_no_bytes(session, vault):
    one = vault.seal(session.tenant, "token", 1, SecretStr(PLANTED))
    other = vault.seal(session.tenant, "token", 1, SecretStr(PLANTED))
    assert one[0] != other[0]
    assert one[1] != other[1]


@contextmanager
def caught_in(found):
    """Collect every text in which an error can be shown."""
    try:
        yield
    except TrueupError as exc:
        found += [str(exc), repr(exc), json.dumps(exc.as_dict(), default=str), "".join(traceback.format_exception(exc))]


def test_no_repr_and_no_error_shows_a_value_or_the_key(session, vault, put, row):
    from trueup.kernel.secrets import queries

    put("token", PLANTED)
    texts = [repr(vault), str(vault), repr(vault.reveal(session.tenant, "token")), str(queries.secrets(session.tenant))]
    texts += [repr(row("token").get()), str(row("token").get())]
    with caught_in(texts):
        put("bad name", PLANTED)
    with caught_in(texts):
        put("", PLANTED)
    row("token").update(version=9)
    with caught_in(texts):
        vault.reveal(session.tenant, "token")
    vault.path.chmod(0o644)
    with caught_in(texts):
        put("token", PLANTED)
    vault.path.unlink()
    with caught_in(texts):
        put("token", PLANTED)
    assert len(texts) == 6 + 5 * 4
    assert [text for text in texts if PLANTED in text] == []


def test_a_secret_reaches_no_file_of_the_home_and_no_entry(session, put, home):
    put("crm/token", PLANTED)
    put("crm/token", PLANTED + "-2")
    session.sequence()
    from django.db import connection

    connection.close()
    files = [path for path in home.rglob("*") if path.is_file()]
    assert len(files) > 3
    assert [path for path in files if PLANTED.encode() in path.read_bytes()] == []


def test_secrets_are_listed_by_name_in_order_and_never_by_value(session, put):
    from trueup.kernel.secrets import queries

    for name in ("b", "a", "c"):
        put(name, PLANTED)
    rows = queries.secrets(session.tenant)
    assert [(row["name"], row["version"]) for row in rows] == [("a", 1), ("b", 1), ("c", 1)]
    assert {key for row in rows for key in row} == {"name", "version", "updated_at"}


@pytest.mark.parametrize("role", ["viewer", "analyst", "auditor", "operator"])
def test_who_does_not_administer_may_not_touch_secrets(session, role):
    from dataclasses import replace

    from trueup.kernel.actions.base import Principal
    from trueup.kernel.actions.errors import PolicyRefused
    from trueup.kernel.actions.runner import run
    from trueup.kernel.secrets.actions import PutSecret

    context = replace(session.context(), principal=Principal("user:someone", frozenset({role})))
    with pytest.raises(PolicyRefused):
        run(PutSecret, context, {"name": "token", "value": PLANTED})


def test_an_admin_may(session):
    from dataclasses import replace

    from trueup.kernel.actions.base import Principal
    from trueup.kernel.actions.runner import run
    from trueup.kernel.secrets.actions import PutSecret

    context = replace(session.context(), principal=Principal("user:someone", frozenset({"admin"})))
    assert run(PutSecret, context, {"name": "token", "value": PLANTED}).value == {"name": "token", "version": 1}


SEALER = """
import sys, time
from pathlib import Path
from uuid import UUID
from trueup.config.home import Home
from trueup.config.store import configure, database
home, number = Path(sys.argv[1]), int(sys.argv[2])
configure(database(Home(home)))
from pydantic import SecretStr
from trueup.kernel.secrets.vault import Vault
(home / f"ready-{number}").touch()
while not (home / "go").exists():
    pass
for round in range(20):
    at = (home / "go").stat().st_mtime + 0.02 * (round + 1)
    while time.time() < at:
        pass
    nonce, sealed = Vault(home / "keys" / f"secrets-{round}.key").seal(UUID(int=1), "token", number, SecretStr("value"))
    print(round, nonce.hex(), sealed.hex())
"""


def test_processes_that_seal_their_first_secrets_at_once_share_one_key(home, session):
    from trueup.kernel.secrets.models import Secret
    from trueup.kernel.secrets.vault import Vault

    command = [sys.executable, "-c", SEALER, str(home)]
    sealers = [subprocess.Popen([*command, str(n)], stdout=subprocess.PIPE, text=True) for n in range(2)]
    deadline = time.monotonic() + 30
    while len(list(home.glob("ready-*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    (home / "go").touch()
    said = [sealer.communicate(timeout=60)[0].splitlines() for sealer in sealers]
    assert [len(lines) for lines in said] == [20, 20]
    tenant = UUID(int=1)
    row = Secret.objects.create(
        id=uuid4(), tenant=tenant, name="token", version=0, nonce=b"", sealed=b"", updated_at=session.now()
    )
    for number, lines in enumerate(said):
        for line in lines:
            at, nonce, sealed = line.split()
            row.version, row.nonce, row.sealed = number, bytes.fromhex(nonce), bytes.fromhex(sealed)
            row.save()
            assert Vault(home / "keys" / f"secrets-{at}.key").reveal(tenant, "token").get_secret_value() == "value"
    assert list((home / "keys").glob(".*")) == []


def test_a_value_that_is_not_text_is_refused_without_showing_it(home):
    from tests.conftest import TRUEUP

    command = [str(TRUEUP), "--home", str(home), "secret", "put", "token"]
    done = subprocess.run(command, input=PLANTED.encode() + b"\xff", capture_output=True, check=False)
    assert done.returncode == 2
    assert PLANTED.encode() not in done.stdout + done.stderr
