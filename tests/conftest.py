"""What all tests share: real homes, the installed command, and the rule that done requirements have passing tests."""

import atexit
import json
import os
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.support import postgres
from tests.support.zygote import Zygote

ROOT = Path(__file__).parent.parent
URL = "TRUEUP_DATABASE_URL"
BOTH_STORES = (
    "domains/automation/test_automation_stores",
    "domains/automation/test_fetch_batches",
    "domains/automation/test_meters",
    "domains/automation/test_turns",
    "domains/telemetry/test_baselines",
    "domains/telemetry/test_runs.py",
    "faces/api/test_evidence",
    "kernel/actions",
    "kernel/backup",
    "kernel/change",
    "kernel/evidence",
    "kernel/http",
    "kernel/identity",
    "kernel/notify",
    "kernel/secrets",
    "kernel/subjects",
    "kernel/work",
)
TRUEUP = Path(sys.executable).parent / "trueup"

settings.register_profile("trueup", deadline=None, derandomize=True)
settings.load_profile("trueup")


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True, slots=True)
class Command:
    """The installed ``trueup``, on one home."""

    home: Path
    cwd: Path
    database: str = ""

    def __call__(self, *args: object, stdin: str = "", env: dict[str, str] | None = None) -> Done:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("TRUEUP_")}
        there = clean | {"TRUEUP_HOME": str(self.home)} | ({URL: self.database} if self.database else {}) | (env or {})
        return Done(*zygote().run([*map(str, args)], stdin=stdin, cwd=self.cwd, env=there, timeout=300))


@cache
def zygote() -> Zygote:
    """The process that this test process's commands are forked from."""
    made = Zygote()
    atexit.register(made.close)
    return made


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of rooms with storage on both stores; one marked ``sqlite`` or ``postgresql`` says why it needs that one."""
    if "backend" in metafunc.fixturenames:
        marks = [name for name in ("sqlite", "postgresql") if metafunc.definition.get_closest_marker(name)]
        place = metafunc.definition.path.relative_to(ROOT / "tests").as_posix()
        # what commands print does not depend on the store; docs/how-to/postgresql.md, executed, drives them on the other one
        both = place.startswith(BOTH_STORES) and "command" not in metafunc.definition.path.stem
        metafunc.parametrize(
            "backend", marks or (["sqlite", "postgresql"] if both else ["sqlite"]), indirect=True, scope="function"
        )


@pytest.fixture(scope="session")
def template_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home as the first command leaves it."""
    folder = tmp_path_factory.mktemp("template")
    home = folder / "home"
    done = Command(home, folder)("tenant", "list")
    assert done.code == 0, done.err
    return home


@pytest.fixture(scope="session")
def cluster() -> Iterator[Path]:
    """The private PostgreSQL cluster of this test process."""
    with postgres.cluster() as folder:
        yield folder


@pytest.fixture(scope="session")
def template_database(cluster: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A home and its database as the first command leaves them."""
    folder = tmp_path_factory.mktemp("template-postgresql")
    postgres.execute(cluster, "postgres", f"CREATE DATABASE template OWNER {postgres.ROLE}")
    done = Command(folder / "home", folder, postgres.url(cluster, "template"))("tenant", "list")
    assert done.code == 0, done.err
    return folder / "home", "template"


@pytest.fixture
def backend(request: pytest.FixtureRequest) -> str:
    """Which store the test works on: ``sqlite`` or ``postgresql``."""
    return str(request.param)


_databases = count()


@pytest.fixture
def database(backend: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of this test's own database; empty for SQLite."""
    monkeypatch.delenv(URL, raising=False)
    if backend == "sqlite":
        yield ""
        return
    cluster = request.getfixturevalue("cluster")
    _, template = request.getfixturevalue("template_database")
    name = f"test_{next(_databases)}"
    postgres.execute(cluster, "postgres", f"CREATE DATABASE {name} TEMPLATE {template} OWNER {postgres.ROLE}")
    address = postgres.url(cluster, name)
    monkeypatch.setenv(URL, address)
    yield address
    postgres.execute(cluster, "postgres", f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def home(backend: str, database: str, request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An initialised home of this test's own (the installation id is the template's)."""
    made = request.getfixturevalue("template_home") if backend == "sqlite" else request.getfixturevalue("template_database")[0]
    return Path(shutil.copytree(made, tmp_path / "home"))


@pytest.fixture
def trueup(home: Path, database: str, tmp_path: Path) -> Command:
    """The installed command on this test's home."""
    return Command(home, tmp_path, database)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Command:
    """The installed command on a home that does not exist yet."""
    return Command(tmp_path / "another-home", tmp_path)


@pytest.fixture
def session(home: Path) -> Iterator[Any]:
    """An open home in this process."""
    from trueup.config.home import Home
    from trueup.config.session import HomeSession
    from trueup.config.store import configure, database

    configure(database(Home(home)))
    from tests.support.actions import ACTIONS, PREDICATES
    from trueup.kernel import tenancy
    from trueup.kernel.actions.registry import register
    from trueup.kernel.evidence import predicates

    register(ACTIONS)
    predicates.register(PREDICATES)
    opened = HomeSession(Home(home))
    tenancy.reach_every()  # tests look at several tenants; the wall itself is tried in test_wall.py and by every command
    yield opened
    opened.close()


@pytest.fixture
def doors(session: Any) -> Iterator[Any]:
    """The product's own layers over this test's home."""
    from tests.support.doors import Doors
    from trueup.kernel import tenancy

    reach = tenancy.current()
    yield Doors(session)
    tenancy._set(reach)


@pytest.fixture
def run(session: Any) -> Callable[..., Any]:
    """Run an action as the home's owner and return its value."""
    from trueup.kernel.actions.runner import run as run_action

    def call(action: Any, **input: Any) -> Any:
        value = run_action(action, session.context(), input).value
        session.sequence()
        return value

    return call


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for mark in item.iter_markers("requirement"):
            item.user_properties.extend(("requirement", name) for name in mark.args)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """When the whole suite ran: no requirement is done without a passing test, and no test was skipped."""
    config = session.config
    whole = not config.getoption("keyword") and not config.getoption("markexpr") and config.args == [str(ROOT / "tests")]
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or hasattr(config, "workerinput") or not whole or exitstatus != 0:
        return
    passed = {name for report in reporter.stats.get("passed", []) for key, name in report.user_properties if key == "requirement"}
    with (ROOT / "docs" / "requirements.toml").open("rb") as file:
        done = {item["id"] for item in tomllib.load(file)["requirement"] if item["state"] == "done"}
    wrong = [f"{name} is called done, but no test that proves it passed" for name in sorted(done - passed)]
    wrong += [f"{report.nodeid} was skipped" for report in reporter.stats.get("skipped", [])]
    for line in wrong:
        reporter.write_line(f"requirements: {line}", red=True)
    if wrong:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
