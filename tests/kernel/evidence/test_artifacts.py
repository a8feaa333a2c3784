"""Artifacts: named by their bytes, stored once, checked when read, collected when nobody names them, erased on purpose."""

import hashlib
import json
import os
import stat
import subprocess
import sys
import time
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trueup.kernel.errors import Damaged, NotFound
from trueup.kernel.evidence.artifacts import CHUNK, Content, FolderStore, check_artifact

TENANT = UUID(int=7)
IN_ONE_FOLDER = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def store(tmp_path):
    return FolderStore(tmp_path / "artifacts")


def put(store, data, tenant=TENANT):
    return store.put(tenant, data, name="a.txt", media_type="text/plain")


def files(store):
    return [path for path in store.path.rglob("*") if path.is_file()]


@IN_ONE_FOLDER
@given(st.binary(max_size=2000))
def test_an_artifact_is_called_by_the_digest_of_its_bytes(store, data):
    made = put(store, data)
    assert (made.sha256, made.size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert store.size(TENANT, made.sha256) == len(data)
    with store.open(TENANT, made.sha256) as file:
        assert file.read() == data
    check_artifact(store, TENANT, made.sha256)


@IN_ONE_FOLDER
@given(st.lists(st.binary(max_size=3), min_size=1, max_size=8))
def test_the_same_content_is_one_file_however_often_it_is_stored(store, contents):
    tenant = uuid4()
    for data in contents:
        put(store, data, tenant)
    assert [name for name, _ in store.listing(tenant)] == sorted({hashlib.sha256(data).hexdigest() for data in contents})


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1])
def test_a_file_and_its_bytes_are_the_same_artifact(store, tmp_path, size):
    data = os.urandom(size)
    (tmp_path / "source").write_bytes(data)
    assert put(store, tmp_path / "source") == put(store, data)
    assert len(files(store)) == 1


CONTENTS = st.lists(st.binary(max_size=200), min_size=1, max_size=8)


@IN_ONE_FOLDER
@given(CONTENTS, CONTENTS)
def test_several_are_stored_as_one_by_one_also_where_some_are_there_already(store, before, contents):
    for data in before[:3]:
        store.put(TENANT, data, name="a", media_type="text/plain")
    made = store.put_many(TENANT, [Content(data, "a", "text/plain") for data in contents])
    assert made == [store.put(TENANT, data, name="a", media_type="text/plain") for data in contents]
    for artifact, data in zip(made, contents, strict=True):
        with store.open(TENANT, artifact.sha256) as file:
            assert file.read() == data
    assert not list((store.path / TENANT.hex / "incoming").glob("*"))


def test_storing_several_heals_a_damaged_one_and_makes_an_old_one_young(store):
    (first, second) = store.put_many(TENANT, [Content(b"one", "a", "text/plain"), Content(b"two", "a", "text/plain")])
    place = store.path / TENANT.hex / first.sha256[:2] / first.sha256
    place.write_bytes(b"oen")
    young = store.path / TENANT.hex / second.sha256[:2] / second.sha256
    os.utime(young, (0, 0))
    store.put_many(TENANT, [Content(b"one", "a", "text/plain"), Content(b"two", "a", "text/plain")])
    check_artifact(store, TENANT, first.sha256)
    assert dict(store.listing(TENANT))[second.sha256] < 60


def test_several_that_cannot_all_be_stored_leave_nothing_half_done(store):
    with pytest.raises(TypeError):
        store.put_many(TENANT, [Content(b"one", "a", "text/plain"), Content(["no bytes"], "a", "text/plain")])
    assert not list((store.path / TENANT.hex).glob("*/*"))


def test_stored_files_are_for_their_owner_alone(store):
    put(store, b"x")
    assert {stat.S_IMODE(path.stat().st_mode) for path in files(store)} == {0o600}
    assert {stat.S_IMODE(path.parent.stat().st_mode) for path in files(store)} == {0o700}


def test_a_source_that_cannot_be_read_leaves_nothing_behind(store, tmp_path):
    with pytest.raises(OSError, match="missing"):
        put(store, tmp_path / "missing")
    assert files(store) == []


@IN_ONE_FOLDER
@given(data=st.binary(min_size=1, max_size=500), place=st.integers(0), bit=st.integers(0, 7))
def test_any_changed_bit_is_damage(store, data, place, bit):
    made = put(store, data)
    path = store.path / TENANT.hex / made.sha256[:2] / made.sha256
    changed = bytearray(data)
    changed[place % len(data)] ^= 1 << bit
    path.write_bytes(changed)
    with pytest.raises(Damaged, match=made.sha256):
        check_artifact(store, TENANT, made.sha256)
    put(store, data)
    check_artifact(store, TENANT, made.sha256)


@pytest.mark.parametrize("change", [b"", b"first and more", b"firs"])
def test_a_cut_or_grown_artifact_is_damage(store, change):
    made = put(store, b"first")
    (store.path / TENANT.hex / made.sha256[:2] / made.sha256).write_bytes(change)
    with pytest.raises(Damaged):
        check_artifact(store, TENANT, made.sha256)


def test_what_is_not_stored_is_not_found(store):
    missing = hashlib.sha256(b"never").hexdigest()
    for use in (store.open, store.size, lambda t, d: check_artifact(store, t, d)):
        with pytest.raises(NotFound):
            use(TENANT, missing)
    store.remove(TENANT, missing)


def test_a_removed_artifact_is_gone_and_others_stay(store):
    one, other = put(store, b"one"), put(store, b"other")
    store.remove(TENANT, one.sha256)
    assert [name for name, _ in store.listing(TENANT)] == [other.sha256]


WRITER = """
import sys, time
from pathlib import Path
from uuid import UUID
from trueup.kernel.evidence.artifacts import FolderStore
folder, number = Path(sys.argv[1]), int(sys.argv[2])
store = FolderStore(folder)
(folder.parent / f"ready-{number}").touch()
while not (folder.parent / "go").exists():
    time.sleep(0.001)
for n in range(60):
    store.put(UUID(int=7), b"same" * (n % 5 + 1) * 5000, name="a", media_type="b")
    store.put(UUID(int=7), b"own %d %d" % (number, n), name="a", media_type="b")
"""


def test_processes_that_store_the_same_content_at_once_leave_whole_files_alone(store, tmp_path):
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(store.path), str(n)]) for n in range(4)]
    deadline = time.monotonic() + 30
    while len(list(tmp_path.glob("ready-*"))) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    (tmp_path / "go").touch()
    assert [writer.wait(60) for writer in writers] == [0, 0, 0, 0]
    names = [name for name, _ in store.listing(TENANT)]
    assert len(names) == 5 + 4 * 60
    for name in names:
        check_artifact(store, TENANT, name)


@pytest.fixture
def thing(session, run):
    """An entry about a thing with two files; return their digests by name."""
    from tests.support.actions import Observe
    from trueup.kernel.evidence.models import ArtifactRef

    run(Observe, subject="thing", files={"a.txt": "first", "b.txt": "second"})
    return dict(ArtifactRef.objects.filter(tenant=session.tenant).values_list("name", "sha256"))


def age(session, digest, seconds):
    path = session.home.artifacts / session.tenant.hex / digest[:2] / digest
    moment = time.time() - seconds
    os.utime(path, (moment, moment))


@pytest.mark.parametrize(("older_than", "found"), [(0.0, True), (3000.0, True), (4000.0, False), (86_400.0, False)])
def test_an_orphan_is_collected_only_when_it_is_old_enough(session, run, thing, older_than, found):
    from trueup.kernel.evidence.actions import CollectArtifacts

    orphan = session.ports.artifacts.put(session.tenant, b"orphan", name="x", media_type="y").sha256
    for digest in (orphan, *thing.values()):
        age(session, digest, 3600)
    looked = run(CollectArtifacts, older_than=older_than, dry_run=True)
    assert looked == {"orphans": [orphan] if found else [], "removed": False}
    assert run(CollectArtifacts, older_than=older_than)["orphans"] == looked["orphans"]
    left = {name for name, _ in session.ports.artifacts.listing(session.tenant)}
    assert left == set(thing.values()) | (set() if found else {orphan})


def test_storing_an_orphan_again_makes_it_young(session, run, thing):
    from trueup.kernel.evidence.actions import CollectArtifacts

    put = session.ports.artifacts.put
    orphan = put(session.tenant, b"orphan", name="x", media_type="y").sha256
    age(session, orphan, 10**6)
    put(session.tenant, b"orphan", name="x", media_type="y")
    assert run(CollectArtifacts)["orphans"] == []


@pytest.mark.sqlite
def test_a_scratch_file_of_a_dead_writer_is_collected_and_nothing_outside_its_folder(session, run, thing):
    from trueup.kernel.evidence.actions import CollectArtifacts

    scratch = session.home.artifacts / session.tenant.hex / "incoming" / "dead"
    scratch.write_bytes(b"half")
    session.ports.artifacts.remove_scratch(session.tenant, "incoming/../../../trueup.sqlite3")
    assert run(CollectArtifacts, older_than=0)["orphans"] == ["incoming/dead"]
    assert not scratch.exists()
    assert session.home.database.exists()


class Approved:
    """An approval room in which every held action was approved."""

    def request(self, tenant, hold, now):  # noqa: ARG002 - the contract's signature
        return "asked"

    def approved(self, tenant, attempt, digest, now):  # noqa: ARG002 - the contract's signature
        return True


@pytest.fixture
def erased(session, run, thing):
    """Erase ``a.txt`` for good: held, approved, released."""
    from trueup.kernel.actions.errors import Held
    from trueup.kernel.actions.runner import release
    from trueup.kernel.evidence.actions import EraseArtifact

    with pytest.raises(Held) as caught:
        run(EraseArtifact, sha256=thing["a.txt"], reason="a person asked for it")
    check_artifact(session.ports.artifacts, session.tenant, thing["a.txt"])
    approving = replace(session.context(), ports=replace(session.ports, approvals=Approved()))
    release(approving, UUID(caught.value.details["attempt"]))
    session.sequence()
    return thing["a.txt"]


def test_an_erased_artifact_is_gone_and_cannot_be_read(session, erased, tmp_path):
    from trueup.kernel.evidence import queries

    assert [path for path in session.home.artifacts.rglob("*") if path.name == erased] == []
    for use in (
        lambda: session.ports.artifacts.open(session.tenant, erased),
        lambda: queries.copy_artifact(session, erased, tmp_path / "copy"),
        lambda: queries.read_artifact(session, erased, media_type="text/plain"),
    ):
        with pytest.raises(NotFound):
            use()
    assert not (tmp_path / "copy").exists()


def test_the_log_verifies_after_an_erasure_and_says_so(session, erased):
    from trueup.kernel.evidence import queries

    report = queries.verify(session, [])
    assert (report.verdict, report.findings, report.artifacts) == ("PASS", [], 1)
    assert report.notes == ["a.txt of entry 0 was erased on purpose"]


def test_bytes_that_are_gone_without_an_erasure_are_still_a_finding(session, erased, thing):
    from trueup.kernel.evidence import queries

    session.ports.artifacts.remove(session.tenant, thing["b.txt"])
    assert [finding["sequence"] for finding in queries.verify(session, []).findings] == [0]


def test_a_pack_after_an_erasure_verifies_and_counts_it(session, erased, run, tmp_path):
    from trueup.kernel.evidence.actions import CreatePack
    from trueup.kernel.evidence.engine.verifier import verify_pack

    run(CreatePack, subject="thing", out=tmp_path / "thing.zip")
    report = verify_pack(tmp_path / "thing.zip", session.ports.keys.trusted_fingerprints())
    assert (report.verdict, report.artifacts, report.erased, report.facts) == ("PASS", 1, 1, 1)
    assert b"second" in (tmp_path / "thing.zip").read_bytes()


def test_every_proof_still_holds_after_an_erasure(session, erased):
    import base64

    from trueup.kernel.evidence import queries
    from trueup.kernel.evidence.merkle import leaf_hash, verify_inclusion

    size = queries.coverage(session.tenant)["size"]
    for index in range(size):
        shown = queries.prove(session, index, None)
        verify_inclusion(
            leaf_index=index,
            tree_size=size,
            leaf_hash=leaf_hash(shown["entry"].encode()),
            proof=[base64.b64decode(node) for node in shown["proof"]],
            root=bytes.fromhex(shown["root"]),
        )
    assert erased in queries.prove(session, 0, None)["entry"]


def test_an_erasure_is_recorded_with_who_and_what_but_its_reason_stays_in_the_store(session, erased):
    from trueup.kernel.evidence import queries
    from trueup.kernel.evidence.models import Erasure

    done, held, _ = queries.entries(session.tenant, limit=5)
    assert (done["outcome"], done["action"], done["note"]) == ("done", "evidence.artifact.erase", {"erased": erased})
    assert (held["outcome"], held["attempt"]) == ("held", done["attempt"])
    assert "person" not in json.dumps([done, held])
    assert Erasure.objects.get(tenant=session.tenant).reason == "a person asked for it"


def test_erased_bytes_that_a_crash_left_are_collected(session, erased, run):
    from trueup.kernel.evidence.actions import CollectArtifacts

    session.ports.artifacts.put(session.tenant, b"first", name="a.txt", media_type="text/plain")
    assert run(CollectArtifacts, older_than=0)["orphans"] == [erased]
    assert erased not in [name for name, _ in session.ports.artifacts.listing(session.tenant)]


def test_an_erasure_that_was_only_written_into_the_store_excuses_no_missing_bytes(session, run, thing):
    from trueup.kernel.evidence import queries
    from trueup.kernel.evidence.models import Erasure

    Erasure.objects.create(tenant=session.tenant, sha256=thing["a.txt"], reason="forged", entry=1)
    session.ports.artifacts.remove(session.tenant, thing["a.txt"])
    assert queries.verify(session, []).verdict == "FAIL"
