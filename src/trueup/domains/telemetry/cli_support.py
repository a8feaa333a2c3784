"""What the commands of telemetry share: files by name, and results delivered into a folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

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
