"""``hb``: ``trueup telemetry`` under the name, with the global options and variables that test stands know.

An option counts the same before the subcommand and after it. What cannot be honoured is refused, an option with exit code 2 and a
variable with 3: a stand that believes it chose a registry must not be judged by another.
"""

import os
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from trueup.faces.cli.main import main as run
from trueup.faces.cli.main import split_globals
from trueup.kernel.errors import ConfigurationError

OPTIONS = """Options of hb, before or after the command:
  --db DIR                folder of store, keys and artifacts: --home (HB_HOME, HB_DB_PATH)
  --reports DIR           folder of the report: --out of analyze, assert, compare and run (HB_REPORTS_DIR)
  --metric-registry FILE  --registry of assert, compare and normalize (HB_METRIC_REGISTRY)
  --baseline-policy FILE  refused: it is set for everybody, with 'hb baseline policy set FILE' (HB_BASELINE_POLICY)
  --top N                 --top of runs rollup
  --exit-codes legacy     0 PASS, 1 PASS_WITH_DRIFT, 2 FAIL, 3 none of these; errors keep their codes 1 to 7
HB_PROGRAM is the --program of commands that have one. Any other HB_ variable is refused."""

VALUED = ("--metric-registry", "--baseline-policy", "--db", "--reports", "--top", "--exit-codes")
"""Its own options; each takes a value."""
_REPORTING = frozenset({"analyze", "assert", "compare", "run"})
_LEGACY = {10: 1, 20: 2, 30: 3}
_JUDGING = frozenset({"analyze", "ingest", "run"})
_GOVERNED = {
    "--metric-registry": "the tenant's registry decides: set it with 'hb registry set FILE'",
    "--baseline-policy": "the tenant's policy decides: set it with 'hb baseline policy set FILE'",
}
_HONOURED = {"HB_HOME", "HB_DB_PATH", "HB_REPORTS_DIR", "HB_METRIC_REGISTRY", "HB_BASELINE_POLICY", "HB_PROGRAM"}
_ALWAYS = {"HB_DETERMINISTIC", "HB_GATE_FAIL_EXIT", "HB_REJECT_PLAINTEXT_SECRETS"}
"""What is so here without being asked for; asking for the opposite is refused."""
_INSTEAD = {
    "HB_RBAC": "roles are always checked: see 'trueup user'",
    "HB_ROLE": "roles come from the store, not from the caller's surroundings: see 'trueup user'",
    "HB_OPERATOR_ID": "who acts is who signed in, or the user of the operating system",
    "HB_EARLY_EXIT": "every metric is judged, so that no failure hides another",
    "HB_FEEDBACK_TOKEN": "use an API key: see 'trueup apikey'",
}


@dataclass(frozen=True, slots=True)
class _Line:
    """A command line taken apart: hb's own options, the global ones, the command's names and the rest."""

    own: Mapping[str, str]
    common: Mapping[str, str]
    rest: tuple[str, ...]

    @property
    def verb(self) -> str:
        return self.rest[0] if self.rest and not self.rest[0].startswith("-") else ""

    @property
    def command(self) -> click.Command | None:
        """The command that is called; None where there is none of that name."""
        from trueup.domains.telemetry.cli import telemetry

        found: click.Command | None = telemetry
        for name in self.rest:
            if not isinstance(found, click.Group) or name.startswith("-"):
                break
            found = found.commands.get(name)
        return None if isinstance(found, click.Group) else found

    def takes(self, option: str) -> bool:
        """Return whether the command has an option."""
        return self.command is not None and any(option in parameter.opts for parameter in self.command.params)

    def has(self, option: str) -> bool:
        """Return whether the option is given already."""
        return any(item == option or item.startswith(f"{option}=") for item in self.rest)


def main() -> int:
    """Run ``hb`` and return its exit code."""
    legacy: list[str] = []

    def prepare(args: list[str]) -> list[str]:
        line = _taken_apart(args)
        legacy.extend(line.own.get("--exit-codes", "").split())
        return ["telemetry", *translated(line, os.environ)]

    code = run(sys.argv[1:], prepare=prepare)
    if sys.argv[1:] in ([], ["-h"], ["--help"]):
        click.echo(f"\n{OPTIONS}")
    return _LEGACY.get(code, code) if legacy == ["legacy"] else code


def _taken_apart(args: Sequence[str]) -> _Line:
    own: dict[str, str] = {}
    others: list[str] = []
    items = iter(args)
    for item in items:
        name, equals, value = item.partition("=")
        if item == "--":
            others += [item, *items]
        elif name in VALUED:
            chosen = value if equals else next(items, "")
            if not chosen or (not equals and chosen.startswith("--")):
                raise click.UsageError(f"{name} needs a value")
            if own.setdefault(name, chosen) != chosen:
                raise click.UsageError(f"{name} is given twice: {own[name]} and {chosen}")
            own[name] = chosen
        else:
            others.append(item)
    if own.get("--exit-codes", "legacy") != "legacy":
        raise click.UsageError(f"--exit-codes {own['--exit-codes']}: there is only 'legacy'; leave it out for Trueup's own")
    common, rest = split_globals(others)
    return _Line(own, common, tuple(rest))


def translated(line: _Line, environ: MutableMapping[str, str]) -> list[str]:
    """Return the arguments of ``trueup telemetry``; the variables that were honoured leave the environment.

    Raises:
        click.UsageError: an option cannot be honoured.
        ConfigurationError: a variable cannot be honoured.
    """
    _check_variables(environ)
    added = [*_own_options(line), *_variables(line, environ)]
    before = [part for name, value in line.common.items() for part in ((name, value) if value != "yes" else (name,))]
    rest = list(line.rest)
    cut = rest.index("--") if "--" in rest else len(rest)
    return [*before, *rest[:cut], *added, *rest[cut:]]


def _own_options(line: _Line) -> list[str]:
    added: list[str] = []
    for option, value in line.own.items():
        match option:
            case "--exit-codes":
                continue
            case "--db":
                _given_once(line, option, "--home", value, line.common.get("--home"))
                added += ["--home", _folder(value, option)]
            case "--reports" if line.verb in _REPORTING:
                _given_once(line, option, "--out", value, None)
                added += ["--out", value]
            case "--metric-registry" if line.takes("--registry"):
                _given_once(line, option, "--registry", value, None)
                added += ["--registry", value]
            case "--top" if line.takes("--top"):
                added += ["--top", value]
            case _:
                raise click.UsageError(_refusal(line, option))
    return added


def _refusal(line: _Line, option: str) -> str:
    called = f"'hb {line.verb}'" if line.verb else "hb"
    return f"{option} cannot be honoured by {called}" + (
        f": {_GOVERNED[option]}" if option in _GOVERNED else ": it has no use for it"
    )


def _given_once(line: _Line, option: str, ours: str, value: str, common: str | None) -> None:
    if line.has(ours) or (common is not None and common != value):
        raise click.UsageError(f"{option} and {ours} are one option: give one of them")


def _folder(value: str, name: str) -> str:
    if Path(value).is_file():
        text = f"{name} {value} is a file: store, keys and artifacts lie in a folder"
        if name.startswith("--"):
            raise click.UsageError(text)
        raise ConfigurationError(text, remedy="name a folder, or unset it")
    return value


def _check_variables(environ: Mapping[str, str]) -> None:
    for name in sorted(environ):
        if not name.startswith("HB_") or name in _HONOURED or (name in _ALWAYS and environ[name] in ("1", "true", "yes")):
            continue
        if name in _ALWAYS:
            raise ConfigurationError(f"{name}={environ[name]} cannot be honoured: it is always on", remedy=f"unset {name}")
        why = _INSTEAD.get(name, "it is none of hb's")
        raise ConfigurationError(f"{name} cannot be honoured: {why}", remedy=f"unset {name}; see 'hb --help'")


def _variables(line: _Line, environ: MutableMapping[str, str]) -> list[str]:
    added: list[str] = []
    home = environ.get("HB_HOME") or environ.get("HB_DB_PATH")
    if home and "--home" not in line.common and "--db" not in line.own and not environ.get("TRUEUP_HOME"):
        added += ["--home", _folder(home, "HB_HOME" if environ.get("HB_HOME") else "HB_DB_PATH")]
    wishes = (
        ("HB_REPORTS_DIR", "--reports", "--out", line.verb in _REPORTING),
        ("HB_METRIC_REGISTRY", "--metric-registry", "--registry", line.takes("--registry")),
        ("HB_PROGRAM", "--program", "--program", line.takes("--program")),
    )
    for name, option, ours, fits in wishes:
        if environ.get(name) and fits and not line.has(ours) and option not in line.own:
            added += [ours, environ[name]]
    for name, option in (("HB_METRIC_REGISTRY", "--metric-registry"), ("HB_BASELINE_POLICY", "--baseline-policy")):
        if environ.get(name) and line.verb in _JUDGING:
            raise ConfigurationError(
                f"{name} cannot be honoured by 'hb {line.verb}': {_GOVERNED[option]}", remedy=f"unset {name}"
            )
    return added
