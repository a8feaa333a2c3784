"""Signing keys: private to their owner, rotated without losing old proofs, never of small order."""

import stat

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from trueup.kernel.errors import ConfigurationError, UsageError
from trueup.kernel.evidence.engine.verifier import verify_pack
from trueup.kernel.evidence.keys import KeyFolder, public_pem


@pytest.fixture
def keys(tmp_path):
    folder = KeyFolder(tmp_path / "keys")
    folder.path.mkdir()
    folder.create()
    return folder


def test_the_private_key_is_readable_by_its_owner_alone(keys):
    assert stat.S_IMODE(keys.private.stat().st_mode) == 0o600


def test_making_the_key_twice_keeps_the_first(keys):
    assert keys.create().fingerprint == keys.signer().fingerprint


def test_a_key_open_to_others_is_refused(keys):
    keys.private.chmod(0o640)
    with pytest.raises(ConfigurationError, match="open to other users"):
        keys.signer()


@pytest.mark.parametrize("content", [b"", b"garbage", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_damaged_key_is_refused(keys, content):
    keys.private.write_bytes(content)
    with pytest.raises(ConfigurationError, match="damaged"):
        keys.signer()


def test_a_key_of_another_kind_is_refused(keys):
    other = generate_private_key(SECP256R1())
    keys.private.write_bytes(
        other.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    with pytest.raises(ConfigurationError, match="Ed25519"):
        keys.signer()


def test_a_missing_key_is_refused(keys):
    keys.private.unlink()
    with pytest.raises(ConfigurationError, match="cannot read"):
        keys.signer()


def test_no_repr_shows_the_private_key(keys):
    assert repr(keys.signer()) == f"Signer({keys.signer().fingerprint})"


def test_a_public_key_is_trusted_by_its_fingerprint(keys, tmp_path):
    other = KeyFolder(tmp_path / "other")
    other.path.mkdir()
    pem = tmp_path / "other.pem"
    pem.write_bytes(public_pem(other.create()))
    assert keys.trust(pem) == other.signer().fingerprint
    assert other.signer().fingerprint in keys.trusted_fingerprints()
    assert keys.public_key(other.signer().fingerprint) == other.signer().public


def test_a_public_key_of_small_order_or_of_no_kind_is_not_trusted(keys, tmp_path):
    small = bytes.fromhex("302a300506032b6570032100") + (1).to_bytes(32, "little")
    import base64

    for content in (
        b"-----BEGIN PUBLIC KEY-----\n" + base64.b64encode(small) + b"\n-----END PUBLIC KEY-----\n",
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        b"nothing",
    ):
        file = tmp_path / "bad.pem"
        file.write_bytes(content)
        with pytest.raises(UsageError):
            keys.trust(file)
    with pytest.raises(UsageError):
        keys.trust(tmp_path / "missing.pem")


@pytest.mark.requirement("telemetry:W8.3.5")
@pytest.mark.requirement("kernel:evidence.key-rotation")
def test_after_a_rotation_old_packs_still_verify_and_new_ones_are_signed_by_the_new_key(session, run, tmp_path):
    from tests.support.actions import Observe
    from trueup.kernel.evidence import queries
    from trueup.kernel.evidence.actions import CreatePack, RotateKey

    run(Observe, subject="thing")
    run(CreatePack, subject="thing", out=tmp_path / "old.zip")
    old = session.ports.keys.signer().fingerprint
    value = run(RotateKey)
    new = session.ports.keys.signer().fingerprint
    assert (value["retired"], value["fingerprint"]) == (old, new)
    run(CreatePack, subject="thing", out=tmp_path / "new.zip")
    trusted = session.ports.keys.trusted_fingerprints()
    reports = [verify_pack(tmp_path / name, trusted) for name in ("old.zip", "new.zip")]
    assert [(r.verdict, r.fingerprint) for r in reports] == [("PASS", old), ("PASS", new)]
    assert queries.verify(session, []).verdict == "PASS"
    assert session.ports.keys.staged() is None


def test_a_rotation_that_died_after_its_commit_is_finished_by_the_next_command(session, run, home, trueup):
    from trueup.kernel.actions.runner import run as run_action
    from trueup.kernel.evidence.actions import RotateKey

    class Died(RotateKey):
        def settled(self, ctx, outcome):
            pass

    old = session.ports.keys.signer().fingerprint
    value = run_action(Died, session.context(system=True), {}).value
    session.close()
    assert trueup("--json", "evidence", "key", "show").json["fingerprint"] == value["fingerprint"] != old
    assert trueup("evidence", "log", "verify", "--tenant", "system").code == 0


def test_a_rotation_that_died_before_its_commit_is_forgotten(session, home, trueup):
    old = session.ports.keys.signer().fingerprint
    session.ports.keys.stage_next()
    session.close()
    assert trueup("--json", "evidence", "key", "show").json["fingerprint"] == old
    assert not (home / "keys" / "signing.next.pem").exists()


def test_a_back_up_is_the_key_itself_private_and_never_overwrites(trueup, tmp_path, home):
    done = trueup("evidence", "key", "backup", "--out", tmp_path / "copy.pem")
    assert done.code == 0
    assert "keep this file offline" in done.err
    assert "lost" in done.err
    assert (tmp_path / "copy.pem").read_bytes() == (home / "keys" / "signing.pem").read_bytes()
    assert stat.S_IMODE((tmp_path / "copy.pem").stat().st_mode) == 0o600
    assert trueup("evidence", "key", "backup", "--out", tmp_path / "copy.pem").code == 2


def test_an_admin_may_not_copy_the_key_but_an_owner_may(session, tmp_path):
    from dataclasses import replace

    from trueup.kernel.actions.base import Principal
    from trueup.kernel.actions.errors import PolicyRefused
    from trueup.kernel.actions.runner import run as run_action
    from trueup.kernel.evidence.actions import BackupKey

    admin = replace(session.context(), principal=Principal("user:a", frozenset({"admin"})))
    with pytest.raises(PolicyRefused, match="owner alone"):
        run_action(BackupKey, admin, {"out": tmp_path / "copy.pem"})
    assert run_action(BackupKey, session.context(), {"out": tmp_path / "copy.pem"}).value["fingerprint"]


def test_signatures_are_deterministic():
    from trueup.kernel.evidence.keys import Signer

    signer = Signer.of(Ed25519PrivateKey.generate())
    assert signer.sign(b"x") == signer.sign(b"x")
