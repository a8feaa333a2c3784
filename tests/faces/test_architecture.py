"""The house: rooms in their order, small files, packages that are declared, nothing left undone."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

SOURCE = ROOT / "src" / "trueup"
LINES = 450


def files():
    return sorted(path for path in SOURCE.rglob("*.py"))


def lint_imports(folder):
    return subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"], cwd=folder, capture_output=True, text=True, check=False
    )


def test_no_room_imports_from_above_or_beside_it():
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("kernel/evidence/facts.py", "import trueup.domains.telemetry.facts"),
        ("kernel/evidence/engine/encode.py", "import django"),
        ("kernel/actions/models.py", "import trueup.kernel.policy.engine.model"),
        ("domains/telemetry/facts.py", "import trueup.faces.web"),
    ],
)
def test_an_import_that_the_design_forbids_breaks_a_contract(tmp_path, place, line):
    shutil.copytree(SOURCE, tmp_path / "trueup", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".importlinter", tmp_path)
    target = tmp_path / "trueup" / place
    target.write_text(target.read_text() + f"\n{line}\n")
    done = lint_imports(tmp_path)
    assert done.returncode == 1, done.stdout
    assert "BROKEN" in done.stdout


def test_no_file_is_too_long_to_read():
    assert len(files()) > 100
    assert {path.name: n for path in files() if (n := len(path.read_text().splitlines())) > LINES} == {}


def test_every_package_says_what_it_is_for():
    packages = [path for path in SOURCE.rglob("__init__.py") if path.parent.name != "migrations"]
    assert len(packages) > 15
    assert [str(path) for path in packages if not ast.get_docstring(ast.parse(path.read_text()))] == []


@pytest.mark.requirement("automation:W1")
def test_runtime_code_imports_only_what_the_package_depends_on():
    import tomllib

    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    declared = [*project["dependencies"], *(item for extra in project["optional-dependencies"].values() for item in extra)]
    depends = {item.partition(">")[0].replace("-", "_").lower() for item in declared}
    names = {
        "nats": "nats_py",
        "paho": "paho_mqtt",
        "yaml": "pyyaml",
        "allauth": "django_allauth[mfa]",
        "ninja": "django_ninja",
        "PIL": "pillow",
        "psycopg": "psycopg[binary]",
    }
    found = {
        name.partition(".")[0]
        for path in files()
        for node in ast.walk(ast.parse(path.read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom) and not node.level
            else []
        )
    }
    foreign = found - set(sys.stdlib_module_names) - {"trueup"}
    assert {names.get(name, name) for name in foreign} - depends == set()
    assert "django" in foreign


def test_nothing_in_the_source_is_left_to_be_done():
    marks = ("TO" + "DO", "FIX" + "ME", "XX" + "X", "raise NotImplemented")
    assert [(path.name, mark) for path in files() for mark in marks if mark in path.read_text()] == []


def test_every_exit_code_of_the_source_is_one_of_the_table():
    calls = [
        (path.name, ast.unparse(node))
        for path in files()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("sys.exit", "exit", "os._exit") and node.args
    ]
    assert [call for call in calls if call[1] not in ("sys.exit(run())", "sys.exit(main())")] == []
