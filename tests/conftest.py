"""What all tests share: real homes, the installed command, and the rule that done requirements have passing tests."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

ROOT = Path(__file__).parent.parent
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

    def __call__(self, *args: object, stdin: str = "", env: dict[str, str] | None = None) -> Done:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("TRUEUP_")}
        done = subprocess.run(
            [str(TRUEUP), *map(str, args)],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=self.cwd,
            env=clean | {"TRUEUP_HOME": str(self.home)} | (env or {}),
            timeout=300,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def template_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home as the first command leaves it."""
    folder = tmp_path_factory.mktemp("template")
    home = folder / "home"
    done = Command(home, folder)("init")
    assert done.code == 0, done.err
    return home


@pytest.fixture
def home(template_home: Path, tmp_path: Path) -> Path:
    """An initialised home of this test's own (the installation id is the template's)."""
    return Path(shutil.copytree(template_home, tmp_path / "home"))


@pytest.fixture
def trueup(home: Path, tmp_path: Path) -> Command:
    """The installed command on this test's home."""
    return Command(home, tmp_path)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Command:
    """The installed command on a home that does not exist yet."""
    return Command(tmp_path / "another-home", tmp_path)


@pytest.fixture
def session(home: Path) -> Iterator[Any]:
    """An open home in this process."""
    from trueup.config.home import Home
    from trueup.config.session import HomeSession
    from trueup.config.store import configure

    configure(home / "trueup.sqlite3")
    from tests.support.actions import ACTIONS, PREDICATES
    from trueup.kernel.actions.registry import register
    from trueup.kernel.evidence import predicates

    register(ACTIONS)
    predicates.register(PREDICATES)
    opened = HomeSession(Home(home))
    yield opened
    opened.close()


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
