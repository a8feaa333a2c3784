"""From policy text to policies that know their file and line.

The engine tells neither the line of a syntax error nor where a policy stands, so the text is cut into statements
first and each one is parsed and validated by itself. The engine alone judges what a statement means.

References:
    Cedar language, "Grammar specification": a policy ends with a semicolon; comments run from ``//`` to the end of
    the line; strings stand in double quotes with backslash escapes.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import cedarpy

from trueup.kernel.policy.engine.model import Effect, Policy

_TOKENS = re.compile(r'//[^\n]*|"(?:[^"\\]|\\.)*"|;|\S', re.DOTALL)
_ID = re.compile(r"[a-z0-9]+([.-][a-z0-9]+)*")
_ANYTHING = {"op": "All"}
_NOISE = re.compile(r"^for policy `policy\d+`[:,] *")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that keeps a set of policies from being used."""

    file: str
    line: int
    message: str
    remedy: str

    @property
    def place(self) -> str:
        """``file:line``, or the file alone where no line is known."""
        return f"{self.file}:{self.line}" if self.line else self.file

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


@dataclass(frozen=True, slots=True)
class Statement:
    """The text of one policy, from its first annotation to its semicolon, and the line (1-based) where it starts."""

    file: str
    line: int
    text: str


def statements(file: str, text: str) -> Iterator[Statement]:
    """Cut a policy file at its semicolons, leaving strings and comments whole."""
    start = -1
    for token in _TOKENS.finditer(text):
        if token.group().startswith("//"):
            continue
        if start < 0:
            start = token.start()
        if token.group() == ";":
            yield Statement(file, text.count("\n", 0, start) + 1, text[start : token.end()])
            start = -1
    if start >= 0:
        yield Statement(file, text.count("\n", 0, start) + 1, text[start:])


def read_policies(files: Mapping[str, str]) -> tuple[list[Policy], list[Problem]]:
    """Return the policies of files (name → text) with what is wrong with them, in the order of names and lines."""
    policies: list[Policy] = []
    problems: list[Problem] = []
    seen: dict[str, Policy] = {}
    for file in sorted(files):
        found = list(statements(file, files[file]))
        if not found:
            problems.append(Problem(file, 0, "holds no policy", "write a policy or remove the file"))
        for statement in found:
            policy = _policy(statement)
            if isinstance(policy, Problem):
                problems.append(policy)
            elif policy.id in seen:
                first = seen[policy.id]
                words = f'@id("{policy.id}") is taken by {first.file}:{first.line}'
                problems.append(Problem(file, policy.line, words, "give each policy its own id"))
            else:
                seen[policy.id] = policy
                policies.append(policy)
    return policies, problems


def _policy(statement: Statement) -> Policy | Problem:
    def refused(message: str, remedy: str) -> Problem:
        return Problem(statement.file, statement.line, message, remedy)

    try:
        body = json.loads(cedarpy.policies_to_json_str(statement.text))
    except ValueError as error:
        return refused(f"not a policy: {error}", "correct the policy that begins at this line")
    static: list[dict[str, Any]] = list(body["staticPolicies"].values())
    if len(static) != 1:
        return refused("a template permits nothing by itself", "write the principal and the resource out")
    notes = static[0].get("annotations") or {}
    if not _ID.fullmatch(notes.get("id") or ""):
        return refused('a policy needs @id("…") of small letters, digits, - and .', 'write @id("who-may-what") before it')
    if not (notes.get("reason") or "").strip():
        return refused('a policy needs @reason("…") in words', 'write @reason("why people read this answer") before it')
    effect, reason = Effect(static[0]["effect"]), " ".join(notes["reason"].split())
    return Policy(notes["id"], effect, reason, statement.file, statement.line, statement.text)


def validate(policies: list[Policy], schema: cedarpy.Schema) -> list[Problem]:
    """Return what the schema says against policies: unknown actions, roles, attributes, or types that cannot match."""
    found = []
    for policy in policies:
        for error in cedarpy.validate_policies(policy.text, schema).errors:
            words = f"policy {policy.id}: {_NOISE.sub('', error.error)}"
            found.append(
                Problem(policy.file, policy.line, words, "use the names of schema.cedarschema and the registered actions")
            )
    return found


def as_json(policies: list[Policy]) -> str:
    """Return policies in Cedar's JSON form, each under its own id."""
    return _set({policy.id: _body(policy) for policy in policies})


def without_particulars(policies: list[Policy]) -> str:
    """Return the set, in Cedar's JSON form, that answers for roles and actions alone.

    A permit loses what it asks of the resource and the context; a forbid that asks anything of them is left out.
    So this set refuses only what the whole set refuses for every resource, in every context.
    """
    kept: dict[str, Any] = {}
    for policy in policies:
        body = _body(policy)
        asks = [part for part in body["conditions"] if _mentions(part, {"resource", "context"})]
        if policy.effect is Effect.FORBID and (asks or body["resource"] != _ANYTHING):
            continue
        kept[policy.id] = {**body, "resource": _ANYTHING, "conditions": [part for part in body["conditions"] if part not in asks]}
    return _set(kept)


def _body(policy: Policy) -> dict[str, Any]:
    (body,) = json.loads(cedarpy.policies_to_json_str(policy.text))["staticPolicies"].values()
    return dict(body)


def _set(bodies: Mapping[str, Any]) -> str:
    return json.dumps({"staticPolicies": bodies, "templates": {}, "templateLinks": []})


def _mentions(part: Any, names: set[str]) -> bool:
    if isinstance(part, dict):
        return part.get("Var") in names or any(_mentions(value, names) for value in part.values())
    return isinstance(part, list) and any(_mentions(value, names) for value in part)
