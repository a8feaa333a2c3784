"""Reads what a test stand writes about a run (``run_meta.json``, or the same in YAML)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trueup.domains.telemetry.engine.circumstances import CONTEXT
from trueup.kernel.documents import check_schema, parse_json, parse_yaml
from trueup.kernel.errors import UnreadableInput

_TEXT = {"type": "string", "maxLength": 120}
_MOMENT = {"type": "string", "maxLength": 40, "description": "ISO 8601 with its offset"}
SCHEMA: Mapping[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Run",
    "type": "object",
    "additionalProperties": False,
    "required": ["program", "subsystem", "test_name"],
    "properties": {
        "schema_version": {"enum": ["1.0", 1]},
        "run_id": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"},
        "program": _TEXT,
        "subsystem": _TEXT,
        "test_name": _TEXT,
        **dict.fromkeys(CONTEXT, _TEXT),
        "build": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"git_sha": _TEXT, "build_id": _TEXT},
        },
        "timestamps": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"start": _MOMENT, "end": _MOMENT},
        },
        "toolchain": {"type": "object", "additionalProperties": False, "properties": {"source_system": _TEXT}},
    },
}


def read_meta(path: Path) -> dict[str, Any]:
    """Read a run's description and return it as the input of ``telemetry.run.ingest`` has it.

    Raises:
        UnreadableInput: no such file, or not of the schema; names file, line and field.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise UnreadableInput(
            f"{path}: cannot be read ({getattr(exc, 'strerror', None) or 'not UTF-8 text'})", remedy="name a JSON or YAML file"
        ) from None
    parse = parse_json if path.suffix.lower() == ".json" else parse_yaml
    document = parse(text, str(path))
    check_schema(document, SCHEMA)
    value = document.value
    times = value.get("timestamps", {})
    found = {name: value[name] for name in ("program", "subsystem", "test_name")}
    found["context"] = {name: value[name] for name in CONTEXT if value.get(name)}
    found["build"] = {**value.get("build", {}), **value.get("toolchain", {})}
    found |= {name: times[key] for name, key in (("started_at", "start"), ("ended_at", "end")) if key in times}
    return found | ({"name": value["run_id"]} if "run_id" in value else {})
