"""The installed command: global options anywhere, one exit-code table, one JSON document for every exit code."""

import json
import stat
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT, TRUEUP, Command


def test_version_is_printed_without_loading_anything_else(trueup):
    done = trueup("--version")
    assert (done.code, done.out.startswith("trueup, version ")) == (0, True)


def test_version_needs_and_makes_no_home(elsewhere):
    assert elsewhere("--version").code == 0
    assert elsewhere("--help").code == 0
    assert not elsewhere.home.exists()


@pytest.mark.requirement("kernel:cli.silent-home")
def test_a_command_on_an_empty_home_makes_it_and_says_so_in_one_line(elsewhere):
    done = elsewhere("--json", "fact", "list")
    assert (done.code, done.json) == (0, {"facts": []})
    assert len(done.err.splitlines()) == 1
    assert stat.S_IMODE(elsewhere.home.stat().st_mode) == 0o700
    assert stat.S_IMODE((elsewhere.home / "trueup.sqlite3").stat().st_mode) == 0o600
    assert elsewhere("fact", "list").err == ""


def test_init_is_safe_to_repeat(elsewhere):
    first, again = elsewhere("--json", "init"), elsewhere("--json", "init")
    assert first.json["fingerprint"] == again.json["fingerprint"]


def test_a_half_made_home_is_completed(elsewhere):
    elsewhere("init")
    for path in ("run", "spool", "artifacts"):
        if not any((elsewhere.home / path).iterdir()):
            (elsewhere.home / path).rmdir()
    assert elsewhere("init").code == 0


@pytest.mark.parametrize("args", [("--json", "tenant", "list"), ("tenant", "--json", "list"), ("tenant", "list", "--json")])
@pytest.mark.requirement("kernel:cli.globals")
def test_global_options_work_before_and_after_the_subcommand(trueup, args):
    assert [row["slug"] for row in trueup(*args).json["tenants"]] == ["default"]


@pytest.mark.parametrize("place", ["before", "after", "equals"])
@pytest.mark.requirement("kernel:cli.globals")
def test_home_is_the_one_that_is_named_wherever_it_is_named(trueup, tmp_path, place):
    other = tmp_path / "named"
    args = {
        "before": ("--home", other, "init", "--json"),
        "after": ("init", "--json", "--home", other),
        "equals": ("init", f"--home={other}", "--json"),
    }[place]
    assert trueup(*args).json["home"] == str(other)


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("nonsense",), 2),
        (("evidence", "nonsense"), 2),
        (("evidence", "pack"), 2),
        (("telemetry", "compare", "--baseline", "x"), 2),
        (("telemetry", "host", "--seconds", "0", "--out", "x"), 2),
        (("--home",), 2),
        (("--tenant", "nobody", "fact", "list"), 4),
        (("fact", "show", "nothing"), 4),
        (("evidence", "log", "prove", "99"), 4),
        (("evidence", "verify", "missing.zip"), 2),
        (("evidence", "log", "verify", "--file", "missing"), 2),
        (("evidence", "artifact", "get", "0" * 64, "--out", "x"), 4),
        (("evidence", "artifact", "erase", "0" * 64, "--reason", "because"), 4),
        (("evidence", "log", "verify"), 30),
        (("policy", "explain", "evidence.pack.create", "--role", "viewer"), 5),
        (("policy", "explain", "no.such"), 4),
        (("secret", "delete", "nothing"), 4),
        (("secret", "put", "bad name"), 2),
    ],
)
@pytest.mark.requirement("kernel:cli.exit-codes")
def test_every_bad_end_has_its_code_and_one_json_document(trueup, args, code):
    done = trueup(*args, "--json", stdin="value")
    assert done.code == code
    assert isinstance(done.json, dict)
    if code in (2, 4):
        assert done.json["error"]["code"].isupper()
        assert done.json["error"]["message"]
    words = trueup(*args, stdin="value")
    assert words.code == code
    assert "Traceback" not in words.err


def test_an_error_names_its_remedy(trueup):
    assert "remedy:" in trueup("--tenant", "nobody", "fact", "list").err


def commands() -> list[list[str]]:
    """Return every command with its subcommands, from the tree itself."""
    from trueup.faces.cli.main import cli

    found: list[list[str]] = []

    def walk(command, path):
        found.append(path)
        if hasattr(command, "list_commands"):
            import click

            ctx = click.Context(command)
            for name in command.list_commands(ctx):
                walk(command.get_command(ctx, name), [*path, name])

    walk(cli, [])
    return found


@pytest.mark.requirement("automation:W1")
@pytest.mark.parametrize("path", commands(), ids=lambda p: " ".join(p) or "trueup")
def test_every_command_explains_itself_without_a_home(elsewhere, path):
    done = elsewhere(*path, "--help")
    assert done.code == 0
    assert "Usage:" in done.out
    assert not elsewhere.home.exists()


def test_the_store_of_a_newer_trueup_is_refused(trueup, home):
    import sqlite3

    with sqlite3.connect(home / "trueup.sqlite3") as store:
        store.execute("PRAGMA user_version = 9999")
    done = trueup("fact", "list", "--json")
    assert (done.code, done.json["error"]["code"]) == (3, "CONFIGURATION")


def test_a_store_that_is_no_store_is_refused(trueup, home):
    (home / "trueup.sqlite3").write_bytes(b"not a database" * 100)
    assert trueup("fact", "list").code == 3


def test_a_home_that_cannot_be_made_is_refused(trueup, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    assert trueup("--home", tmp_path / "file" / "home", "fact", "list").code == 3


def test_a_key_open_to_others_stops_the_start(trueup, home):
    (home / "keys" / "signing.pem").chmod(0o644)
    done = trueup("tenant", "create", "x", "--json")
    assert (done.code, "chmod 600" in done.json["error"]["remedy"]) == (3, True)


def test_without_the_key_nothing_is_done_and_the_key_is_named(trueup, home):
    (home / "keys" / "signing.pem").rename(home / "keys" / "elsewhere.pem")
    done = trueup("tenant", "create", "x", "--json")
    assert (done.code, done.json["error"]["code"]) == (3, "CONFIGURATION")
    assert "signing.pem" in done.json["error"]["message"]
    assert trueup("fact", "list").code == 0


def test_an_invalid_policy_stops_the_start(trueup, tmp_path, monkeypatch, home):
    from trueup.config import wiring
    from trueup.config.home import Home
    from trueup.config.session import HomeSession
    from trueup.kernel.errors import ConfigurationError

    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "broken.cedar").write_text("permit (principal, action, resource) when { nonsense };")
    monkeypatch.setattr("trueup.config.installation.policy_folders", lambda: [*wiring.policy_folders(), folder])
    with pytest.raises(ConfigurationError, match=r"broken\.cedar"):
        HomeSession(Home(home))
    done = trueup("policy", "check", "--dir", folder, "--json")
    assert (done.code, done.json["verdict"]) == (3, "FAIL")


def test_the_products_policies_pass_their_own_tests(trueup):
    assert trueup("policy", "check").code == 0
    done = trueup("policy", "test", "--json")
    assert (done.code, done.json["findings"]) == (0, [])
    explained = trueup("policy", "explain", "evidence.pack.create", "--role", "operator", "--json")
    assert (explained.code, explained.json["policies"]) == (0, ["operator-runs"])


def test_guards_that_were_dropped_are_put_back_by_init_on_the_record(trueup, home):
    import sqlite3

    with sqlite3.connect(home / "trueup.sqlite3") as store:
        store.execute("DROP TRIGGER evidence_fact_no_update")
    assert trueup("tenant", "create", "acme").code == 3
    assert trueup("init").code == 0
    assert trueup("tenant", "create", "acme").code == 0
    entries = trueup("evidence", "log", "show", "--tenant", "system", "--json").json["entries"]
    assert [e["note"]["guards"] for e in entries if e["action"] == "system.guards.restore"] == [["evidence_fact_no_update"]]


def test_tenants_have_names_and_logs_of_their_own(trueup):
    assert trueup("tenant", "create", "acme").code == 0
    assert trueup("tenant", "create", "acme").code == 7
    assert trueup("tenant", "create", "Not A Slug").code == 2
    assert trueup("evidence", "log", "checkpoint", "--tenant", "acme").code == 4
    assert trueup("secret", "put", "token", "--tenant", "acme", stdin="s3cr3t").code == 0
    assert trueup("secret", "list", "--json").json == {"secrets": []}
    assert [s["name"] for s in trueup("secret", "list", "--json", "--tenant", "acme").json["secrets"]] == ["token"]


@pytest.mark.requirement("kernel:secrets.never-shown")
def test_a_secret_is_sealed_replaced_deleted_and_never_shown(trueup, home):
    first = trueup("secret", "put", "crm/token", stdin="s3cr3t-planted\n", env={"TRUEUP_UNUSED": ""})
    assert (first.code, "version 1" in first.out) == (0, True)
    assert trueup("secret", "put", "crm/token", stdin="s3cr3t-planted-2").out.strip().endswith("version 2")
    listed = trueup("secret", "list", "--verbose")
    for text in (first.out, first.err, listed.out, listed.err):
        assert "s3cr3t" not in text
    for path in home.rglob("*"):
        if path.is_file():
            assert b"s3cr3t-planted" not in path.read_bytes(), path
    assert trueup("secret", "delete", "crm/token").code == 0
    assert trueup("secret", "list", "--json").json == {"secrets": []}
    assert trueup("secret", "put", "empty", stdin="").code == 2


def test_a_log_is_shown_proven_exported_and_verified_from_the_command_line(trueup, tmp_path, elsewhere):
    assert trueup("secret", "put", "a", stdin="b").code == 0
    assert trueup("evidence", "log", "show").out.count("secrets.secret.put") == 1
    checkpoint = trueup("evidence", "log", "checkpoint", "--out", tmp_path / "kept", "--json")
    assert checkpoint.json["size"] == 1
    assert trueup("evidence", "log", "verify", "--against", tmp_path / "kept").code == 0
    proof = trueup("evidence", "log", "prove", "0", "--json").json
    assert_proves(proof)
    assert trueup("evidence", "log", "prove", "0", "--at-size", "1", "--json").json["proof"] == []
    assert trueup("evidence", "log", "prove", "0", "--at-size", "999").code == 2
    assert trueup("evidence", "log", "export", "--out", tmp_path / "log").code == 0
    fingerprint = trueup("evidence", "key", "show", "--out", tmp_path / "key.pem", "--json").json["fingerprint"]
    assert elsewhere("evidence", "log", "verify", "--file", tmp_path / "log").code == 30
    for key in (fingerprint, tmp_path / "key.pem"):
        assert elsewhere("evidence", "log", "verify", "--file", tmp_path / "log", "--key", key).code == 0
    assert elsewhere("evidence", "log", "verify", "--file", tmp_path / "log", "--key", "nonsense").code == 2
    assert elsewhere("evidence", "log", "verify", "--file", tmp_path / "log", "--against", tmp_path / "kept").code == 30
    assert elsewhere("evidence", "log", "verify", "--file", tmp_path / "log", "--against", tmp_path / "log").code == 2
    data = (tmp_path / "log").read_bytes().replace(b'"outcome":"done"', b'"outcome":"none"', 1)
    (tmp_path / "log").write_bytes(data)
    damaged = elsewhere("evidence", "log", "verify", "--file", tmp_path / "log", "--key", fingerprint, "--json")
    assert (damaged.code, damaged.json["findings"][0]["sequence"]) == (20, 0)
    assert not elsewhere.home.exists()


def assert_proves(proof):
    import base64

    from trueup.kernel.evidence.merkle import leaf_hash, verify_inclusion

    verify_inclusion(
        leaf_index=proof["index"],
        tree_size=proof["tree_size"],
        leaf_hash=leaf_hash(proof["entry"].encode()),
        proof=[base64.b64decode(node) for node in proof["proof"]],
        root=bytes.fromhex(proof["root"]),
    )


def test_a_foreign_key_is_trusted_and_then_its_packs_verify(trueup, tmp_path):
    other = Command(tmp_path / "other-home", tmp_path)
    (tmp_path / "a.csv").write_text("x\n" + "\n".join(str(i % 9) for i in range(300)))
    assert other("telemetry", "compare", "--baseline", "a.csv", "--run", "a.csv", "--out", "out", "--subject", "s").code == 0
    assert trueup("evidence", "verify", "out/pack.zip").code == 30
    other("evidence", "key", "show", "--out", "other.pem")
    assert trueup("evidence", "key", "trust", "other.pem").code == 0
    assert trueup("evidence", "verify", "out/pack.zip").code == 0
    rotated = trueup("evidence", "key", "rotate", "--json")
    assert rotated.code == 0
    assert rotated.json["retired"] in trueup("evidence", "key", "show", "--json").json["trusted"]


def test_an_artifact_is_copied_out_checked_and_its_erasure_is_held(trueup, tmp_path):
    (tmp_path / "a.csv").write_text("x\n" + "\n".join(str(i % 9) for i in range(300)))
    value = trueup("telemetry", "compare", "--baseline", "a.csv", "--run", "a.csv", "--json").json
    digest = value["artifacts"]["comparison.json"]
    assert trueup("evidence", "artifact", "get", digest, "--out", "copy.json").code == 0
    assert json.loads((tmp_path / "copy.json").read_bytes())["verdict"] == "PASS"
    assert trueup("evidence", "artifact", "erase", digest, "--reason", "asked to").code == 6
    assert trueup("evidence", "artifact", "get", digest, "--out", "copy.json").code == 0
    assert trueup("evidence", "artifact", "collect", "--dry-run", "--older-than", "0", "--json").json["orphans"] == []


def test_an_orphan_is_collected_and_a_named_artifact_is_not(trueup, home, tmp_path):
    (tmp_path / "a.csv").write_text("x\n" + "\n".join(str(i % 9) for i in range(300)))
    trueup("telemetry", "compare", "--baseline", "a.csv", "--run", "a.csv")
    folder = next((home / "artifacts").iterdir())
    (folder / "ff").mkdir(exist_ok=True)
    (folder / "ff" / ("f" * 64)).write_bytes(b"orphan")
    (folder / "incoming" / "left-by-a-kill").write_bytes(b"half")
    found = trueup("evidence", "artifact", "collect", "--older-than", "0", "--dry-run", "--json").json["orphans"]
    assert found == ["f" * 64, "incoming/left-by-a-kill"]
    assert (folder / "ff" / ("f" * 64)).exists()
    assert trueup("evidence", "artifact", "collect", "--older-than", "9999").code == 0
    assert (folder / "ff" / ("f" * 64)).exists()
    assert trueup("evidence", "artifact", "collect", "--older-than", "0").code == 0
    assert not (folder / "ff" / ("f" * 64)).exists()
    assert trueup("evidence", "log", "verify").code == 0


def test_output_into_a_closed_pipe_is_no_error(home):
    command = f"{TRUEUP} --home {home} tenant list | true"
    assert subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, check=False).returncode == 0


def test_the_command_and_the_module_are_the_same_program(home):
    python = Path(TRUEUP).parent / "python"
    done = subprocess.run([python, "-m", "trueup", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("trueup, version")


def test_the_verifier_is_written_without_a_home(elsewhere, tmp_path):
    from trueup.kernel.evidence.engine.bundle import verifier_source

    assert elsewhere("evidence", "verifier", "--out", tmp_path / "verify.py").code == 0
    assert (tmp_path / "verify.py").read_bytes() == verifier_source()
    assert not elsewhere.home.exists()


def test_a_retired_key_that_a_back_up_brought_back_is_told_of(trueup, home, tmp_path):
    trueup("evidence", "key", "backup", "--out", tmp_path / "old.pem")
    assert trueup("evidence", "key", "rotate").code == 0
    assert "retired" not in trueup("fact", "list").err
    (home / "keys" / "signing.pem").write_bytes((tmp_path / "old.pem").read_bytes())
    assert "retired by a rotation" in trueup("fact", "list").err
    assert trueup("evidence", "key", "rotate").code == 0
    assert "retired" not in trueup("fact", "list").err


@pytest.mark.parametrize(
    "args",
    [
        ("telemetry", "compare", "--baseline", "a.csv", "--run", "a.csv", "--out", "/proc/nope"),
        ("telemetry", "host", "--seconds", "60", "--out", "missing/x.parquet"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_the_work(trueup, tmp_path, args):
    (tmp_path / "a.csv").write_text("x\n1\n2\n")
    done = trueup(*args, "--json")
    assert (done.code, bool(done.json["error"]["remedy"])) == (2, True)


def test_policies_of_another_folder_are_tested(trueup):
    folder = ROOT / "src" / "trueup" / "kernel" / "policy" / "policies"
    assert trueup("policy", "test", "--dir", folder).code == 0


def test_a_closed_pipe_does_not_turn_a_fail_into_a_pass(home, tmp_path):
    (tmp_path / "a.csv").write_text("x\n" + "\n".join(str(i % 9) for i in range(300)))
    (tmp_path / "b.csv").write_text("x\n" + "\n".join(str(i % 9 + 50) for i in range(300)))
    compare = f"{TRUEUP} --home {home} telemetry compare --baseline a.csv --run b.csv --drift-is-fail"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {compare} | true"], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 20
