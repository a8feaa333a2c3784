"""The verifier as a program, and its strictness about what it is given."""

import base64
import json

import pytest

from trueup.kernel.evidence.engine import program, verifier
from trueup.kernel.evidence.engine.container import PackError
from trueup.kernel.evidence.engine.notes import vkey
from trueup.kernel.evidence.keys import public_pem


@pytest.fixture
def pack(session, run, tmp_path):
    from tests.support.actions import Observe
    from trueup.kernel.evidence.actions import CreatePack

    run(Observe, subject="thing", files={"a.txt": "x" * 4000})
    run(CreatePack, subject="thing", out=tmp_path / "thing.zip")
    return tmp_path / "thing.zip"


def test_the_program_says_in_words_what_held_and_ends_with_the_verdict(pack, session, capsys):
    assert program.main([str(pack), "--key", session.ports.keys.signer().fingerprint.upper()]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "verdict PASS"
    assert sum(line.startswith("  ok  ") for line in lines) == 6


def test_the_program_tells_an_unknown_signer_what_to_do(pack, capsys):
    assert program.main([str(pack)]) == 30
    assert "pass --key" in capsys.readouterr().out


def test_the_program_names_the_damaged_member(pack, capsys):
    data = bytearray(pack.read_bytes())
    data[data.index(b"x" * 100) + 50] ^= 1
    pack.write_bytes(data)
    assert program.main([str(pack)]) == 20
    assert "  BAD artifacts/" in capsys.readouterr().out


@pytest.mark.parametrize("as_json", [True, False])
def test_the_program_refuses_what_it_cannot_read(pack, tmp_path, capsys, as_json):
    flags = ["--json"] if as_json else []
    assert program.main([str(tmp_path / "missing.zip"), *flags]) == 2
    assert program.main([str(pack), "--key", str(tmp_path / "missing.pem"), *flags]) == 2
    captured = capsys.readouterr()
    assert bool(captured.out) == as_json
    assert bool(captured.err) != as_json


def test_a_key_may_be_given_as_pem_as_verifier_line_or_as_fingerprint(session, tmp_path):
    signer = session.ports.keys.signer()
    (tmp_path / "key.pem").write_bytes(public_pem(signer))
    (tmp_path / "key.vkey").write_text(vkey("anyone", signer.public) + "\n")
    for form in (str(tmp_path / "key.pem"), str(tmp_path / "key.vkey"), signer.fingerprint):
        assert program.trusted_fingerprint(form) == signer.fingerprint


def test_a_pem_of_another_kind_of_key_is_refused(tmp_path):
    body = base64.b64encode(b"0" * 91).decode()
    (tmp_path / "key.pem").write_text(f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
    with pytest.raises(ValueError, match="Ed25519"):
        program.trusted_fingerprint(str(tmp_path / "key.pem"))


@pytest.mark.parametrize("bad", [b"\xff", b"{", b'{"a":1,"a":2}', b'{"a":NaN}', b"[" * 100_000, b'{"a":Infinity}'])
def test_json_that_is_not_strict_is_refused(bad):
    with pytest.raises(PackError, match="not the JSON"):
        verifier.strict_json("member", bad)


def test_strict_json_is_read():
    assert verifier.strict_json("member", b'{"a":[1,null,"x"]}') == {"a": [1, None, "x"]}


@pytest.mark.parametrize(
    "manifest",
    [
        [],
        {"format": verifier.FORMAT},
        {"format": verifier.FORMAT, "files": {}},
        {"format": verifier.FORMAT, "files": ["x"]},
        {"format": verifier.FORMAT, "files": [{"path": "checkpoint", "size": -1, "sha256": ""}]},
        {"format": verifier.FORMAT, "files": [{"path": "checkpoint", "size": True, "sha256": ""}]},
        {"format": verifier.FORMAT, "files": [{"path": 1, "size": 1, "sha256": ""}]},
    ],
)
def test_a_manifest_of_another_shape_is_refused(manifest):
    with pytest.raises(PackError):
        verifier.manifest_files(json.dumps(manifest).encode())


def resigned(pack, session, change):
    """Change the statement's envelope or payload; sign the payload with the home's key."""
    import zipfile

    import rfc8785

    from trueup.kernel.evidence.engine.notes import pae
    from trueup.kernel.evidence.packs import Source, write

    with zipfile.ZipFile(pack) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    signer = session.ports.keys.signer()
    envelope = json.loads(members[verifier.STATEMENT])
    payload = json.loads(base64.b64decode(envelope["payload"]))
    change(envelope, payload)
    data = rfc8785.dumps(payload)
    signature = signer.sign(pae(envelope["payloadType"], data))
    if envelope["payload"] is not None:
        envelope["payload"] = base64.b64encode(data).decode()
    for item in envelope["signatures"]:
        if item.get("sig") != "forged":
            item["sig"] = base64.b64encode(signature).decode()
    members[verifier.STATEMENT] = json.dumps(envelope).encode()
    path = pack.with_name("resigned.zip")
    write(path, [Source.of(name, body) for name, body in members.items()], tenant=None, store=None)
    return verifier.verify_pack(path, {signer.fingerprint})


def test_an_unchanged_statement_signed_again_passes(pack, session):
    assert resigned(pack, session, lambda *_: None).verdict == "PASS"


@pytest.mark.parametrize(
    "change",
    [
        lambda e, p: p.update(_type="https://in-toto.io/Statement/v0.1"),
        lambda e, p: p.update(predicateType="https://slsa.dev/provenance/v1"),
        lambda e, p: p.update(subject=[]),
        lambda e, p: p.update(subject=[{"name": "manifest.json", "digest": {"sha256": "0" * 64}}]),
        lambda e, p: p["predicate"].pop("root"),
        lambda e, p: p["predicate"].update(erased="none"),
        lambda e, p: e.update(payloadType="text/plain"),
        lambda e, p: e.update(payload=None),
        lambda e, p: e.update(signatures=[]),
        lambda e, p: e["signatures"].append(dict(e["signatures"][0])),
        lambda e, p: e["signatures"][0].update(keyid="0" * 64),
        lambda e, p: e["signatures"][0].update(sig="forged"),
    ],
)  # fmt: skip
def test_a_statement_that_is_not_ours_fails_even_when_well_signed(pack, session, change):
    assert resigned(pack, session, change).verdict == "FAIL"
