"""What holds for every gate and every set of facts."""

import random
from dataclasses import replace
from datetime import timedelta

from gate_cases import COUNT, HEAT, NOW, PREDICATES
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from trueup.kernel.evidence.engine.fact import Fact
from trueup.kernel.gates import Outcome, evaluate
from trueup.kernel.gates.engine.model import All, AnyOf, AtLeast, Compare, Condition, Gate, Waiver
from trueup.kernel.gates.engine.resolve import fits, satisfies

ORDER = {Outcome.FAIL: 0, Outcome.UNKNOWN: 1, Outcome.PASS: 2}
MINUTE = timedelta(minutes=1)
MOMENTS = st.integers(-2, 8).map(lambda n: NOW - n * MINUTE)
SUBJECTS = st.sampled_from(["a", "b"])
NAMES = st.sampled_from(["", "1", "2", "3", "4"])

FACTS = st.builds(
    Fact,
    subject=SUBJECTS,
    predicate=st.sampled_from([COUNT.key, HEAT.key]),
    value=st.integers(0, 3) | st.sampled_from([1.5, "x", True, float("nan")]),
    valid_at=MOMENTS,
    recorded_at=MOMENTS,
    source=st.sampled_from(["s", "t"]),
    unit=st.sampled_from(["1", "Cel", ""]),
    id=NAMES,
    supersedes=NAMES,
    signers=st.sampled_from([(), ("k",)]),
).map(lambda fact: replace(fact, unit=PREDICATES[fact.predicate].unit) if fact.unit else fact)

CONDITIONS = st.builds(
    Condition,
    id=st.just(""),
    subject=SUBJECTS,
    predicate=st.sampled_from([COUNT, HEAT]),
    compare=st.sampled_from(list(Compare)),
    values=st.integers(0, 3).map(lambda n: (n,)),
    age=st.none() | st.integers(1, 6).map(lambda n: n * MINUTE),
    sources=st.sampled_from([(), (), ("s",), ("s", "t")]),
    signed_by=st.sampled_from([(), (), ("k",)]),
)


def groups(children):
    lists = st.lists(children, min_size=1, max_size=3).map(tuple)
    at_least = lists.flatmap(lambda c: st.integers(1, len(c)).map(lambda n: AtLeast(n, c)))
    return st.one_of(lists.map(All), lists.map(AnyOf), at_least)


def numbered(node, ids=None):
    ids = iter(range(1000)) if ids is None else ids
    if isinstance(node, Condition):
        return replace(node, id=f"c{next(ids)}")
    return replace(node, children=tuple(numbered(child, ids) for child in node.children))


NODES = st.recursive(CONDITIONS, groups, max_leaves=6).map(numbered)
GATES = NODES.map(lambda node: Gate("g", node))
SETS = st.lists(FACTS, max_size=8)


@st.composite
def waived(draw):
    bare = draw(GATES)
    ids = draw(st.lists(st.sampled_from([c.id for c in bare.conditions]), unique=True, max_size=2))
    expiries = [NOW + draw(st.integers(-1, 1)) * MINUTE for _ in ids]
    return replace(bare, waivers=tuple(Waiver(i, "o", "r", "c", at) for i, at in zip(ids, expiries, strict=True)))


def fails_every_condition(fact: Fact, gate: Gate) -> bool:
    """Whether a fact satisfies no condition on its subject and predicate, whatever its time, source and signature."""
    about = [c for c in gate.conditions if (c.subject, c.predicate.key) == (fact.subject, fact.predicate)]
    return not any(fits(fact.value, c.predicate) and fact.unit == c.predicate.unit and satisfies(fact.value, c) for c in about)


def corrected(fact: Fact, facts: list[Fact]) -> bool:
    return any(other.supersedes and other.supersedes == fact.id for other in facts)


@settings(max_examples=600)
@given(GATES, SETS, FACTS, st.randoms(use_true_random=False))
def test_adding_a_failing_fact_never_turns_a_gate_green(gate, facts, added, shuffle):
    assume(fails_every_condition(added, gate) and not corrected(added, facts))
    more = [*facts, added]
    shuffle.shuffle(more)
    if evaluate(gate, more, NOW).outcome is Outcome.PASS:
        assert evaluate(gate, facts, NOW).outcome is Outcome.PASS


FEW = st.builds(
    Fact,
    subject=st.just("a"),
    predicate=st.just(COUNT.key),
    value=st.sampled_from([0, 1]),
    valid_at=MOMENTS,
    recorded_at=MOMENTS,
    source=st.sampled_from(["s", "s", "t"]),
    unit=st.just("1"),
    id=st.sampled_from(["1", "2", "3"]),
    supersedes=st.sampled_from(["", "1", "2", "3"]),
)


@settings(max_examples=1500)
@given(st.lists(FEW, max_size=4), FEW, st.sampled_from([None, 4 * MINUTE]))
def test_no_correction_by_a_failing_fact_turns_a_gate_green(facts, added, age):
    """The same property where corrections are dense: one condition, two sources, three ids."""
    failing = replace(added, value=0)
    assume(not corrected(failing, facts))
    gate = Gate("g", Condition("c", "a", COUNT, Compare.EQUALS, (1,), age=age))
    if evaluate(gate, [*facts, failing], NOW).outcome is Outcome.PASS:
        assert evaluate(gate, facts, NOW).outcome is Outcome.PASS


@settings(max_examples=300)
@given(waived(), SETS, FACTS)
def test_with_waivers_it_never_does_either_unless_the_failure_itself_is_waived(gate, facts, added):
    assume(fails_every_condition(added, gate) and not corrected(added, facts))
    covered = {waiver.condition for waiver in gate.waivers if waiver.active(NOW)}
    about = {c.id for c in gate.conditions if (c.subject, c.predicate.key) == (added.subject, added.predicate)}
    assume(not covered & about)
    if evaluate(gate, [*facts, added], NOW).outcome is Outcome.PASS:
        assert evaluate(gate, facts, NOW).outcome is Outcome.PASS


def test_a_not_would_let_a_failing_fact_open_a_gate():
    """The control: with the outcomes of a condition turned over, as ``not`` would, monotony is lost."""
    turned = {Outcome.PASS: Outcome.FAIL, Outcome.FAIL: Outcome.PASS, Outcome.UNKNOWN: Outcome.UNKNOWN}
    condition = Condition("c", "a", COUNT, Compare.EQUALS, (1,))
    bad = Fact("a", COUNT.key, 0, NOW, NOW, "s", "1")
    good = replace(bad, value=1, valid_at=NOW - MINUTE, recorded_at=NOW - MINUTE)
    before, after = (turned[evaluate(Gate("g", condition), known, NOW).outcome] for known in ([good], [good, bad]))
    assert (before, after) == (Outcome.FAIL, Outcome.PASS)


@settings(max_examples=300)
@given(waived(), SETS, st.randoms(use_true_random=False))
def test_the_order_of_facts_does_not_matter(gate, facts, shuffle):
    turned = list(facts)
    shuffle.shuffle(turned)
    assert evaluate(gate, turned, NOW).as_dict() == evaluate(gate, facts, NOW).as_dict()


def shuffled(node, random_: random.Random):
    if isinstance(node, Condition):
        return node
    children = [shuffled(child, random_) for child in node.children]
    random_.shuffle(children)
    return replace(node, children=tuple(children))


@settings(max_examples=200)
@given(waived(), SETS, st.randoms(use_true_random=False))
def test_the_order_of_children_does_not_matter(gate, facts, shuffle):
    turned = replace(gate, requires=shuffled(gate.requires, shuffle))
    assert evaluate(turned, facts, NOW).outcome is evaluate(gate, facts, NOW).outcome


@settings(max_examples=100)
@given(waived(), SETS)
def test_the_same_question_has_the_same_answer_to_the_last_word(gate, facts):
    assert evaluate(gate, facts, NOW).as_dict() == evaluate(gate, tuple(facts), NOW).as_dict()


@given(waived())
def test_no_gate_passes_without_facts(gate):
    assert evaluate(gate, [], NOW).outcome is Outcome.UNKNOWN


@settings(max_examples=200)
@given(waived(), SETS)
def test_a_condition_that_passes_has_facts_that_hold_or_a_waiver_in_force(gate, facts):
    def leaves(node):
        return [leaf for child in node.children for leaf in leaves(child)] if node.kind != "condition" else [node]

    for leaf in leaves(evaluate(gate, facts, NOW).tree):
        if leaf.outcome is Outcome.PASS:
            wanted = "fails" if leaf.waived else "holds"
            assert leaf.facts
            assert {use.standing.value for use in leaf.facts} == {wanted}


@settings(max_examples=200)
@given(GATES, SETS)
def test_asking_for_more_never_makes_a_gate_greener(gate, facts):
    stricter = replace(gate, requires=All((gate.requires, Condition("more", "a", COUNT, Compare.EQUALS, (1,)))))
    assert ORDER[evaluate(stricter, facts, NOW).outcome] <= ORDER[evaluate(gate, facts, NOW).outcome]


@settings(max_examples=200)
@given(CONDITIONS, SETS)
def test_asking_for_a_signature_or_a_younger_fact_never_makes_a_condition_pass(condition, facts):
    before = evaluate(Gate("g", replace(condition, signed_by=(), age=None)), facts, NOW).outcome
    for stricter in (replace(condition, signed_by=("k",), age=None), replace(condition, signed_by=(), age=MINUTE)):
        after = evaluate(Gate("g", stricter), facts, NOW).outcome
        assert after is not Outcome.PASS or before is Outcome.PASS
