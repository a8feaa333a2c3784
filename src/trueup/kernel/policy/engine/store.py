"""Policies parsed once, ready to decide."""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import cedarpy

from trueup.kernel.policy.engine.model import ROLES, ActionSpec, Policy, checked
from trueup.kernel.policy.engine.schema import generated, groups
from trueup.kernel.policy.engine.source import Problem, as_json, read_policies, validate, without_particulars

_ROLE = re.compile(r"[a-z][a-z0-9_-]*")


@dataclass(frozen=True, slots=True, eq=False)
class PolicyStore:
    """A validated set of policies with the actions and roles it speaks of; immutable.

    Args:
        policies: by id, in the order of files and lines.
        actions: by name.
        roles: all known roles, in the order in which they were declared.
        digest: SHA-256 (hex) of the schema and policy files, see :func:`digest`.
        files: the names of those files.
        full: decides a whole request.
        scope: answers for role and action alone (``source.without_particulars``).
        entities: by action, the parsed action with its groups.
    """

    policies: Mapping[str, Policy]
    actions: Mapping[str, ActionSpec]
    roles: tuple[str, ...]
    digest: str
    files: tuple[str, ...]
    full: cedarpy.PolicySet
    scope: cedarpy.PolicySet
    entities: Mapping[str, cedarpy.Entities]


def digest(files: Mapping[str, bytes]) -> str:
    """Return SHA-256 (hex) over the files, sorted by name; each name and content is preceded by its length (8 bytes)."""
    total = hashlib.sha256()
    for name in sorted(files):
        for part in (name.encode(), files[name]):
            total.update(len(part).to_bytes(8, "big") + part)
    return total.hexdigest()


def build(
    schemas: Mapping[str, bytes],
    sources: Mapping[str, bytes],
    *,
    actions: Collection[ActionSpec],
    roles: Collection[str] = ROLES,
) -> tuple[PolicyStore | None, list[Problem]]:
    """Parse and validate schema files and policy files (name → content).

    Returns:
        the store and no problem, or no store and every problem that was found.

    Raises:
        ConfigurationError: an action's registration is unsound.
    """
    specs = checked(actions)
    names = tuple(dict.fromkeys(roles))
    problems = [
        Problem(f"role {role!r}", 0, "is not lower-case letters", "rename it") for role in names if not _ROLE.fullmatch(role)
    ]
    schema_texts, undecodable = _decoded(schemas)
    source_texts, more = _decoded(sources)
    problems += undecodable + more
    if not schemas:
        problems.append(Problem("schema.cedarschema", 0, "no folder brings it", "restore the file that comes with the product"))
    if not sources:
        problems.append(Problem("*.cedar", 0, "there is no policy at all", "restore the files that come with the product"))
    if problems:
        return None, problems
    schema_text = "\n".join([*(schema_texts[name] for name in sorted(schema_texts)), generated(specs.values(), names)])
    try:
        schema = cedarpy.Schema.from_str(schema_text)
    except ValueError as error:
        return None, [Problem(", ".join(sorted(schemas)), 0, str(error), "correct the schema")]
    policies, problems = read_policies(source_texts)
    problems += validate(policies, schema)
    if problems:
        return None, problems
    store = PolicyStore(
        policies={policy.id: policy for policy in policies},
        actions=specs,
        roles=names,
        digest=digest({**schemas, **sources}),
        files=tuple(sorted({**schemas, **sources})),
        full=cedarpy.PolicySet.from_json_str(as_json(policies)),
        scope=cedarpy.PolicySet.from_json_str(without_particulars(policies)),
        entities={name: action_entity(spec) for name, spec in specs.items()},
    )
    return store, []


def _decoded(files: Mapping[str, bytes]) -> tuple[dict[str, str], list[Problem]]:
    texts, problems = {}, []
    for name, content in files.items():
        try:
            texts[name] = content.decode()
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            problems.append(Problem(name, line, "is not UTF-8 text", "save the file as UTF-8"))
    return texts, problems


def action_entity(spec: ActionSpec) -> cedarpy.Entities:
    """Return an action with its groups, as the engine holds it."""
    parents = [{"type": "Action", "id": group} for group in groups(spec)]
    uid = {"type": "Action", "id": spec.name}
    return cedarpy.Entities.from_json_str(json.dumps([{"uid": uid, "attrs": {}, "parents": parents}]))
