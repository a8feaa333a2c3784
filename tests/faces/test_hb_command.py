"""``hb``: global options and variables count wherever they stand, or are refused; never ignored."""

import json
import os
import subprocess

import pytest

from tests.conftest import TRUEUP
from tests.domains.telemetry.runfiles import write_run
from trueup.faces.cli import hb as door
from trueup.kernel.errors import ConfigurationError

HB = TRUEUP.with_name("hb")


def hb(*args, cwd=None, **env):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("TRUEUP_", "HB_"))}
    done = subprocess.run(
        [HB, *map(str, args)], capture_output=True, text=True, check=False, timeout=60, cwd=cwd, env=clean | env
    )
    return done.returncode, done.stdout, done.stderr


def translated(*args, **env):
    return door.translated(door._taken_apart(args), env)


@pytest.mark.parametrize(
    "args",
    [
        ("--db", "h", "compare", "--baseline", "a", "--run", "b"),
        ("compare", "--db", "h", "--baseline", "a", "--run", "b"),
        ("compare", "--baseline", "a", "--run", "b", "--db=h"),
    ],
)
def test_the_store_is_the_one_that_is_named_wherever_it_is_named(args):
    assert translated(*args) == ["compare", "--baseline", "a", "--run", "b", "--home", "h"]


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize(
    ("verb", "option", "value", "ours"),
    [
        (("compare",), "--reports", "out", "--out"),
        (("analyze", "r1"), "--reports", "out", "--out"),
        (("compare",), "--metric-registry", "r.yaml", "--registry"),
        (("normalize",), "--metric-registry", "r.yaml", "--registry"),
        (("runs", "rollup"), "--top", "3", "--top"),
    ],
)
def test_an_option_becomes_the_commands_own_before_it_and_after_it(place, verb, option, value, ours):
    args = (option, value, *verb) if not place else (*verb, option, value)
    assert translated(*args) == [*verb, ours, value]


@pytest.mark.parametrize(
    "args",
    [
        ("--reports", "out", "runs", "list"),
        ("--metric-registry", "r.yaml", "analyze", "r1"),
        ("--metric-registry", "r.yaml", "run", "x.csv"),
        ("--baseline-policy", "p.yaml", "analyze", "r1"),
        ("--top", "3", "compare"),
        ("--top", "3"),
        ("--db", "h", "--home", "k", "runs", "list"),
        ("--db", "h", "--db", "k", "runs", "list"),
        ("--reports", "o", "compare", "--out", "p"),
        ("--exit-codes", "ours", "compare"),
        ("--db",),
    ],
)
def test_an_option_that_cannot_be_honoured_is_refused(args):
    with pytest.raises(door.click.UsageError):
        translated(*args)


@pytest.mark.parametrize(
    ("env", "args", "expected"),
    [
        ({"HB_DB_PATH": "h"}, ("runs", "list"), ["runs", "list", "--home", "h"]),
        ({"HB_HOME": "h", "HB_DB_PATH": "k"}, ("runs", "list"), ["runs", "list", "--home", "h"]),
        ({"HB_HOME": "h"}, ("--home", "k", "runs", "list"), ["--home", "k", "runs", "list"]),
        ({"HB_HOME": "h", "TRUEUP_HOME": "k"}, ("runs", "list"), ["runs", "list"]),
        ({"HB_REPORTS_DIR": "o"}, ("compare",), ["compare", "--out", "o"]),
        ({"HB_REPORTS_DIR": "o"}, ("compare", "--out", "p"), ["compare", "--out", "p"]),
        ({"HB_REPORTS_DIR": "o"}, ("runs", "list"), ["runs", "list"]),
        ({"HB_METRIC_REGISTRY": "r"}, ("compare",), ["compare", "--registry", "r"]),
        ({"HB_METRIC_REGISTRY": "r"}, ("--metric-registry", "s", "compare"), ["compare", "--registry", "s"]),
        ({"HB_PROGRAM": "P"}, ("runs", "list"), ["runs", "list", "--program", "P"]),
        ({"HB_PROGRAM": "P"}, ("compare",), ["compare"]),
        ({"HB_DETERMINISTIC": "1", "HB_GATE_FAIL_EXIT": "1"}, ("compare",), ["compare"]),
    ],
)
def test_a_variable_counts_where_the_command_has_a_use_for_it_and_less_than_an_option(env, args, expected):
    assert translated(*args, **env) == expected


@pytest.mark.requirement("telemetry:W8.3.5")
@pytest.mark.parametrize("name", ["HB_RBAC", "HB_ROLE", "HB_OPERATOR_ID"])
def test_a_role_that_the_caller_claims_for_himself_is_refused(name):
    with pytest.raises(ConfigurationError, match=name):
        translated("runs", "list", **{name: "admin"})


@pytest.mark.parametrize(
    ("env", "args"),
    [
        ({"HB_METRIC_REGISTRY": "r"}, ("analyze", "r1")),
        ({"HB_METRIC_REGISTRY": "r"}, ("ingest", "x")),
        ({"HB_BASELINE_POLICY": "p"}, ("run", "x")),
        ({"HB_GATE_FAIL_EXIT": "0"}, ("compare",)),
        ({"HB_EARLY_EXIT": "1"}, ("compare",)),
        ({"HB_TYPO": "1"}, ("compare",)),
    ],
)
def test_a_variable_that_cannot_be_honoured_is_refused(env, args):
    with pytest.raises(ConfigurationError, match=next(iter(env))):
        translated(*args, **env)


def test_what_stands_after_two_dashes_is_left_alone():
    assert translated("ingest", "--", "--db", HB_DB_PATH="h") == ["ingest", "--home", "h", "--", "--db"]


def test_a_store_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "runs.db").write_text("")
    with pytest.raises(door.click.UsageError, match="is a file"):
        translated("--db", str(tmp_path / "runs.db"), "runs", "list")
    with pytest.raises(ConfigurationError, match="is a file"):
        translated("runs", "list", HB_DB_PATH=str(tmp_path / "runs.db"))


@pytest.mark.sqlite
def test_the_installed_hb_compares_with_the_exit_codes_it_had(home, tmp_path):
    first, same, other = (write_run(tmp_path / f"{k}.csv", k, shift=float(k == 3)) for k in (1, 2, 3))
    legacy = ("--exit-codes", "legacy", "--db", home)
    assert hb(*legacy, "compare", "--baseline", first, "--run", same)[0] == 0
    code, out, _ = hb("compare", "--baseline", first, "--run", other, "--json", "--reports", tmp_path / "out", *legacy)
    assert (code, json.loads(out)["verdict"], (tmp_path / "out/report.html").exists()) == (1, "PASS_WITH_DRIFT", True)
    assert hb(*legacy, "compare", "--baseline", first, "--run", other, "--drift-is-fail")[0] == 2
    (tmp_path / "empty.csv").write_text("t,volt\n")
    assert hb(*legacy, "compare", "--baseline", first, "--run", tmp_path / "empty.csv")[0] == 3


def test_what_hb_refuses_is_told_as_json_where_it_is_asked_for(tmp_path):
    code, out, _ = hb("runs", "list", "--json", "--top", "3")
    assert (code, "--top" in json.loads(out)["error"]["message"]) == (2, True)
    code, out, _ = hb("runs", "list", "--json", HB_ROLE="admin")
    assert (code, "HB_ROLE" in json.loads(out)["error"]["message"]) == (3, True)


def test_hb_tells_its_version_and_its_options():
    assert hb("--version")[1].startswith("trueup, version ")
    code, out, _ = hb("--help")
    assert code == 0
    assert all(option in out for option in ("--db DIR", "--exit-codes legacy", "compare", "HB_PROGRAM"))
