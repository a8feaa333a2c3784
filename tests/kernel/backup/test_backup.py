"""Back-ups: the whole installation comes back, on either store, or nothing does."""

import io
import json
import shutil
import sqlite3
import tarfile
from contextlib import closing
from uuid import uuid4

import pytest

from tests.conftest import Command
from tests.support import postgres
from trueup.kernel.backup.archive import MANIFEST, read_manifest
from trueup.kernel.errors import Damaged, UnreadableInput


@pytest.fixture
def lived_in(trueup, tmp_path):
    """A home with a second tenant, a secret, subjects, and files in its log."""
    (tmp_path / "tests.csv").write_text("t,a\n0,1\n1,2\n2,3\n")
    assert trueup("tenant", "create", "acme").code == 0
    assert trueup("secret", "put", "crm/token", stdin="planted-token\n").code == 0
    assert trueup("subject", "put", "device/a", "--alias", "serial=C02XK1", "--tenant", "acme").code == 0
    assert trueup("evidence", "log", "export", "--out", tmp_path / "log.jsonl").code == 0
    return trueup


@pytest.fixture
def made(lived_in, tmp_path):
    out = tmp_path / "backup.tar"
    done = lived_in("backup", out, "--json")
    assert done.code == 0, done.err
    return out, done.json


@pytest.fixture
def new(cluster, tmp_path):
    """An empty home, and an empty database where it is to use PostgreSQL."""

    def make(vendor):
        address = ""
        if vendor == "postgresql":
            name = f"restored_{uuid4().hex}"
            postgres.execute(cluster, "postgres", f"CREATE DATABASE {name} OWNER {postgres.ROLE}")
            address = postgres.url(cluster, name)
        return Command(tmp_path / f"new-{uuid4().hex}", tmp_path, address)

    return make


@pytest.mark.parametrize("target", ["sqlite", "postgresql"])
@pytest.mark.requirement("kernel:backup.restore")
def test_a_back_up_of_either_store_comes_back_whole_on_either_store(made, lived_in, new, target):
    out, backup = made
    place = new(target)
    done = place("restore", out, "--json")
    assert (done.code, done.json["verdict"]) == (0, "PASS"), done.err
    assert (done.json["rows"], done.json["files"], done.json["manifest"]) == (backup["rows"], backup["files"], backup["manifest"])
    assert {log["tenant"]: log["size"] for log in done.json["logs"]} == {log["tenant"]: log["size"] for log in backup["logs"]}
    for tenant in ("default", "acme", "system"):
        assert place("evidence", "log", "verify", "--tenant", tenant).code == 0
    assert place("subject", "resolve", "serial", "C02XK1", "--tenant", "acme").out.strip() == "device/a"
    assert place("subject", "put", "device/b", "--tenant", "acme").code == 0
    entries = place("evidence", "log", "show", "--tenant", "system", "--json").json["entries"]
    assert (entries[0]["action"], entries[0]["note"]["manifest"]) == ("system.backup.restore", backup["manifest"])
    assert {entry["outcome"] for entry in entries} == {"done"}


def test_a_back_up_is_for_its_owner_alone_and_never_overwritten(made, lived_in):
    out, _ = made
    assert out.stat().st_mode & 0o777 == 0o600
    before = out.read_bytes()
    assert lived_in("backup", out).code == 2
    assert out.read_bytes() == before


@pytest.mark.sqlite
def test_nothing_is_restored_over_something(made, lived_in):
    assert lived_in("restore", made[0]).code == 7


@pytest.mark.postgresql
def test_nothing_is_restored_into_a_database_that_holds_something(made, lived_in, tmp_path):
    refused = Command(tmp_path / "new", tmp_path, lived_in.database)("restore", made[0])
    assert (refused.code, "database" in refused.err) == (7, True), refused.err
    assert not (tmp_path / "new").exists()


def rewritten(source, target, change):
    """Copy a back-up with some members changed: name, bytes → bytes, or None for none."""
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for info in old:
            data = change(info.name, old.extractfile(info).read())
            if data is not None:
                info.size = len(data)
                new.addfile(info, io.BytesIO(data))


CHANGES = {
    "a changed table": lambda name, data: data.replace(b"acme", b"evil") if name.endswith("identity_tenant.jsonl") else data,
    "a changed key": lambda name, data: data[:-9] + b"A" + data[-8:] if name == "keys/signing.pem" else data,
    "a missing key": lambda name, data: None if name == "keys/signing.pem" else data,
    "a missing table": lambda name, data: None if name.endswith("evidence_entry.jsonl") else data,
    "a manifest that lists nothing": lambda name, data: (
        json.dumps(json.loads(data) | {"files": {}}).encode() if name == MANIFEST else data
    ),
    "a manifest that is none": lambda name, data: b"[]" if name == MANIFEST else data,
    "no manifest": lambda name, data: None if name == MANIFEST else data,
    "another format": lambda name, data: data.replace(b"trueup-backup/1", b"trueup-backup/2") if name == MANIFEST else data,
}


@pytest.mark.sqlite
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.requirement("kernel:backup.restore")
def test_a_back_up_that_is_not_what_was_written_restores_nothing(made, new, tmp_path, change):
    rewritten(made[0], tmp_path / "changed.tar", CHANGES[change])
    with pytest.raises((Damaged, UnreadableInput)):
        read_manifest(tmp_path / "changed.tar")
    place = new("sqlite")
    assert place("restore", tmp_path / "changed.tar").code in (2, 20)
    assert not place.home.exists()


@pytest.mark.sqlite
@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "/etc/evil",
        "keys/../../evil",
        "tables/../x.jsonl",
        "settings.yaml",
        "keys/.hidden",
        "telemetry/captures/../x.sqlite3",
        "outbox/x",
    ],
)
def test_a_member_that_would_leave_its_folder_is_refused(tmp_path, name):
    with tarfile.open(tmp_path / "bad.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(Damaged, match="no name of a back-up"):
        read_manifest(tmp_path / "bad.tar")


@pytest.mark.sqlite
def test_links_cut_files_and_other_files_are_no_back_up(tmp_path, made):
    link = tarfile.TarInfo("keys/signing.pem")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with tarfile.open(tmp_path / "link.tar", "w") as tar:
        tar.addfile(link)
    (tmp_path / "text.tar").write_text("nothing of the kind")
    (tmp_path / "cut.tar").write_bytes(made[0].read_bytes()[:30_000])
    for name in ("link.tar", "text.tar", "cut.tar"):
        with pytest.raises((UnreadableInput, Damaged)):
            read_manifest(tmp_path / name)


@pytest.mark.sqlite
def test_a_back_up_of_a_newer_trueup_is_refused(made, new, tmp_path):
    def newer(name, data):
        if name != MANIFEST:
            return data
        manifest = json.loads(data)
        manifest["migrations"].append(["identity", "9999_later"])
        return json.dumps(manifest).encode()

    rewritten(made[0], tmp_path / "newer.tar", newer)
    refused = new("sqlite")("restore", tmp_path / "newer.tar")
    assert (refused.code, "newer than this one (first: identity.9999_later)" in refused.err) == (3, True), refused.err


@pytest.mark.sqlite
def test_rows_that_fit_the_manifest_but_not_the_log_are_found_after_restoring(lived_in, new, tmp_path):
    with closing(sqlite3.connect(lived_in.home / "trueup.sqlite3", isolation_level=None)) as store:
        (sql,) = store.execute("SELECT sql FROM sqlite_master WHERE name = 'evidence_entry_no_update'").fetchone()
        store.execute("DROP TRIGGER evidence_entry_no_update")
        store.execute("UPDATE evidence_entry SET body = CAST(REPLACE(body, 'done', 'gone') AS BLOB) WHERE id = 2")
        store.execute(sql)
    assert lived_in("backup", tmp_path / "b.tar").code == 0
    found = new("sqlite")("restore", tmp_path / "b.tar", "--json")
    assert (found.code, found.json["verdict"]) == (20, "FAIL")
    assert found.json["findings"]


@pytest.mark.sqlite
def test_what_is_secret_stays_sealed_in_the_rows_and_opens_after_restoring(made, new):
    out, _ = made
    with tarfile.open(out) as tar:
        assert all(b"planted-token" not in tar.extractfile(info).read() for info in tar)
    place = new("sqlite")
    assert place("restore", out).code == 0
    assert place("secret", "list").out.startswith("crm/token")


@pytest.mark.sqlite
def test_a_restoring_that_was_killed_leaves_the_place_empty_and_can_be_repeated(made, new):
    place = new("sqlite")
    leftover = place.home.with_name(f".{place.home.name}.restoring")
    shutil.copytree(place.cwd / "home", leftover)
    assert place("restore", made[0]).code == 0
    assert not leftover.exists()
