"""The part of the Cedar schema that follows from what is registered: roles, action groups, actions."""

from collections.abc import Collection, Iterable

from trueup.kernel.policy.engine.model import KINDS, TAGS, ActionSpec, Risk

_APPLIES = "appliesTo { principal: [User, ApiKey, OsUser], resource: [Resource], context: Context };"


def groups(spec: ActionSpec) -> tuple[str, ...]:
    """Return the groups of one action, sorted.

    >>> groups(ActionSpec("facts.fact.read", Risk.R1, "read", "facts", frozenset({"read"})))
    ('kind:read', 'risk:R1', 'room:facts', 'tag:read')
    """
    return tuple(sorted([*(f"tag:{tag}" for tag in spec.tags), f"risk:{spec.risk}", f"kind:{spec.kind}", f"room:{spec.room}"]))


def generated(actions: Iterable[ActionSpec], roles: Collection[str]) -> str:
    """Return the generated schema.

    Every tag, risk and kind gets a group whether or not an action carries it yet, with one member that nobody can
    call, so that a policy on it validates today and holds for actions that come later. Rooms get a group
    when they bring an action: a policy on a misspelt room is an error.

    Args:
        actions: sound ones (``model.checked``), so their names need no quoting.
        roles: all names that a policy may write as ``Role::"…"``; any other is a validation error.
    """
    actions = list(actions)
    closed = [*(f"tag:{tag}" for tag in TAGS), *(f"risk:{risk}" for risk in Risk), *(f"kind:{kind}" for kind in KINDS)]
    rooms = sorted({f"room:{spec.room}" for spec in actions})
    lines = [f"entity Role enum [{_quoted(roles)}];"]
    lines += [f'action "{group}";' for group in (*closed, *rooms)]
    lines += [f'action "member of {group}" in ["{group}"] {_APPLIES}' for group in closed]
    lines += [f'action "{spec.name}" in [{_quoted(groups(spec))}] {_APPLIES}' for spec in actions]
    return "\n".join(lines) + "\n"


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
