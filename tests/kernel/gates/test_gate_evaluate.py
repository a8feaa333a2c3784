"""Evaluation: every doubt is unknown, and only what is known and so passes."""

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from gate_cases import COOL, COUNT, HEAT, HOUR, NOW, READY, VERDICT, fact, gate, waiver

from trueup.kernel.errors import UsageError
from trueup.kernel.evidence.engine.encode import encode
from trueup.kernel.evidence.engine.fact import ValueType
from trueup.kernel.gates import Outcome, evaluate, explain_lines
from trueup.kernel.gates.engine.evaluate import joined
from trueup.kernel.gates.engine.model import All, AnyOf, AtLeast, Compare, Condition, Standing
from trueup.kernel.words import Verdict

PASS, FAIL, UNKNOWN = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN
HOT, COLD = 90.0, 50.0


def outcome(condition, *facts, now=NOW, **changes):
    return evaluate(gate(replace(condition, **changes)), facts, now).outcome


def words(condition, *facts, **changes):
    return evaluate(gate(replace(condition, **changes)), facts, NOW).tree.words


def test_a_fact_that_satisfies_passes_and_one_that_does_not_fails():
    assert outcome(COOL, fact(COLD)) is PASS
    assert outcome(COOL, fact(HOT)) is FAIL


def test_no_fact_is_unknown():
    assert outcome(COOL) is UNKNOWN
    assert words(COOL) == "rig: lab.heat@1 < 80 Cel: no fact"


@pytest.mark.parametrize("changes", [{"subject": "rig2"}, {"predicate": "lab.heat@2"}])
def test_facts_on_another_subject_or_version_do_not_count(changes):
    assert outcome(COOL, replace(fact(COLD), **changes)) is UNKNOWN


@pytest.mark.parametrize(
    ("compare", "values", "good", "bad"),
    [
        (Compare.EQUALS, (80,), [80, 80.0], [79.9, 81]),
        (Compare.NOT_EQUALS, (80,), [79, 80.5], [80, 80.0]),
        (Compare.IN, (1, 2.5), [1.0, 2.5], [2, 0]),
        (Compare.LESS, (80,), [79.99], [80, 81]),
        (Compare.AT_MOST, (80,), [80, 79], [80.01]),
        (Compare.MORE, (80,), [80.01], [80, 79]),
        (Compare.NO_LESS, (80,), [80, 81], [79.99]),
    ],
)
def test_numbers_compare_as_they_are_written(compare, values, good, bad):
    asked = replace(COOL, compare=compare, values=values)
    assert [outcome(asked, fact(value)) for value in good] == [PASS] * len(good)
    assert [outcome(asked, fact(value)) for value in bad] == [FAIL] * len(bad)


def test_text_and_booleans_compare_by_equality():
    verdict = Condition("v", "rig", VERDICT, Compare.IN, ("PASS", "PASS_WITH_DRIFT"))
    ready = Condition("r", "rig", READY, Compare.EQUALS, (True,))
    assert outcome(verdict, fact("PASS", predicate=VERDICT)) is PASS
    assert outcome(verdict, fact("FAIL", predicate=VERDICT)) is FAIL
    assert outcome(ready, fact(value=True, predicate=READY)) is PASS
    assert outcome(ready, fact(value=False, predicate=READY)) is FAIL


@pytest.mark.parametrize(
    ("predicate", "value"),
    [
        (HEAT, "50"),
        (HEAT, True),
        (HEAT, float("nan")),
        (HEAT, float("-inf")),
        (COUNT, 1.0),
        (COUNT, False),
        (VERDICT, 1),
        (READY, 1),
        (READY, "true"),
    ],
)
def test_a_value_of_another_type_is_unknown_and_never_equal(predicate, value):
    for compare in (Compare.NOT_EQUALS, Compare.EQUALS):
        asked = Condition("c", "rig", predicate, compare, (value,))
        decision = evaluate(gate(asked), [fact(value, predicate=predicate)], NOW)
        assert decision.outcome is UNKNOWN
        assert decision.tree.facts[0].standing is Standing.MISTYPED
        encode(decision.as_dict())


def test_text_has_no_order_even_where_a_gate_was_made_without_the_loader():
    asked = Condition("c", "rig", VERDICT, Compare.NO_LESS, ("A",))
    assert outcome(asked, fact("B", predicate=VERDICT)) is FAIL


def test_a_value_in_another_unit_is_unknown():
    assert outcome(COOL, fact(COLD, unit="K")) is UNKNOWN
    assert "is not number in Cel" in words(COOL, fact(COLD, unit=""))


def test_a_fact_of_exactly_the_allowed_age_counts_and_an_older_one_is_stale():
    assert outcome(COOL, fact(COLD), age=HOUR) is PASS
    assert outcome(COOL, fact(COLD, ago=HOUR + timedelta(microseconds=1)), age=HOUR) is UNKNOWN
    assert "stale: 7200 s old, allowed 3600 s" in words(COOL, fact(COLD, ago=2 * HOUR), age=HOUR)


def test_without_an_age_facts_do_not_go_stale():
    assert outcome(COOL, fact(COLD, ago=9000 * HOUR)) is PASS


def test_a_stale_failure_is_unknown_too():
    assert outcome(COOL, fact(HOT, ago=2 * HOUR), age=HOUR) is UNKNOWN


def test_the_newest_fact_of_a_source_decides():
    old, new = fact(HOT, ago=2 * HOUR), fact(COLD)
    assert outcome(COOL, old, new) is PASS
    assert outcome(COOL, replace(old, value=COLD), replace(new, value=HOT)) is FAIL


def test_newest_is_by_validity_and_not_by_recording():
    late = fact(HOT, ago=2 * HOUR, recorded_at=NOW)
    assert outcome(COOL, late, fact(COLD)) is PASS


def test_a_source_that_says_two_things_of_one_moment_is_not_believed():
    assert outcome(COOL, fact(COLD), fact(HOT)) is UNKNOWN
    assert outcome(COOL, fact(COLD), fact(COLD)) is PASS


def test_sources_that_disagree_are_unknown_even_where_both_values_would_do():
    other = fact(51.0, source="rig-b")
    assert outcome(COOL, fact(COLD), other) is UNKNOWN
    assert words(COOL, fact(COLD), other).endswith("sources disagree: lab says 50.0 Cel; rig-b says 51.0 Cel")


def test_sources_that_agree_are_believed():
    assert outcome(COOL, fact(50.0), fact(50, source="rig-b")) is PASS
    assert outcome(COOL, fact(HOT), fact(HOT, source="rig-b")) is FAIL


def test_one_stale_source_among_fresh_ones_is_unknown():
    assert outcome(COOL, fact(COLD), fact(COLD, source="rig-b", ago=2 * HOUR), age=HOUR) is UNKNOWN


def test_named_sources_alone_are_asked():
    facts = fact(COLD), fact(HOT, source="rig-b")
    assert outcome(COOL, *facts, sources=("lab",)) is PASS
    assert outcome(COOL, *facts, sources=("rig-b",)) is FAIL


def test_a_named_source_that_is_silent_is_unknown():
    assert outcome(COOL, fact(COLD), sources=("lab", "rig-b")) is UNKNOWN
    assert words(COOL, fact(COLD), sources=("lab", "rig-b")).endswith("no fact from rig-b")


@pytest.mark.parametrize("changes", [{"valid_at": NOW + timedelta(seconds=1)}, {"recorded_at": NOW + timedelta(seconds=1)}])
def test_a_fact_from_the_future_is_unknown_whatever_else_is_known(changes):
    assert outcome(COOL, fact(COLD, **changes)) is UNKNOWN
    assert outcome(COOL, fact(COLD), fact(COLD, **changes)) is UNKNOWN
    assert "from the future" in words(COOL, fact(COLD, **changes))


def test_a_fact_of_this_very_moment_counts():
    assert outcome(COOL, fact(COLD, ago=timedelta(0))) is PASS


def test_a_fact_without_a_time_zone_is_unknown():
    assert outcome(COOL, fact(COLD, valid_at=datetime(2026, 6, 1))) is UNKNOWN  # noqa: DTZ001 - the point
    assert outcome(COOL, fact(COLD, recorded_at=datetime(2026, 6, 1))) is UNKNOWN  # noqa: DTZ001 - the point


def test_a_fact_without_the_asked_signature_is_unknown_and_hides_no_older_signed_one():
    signed = fact(COLD, signers=("key-1", "key-2"))
    assert outcome(COOL, signed, signed_by=("key-2", "key-9")) is PASS
    assert outcome(COOL, signed, signed_by=("key-9",)) is UNKNOWN
    assert outcome(COOL, replace(signed, valid_at=NOW - 2 * HOUR), fact(HOT), signed_by=("key-1",)) is UNKNOWN
    assert "signed by none" in words(COOL, fact(COLD), signed_by=("key-1",))


class TestCorrections:
    wrong = fact(HOT, id="1")
    right = fact(COLD, id="2", supersedes="1", recorded_at=NOW)

    def test_a_correction_replaces_what_it_corrects(self):
        assert outcome(COOL, self.wrong, self.right) is PASS
        assert outcome(COOL, self.wrong, replace(self.right, supersedes="")) is UNKNOWN

    def test_a_correction_of_a_correction_stands_alone(self):
        third = fact(HOT, id="3", supersedes="2", recorded_at=NOW)
        second = replace(self.right, recorded_at=NOW - timedelta(seconds=1))
        assert outcome(COOL, self.wrong, second, third) is FAIL

    def test_a_correction_by_another_source_is_a_disagreement(self):
        assert outcome(COOL, self.wrong, replace(self.right, source="rig-b")) is UNKNOWN

    def test_a_correction_that_was_not_recorded_later_is_not_honoured(self):
        assert outcome(COOL, self.wrong, replace(self.right, recorded_at=self.wrong.recorded_at)) is UNKNOWN

    def test_correcting_a_failure_to_an_earlier_time_does_not_bring_back_an_older_pass(self):
        older = fact(COLD, id="0", ago=3 * HOUR)
        moved = fact(HOT, id="2", supersedes="1", ago=9 * HOUR, recorded_at=NOW)
        assert outcome(COOL, older, self.wrong) is FAIL
        assert outcome(COOL, older, self.wrong, moved) is FAIL

    def test_two_facts_that_correct_each_other_do_not_vanish(self):
        first = fact(HOT, id="1", supersedes="2")
        second = fact(HOT, id="2", supersedes="1")
        assert outcome(COOL, first, second, fact(COLD, source="rig-b")) is UNKNOWN

    def test_a_correction_of_an_unknown_fact_is_a_fact(self):
        assert outcome(COOL, replace(self.right, supersedes="elsewhere")) is PASS


HOT_FACT = fact(5, predicate=COUNT)
KNOWN = {
    PASS: Condition("p", "rig", COUNT, Compare.EQUALS, (5,)),
    FAIL: Condition("f", "rig", COUNT, Compare.EQUALS, (6,)),
    UNKNOWN: Condition("u", "nobody", COUNT, Compare.EQUALS, (6,)),
}


@pytest.mark.parametrize(
    ("parts", "all_", "any_", "two"),
    [
        ((PASS, PASS), PASS, PASS, PASS),
        ((PASS, FAIL), FAIL, PASS, FAIL),
        ((PASS, UNKNOWN), UNKNOWN, PASS, UNKNOWN),
        ((FAIL, UNKNOWN), FAIL, UNKNOWN, FAIL),
        ((UNKNOWN, UNKNOWN), UNKNOWN, UNKNOWN, UNKNOWN),
        ((FAIL, FAIL), FAIL, FAIL, FAIL),
        ((PASS, PASS, FAIL), FAIL, PASS, PASS),
        ((PASS, FAIL, UNKNOWN), FAIL, PASS, UNKNOWN),
        ((FAIL, FAIL, UNKNOWN), FAIL, UNKNOWN, FAIL),
    ],
)
def test_groups_follow_kleene(parts, all_, any_, two):
    children = tuple(replace(KNOWN[part], id=f"c{i}") for i, part in enumerate(parts))
    got = [evaluate(gate(node), [HOT_FACT], NOW).outcome for node in (All(children), AnyOf(children), AtLeast(2, children))]
    assert got == [all_, any_, two]


def test_joining_nothing_that_must_pass_is_the_only_empty_pass():
    assert joined([], 1) is FAIL


def test_a_waiver_turns_a_known_failure_into_a_pass_and_shows_it():
    decision = evaluate(gate(COOL, waivers=(waiver(),)), [fact(HOT)], NOW)
    assert (decision.outcome, decision.tree.waived) == (PASS, True)
    assert "waived by lab head until 2026-06-01T13:00:00Z: sensor out (meanwhile: second sensor)" in decision.tree.words
    assert explain_lines(decision.as_dict())[0].startswith(
        "WAIVED  cool: rig: lab.heat@1 < 80 Cel: it is 90.0 Cel, says lab; waived"
    )


def test_a_waiver_does_not_turn_unknown_into_anything():
    for facts in ([], [fact(HOT), fact(COLD, source="rig-b")], [fact(HOT, ago=-HOUR)]):
        decision = evaluate(gate(COOL, waivers=(waiver(),)), facts, NOW)
        assert (decision.outcome, decision.tree.waived) == (UNKNOWN, False)
        assert "covers a known failure only" in decision.tree.words


def test_a_waiver_ends_at_its_expiry():
    asked = gate(COOL, waivers=(waiver(expires=NOW),))
    assert evaluate(asked, [fact(HOT)], NOW).outcome is FAIL
    assert evaluate(asked, [fact(HOT)], NOW - timedelta(microseconds=1)).outcome is PASS
    assert "expired at 2026-06-01T12:00:00Z" in evaluate(asked, [fact(HOT)], NOW).tree.words


def test_a_waiver_is_shown_but_not_used_where_the_condition_holds():
    decision = evaluate(gate(COOL, waivers=(waiver(),)), [fact(COLD)], NOW)
    assert (decision.outcome, decision.tree.waived, decision.tree.waiver is not None) == (PASS, False, True)


def test_a_waiver_is_for_its_condition_alone():
    other = replace(COOL, id="cooler", values=(70,))
    decision = evaluate(gate(COOL, other, waivers=(waiver(),)), [fact(HOT)], NOW)
    assert [child.outcome for child in decision.tree.children] == [PASS, FAIL]
    assert decision.tree.words == "2 of 2 must pass: 1 pass, 1 fail (1 by waiver)"


def test_the_subject_is_bound_at_evaluation():
    asked = gate(replace(COOL, subject="$subject"))
    assert evaluate(asked, [fact(COLD)], NOW, subject="rig").outcome is PASS
    assert evaluate(asked, [fact(COLD)], NOW, subject="rig2").outcome is UNKNOWN
    part = gate(replace(COOL, subject="$subject/fan"))
    assert evaluate(part, [fact(COLD, subject="rig/fan")], NOW, subject="rig").outcome is PASS


def test_a_gate_on_a_subject_that_is_not_given_is_refused():
    with pytest.raises(UsageError, match="none is given"):
        evaluate(gate(replace(COOL, subject="$subject")), [], NOW)


def test_a_moment_without_a_time_zone_is_refused():
    with pytest.raises(UsageError, match="no time zone"):
        evaluate(gate(COOL), [], datetime(2026, 1, 1))  # noqa: DTZ001 - the point


def test_moments_compare_across_time_zones():
    east = NOW.astimezone(timezone(timedelta(hours=9)))
    decision = evaluate(gate(replace(COOL, age=HOUR)), [fact(COLD)], east)
    assert (decision.outcome, decision.as_dict()["now"]) == (PASS, "2026-06-01T12:00:00.000000Z")


def test_a_decision_is_data_with_the_facts_it_was_made_from():
    tree = All((replace(COOL, title="not too hot"), KNOWN[UNKNOWN]), "the rig is fit")
    document = evaluate(gate(tree), [fact(COLD, id="7", signers=("b", "a"))], NOW).as_dict()
    assert json.loads(encode(document)) == document
    assert (document["gate"], document["outcome"], document["tree"]["title"]) == ("g", "unknown", "the rig is fit")
    used = document["tree"]["children"][0]["facts"]
    assert used == [
        {
            "id": "7",
            "source": "lab",
            "value": 50.0,
            "unit": "Cel",
            "valid_at": "2026-06-01T11:00:00.000000Z",
            "recorded_at": "2026-06-01T11:00:00.000000Z",
            "age_seconds": 3600.0,
            "signers": ["a", "b"],
            "standing": "holds",
        }
    ]


def test_a_decision_shows_the_waiver_that_it_used():
    shown = evaluate(gate(COOL, waivers=(waiver(),)), [fact(HOT)], NOW).as_dict()["tree"]["waiver"]
    assert set(shown) == {"owner", "reason", "compensating_control", "expires"}


def test_an_outcome_is_a_verdict_only_pass_is_a_pass():
    got = [evaluate(gate(COOL), facts, NOW).verdict for facts in ([fact(COLD)], [fact(HOT)], [])]
    assert got == [Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN]


def test_an_explanation_is_indented_like_the_gate():
    tree = All((COOL, AnyOf((KNOWN[PASS], KNOWN[UNKNOWN]), "either")))
    lines = explain_lines(evaluate(gate(tree), [fact(COLD), HOT_FACT], NOW).as_dict())
    assert [line.split(":")[0] for line in lines] == [
        "PASS    all",
        "  PASS    cool",
        "  PASS    any (either)",
        "    PASS    p",
        "    UNKNOWN u",
    ]


def test_the_words_of_a_condition_show_values_with_their_units():
    ready = Condition("r", "rig", READY, Compare.NOT_EQUALS, (False,))
    assert (COOL.wanted, KNOWN[PASS].wanted, ready.wanted) == (
        "lab.heat@1 < 80 Cel",
        "lab.count@1 equals 5",
        "lab.ready@1 does not equal false",
    )


def test_every_value_type_is_known():
    assert {p.type for p in (HEAT, COUNT, VERDICT, READY)} == set(ValueType)
