"""Policies and their tests, read from folders and files: what ``trueup policy`` and the start of the product call."""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueup.kernel.errors import ConfigurationError, UnreadableInput
from trueup.kernel.policy.engine.model import ROLES, ActionSpec, Policy
from trueup.kernel.policy.engine.source import Problem
from trueup.kernel.policy.engine.store import PolicyStore, build

if TYPE_CHECKING:
    from trueup.kernel.policy.engine.cases import TestReport

KERNEL_POLICIES = Path(__file__).parent / "policies"
"""The folder of the policies that come with the product."""

ROLE_TESTS = KERNEL_POLICIES / "role_tests.yaml"
"""The tests of those policies."""

SCHEMA_FILE = "schema.cedarschema"


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What is found in folders of policies; usable only without problems.

    Args:
        digest: of the files, as ``PolicyStore.digest``; empty where there are problems.
        files: names as they stand in the digest.
    """

    problems: tuple[Problem, ...]
    digest: str = ""
    files: tuple[str, ...] = ()
    policies: tuple[Policy, ...] = ()
    roles: tuple[str, ...] = ()
    actions: int = 0

    @property
    def ok(self) -> bool:
        """Whether the product can start on these policies."""
        return not self.problems


def load_policies(dirs: Sequence[Path], *, actions: Collection[ActionSpec], roles: Collection[str] = ROLES) -> PolicyStore:
    """Read, validate and parse the policies of folders, once for the life of the process.

    Args:
        dirs: folders with ``*.cedar`` files; at least one of them brings ``schema.cedarschema``.
        actions: all registered actions.
        roles: all declared roles.

    Raises:
        ConfigurationError: anything is missing or unsound; names file, line and remedy, and holds every problem in
            ``details``. Without policies nothing starts.
    """
    store, problems = _build(dirs, actions, roles)
    if store is None:
        first, more = problems[0], len(problems) - 1
        raise ConfigurationError(
            f"{first}{f' (and {more} more)' if more else ''}",
            remedy=first.remedy,
            details={"problems": [str(problem) for problem in problems]},
        )
    return store


def check(dirs: Sequence[Path], actions: Collection[ActionSpec], *, roles: Collection[str] = ROLES) -> CheckReport:
    """Report every problem of folders of policies, or what they hold.

    Raises:
        ConfigurationError: an action's registration is unsound, which no folder can mend.
    """
    store, problems = _build(dirs, actions, roles)
    if store is None:
        return CheckReport(tuple(problems))
    return CheckReport((), store.digest, store.files, tuple(store.policies.values()), store.roles, len(store.actions))


def run_tests(store: PolicyStore, test_file: Path) -> "TestReport":
    """Run the cases of a YAML file (form: ``cases.schema.json``) against policies.

    Raises:
        UnreadableInput: the file is missing or malformed; names file, line and field.
    """
    from trueup.kernel.documents import parse_yaml
    from trueup.kernel.policy.engine.cases import read_cases, run_cases  # YAML: the start of the product needs none

    try:
        text = test_file.read_text(encoding="utf-8")
    except OSError as error:
        raise UnreadableInput(f"{test_file}: {error.strerror}", remedy="name a file of policy tests") from None
    except UnicodeDecodeError:
        raise UnreadableInput(f"{test_file}: is not UTF-8 text", remedy="save the file as UTF-8") from None
    cases = read_cases(parse_yaml(text, str(test_file)), _cases_schema())
    return run_cases(store, str(test_file), cases)


@cache
def _cases_schema() -> dict[str, Any]:
    return dict(json.loads((Path(__file__).parent / "cases.schema.json").read_text(encoding="utf-8")))


def _build(
    dirs: Sequence[Path], actions: Collection[ActionSpec], roles: Collection[str]
) -> tuple[PolicyStore | None, list[Problem]]:
    schemas: dict[str, bytes] = {}
    sources: dict[str, bytes] = {}
    problems: list[Problem] = []
    for folder in dirs:
        if not folder.is_dir():
            problems.append(Problem(str(folder), 0, "there is no such folder of policies", "restore it or correct the setting"))
            continue
        found = sorted(folder.glob("*.cedar"))
        if not found:
            problems.append(Problem(str(folder), 0, "the folder holds no *.cedar file", "restore its policies"))
        schema = [path for path in (folder / SCHEMA_FILE,) if path.exists()]
        problems += _read(folder, schema, schemas)
        problems += _read(folder, found, sources)
    if problems:
        return None, problems
    return build(schemas, sources, actions=actions, roles=roles)


def _read(folder: Path, paths: Iterable[Path], into: dict[str, bytes]) -> list[Problem]:
    """Read files under names that do not depend on where the product is installed."""
    problems = []
    whole = folder.resolve()
    for path in paths:
        name = f"{whole.parent.name}/{whole.name}/{path.name}"
        if name in into:
            problems.append(Problem(name, 0, "comes twice, from two folders of one name", "rename one folder"))
            continue
        try:
            into[name] = path.read_bytes()
        except OSError as error:
            problems.append(Problem(str(path), 0, f"cannot be read: {error.strerror}", "correct the file's permissions"))
    return problems
