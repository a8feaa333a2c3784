"""Asserts, read from YAML or JSON files."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueup.domains.telemetry.sources.registryfile import form, read_document
from trueup.kernel.documents import Document, check_schema
from trueup.kernel.errors import UnreadableInput

if TYPE_CHECKING:
    from trueup.domains.telemetry.engine.asserts import Assert


def load_asserts(path: Path) -> Document:
    """Read asserts (form: ``asserts.schema.json``) as the plain data that ``read_asserts`` takes.

    Raises:
        UnreadableInput: no such file, or not asserts; it names file, line, field and a remedy.
    """
    document = read_document(path)
    read_asserts(document)
    return document


def read_asserts(document: Document) -> "tuple[Assert, ...]":
    """Read asserts from a document, wherever it came from.

    Raises:
        UnreadableInput: it is not of the form; the message names the place.
    """
    from trueup.domains.telemetry.engine.asserts import asserts_of

    check_schema(document, form("asserts"))
    value: dict[str, Any] = document.value
    seen: dict[str, int] = {}
    for place, item in enumerate(value["asserts"]):
        at = ("asserts", place)
        if seen.setdefault(item["id"], place) != place:
            remedy = "give every assert its own id"
            document.refuse((*at, "id"), f"{item['id']!r} is there twice", remedy=remedy, error=UnreadableInput)
        lasting = item.get("persistence")
        if lasting and lasting["k"] > lasting["n"]:
            words = f"k of n with k ≤ n, got {lasting['k']} of {lasting['n']}"
            document.refuse((*at, "persistence"), words, remedy="write {k: 3, n: 5}", error=UnreadableInput)
    return asserts_of(value, named=document.name)
