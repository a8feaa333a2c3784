"""Host policies as one YAML or JSON file: to try out, to set, and to keep under version control."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from trueup.domains.automation import snapshots
from trueup.domains.automation.actions_policies import PutPolicyInput
from trueup.domains.automation.engine.hostpolicy import HostPolicy
from trueup.domains.automation.engine.hostpolicy import Listing as Kind
from trueup.domains.automation.engine.tiers import Strategy
from trueup.kernel.documents import Document, check_schema, parse_json, parse_yaml
from trueup.kernel.errors import UnreadableInput

MAX_BYTES = 4 << 20
SCHEMA: Mapping[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Host policies",
    "type": "object",
    "additionalProperties": False,
    "required": ["version", "hosts"],
    "properties": {
        "version": {"const": 1},
        "listing": {"enum": [str(kind) for kind in Kind], "description": "what holds for hosts that are not named"},
        "hosts": {
            "type": "array",
            "maxItems": 100_000,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["host"],
                "properties": {
                    "host": {"type": "string", "description": "a host, *.host for every name below it, or *"},
                    "allowed": {"type": "boolean"},
                    "denied": {"type": "boolean"},
                    "ports": {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 65_535}},
                    "paths": {"type": "array", "items": {"type": "string", "pattern": "^/"}},
                    "strategies": {"type": "array", "items": {"enum": [*map(str, Strategy), "ultimate_stealth"]}},
                    "per_minute": {"type": "integer", "minimum": 0},
                    "per_hour": {"type": "integer", "minimum": 0},
                    "concurrent": {"type": "integer", "minimum": 0},
                    "scripts": {"type": "array", "items": {"type": "string", "pattern": "^[0-9a-f]{64}$"}},
                    "notes": {"type": "string"},
                },
            },
        },
    },
}


def load(path: Path) -> tuple[Kind, list[PutPolicyInput]]:
    """Read host policies from a file.

    Raises:
        UnreadableInput: it cannot be read, or says what makes no sense; it names line and field.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UnreadableInput(f"{path}: longer than {MAX_BYTES} bytes", remedy="split the file")
        text = path.read_bytes().decode()
    except OSError as exc:
        raise UnreadableInput(f"{path}: {exc.strerror}", remedy="name a file that can be read") from None
    except UnicodeDecodeError:
        raise UnreadableInput(f"{path}: is not UTF-8 text", remedy="save the file as UTF-8") from None
    document = parse_json(text, str(path)) if path.suffix.lower() == ".json" else parse_yaml(text, str(path))
    check_schema(document, SCHEMA)
    hosts = [_host(document, place, written) for place, written in enumerate(document.value["hosts"])]
    seen: dict[str, int] = {}
    for place, host in enumerate(hosts):
        if host.host in seen:
            document.refuse(("hosts", place, "host"), f"{host.host} is named before", error=UnreadableInput)
        seen[host.host] = place
    return Kind(document.value.get("listing", snapshots.DEFAULT)), hosts


def _host(document: Document, place: int, written: Mapping[str, Any]) -> PutPolicyInput:
    try:
        return PutPolicyInput.model_validate({**written})
    except ValidationError as exc:
        error = exc.errors()[0]
        return document.refuse(("hosts", place, *error["loc"]), error["msg"].removeprefix("Value error, "), error=UnreadableInput)


def compiled_policies(hosts: list[PutPolicyInput]) -> list[HostPolicy]:
    """Return policies as decisions take them, each as version 0 of itself."""
    return [snapshots.policy_of(host.host, 0, host.body()) for host in hosts]
