"""``trueup gate``: decide by facts."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from trueup.kernel.doors import App, finish, pass_app
from trueup.kernel.errors import UsageError
from trueup.kernel.words import Verdict

FILE = click.Path(path_type=Path, dir_okay=False)
VERDICTS = {"pass": Verdict.PASS, "fail": Verdict.FAIL, "unknown": Verdict.UNKNOWN}


@click.group()
def gate() -> None:
    """Decide by facts: pass, fail or unknown, with the reasons."""


@gate.command("evaluate")
@click.argument("gate_file", metavar="GATE", type=FILE)
@click.option(
    "--facts", "facts_file", type=FILE, help="Decide on these facts instead of the stored ones; needs no home, records nothing."
)
@click.option("--subject", default="", help="What $subject in the gate stands for.")
@click.option("--now", "at", help="Decide as of this moment (ISO 8601 with a zone); default the present.")
@pass_app
def evaluate_gate(app: App, gate_file: Path, facts_file: Path | None, subject: str, at: str | None) -> None:
    """Evaluate a gate. Exit codes: 0 pass, 20 fail, 30 unknown. A decision on stored facts is recorded."""
    moment = _moment(at)
    document = _given(app, gate_file, facts_file, subject, moment) if facts_file else _stored(app, gate_file, subject, moment)
    verdict = VERDICTS[document["outcome"]]
    from trueup.kernel.gates import explain_lines

    app.emit(
        {"verdict": verdict, "findings": unmet(document["tree"]), **document},
        [f"{document['outcome']}", *explain_lines(document)],
    )
    finish(verdict)


def unmet(tree: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the conditions that do not pass, in the order of the gate."""
    if tree["kind"] == "condition":
        return [] if tree["outcome"] == "pass" else [{name: tree[name] for name in ("id", "outcome", "words")}]
    return [found for child in tree["children"] for found in unmet(child)]


def _given(app: App, gate_file: Path, facts_file: Path, subject: str, moment: datetime | None) -> dict[str, Any]:
    from datetime import UTC

    from trueup.kernel.gates import evaluate, load_facts, load_gate

    predicates = app.product.predicates()
    decided: dict[str, Any] = evaluate(
        load_gate(gate_file, predicates=predicates),
        load_facts(facts_file, predicates=predicates),
        moment or datetime.now(UTC),
        subject=subject,
    ).as_dict()
    return decided


def _stored(app: App, gate_file: Path, subject: str, moment: datetime | None) -> dict[str, Any]:
    session = app.session
    from trueup.kernel.gates.actions import DecideGate

    session.sequence()
    return dict(app.run(DecideGate, {"gate": gate_file, "subject": subject, "now": moment}))


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--now {text!r} is not a time", remedy="write it as 2026-01-31T12:00:00Z") from None
    if moment.tzinfo is None:
        raise UsageError(f"--now {text!r} has no time zone", remedy="write it as 2026-01-31T12:00:00Z")
    return moment
