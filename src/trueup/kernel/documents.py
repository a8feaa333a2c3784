"""Strict YAML and JSON documents that know the line of every field.

What people write by hand decides here who may do what and which gate opens, so nothing is guessed: no duplicate
keys, no anchors, no tags, no words that silently become booleans or dates, no documents without bounds.

References:
    YAML 1.2.2, section 10.3 (core schema), restricted as said in :func:`parse_yaml`; RFC 8259 (JSON), section 4
    (names should be unique; here they must be); JSON Schema draft 2020-12.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

import yaml

from trueup.kernel.errors import UnreadableInput, UsageError

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

Path = tuple[str | int, ...]

MAX_YAML_CHARS = 262_144
MAX_YAML_DEPTH = 32
MAX_YAML_NODES = 20_000
MAX_JSON_CHARS = 64 * 1024 * 1024
_MAX_INTEGER = 2**63


class _Plain(yaml.SafeLoader):
    """The safe loader with JSON's scalars only: ``no`` is a word, ``1:30`` and ``2026-01-01`` are text."""


_Plain.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|false", "tf"),
    ("null", r"null|~|", "n~"),
    ("int", r"-?(0|[1-9][0-9]*)", "-0123456789"),
    ("float", r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", "-0123456789"),
):
    _Plain.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), [*_first])
_Plain.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^$"), [""])


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed document: its value, and the line (1-based) of each field where the form tells lines."""

    name: str
    value: Any
    lines: Mapping[Path, int] = field(default_factory=dict)

    def place(self, path: Path) -> str:
        """Return ``file:line: field`` of a path, with the line of the nearest known parent."""
        line = next((self.lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in self.lines), None)
        where = self.name if line is None else f"{self.name}:{line}"
        return f"{where}: {dotted(path)}" if path else where

    def refuse(self, path: Path, message: str, *, remedy: str = "", error: type[UsageError] = UsageError) -> NoReturn:
        """Raise ``error`` with the place of ``path`` in front of the message."""
        raise error(f"{self.place(path)}: {message}", remedy=remedy, details={"field": dotted(path)})


def dotted(path: Path) -> str:
    """Return a path as people write it.

    >>> dotted(("requires", "all", 0, "age"))
    'requires.all[0].age'
    """
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def parse_yaml(text: str, name: str) -> Document:
    """Parse one YAML document of plain data.

    Refused: more than 256 Ki characters, 32 levels or 20,000 nodes; anchors and aliases; tags; several documents;
    duplicate keys; keys that are not text; numbers without a finite value. Scalars are JSON's: ``true``, ``false``,
    ``null``, decimal numbers; all else is text.

    Raises:
        UnreadableInput: with file, line and remedy.
    """
    if len(text) > MAX_YAML_CHARS:
        raise UnreadableInput(f"{name}: longer than {MAX_YAML_CHARS} characters", remedy="split the file")
    try:
        _bounds(text, name)
        loader = _Plain(text)
        try:
            root = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}" if mark else name
        raise UnreadableInput(f"{where}: {error.problem or error.context}", remedy="correct the YAML at this line") from None
    except yaml.YAMLError as error:
        raise UnreadableInput(f"{name}: {str(error).splitlines()[0]}", remedy="save the file as UTF-8 text") from None
    if root is None:
        raise UnreadableInput(f"{name}: the document is empty")
    lines: dict[Path, int] = {}
    value = _value(root, (), lines, name)
    return Document(name, value, lines)


def _bounds(text: str, name: str) -> None:
    depth = nodes = documents = 0
    for event in yaml.parse(text, Loader=_Plain):
        line = event.start_mark.line + 1 if event.start_mark else 0
        documents += isinstance(event, yaml.DocumentStartEvent)
        if documents > 1:
            raise UnreadableInput(f"{name}:{line}: a second document begins", remedy="keep one document in a file")
        if not isinstance(event, yaml.NodeEvent):
            depth -= isinstance(event, yaml.CollectionEndEvent)
            continue
        nodes += 1
        depth += isinstance(event, yaml.CollectionStartEvent)
        if event.anchor is not None:
            raise UnreadableInput(f"{name}:{line}: anchors and aliases are not allowed", remedy="write the value out")
        if getattr(event, "tag", None) is not None:
            raise UnreadableInput(f"{name}:{line}: tags are not allowed", remedy="remove the tag")
        if depth > MAX_YAML_DEPTH or nodes > MAX_YAML_NODES:
            raise UnreadableInput(
                f"{name}:{line}: deeper than {MAX_YAML_DEPTH} levels or more than {MAX_YAML_NODES} values",
                remedy="split the file",
            )


def _value(node: yaml.Node, path: Path, lines: dict[Path, int], name: str) -> Any:
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        return [_value(child, (*path, i), lines, name) for i, child in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key, child in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                raise UnreadableInput(f"{name}:{line}: a key is not text", remedy="quote the key")
            if key.value in found:
                raise UnreadableInput(f"{name}:{line}: duplicate key {key.value!r}", remedy="keep one of the two")
            found[key.value] = _value(child, (*path, key.value), lines, name)
            lines[(*path, key.value)] = line
        return found
    return _scalar(node, name)


def _scalar(node: yaml.Node, name: str) -> str | int | float | bool | None:
    kind, text = node.tag.rpartition(":")[2], str(node.value)
    match kind:
        case "bool":
            return text == "true"
        case "null":
            return None
        case "int" | "float":
            return _number(text, f"{name}:{node.start_mark.line + 1}")
    return text


def _number(text: str, where: str) -> int | float:
    whole = not set(text) & set(".eE")
    number: int | float = float(text)
    if not math.isfinite(number) or (whole and abs(number) >= _MAX_INTEGER):
        raise UnreadableInput(f"{where}: number {text[:24]} is out of range", remedy="numbers are 64 bits wide")
    return int(text) if whole else number


def parse_json(text: str, name: str) -> Document:
    """Parse one JSON document; duplicate names, NaN, infinities and lone surrogates are refused.

    Raises:
        UnreadableInput: with file, line where there is one, and remedy.
    """
    if len(text) > MAX_JSON_CHARS:
        raise UnreadableInput(f"{name}: longer than {MAX_JSON_CHARS} characters", remedy="split the file")
    try:
        value = json.loads(
            text,
            object_pairs_hook=lambda pairs: _unique(pairs, name),
            parse_constant=lambda word: _refuse_constant(word, name),
            parse_float=lambda word: _number(word, name),
            parse_int=lambda word: _number(word, name),
        )
        json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise UnreadableInput(f"{name}:{error.lineno}: {error.msg}", remedy="correct the JSON at this line") from None
    except UnicodeEncodeError:
        raise UnreadableInput(f"{name}: a string holds half of a surrogate pair", remedy="write the character whole") from None
    except RecursionError:
        raise UnreadableInput(f"{name}: nested too deeply", remedy="flatten the document") from None
    return Document(name, value, {})


def _unique(pairs: list[tuple[str, Any]], name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise UnreadableInput(f"{name}: duplicate key {key!r}", remedy="keep one of the two")
        found[key] = value
    return found


def _refuse_constant(word: str, name: str) -> NoReturn:
    raise UnreadableInput(f"{name}: {word} is not a JSON number", remedy="leave the value out where none is known")


def check_schema(document: Document, schema: Mapping[str, Any]) -> None:
    """Hold a document to a JSON Schema.

    Raises:
        UnreadableInput: the first problem in the document's order, with file, line and field.
    """
    from jsonschema import Draft202012Validator  # a tenth of a second, paid by those who read a document

    problems = list(Draft202012Validator(schema).iter_errors(document.value))
    if not problems:
        return
    first = min(problems, key=lambda error: _order(error, document))
    path = tuple(first.absolute_path)
    path, message = _in_words(first, path)
    document.refuse(path, message, remedy="see the reference for the fields of this file", error=UnreadableInput)


def _order(error: "ValidationError", document: Document) -> tuple[int, list[str], bool, str]:
    """Return the place of a problem in the document; an unknown key comes before the one that it stands for."""
    path = tuple(error.absolute_path)
    steps = [f"{part:09}" if isinstance(part, int) else part for part in path]
    return document.lines.get(path, 0), steps, error.validator != "additionalProperties", error.message


def _in_words(error: "ValidationError", path: Path) -> tuple[Path, str]:
    if error.validator == "additionalProperties" and isinstance(error.instance, Mapping):
        allowed = error.schema.get("properties", {}) if isinstance(error.schema, Mapping) else {}
        extra = next(key for key in error.instance if key not in allowed)
        return (*path, extra), f"unknown key; known here: {', '.join(allowed)}"
    if isinstance(error.schema, Mapping) and "$comment" in error.schema and error.validator in ("anyOf", "oneOf", "pattern"):
        return path, f"expected {error.schema['$comment']}, got {_short(error.instance)}"
    if error.validator == "required" and isinstance(error.validator_value, list) and isinstance(error.instance, Mapping):
        missing = [key for key in error.validator_value if key not in error.instance]
        return path, f"missing: {', '.join(missing)}"
    return path, error.message if len(error.message) <= 200 else f"{error.message[:200]}…"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else f"{text[:79]}…"
