"""Evaluate a gate over facts at one moment: Kleene's three-valued logic, with the reasons.

References:
    Kleene, *Introduction to Metamathematics* (1952), section 64: the strong three-valued connectives.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from trueup.kernel.errors import UsageError
from trueup.kernel.evidence.engine.fact import Fact
from trueup.kernel.gates.engine.model import (
    All,
    AnyOf,
    AtLeast,
    Condition,
    Decision,
    Explained,
    Gate,
    Node,
    Outcome,
    Waiver,
    bound,
)
from trueup.kernel.gates.engine.resolve import find

_Index = Mapping[tuple[str, str], Sequence[Fact]]


def evaluate(gate: Gate, facts: Iterable[Fact], now: datetime, *, subject: str = "") -> Decision:
    """Decide a gate.

    The same gate, facts (in any order), moment and subject give the same decision. Adding a fact that fails, and that
    no fact already there corrects, never turns another outcome into *pass*, unless the condition that it fails is
    under a waiver in force: there a known failure has been accepted, and ignorance has not.

    Args:
        gate: from ``load_gate``.
        facts: all that is known; more than is needed does no harm.
        now: the moment of decision, timezone-aware.
        subject: what ``$subject`` stands for.

    Raises:
        UsageError: ``now`` has no zone, or the gate speaks of ``$subject`` and none is given.
    """
    if now.tzinfo is None:
        raise UsageError("the moment of a decision has no time zone", remedy="write it as 2026-01-31T12:00:00Z")
    if gate.needs_subject and not subject:
        raise UsageError(f"gate {gate.name} speaks of $subject, and none is given", remedy="name one with --subject")
    index: dict[tuple[str, str], list[Fact]] = {}
    for fact in facts:
        index.setdefault((fact.subject, fact.predicate), []).append(fact)
    moment = now.astimezone(UTC)
    waivers = {waiver.condition: waiver for waiver in gate.waivers}
    tree = _explained(gate.requires, index, moment, subject, waivers)
    return Decision(gate, tree.outcome, tree, moment, subject)


def _explained(node: Node, index: _Index, now: datetime, subject: str, waivers: Mapping[str, Waiver]) -> Explained:
    if isinstance(node, Condition):
        return _condition(bound(node, subject), index, now, waivers.get(node.id))
    children = tuple(_explained(child, index, now, subject, waivers) for child in node.children)
    kind, needed = _needed(node)
    outcome = joined([child.outcome for child in children], needed)
    return Explained(kind, outcome, _counted(children, needed), title=node.title, children=children)


def _needed(node: All | AnyOf | AtLeast) -> tuple[str, int]:
    if isinstance(node, All):
        return "all", len(node.children)
    return ("any", 1) if isinstance(node, AnyOf) else ("at_least", node.n)


def joined(outcomes: Sequence[Outcome], needed: int) -> Outcome:
    """Join outcomes of which ``needed`` must pass; all of them is *and*, one is *or*.

    >>> joined([Outcome.PASS, Outcome.UNKNOWN], 1).value, joined([Outcome.PASS, Outcome.UNKNOWN], 2).value
    ('pass', 'unknown')
    """
    passed, unknown = outcomes.count(Outcome.PASS), outcomes.count(Outcome.UNKNOWN)
    if passed >= needed:
        return Outcome.PASS
    return Outcome.UNKNOWN if passed + unknown >= needed else Outcome.FAIL


def _counted(children: Sequence[Explained], needed: int) -> str:
    counts = {outcome: sum(child.outcome is outcome for child in children) for outcome in Outcome}
    waived = sum(child.waived for child in children)
    told = ", ".join(f"{count} {outcome.value}" for outcome, count in counts.items() if count)
    return f"{needed} of {len(children)} must pass: {told}{f' ({waived} by waiver)' if waived else ''}"


def _condition(condition: Condition, index: _Index, now: datetime, waiver: Waiver | None) -> Explained:
    found = find(condition, index.get((condition.subject, condition.predicate.key), ()), now)
    outcome, words = found.outcome, found.words
    waived = False
    if waiver is not None and found.outcome is not Outcome.PASS:
        until = waiver.expires.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if not waiver.active(now):
            words += f"; the waiver of {waiver.owner} expired at {until}"
        elif found.outcome is Outcome.UNKNOWN:
            words += f"; the waiver of {waiver.owner} covers a known failure only"
        else:
            outcome, waived = Outcome.PASS, True
            words += f"; waived by {waiver.owner} until {until}: {waiver.reason} (meanwhile: {waiver.compensating_control})"
    return Explained(
        "condition",
        outcome,
        words,
        id=condition.id,
        title=condition.title,
        facts=found.facts,
        waiver=waiver,
        waived=waived,
    )


def explain_lines(document: Mapping[str, Any]) -> list[str]:
    """Return a decision (``Decision.as_dict()``) as indented lines for people."""
    return _lines(document["tree"], 0)


def _lines(node: Mapping[str, Any], depth: int) -> list[str]:
    name = node.get("id") or node["kind"]
    title = f" ({node['title']})" if node.get("title") else ""
    mark = "waived" if node.get("waived") else node["outcome"]
    line = f"{'  ' * depth}{mark.upper():<8}{name}{title}: {node['words']}"
    return [line, *(line for child in node.get("children", ()) for line in _lines(child, depth + 1))]
