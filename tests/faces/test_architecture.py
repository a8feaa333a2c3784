"""The house: rooms in their order, every room by the plan, small files, nothing loaded that is not needed."""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

SOURCE = ROOT / "src" / "trueup"
LINES = 450

# Design, section 3: what every room may hold. Anything else is this room's own, and is named here.
PLAN = {"models", "actions", "queries", "jobs", "sources", "api", "cli", "web", "policies", "facts", "engine"}
DJANGO = {"apps", "migrations", "__init__"}
OWN = {
    "kernel/actions": {
        "attempts",
        "base",
        "errors",
        "ports",
        "redaction",
        "registry",
        "runner",
    },  # what an action is, and its one run
    "kernel/evidence": {
        "actions_log",
        "artifacts",
        "cli_facts",
        "guards",
        "guards_postgresql",
        "keys",
        "ledger",
        "lists",
        "merkle",
        "packs",
        "predicates",
        "proven",
        "snapshot",
        "storecheck",
    },
    "kernel/change": {"execute", "holds"},
    "kernel/gates": {"load"},
    "kernel/http": {  # what all doors share
        "bodies",
        "callers",
        "health",
        "host",
        "limits",
        "metrics",
        "middleware",
        "navigation",
        "options",
        "paging",
        "problem",
        "readers",
        "replies",
        "tables",
    },
    "kernel/policy": {"load", "questions"},
    "kernel/secrets": {"vault"},
    "kernel/subjects": set(),
    "kernel/backup": {"archive", "databases", "tables"},  # the file of a back-up, captures, and tables as lines
    "kernel/notify": {"alerts"},  # raising one in another room's transaction
    "kernel/identity": {
        "accounts",
        "actions_account",
        "actions_keys",
        "actions_members",
        "actions_prune",
        "actions_users",
        "authenticate",
        "cli_keys",
        "cli_users",
        "credentials",
        "secondfactor",
        "signin",
    },
    "kernel/work": {
        "actions_batch",
        "actions_schedules",
        "child",
        "claims",
        "cli_schedule",
        "context",
        "doing",  # one job by its handler, or several together
        "errors",
        "fence",
        "handlers",
        "host",
        "outbox",
        "outcomes",
        "port",
        "scale",
        "scheduler",
        "slots",
        "sql",
        "tallies",  # how many jobs stand where
        "upkeep",
        "wake",
        "worker",
    },
    "domains/automation": {
        "api_audit",
        "api_authorizations",
        "api_policies",
        "api_safety",
        "api_shapes",
        "audit",  # the log of this room
        "checks",  # the dry run
        "actions_authorizations",
        "actions_breakers",
        "actions_fetches",
        "actions_force",  # authorizations in force, and out of it
        "actions_policies",
        "agent",  # who we say we are
        "authorizations",
        "breakers",
        "browser",
        "catalogue",
        "cli_authorize",
        "cli_breakers",
        "cli_fetch",
        "cli_policies",
        "desk",  # the store, for code in an event loop
        "egress",  # the only way out
        "fetching",
        "meters",
        "pages",
        "policyfile",
        "proving",
        "robotcopies",
        "snapshots",
        "tolls",  # what a hop passes before it is made
        "actions_batches",
        "actions_jobs",
        "api_compat",  # the paths of an older interface
        "api_jobs",
        "api_jobshapes",
        "api_reliability",
        "batches",  # several jobs in one transaction
        "cli_jobs",
        "cli_reliability",
        "executor_browser",
        "executor_load",
        "executors",  # what does a job, by its kind
        "intents",  # requests that change something, written down before they leave
        "jobqueries",
        "jobspec",  # a job as it was frozen
        "loop",
        "performing",  # one attempt at a job
        "reach",  # a run's way out, whole
        "reliability",  # how hosts have served
        "rounds",
        "runtolls",
        "sessions",
        "standings",
        "submitting",
        "turns",
    },
    "domains/telemetry": {
        "cli_sketch",
        "actions_sketch",
        "actions_window",
        "cli_window",
        "actions_asserts",
        "actions_baselines",
        "actions_config",
        "actions_data",
        "actions_live",
        "actions_runs",
        "actions_uploads",
        "actions_warn",
        "analysing",  # a run against its baseline
        "asserting",  # what actions share about asserts
        "capturing",
        "catalogue",
        "cli_asserts",
        "cli_baselines",
        "cli_config",
        "cli_data",
        "cli_live",
        "cli_runs",
        "cli_support",
        "configuring",
        "data",  # the recorded pairs
        "lists",
        "outlooks",  # early warning over runs
        "progress",
        "report",  # the page of a comparison
        "schemas",
        "uploads",
        "measured",
        "trust",
    },
}
LIBRARIES = {"kernel/stats"}  # pure mathematics, not a room with storage
KERNEL = {"documents", "doors", "errors", "files", "logs", "rows", "tenancy", "words", "__init__"}


def rooms():
    return sorted(
        path.relative_to(SOURCE).as_posix()
        for floor in ("kernel", "domains")
        for path in (SOURCE / floor).iterdir()
        if path.is_dir() and path.name != "__pycache__"
    )


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


def test_every_room_is_known_to_this_test():
    assert set(rooms()) == set(OWN) | LIBRARIES


@pytest.mark.parametrize("room", OWN)
def test_a_room_holds_the_modules_of_the_plan_and_its_own_alone(room):
    found = {path.stem for path in (SOURCE / room).iterdir() if path.suffix == ".py" or path.is_dir()} - {"__pycache__"}
    assert found - PLAN - DJANGO - OWN[room] == set()
    assert OWN[room] - found == set()


def test_the_kernels_ground_holds_what_every_room_shares_and_nothing_else():
    assert {path.stem for path in (SOURCE / "kernel").glob("*.py")} == KERNEL


def test_every_package_says_what_it_is_for():
    packages = [path for path in SOURCE.rglob("__init__.py") if path.parent.name != "migrations"]
    assert len(packages) > 15
    assert [str(path) for path in packages if not ast.get_docstring(ast.parse(path.read_text()))] == []


def registered():
    """Return what policy and people are told of every action, read by a process of its own."""
    code = """
import json
from trueup.config.wiring import WholeProduct
WholeProduct().actions()
from trueup.kernel.actions.base import Action, Input
from trueup.kernel.actions.registry import registered
print(json.dumps([{
    "name": a.name, "summary": a.summary, "tags": sorted(a.tags), "risk": str(a.risk), "kind": a.kind,
    "doc": bool(a.__doc__), "input": issubclass(a.input, Input) and a.input.model_config.get("extra"),
    "applies": a.apply is not Action.apply, "fields": sorted(a.input.model_fields),
    "prepares": a.prepare is not Action.prepare, "row": a.prepares,
} for a in registered()]))
"""
    return json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


@pytest.fixture(scope="module")
def actions():
    return registered()


TAGS = {"administer", "operate", "analyse", "audit", "approve", "destroy", "view"}


def test_every_action_says_who_may_call_it_what_it_does_and_how_much_it_risks(actions):
    assert len(actions) >= 14
    for action in actions:
        name = action["name"].split(".")
        assert len(name) in (2, 3), action
        assert all(part.islower() for part in name), action
        assert action["summary"], action
        assert action["summary"][0].islower(), action
        assert not action["summary"].endswith("."), action
        assert action["tags"], action
        assert set(action["tags"]) <= TAGS, action
        assert action["risk"] in ("R1", "R2", "R3"), action
        assert (action["kind"], action["doc"], action["applies"]) == ("write", True, True), action


def test_every_action_refuses_a_field_that_it_does_not_know(actions):
    assert {action["input"] for action in actions} == {"forbid"}


def test_what_cannot_be_undone_waits_for_approval(actions):
    load = "automation.authorization.activate_load"  # load and scripts on systems that others may rely on
    many_targets = "telemetry.baseline.promote"  # every run from then on is held against it
    assert [action["name"] for action in actions if action["risk"] == "R3"] == [load, "evidence.artifact.erase", many_targets]
    assert [action["name"] for action in actions if "destroy" in action["tags"]] == ["evidence.artifact.erase"]


def test_an_action_that_works_before_its_transaction_begins_an_attempt_first(actions):
    fast = {"secrets.secret.put"}  # seals a few bytes in memory
    assert [a["name"] for a in actions if a["prepares"] and not a["row"] and a["name"] not in fast] == []


def assigned(node):
    """Return the names that a class assigns in its body: an action has a name and a summary, whatever it inherits."""
    return [ast.unparse(statement.targets[0]) for statement in node.body if isinstance(statement, ast.Assign)]


def test_every_action_class_of_the_source_is_registered(actions):
    classes = {
        statement.value.value
        for path in SOURCE.rglob("actions*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and {"name", "summary"} <= set(assigned(node))
        for statement in node.body
        if isinstance(statement, ast.Assign)
        and ast.unparse(statement.targets[0]) == "name"
        and isinstance(statement.value, ast.Constant)
    }
    assert classes == {action["name"] for action in actions}


def loaded(code):
    """Return the names of all modules that a piece of code loads in a fresh process."""
    script = f"import sys\n{code}\nsys.stderr.write(chr(10).join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stderr.splitlines()} | set(done.stderr.splitlines())


HEAVY = {"click", "django", "pydantic", "cryptography", "numpy", "duckdb", "cedarpy", "yaml", "psutil", "jsonschema"}


def test_version_loads_nothing_but_the_version():
    names = loaded("sys.argv = ['trueup', '--version']\nfrom trueup.__main__ import main\nmain()")
    assert names & HEAVY == set()
    assert {name for name in names if name.startswith("trueup.")} == {"trueup.__main__"}


def test_the_check_for_loaded_modules_would_see_one():
    assert "click" in loaded("import trueup.faces.cli.main")


@pytest.mark.parametrize(
    ("module", "kept_out"),
    [
        ("trueup.kernel.evidence.merkle", HEAVY),
        ("trueup.kernel.evidence.engine.verifier", HEAVY - {"cryptography"}),
        ("trueup.kernel.evidence.engine.container", HEAVY),
        ("trueup.kernel.words", HEAVY),
        ("trueup.kernel.errors", HEAVY),
        ("trueup.kernel.gates", HEAVY),
        ("trueup.kernel.gates.engine.evaluate", {"django", "duckdb", "cryptography", "numpy"}),
        ("trueup.kernel.policy.engine.decide", {"django", "duckdb", "numpy"}),
        ("trueup.kernel.stats", {"django", "duckdb", "scipy"}),
        ("trueup.domains.telemetry.engine.compare", {"django", "duckdb", "psutil", "scipy"}),
        ("trueup.faces.cli.main", HEAVY - {"click"}),
    ],
)
def test_a_module_loads_only_what_it_needs(module, kept_out):
    assert loaded(f"import {module}") & kept_out == set()


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


def test_knowing_every_action_loads_no_mathematics():
    script = "from trueup.config.store import configure; from trueup.config.wiring import wire; configure(None); wire()"
    script += "; import sys; print(sorted({'numpy', 'duckdb', 'pint', 'reportlab', 'aiohttp', 'ada_url', 'playwright', 'nats'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


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
