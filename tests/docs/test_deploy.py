"""What is deployed: units and compose file name commands, settings and files that there are."""

import configparser
import re
import shutil
import subprocess

import pytest
import yaml

from tests.conftest import ROOT
from trueup.config.options import OPTIONS
from trueup.faces.cli.main import COMMANDS

UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
KNOWN = {option.env for option in OPTIONS} | {"TRUEUP_HOME"}


def unit(path):
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read(path)
    return parser


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_starts_a_command_that_there_is_as_an_unprivileged_user(path):
    service = unit(path)["Service"]
    program, command, *_ = service["ExecStart"].split()
    assert program.endswith("/trueup")
    assert command in COMMANDS
    assert service["User"] == "trueup"
    assert service["Environment"].partition("=")[0] in KNOWN
    assert (service["NoNewPrivileges"], service["ProtectSystem"]) == ("yes", "strict")


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())


def test_the_compose_file_starts_commands_that_there_are_with_settings_that_there_are(compose):
    commands = [service["command"][0] for service in compose["services"].values() if "command" in service]
    assert commands == ["worker"]
    assert set(commands) <= set(COMMANDS)
    for name in ("server", "worker"):
        assert set(compose["services"][name]["environment"]) <= KNOWN


def test_the_compose_file_has_no_password_and_makes_a_role_that_cannot_pass_the_wall(compose):
    text = (ROOT / "deploy" / "compose.yaml").read_text()
    assert set(re.findall(r"\$\{(\w+):\?", text)) == {"TRUEUP_DATABASE_PASSWORD", "TRUEUP_ADMIN_PASSWORD", "TRUEUP_PUBLIC_URL"}
    assert "NOSUPERUSER NOBYPASSRLS" in compose["configs"]["role"]["content"]


def test_the_image_is_made_of_files_that_there_are_and_runs_as_nobody_special():
    text = (ROOT / "deploy" / "Dockerfile").read_text()
    for line in re.findall(r"^COPY (.+) \S+$", text, re.MULTILINE):
        for name in line.split():
            assert (ROOT / name).exists(), name
    assert "USER trueup" in text


def test_the_role_that_the_compose_file_makes_is_one_that_postgresql_takes(compose, cluster):
    from tests.support import postgres

    sql = compose["configs"]["role"]["content"].split("<<'SQL'\n")[1].partition("SQL")[0]
    psql = shutil.which("psql") or str(postgres.binaries() / "psql")
    sql = sql.replace("ROLE trueup", "ROLE composed").replace("DATABASE trueup OWNER trueup", "DATABASE composed OWNER composed")
    done = subprocess.run(
        [psql, "-v", "ON_ERROR_STOP=1", "-v", "password=it's", "-h", str(cluster), "-U", "admin", "-d", "postgres"],
        input=sql,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
