"""Gates and facts, read from files."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from trueup.kernel.documents import MAX_JSON_CHARS, MAX_YAML_CHARS, parse_json, parse_yaml
from trueup.kernel.errors import UnreadableInput
from trueup.kernel.evidence.engine.fact import Fact, Predicate
from trueup.kernel.gates.engine.model import Gate
from trueup.kernel.gates.engine.parse import read_facts, read_gate


def load_gate(path_or_text: Path | str, *, predicates: Mapping[str, Predicate]) -> Gate:
    """Read a gate (form: ``gate.schema.json``) from a YAML file or from text.

    Args:
        path_or_text: a ``Path`` is read; a ``str`` is the gate's text itself.
        predicates: the registered ones, by ``name@version``.

    Raises:
        UnreadableInput: no such file, not plain YAML, or not the form of a gate.
        UsageError: a predicate that nobody publishes, a value or unit that is not the predicate's, an unknown
            waived condition. Both name file, line and field, and a remedy.
    """
    name = str(path_or_text) if isinstance(path_or_text, Path) else "gate"
    text = _text(path_or_text, 4 * MAX_YAML_CHARS) if isinstance(path_or_text, Path) else path_or_text
    return read_gate(parse_yaml(text, name), text, _schema("gate"), predicates)


def load_facts(path: Path, *, predicates: Mapping[str, Predicate]) -> list[Fact]:
    """Read facts (form: ``facts.schema.json``) from a JSON file.

    What the file says of its own signers is not believed: the facts come back unsigned.

    Raises:
        UnreadableInput: no such file, not JSON, duplicate keys or ids, NaN, or not the form of facts.
        UsageError: a predicate that nobody publishes, or a value or unit that is not the predicate's.
    """
    document = parse_json(_text(path, 4 * MAX_JSON_CHARS), str(path))
    return read_facts(document, _schema("facts"), predicates)


def _text(path: Path, limit: int) -> str:
    """Return a file's text; a file that is longer than any text allowed is not read."""
    try:
        if path.stat().st_size > limit:
            raise UnreadableInput(f"{path}: longer than {limit} bytes", remedy="split the file")
        return path.read_bytes().decode()
    except OSError as error:
        raise UnreadableInput(f"{path}: {error.strerror}", remedy="name a file that can be read") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UnreadableInput(f"{path}:{line}: is not UTF-8 text", remedy="save the file as UTF-8") from None


@cache
def _schema(name: str) -> dict[str, Any]:
    return dict(json.loads((Path(__file__).parent / f"{name}.schema.json").read_text(encoding="utf-8")))
