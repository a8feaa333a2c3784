"""What the commands of telemetry share: files by name, and results delivered into a folder."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from trueup.domains.telemetry.progress import telling
from trueup.kernel.doors import App
from trueup.kernel.errors import ConfigurationError, UnreadableInput, UsageError

FILE = click.Path(path_type=Path)


def make_folder(out: Path) -> None:
    """Make the folder of the results, before anything is computed.

    Raises:
        UsageError: it cannot be.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise UsageError(
            f"cannot make the folder {out}: {exc.strerror}", remedy="choose a place you can write with --out"
        ) from exc


def deliver(app: App, value: Mapping[str, Any], out: Path) -> dict[str, str]:
    """Write report, document and pack of a recorded comparison into a folder, each in one step."""
    from trueup.kernel.evidence import queries
    from trueup.kernel.evidence.actions import CreatePack

    make_folder(out)
    names = [name for name in ("report.html", "report.pdf", "comparison.json") if name in value["artifacts"]]
    for name in names:
        queries.copy_artifact(app.session, value["artifacts"][name], out / name)
    app.run(CreatePack, {"subject": value["subject"], "out": out / "pack.zip"})
    return {name: str(out / name) for name in (*names, "pack.zip")}


def explained(finding: Mapping[str, Any]) -> str:
    """Return a finding's sentence, which names its metric once."""
    metric, sentence = str(finding["metric"]), str(finding["explanation"])
    return sentence if sentence.startswith(metric) else f"{metric}: {sentence}"


def finding_words(value: Mapping[str, Any]) -> Iterable[str]:
    """Say what was found."""
    for finding in value["findings"]:
        yield f"  {explained(finding)}"


def judged_words(value: Mapping[str, Any]) -> str:
    """Say how many metrics were judged, and how much was found."""
    judged = sum(m["verdict"] in ("PASS", "PASS_WITH_DRIFT", "FAIL") for m in value["metrics"])
    return f"  {judged} of {len(value['metrics'])} metrics judged, {len(value['findings'])} findings"


def gap_words(value: Mapping[str, Any]) -> Iterable[str]:
    """Say what was noted, and which metrics could not be judged."""
    for note in value["notes"]:
        yield f"  note: {note}"
    for metric in value["metrics"]:
        if metric["verdict"] == "INSUFFICIENT_DATA":
            yield f"  not judged: {metric['metric']} ({metric['reason']})"


def registry_document(path: Path) -> Any:
    """Read a metric registry's document, after holding it to its form.

    Raises:
        ConfigurationError: it is none; names file, line and field.
    """
    from trueup.domains.telemetry.sources.registryfile import load_registry, read_document

    try:
        load_registry(path)
    except UnreadableInput as exc:
        raise ConfigurationError(exc.message, remedy=exc.remedy, details=exc.details) from None
    return read_document(path).value


def asserts_document(path: Path) -> Any:
    """Read the document of asserts, after holding it to its form.

    Raises:
        ConfigurationError: it is none; names file, line and field.
    """
    from trueup.domains.telemetry.sources.assertfile import load_asserts

    try:
        return load_asserts(path).value
    except UnreadableInput as exc:
        raise ConfigurationError(exc.message, remedy=exc.remedy, details=exc.details) from None


def assert_words(value: Mapping[str, Any]) -> Iterable[str]:
    """Say how many asserts hold; those that do not are findings."""
    answers = [item["result"] for item in value["asserts"]]
    if answers:
        unknown = f", {answers.count('unknown')} cannot be told" if "unknown" in answers else ""
        yield f"  asserts: {answers.count('pass')} of {len(answers)} hold, {answers.count('fail')} do not{unknown}"


def outlook_words(value: Mapping[str, Any]) -> Iterable[str]:
    """Say what threatens a bound that is not broken yet."""
    for item in value["outlook"]:
        for sign in item["signs"]:
            yield f"  early warning: {item['metric']} ({'at most' if item['above'] else 'at least'} {item['limit']:g}): {sign}"


@contextmanager
def showing_progress(app: App, *, quiet: bool) -> Iterator[None]:
    """Show how far the work inside the block is, on one line of a terminal that watches; elsewhere nothing."""
    if quiet:
        yield
        return
    with telling(lambda fraction, words: app.progress(f"{fraction:4.0%}  {words[:60]}")):
        try:
            yield
        finally:
            app.progress("")
