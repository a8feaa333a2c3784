"""Doors that were open elsewhere: downloads by path, any origin, secrets in what support is sent, exports that fail in silence."""

import json
import os
import zipfile
from base64 import b64decode

import pytest

from tests.conftest import ROOT
from tests.domains.telemetry.runfiles import SCOPE, write_run
from trueup.domains.telemetry.actions_runs import AnalyzeRun, IngestRun

SECRET = "hunter2-and-more"


@pytest.fixture
def stand(run, tmp_path):
    run(IngestRun, path=write_run(tmp_path / "r1.csv", 1), name="r1", **SCOPE)
    return run(AnalyzeRun, run="r1")


@pytest.mark.requirement("telemetry:W8.3.3")
@pytest.mark.parametrize(
    "name", ["../../../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/keys", "/etc/passwd", "trueup.sqlite3"]
)
def test_no_address_leads_to_a_file_of_the_host(doors, stand, name):
    browser, key = doors.browser(doors.everyone), doors.key("owner")
    for path in (f"/telemetry/{name}/report/", f"/telemetry/runs/{name}/", f"/static/{name}", f"/artifacts/{name}"):
        assert doors.get(path, client=browser).status in (301, 302, 400, 404), path
    for path in (f"/api/v1/evidence/artifacts/{name}", f"/api/v1/telemetry/run?name={name}"):
        answer = doors.get(path, key=key)
        assert answer.status in (400, 404, 422), path
        assert "root:" not in answer.text


@pytest.mark.requirement("telemetry:W8.3.3", "automation:AR-11")
@pytest.mark.parametrize("path", ["/api/v1/telemetry/runs", "/health/live", "/telemetry/runs/", "/api/openapi.json"])
def test_no_other_origin_is_let_in(doors, stand, path):
    answer = doors.get(path, key=doors.key("viewer"), origin="https://elsewhere.example")
    asked = doors.ask("OPTIONS", path, origin="https://elsewhere.example", access_control_request_method="POST")
    assert [name for name in (*answer.headers, *asked.headers) if name.lower().startswith("access-control-")] == []


@pytest.mark.requirement("telemetry:W8.3.3")
def test_what_support_is_sent_holds_no_secret(trueup):
    env = {"TRUEUP_DATABASE_URL": f"postgresql://rig:{SECRET}@localhost:1/none"}
    for args in (("config", "show"), ("config", "show", "--json"), ("doctor",), ("doctor", "--json"), ("doctor", "--verbose")):
        done = trueup(*args, env=env)
        assert SECRET not in done.out + done.err, args


@pytest.mark.requirement("telemetry:W8.3.5", "telemetry:W8.3.6")
def test_a_pack_is_signed_with_ed25519_by_a_key_that_the_pack_does_not_hold(stand, trueup, tmp_path, home):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    assert trueup("evidence", "pack", "--subject", "run/r1", "--out", "p.zip").code == 0
    with zipfile.ZipFile(tmp_path / "p.zip") as pack:
        envelope = json.loads(next(pack.read(name) for name in pack.namelist() if name.endswith("statement.dsse.json")))
    (signature,) = envelope["signatures"]
    (trusted,) = (home / "keys" / "trusted").iterdir()
    key = load_pem_public_key(trusted.read_bytes())
    assert isinstance(key, Ed25519PublicKey)
    kind, payload = envelope["payloadType"].encode(), b64decode(envelope["payload"])
    # the pre-authentication encoding of the DSSE protocol, v1.0.2; a wrong signature raises
    key.verify(b64decode(signature["sig"]), b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload))
    assert trueup("evidence", "verify", "p.zip").code == 0


@pytest.mark.requirement("telemetry:W8.3.5")
def test_who_sets_a_role_in_the_environment_gets_none(doors, stand, monkeypatch):
    for name in ("HB_ROLE", "TRUEUP_ROLE", "HB_OPERATOR_ID"):
        monkeypatch.setenv(name, "owner")
    assert doors.get("/api/v1/telemetry/runs").status == 401
    answer = doors.ask("POST", "/api/v1/telemetry/run/analyze", key=doors.key("viewer"), json={"run": "r1"})
    assert answer.status == 403


@pytest.mark.requirement("telemetry:W8.3.5")
def test_the_servers_listen_on_the_loopback_address_unless_told_otherwise_and_no_shell_is_used():
    import ast

    from trueup.faces.web.cli import serve

    assert {option.name: option.default for option in serve.params}["host"] in ("127.0.0.1", None)
    calls = [
        (path.name, keyword.arg)
        for path in (ROOT / "src").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "shell" and getattr(keyword.value, "value", None)
    ]
    assert calls == []


@pytest.mark.requirement("telemetry:W8.3.6")
def test_an_export_that_fails_fails_the_command(stand, trueup, tmp_path):
    os.mkfifo(tmp_path / "pipe")  # what is no file must not be replaced by one, a device least of all
    for args in (
        ("evidence", "pack", "--subject", "run/r1", "--out", "nowhere/p.zip"),
        ("evidence", "pack", "--subject", "run/r1", "--out", "pipe"),
        ("evidence", "pack", "--subject", "run/nobody", "--out", "p.zip"),
    ):
        done = trueup(*args)
        assert done.code not in (0, 10), args
        assert done.err, args
        assert not (tmp_path / "p.zip").exists()
    assert (tmp_path / "pipe").is_fifo()
    (tmp_path / "taken").write_text("")
    first = write_run(tmp_path / "a.csv", 1)
    done = trueup("telemetry", "compare", "--baseline", first, "--run", first, "--out", "taken")
    assert done.code == 2
