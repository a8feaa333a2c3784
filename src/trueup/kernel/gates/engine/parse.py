"""From checked documents to gates and facts: what no schema can say, with the line where it is wrong."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from trueup.kernel.documents import Document, Path, check_schema
from trueup.kernel.errors import UnreadableInput
from trueup.kernel.evidence.engine.fact import Fact, FactValue, Predicate, ValueType
from trueup.kernel.gates.engine.model import ORDERED, All, AnyOf, AtLeast, Compare, Condition, Gate, Node, Waiver, open_subject
from trueup.kernel.gates.engine.resolve import fits

_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_UNITLESS = ("", "1")


def read_gate(document: Document, text: str, schema: Mapping[str, Any], predicates: Mapping[str, Predicate]) -> Gate:
    """Return the gate of a document.

    Args:
        document: parsed from ``text``.
        text: whose digest the gate carries.
        schema: ``gate.schema.json``.
        predicates: registered ones, by ``name@version``.

    Raises:
        UsageError: with file, line, field and remedy.
    """
    check_schema(document, schema)
    body = document.value
    root = _node(document, ("requires",), body["requires"], predicates)
    gate = Gate(
        name=body["gate"],
        requires=root,
        title=body.get("title", ""),
        digest=hashlib.sha256(text.encode()).hexdigest(),
    )
    _unique_ids(document, ("requires",), body["requires"], set())
    known = {condition.id for condition in gate.conditions}
    waivers = tuple(_waiver(document, ("waivers", i), waiver, known) for i, waiver in enumerate(body.get("waivers", [])))
    for i, waiver in enumerate(waivers):
        if waiver.condition in [other.condition for other in waivers[:i]]:
            document.refuse(("waivers", i, "condition"), f"a second waiver for {waiver.condition}", remedy="keep one")
    return Gate(gate.name, gate.requires, waivers, gate.title, gate.digest)


def _node(document: Document, path: Path, body: Mapping[str, Any], predicates: Mapping[str, Predicate]) -> Node:
    title = body.get("title", "")
    for key in ("all", "any", "of"):
        if key in body:
            children = tuple(_node(document, (*path, key, i), child, predicates) for i, child in enumerate(body[key]))
            if key == "of":
                return AtLeast(_count(document, path, body["at_least"], len(children)), children, title)
            return All(children, title) if key == "all" else AnyOf(children, title)
    return _condition(document, path, body, predicates)


def _count(document: Document, path: Path, n: int, children: int) -> int:
    if n > children:
        document.refuse((*path, "at_least"), f"{n} of {children} can never pass", remedy="ask for no more than there are")
    return int(n)


def _condition(document: Document, path: Path, body: Mapping[str, Any], predicates: Mapping[str, Predicate]) -> Condition:
    if body["subject"].startswith("$") and not open_subject(body["subject"]):
        document.refuse((*path, "subject"), f"unknown variable {body['subject']}", remedy="write $subject, or $subject/part")
    predicate = predicates.get(body["predicate"])
    if predicate is None:
        document.refuse(
            (*path, "predicate"),
            f"no room publishes the predicate {body['predicate']}",
            remedy=f"registered are: {', '.join(sorted(predicates)) or 'none'}",
        )
    compares = [compare for compare in Compare if compare.value in body]
    if len(compares) != 1:
        document.refuse(
            path,
            f"{len(compares)} comparisons; a condition has exactly one",
            remedy=f"write one of {', '.join(Compare)}; join two conditions with all",
        )
    compare = compares[0]
    where = (*path, compare.value)
    values = tuple(body[compare.value]) if compare is Compare.IN else (body[compare.value],)
    if compare in ORDERED and predicate.type in (ValueType.TEXT, ValueType.BOOLEAN):
        document.refuse(where, f"{predicate.key} is {predicate.type}, which has no order", remedy="use equals, not_equals or in")
    for i, value in enumerate(values):
        if not fits(value, predicate):
            place = (*where, i) if compare is Compare.IN else where
            document.refuse(
                place, f"{predicate.key} is {predicate.type}, and {value!r} is not", remedy=f"write a {predicate.type}"
            )
    _check_unit(document, path, body, predicate)
    return Condition(
        id=body["id"],
        subject=body["subject"],
        predicate=predicate,
        compare=compare,
        values=values,
        age=_duration(body["age"]) if "age" in body else None,
        sources=tuple(sorted(body.get("sources", ()))),
        signed_by=tuple(sorted(body.get("signed_by", ()))),
        title=body.get("title", ""),
    )


def _check_unit(document: Document, path: Path, body: Mapping[str, Any], predicate: Predicate) -> None:
    stated = body.get("unit")
    if stated is None and predicate.unit not in _UNITLESS:
        remedy = f"write unit: {predicate.unit}"
        document.refuse(path, f"{predicate.key} is in {predicate.unit}, and the condition states no unit", remedy=remedy)
    if stated is not None and stated != predicate.unit:
        words = f"{predicate.key} is in {predicate.unit or 'no unit'}, and the condition says {stated or 'none'}"
        document.refuse((*path, "unit"), words, remedy="convert the value to the predicate's unit")


def _unique_ids(document: Document, path: Path, body: Mapping[str, Any], seen: set[str]) -> None:
    for key in ("all", "any", "of"):
        for i, child in enumerate(body.get(key, ())):
            _unique_ids(document, (*path, key, i), child, seen)
    if "id" in body and body["id"] in seen:
        document.refuse((*path, "id"), f"two conditions have the id {body['id']}", remedy="give each its own")
    seen.add(body.get("id", ""))


def _waiver(document: Document, path: Path, body: Mapping[str, Any], known: set[str]) -> Waiver:
    if body["condition"] not in known:
        document.refuse(
            (*path, "condition"),
            f"no condition has the id {body['condition']}",
            remedy=f"the conditions are {', '.join(sorted(known))}",
        )
    return Waiver(
        condition=body["condition"],
        owner=body["owner"].strip(),
        reason=body["reason"].strip(),
        compensating_control=body["compensating_control"].strip(),
        expires=_moment(document, (*path, "expires"), body["expires"]),
    )


def _duration(text: str) -> timedelta:
    return timedelta(seconds=int(text[:-1]) * _UNIT_SECONDS[text[-1]])


def _moment(document: Document, path: Path, text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        document.refuse(path, f"{text} is not a moment of the calendar", remedy="write it as 2026-01-31T12:00:00Z")


def read_facts(document: Document, schema: Mapping[str, Any], predicates: Mapping[str, Predicate]) -> list[Fact]:
    """Return the facts of a document, as unsigned.

    Raises:
        UsageError: with file and field: the form is wrong, a predicate is not registered, a value or unit is not the
            predicate's, a time is none, or two facts share an id.
    """
    check_schema(document, schema)
    base: Path = () if isinstance(document.value, list) else ("facts",)
    bodies = document.value if isinstance(document.value, list) else document.value["facts"]
    facts: list[Fact] = []
    ids: set[str] = set()
    for i, body in enumerate(bodies):
        path = (*base, i)
        if body.get("id") and body["id"] in ids:
            document.refuse((*path, "id"), f"two facts have the id {body['id']}", remedy="remove one", error=UnreadableInput)
        ids.add(body.get("id", ""))
        facts.append(_fact(document, path, body, predicates))
    return facts


def _fact(document: Document, path: Path, body: Mapping[str, Any], predicates: Mapping[str, Predicate]) -> Fact:
    predicate = predicates.get(body["predicate"])
    if predicate is None:
        document.refuse(
            (*path, "predicate"),
            f"no room publishes the predicate {body['predicate']}",
            remedy=f"registered are: {', '.join(sorted(predicates)) or 'none'}",
        )
    value: FactValue = body["value"]
    if not fits(value, predicate):
        remedy = f"write a {predicate.type}, or leave the fact out"
        document.refuse((*path, "value"), f"{predicate.key} is {predicate.type}, and {value!r} is not", remedy=remedy)
    unit = body.get("unit", predicate.unit if predicate.unit in _UNITLESS else None)
    if unit != predicate.unit:
        words = f"{predicate.key} is in {predicate.unit or 'no unit'}, and the fact says {unit or 'none'}"
        document.refuse((*path, "unit"), words, remedy="convert the value to the predicate's unit")
    valid_at = _moment(document, (*path, "valid_at"), body["valid_at"])
    recorded = body.get("recorded_at")
    return Fact(
        subject=body["subject"],
        predicate=predicate.key,
        value=value,
        unit=predicate.unit,
        valid_at=valid_at,
        recorded_at=_moment(document, (*path, "recorded_at"), recorded) if recorded else valid_at,
        source=body["source"],
        id=body.get("id", ""),
        supersedes=body.get("supersedes", ""),
    )
