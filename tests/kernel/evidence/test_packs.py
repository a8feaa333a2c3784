"""Packs: what is in them, that they are the same bytes again, and that no changed byte passes."""

import base64
import json
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

from trueup.kernel.evidence.engine import container, verifier
from trueup.kernel.evidence.engine.bundle import verifier_source
from trueup.kernel.evidence.engine.verifier import verify_pack


@pytest.fixture
def pack(session, run, tmp_path):
    """A pack about ``thing`` and its parts, with two files."""
    from tests.support.actions import Observe
    from trueup.kernel.evidence.actions import CreatePack

    run(Observe, subject="other", state="private", files={"secret.txt": "not of this pack"})
    run(Observe, subject="thing", state="good", parts=3, files={"a.txt": "first", "b c/../d.txt": "second" * 999})
    run(Observe, subject="thing", state="worse")
    path = tmp_path / "thing.zip"
    run(CreatePack, subject="thing", out=path)
    return path


@pytest.fixture
def trusted(session):
    return session.ports.keys.trusted_fingerprints()


def test_a_pack_by_a_trusted_key_passes(pack, trusted):
    report = verify_pack(pack, trusted)
    assert (report.verdict, report.exit_code, report.problem) == ("PASS", 0, "")
    assert (report.entries, report.facts, report.artifacts, report.subject) == (2, 5, 2, "thing")


def test_a_sound_pack_by_nobody_known_is_unknown(pack):
    report = verify_pack(pack)
    assert (report.verdict, report.exit_code, report.integrity) == ("UNKNOWN", 30, "ok")


def test_a_pack_holds_nothing_of_other_subjects(pack):
    data = pack.read_bytes()
    assert b"private" not in data
    assert b"not of this pack" not in data


def test_every_flipped_byte_of_every_member_is_found_and_named(pack, trusted, tmp_path):
    with pack.open("rb") as file:
        members = container.read_members(file)
    whole = pack.read_bytes()
    target = tmp_path / "flipped.zip"
    for member in members:
        for place in {member.start, member.start + member.size // 2, member.start + member.size - 1, member.start - 5}:
            changed = bytearray(whole)
            changed[place] ^= 0x01
            target.write_bytes(changed)
            report = verify_pack(target, trusted)
            assert (report.verdict, report.exit_code, report.member) == ("FAIL", 20, member.name), (place, report)


def test_a_flipped_byte_anywhere_in_the_file_is_found(pack, trusted, tmp_path):
    whole = pack.read_bytes()
    target = tmp_path / "flipped.zip"
    for place in range(0, len(whole), 37):
        changed = bytearray(whole)
        changed[place] ^= 0x80
        target.write_bytes(changed)
        assert verify_pack(target, trusted).verdict == "FAIL", place


@pytest.mark.parametrize("cut", [0, 1, 29, 30, 500, -1, -22, -100])
def test_a_cut_pack_is_damaged(pack, trusted, tmp_path, cut):
    target = tmp_path / "cut.zip"
    target.write_bytes(pack.read_bytes()[:cut])
    assert verify_pack(target, trusted).verdict == "FAIL"


def test_a_pack_with_something_after_its_end_is_damaged(pack, trusted, tmp_path):
    target = tmp_path / "longer.zip"
    target.write_bytes(pack.read_bytes() + b"\n")
    assert verify_pack(target, trusted).verdict == "FAIL"


def members_of(pack: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(pack) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def forged(members: dict[str, bytes], key: Ed25519PrivateKey, path: Path, *, checkpoint: bool = True) -> Path:
    """Seal changed members anew with another key, as well as an attacker can."""
    from trueup.kernel.evidence.keys import Signer
    from trueup.kernel.evidence.packs import Contents, Source, sealed, write

    signer = Signer.of(key)
    envelope = json.loads(members[verifier.STATEMENT])
    predicate = json.loads(base64.b64decode(envelope["payload"]))["predicate"]
    rest = {n: d for n, d in members.items() if n not in (container.MANIFEST, verifier.STATEMENT)}
    rest[verifier.SIGNER] = (signer.vkey(predicate["origin"]) + "\n").encode()
    if checkpoint:
        rest[verifier.CHECKPOINT] = signer.sign_note(rest[verifier.CHECKPOINT].decode().partition("\n\n")[0] + "\n").encode()
    sources = [Source.of(name, data) for name, data in sorted(rest.items())]
    write(path, sealed(Contents(sources, predicate), signer), tenant=None, store=None)
    return path


def test_an_edited_pack_signed_anew_with_another_key_is_never_a_pass(pack, trusted, tmp_path):
    members = members_of(pack)
    name = next(n for n in members if n.endswith("a.txt"))
    untouched = forged(members, Ed25519PrivateKey.generate(), tmp_path / "untouched.zip")
    assert verify_pack(untouched, trusted).exit_code == 30
    edited = forged(members | {name: b"edited"}, Ed25519PrivateKey.generate(), tmp_path / "edited.zip")
    assert verify_pack(edited, trusted).exit_code == 20
    with_fact = members | {verifier.FACTS: members[verifier.FACTS].replace(b"worse", b"better")}
    assert verify_pack(forged(with_fact, Ed25519PrivateKey.generate(), tmp_path / "fact.zip"), trusted).exit_code == 20


def resealed(pack, session, change, tmp_path):
    """Change members and seal them with the home's own key: what only a bug of ours, or a thief, could make."""
    from trueup.kernel.evidence.packs import Contents, Source, sealed, write

    members = members_of(pack)
    envelope = json.loads(members.pop(verifier.STATEMENT))
    predicate = json.loads(base64.b64decode(envelope["payload"]))["predicate"]
    members.pop(container.MANIFEST)
    change(members, predicate)
    sources = [Source.of(name, data) for name, data in sorted(members.items())]
    path = tmp_path / "resealed.zip"
    write(path, sealed(Contents(sources, predicate), session.ports.keys.signer()), tenant=None, store=None)
    return path


def drop_artifact(members, predicate):
    del members[next(n for n in members if n.endswith("a.txt"))]


def rename_artifact(members, predicate):
    name = next(n for n in members if n.endswith("a.txt"))
    members[f"artifacts/{'0' * 64}/a.txt"] = members.pop(name)


def stray_artifact(members, predicate):
    import hashlib

    members[f"artifacts/{hashlib.sha256(b'stray').hexdigest()}/x.txt"] = b"stray"


def twice_artifact(members, predicate):
    name = next(n for n in members if n.endswith("a.txt"))
    members[name.replace("a.txt", "again.txt")] = members[name]


def drop_entry(members, predicate):
    members[verifier.ENTRIES] = b"".join(members[verifier.ENTRIES].splitlines(keepends=True)[1:])


def repeat_entry(members, predicate):
    members[verifier.ENTRIES] = members[verifier.ENTRIES] + members[verifier.ENTRIES].splitlines(keepends=True)[0]


def move_entry(members, predicate):
    members[verifier.ENTRIES] = members[verifier.ENTRIES].replace(b'"index":1', b'"index":0')


def drop_fact(members, predicate):
    members[verifier.FACTS] = b"".join(members[verifier.FACTS].splitlines(keepends=True)[1:])


def move_fact(members, predicate):
    members[verifier.FACTS] = members[verifier.FACTS].replace(b'"index":1', b'"index":2')


def foreign_fact(members, predicate):
    predicate["subject"] = "thin"


def cut_line(members, predicate):
    members[verifier.FACTS] = members[verifier.FACTS][:-1]


def not_json(members, predicate):
    members[verifier.ENTRIES] = b"{}\n"


def repeated_key(members, predicate):
    members[verifier.ENTRIES] = members[verifier.ENTRIES].replace(b'{"entry"', b'{"index":1,"entry"', 1)


def other_size(members, predicate):
    predicate["tree_size"] += 1


def other_origin(members, predicate):
    predicate["origin"] = "trueup/other/log"


def no_checkpoint(members, predicate):
    members[verifier.CHECKPOINT] = b"nothing\n"


def bad_signer(members, predicate):
    members[verifier.SIGNER] = b"someone\n"


def bad_counts(members, predicate):
    predicate["counts"]["facts"] += 1


@pytest.mark.parametrize(
    ("change", "member"),
    [
        (drop_artifact, "artifacts/"),
        (rename_artifact, "artifacts/"),
        (stray_artifact, "artifacts/"),
        (twice_artifact, "artifacts/"),
        (drop_entry, verifier.FACTS),
        (repeat_entry, verifier.ENTRIES),
        (move_entry, verifier.ENTRIES),
        (drop_fact, verifier.STATEMENT),
        (move_fact, verifier.FACTS),
        (foreign_fact, verifier.FACTS),
        (cut_line, verifier.FACTS),
        (not_json, verifier.ENTRIES),
        (repeated_key, verifier.ENTRIES),
        (other_size, verifier.CHECKPOINT),
        (other_origin, verifier.CHECKPOINT),
        (no_checkpoint, verifier.CHECKPOINT),
        (bad_signer, verifier.SIGNER),
        (bad_counts, verifier.STATEMENT),
    ],
)
def test_a_pack_that_contradicts_itself_fails_even_when_well_signed(pack, session, trusted, tmp_path, change, member):
    assert verify_pack(resealed(pack, session, lambda *_: None, tmp_path), trusted).verdict == "PASS"
    report = verify_pack(resealed(pack, session, change, tmp_path), trusted)
    assert report.verdict == "FAIL"
    assert report.member.startswith(member)


@pytest.mark.parametrize(
    "name", ["../escape", "/absolute", "a//b", "artifacts/../x", "artifacts/x", "evil.py", ".hidden", "a\\b", "ä"]
)
def test_a_manifest_with_a_path_that_a_pack_may_not_hold_is_refused(name):
    files = [{"path": n, "size": 0, "sha256": "0" * 64} for n in (*verifier.REQUIRED, name)]
    with pytest.raises(container.PackError, match="may not hold"):
        verifier.manifest_files(json.dumps({"format": verifier.FORMAT, "files": files}).encode())


def test_a_manifest_that_lists_a_file_twice_or_lacks_one_is_refused():
    files = [{"path": n, "size": 0, "sha256": "0" * 64} for n in verifier.REQUIRED]
    assert set(verifier.manifest_files(json.dumps({"format": verifier.FORMAT, "files": files}).encode())) == set(
        verifier.REQUIRED
    )
    with pytest.raises(container.PackError, match="twice"):
        verifier.manifest_files(json.dumps({"format": verifier.FORMAT, "files": [*files, files[0]]}).encode())
    with pytest.raises(container.PackError, match="missing"):
        verifier.manifest_files(json.dumps({"format": verifier.FORMAT, "files": files[1:]}).encode())
    with pytest.raises(container.PackError, match="format"):
        verifier.manifest_files(json.dumps({"format": "other", "files": files}).encode())


def test_the_same_size_of_the_log_gives_the_same_bytes(pack, run, tmp_path):
    from tests.support.actions import Observe
    from trueup.kernel.evidence.actions import CreatePack

    size = verify_pack(pack).tree_size
    run(Observe, subject="thing", state="later")
    run(CreatePack, subject="thing", out=tmp_path / "again.zip", at_size=size)
    assert (tmp_path / "again.zip").read_bytes() == pack.read_bytes()
    run(CreatePack, subject="thing", out=tmp_path / "newest.zip")
    assert verify_pack(tmp_path / "newest.zip").facts == 6


def test_the_statement_verifies_with_securesystemslib(pack, session):
    members = members_of(pack)
    envelope = Envelope.from_dict(json.loads(members[verifier.STATEMENT]))
    raw = session.ports.keys.signer().public
    mark = session.ports.keys.signer().fingerprint
    key = SSlibKey(mark, "ed25519", "ed25519", {"public": raw.hex()})
    assert list(envelope.verify([key], threshold=1)) == [mark]
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    from securesystemslib.exceptions import VerificationError

    with pytest.raises(VerificationError):
        envelope.verify([SSlibKey(mark, "ed25519", "ed25519", {"public": other.hex()})], threshold=1)


def test_an_ordinary_unzip_reads_a_pack(pack):
    with zipfile.ZipFile(pack) as archive:
        assert archive.testzip() is None
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}


def test_the_packed_verifier_is_the_products_own(pack):
    assert members_of(pack)["verify.py"] == verifier_source()


@pytest.mark.slow
def test_verify_py_alone_gives_the_same_answers_with_cryptography_as_its_only_package(pack, session, tmp_path):
    alone = tmp_path / "alone"
    venv.create(alone, with_pip=True)
    python = alone / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "cryptography"], check=True)
    script = tmp_path / "verify.py"
    script.write_bytes(members_of(pack)["verify.py"])
    pem = next((session.ports.keys.path / "trusted").glob("*.pem"))
    flipped = tmp_path / "flipped.zip"
    data = bytearray(pack.read_bytes())
    data[2000] ^= 1
    flipped.write_bytes(data)

    def answer(*args):
        done = subprocess.run([python, "-I", script, *args, "--json"], capture_output=True, text=True, check=False)
        return done.returncode, json.loads(done.stdout)

    assert answer(pack, "--key", pem) == (0, verify_pack(pack, {pem.stem}).as_dict())
    assert answer(pack, "--key", pem.stem)[0] == 0
    assert answer(pack) == (30, verify_pack(pack).as_dict())
    assert answer(flipped, "--key", pem) == (20, verify_pack(flipped, {pem.stem}).as_dict())
    assert answer(tmp_path / "missing.zip", "--key", pem)[0] == 2
    assert answer(pack, "--key", pack)[0] == 2


def test_the_verifier_needs_no_part_of_trueup():
    code = f"import sys; sys.modules['trueup'] = None; exec({verifier_source().decode()!r}, {{'__name__': 'alone'}})"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_nothing_known_about_a_subject_makes_no_pack(session, run, tmp_path):
    from tests.support.actions import Observe
    from trueup.kernel.errors import NotFound, UsageError
    from trueup.kernel.evidence.actions import CreatePack

    run(Observe, subject="thing")
    with pytest.raises(NotFound, match="nothing is recorded about 'thin'"):
        run(CreatePack, subject="thin", out=tmp_path / "x.zip")
    with pytest.raises(UsageError, match="at-size"):
        run(CreatePack, subject="thing", out=tmp_path / "x.zip", at_size=99)
    assert not (tmp_path / "x.zip").exists()


def test_an_artifact_whose_bytes_changed_is_never_packed(session, run, tmp_path):
    from tests.support.actions import Observe
    from trueup.kernel.errors import Damaged
    from trueup.kernel.evidence.actions import CreatePack

    run(Observe, subject="thing", files={"a.txt": "first"})
    stored = next(p for p in session.home.artifacts.rglob("*") if p.is_file())
    stored.write_bytes(b"FIRST")
    with pytest.raises(Damaged):
        run(CreatePack, subject="thing", out=tmp_path / "x.zip")
    assert list(tmp_path.glob("*.zip")) == []
    assert list(tmp_path.glob(".*.part")) == []
