"""Metric registries and telemetry schemas, read from YAML or JSON files."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueup.kernel.documents import MAX_JSON_CHARS, MAX_YAML_CHARS, Document, parse_json, parse_yaml
from trueup.kernel.errors import UnreadableInput

if TYPE_CHECKING:
    from trueup.domains.telemetry.engine.normalise_schema import Schema
    from trueup.domains.telemetry.engine.registry import Registry


def load_registry(path: Path) -> "Registry":
    """Read a metric registry (form: ``metric-registry.schema.json``).

    Raises:
        UnreadableInput: no such file, or not a registry; it names file, line, field and a remedy.
    """
    from trueup.domains.telemetry.engine.registryread import read_registry

    return read_registry(read_document(path), form("metric-registry"))


def load_schema(path: Path) -> "Schema":
    """Read a telemetry schema (form: ``telemetry-schema.schema.json``).

    Raises:
        UnreadableInput: no such file, or not a schema; it names file, line, field and a remedy.
    """
    from trueup.domains.telemetry.engine.normalise_schema import read_schema

    return read_schema(read_document(path), form("telemetry-schema"))


@cache
def form(name: str) -> Mapping[str, Any]:
    """Return one of the room's JSON Schemas."""
    return dict(json.loads((Path(__file__).parent.parent / "schemas" / f"{name}.schema.json").read_text(encoding="utf-8")))


def read_document(path: Path) -> Document:
    """Parse a YAML or JSON file.

    Raises:
        UnreadableInput: no such file, or it cannot be parsed.
    """
    is_json = path.suffix.lower() == ".json"
    limit = 4 * (MAX_JSON_CHARS if is_json else MAX_YAML_CHARS)
    try:
        if path.stat().st_size > limit:
            raise UnreadableInput(f"{path}: longer than {limit} bytes", remedy="split the file")
        text = path.read_bytes().decode()
    except OSError as error:
        raise UnreadableInput(f"{path}: {error.strerror}", remedy="name a file that can be read") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UnreadableInput(f"{path}:{line}: is not UTF-8 text", remedy="save the file as UTF-8") from None
    return parse_json(text, str(path)) if is_json else parse_yaml(text, str(path))
