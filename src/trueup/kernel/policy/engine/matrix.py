"""Which role may do what, asked of the policies themselves."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from trueup.kernel.policy.engine.decide import decide, may_call
from trueup.kernel.policy.engine.model import (
    TAGS,
    ActionSpec,
    Effect,
    Principal,
    PrincipalKind,
    Request,
    Resource,
    Risk,
)
from trueup.kernel.policy.engine.store import PolicyStore, action_entity

_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


class Answer(StrEnum):
    """``yes``: a person of the tenant may; ``conditional``: it depends on the resource or the context; ``no``: never."""

    YES = "yes"
    CONDITIONAL = "conditional"
    NO = "no"


@dataclass(frozen=True, slots=True)
class RolesMatrix:
    """One answer for each role (columns, ``roles``) and each action (rows)."""

    roles: tuple[str, ...]
    rows: Mapping[str, tuple[Answer, ...]]

    def answer(self, role: str, action: str) -> Answer:
        """Return one cell."""
        return self.rows[action][self.roles.index(role)]


def roles_matrix(store: PolicyStore, actions: Collection[ActionSpec]) -> RolesMatrix:
    """Ask the policies about every role and action.

    ``yes`` is decided for a person with that role alone, who shows a second factor and acts in the own tenant on
    something that somebody else made.

    Args:
        store: the policies.
        actions: rows, sorted by name; one that the store does not know is ``no`` throughout.
    """
    names = sorted(spec.name for spec in actions)
    return RolesMatrix(store.roles, {name: tuple(_answer(store, role, name) for role in store.roles) for name in names})


def _answer(store: PolicyStore, role: str, action: str) -> Answer:
    person = Principal(PrincipalKind.USER, "somebody", "here", frozenset({role}), mfa=True)
    thing = Resource(kind="any", id="*", tenant="here", owner="user:another", created_by="user:another")
    if decide(store, Request(person, action, thing, _MOMENT)).allowed:
        return Answer.YES
    return Answer.CONDITIONAL if may_call(store, person, action).allowed else Answer.NO


def example_of_each_tag() -> tuple[ActionSpec, ...]:
    """Return one action for each tag, named ``tag.<tag>`` and carrying that tag alone, for a matrix by tag."""
    return tuple(
        ActionSpec(
            name=f"tag.{tag}",
            risk=Risk.R3 if tag == "destroy" else Risk.R1,
            kind="read" if tag == "read" else "write",
            room="tag",
            tags=frozenset({tag}),
        )
        for tag in TAGS
    )


def with_examples(store: PolicyStore) -> PolicyStore:
    """Return a store that also knows one example action for each tag.

    What is asked of ``tag.read`` is answered for every action that carries the tag ``read`` alone, those that are
    registered later included; policies on single actions aside.
    """
    examples = {spec.name: spec for spec in example_of_each_tag()}
    entities = {name: action_entity(spec) for name, spec in examples.items()}
    return replace(store, actions={**examples, **store.actions}, entities={**entities, **store.entities})


def render_matrix(matrix: RolesMatrix) -> str:
    """Return the matrix as a Markdown table."""
    head = ["action", *matrix.roles]
    rows = [[f"`{name}`", *("–" if answer is Answer.NO else answer.value for answer in row)] for name, row in matrix.rows.items()]
    return _table([head, *rows])


def render_policies(store: PolicyStore) -> str:
    """Return ids, effects and reasons of all policies as a Markdown table, forbids last."""
    ordered = sorted(store.policies.values(), key=lambda policy: (policy.effect is Effect.FORBID, policy.file, policy.line))
    return _table([["policy", "effect", "reason"], *([f"`{p.id}`", p.effect.value, p.reason] for p in ordered)])


def render_tags() -> str:
    """Return the vocabulary of tags as a Markdown table."""
    return _table([["tag", "the action …"], *([f"`{tag}`", words] for tag, words in TAGS.items())])


def _table(rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], f"|{'---|' * len(rows[0])}", *lines[1:]]) + "\n"
