"""How consent is counted: states, quorum, expiry; over all sequences of votes."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from trueup.kernel.change.engine.consent import Choice, Need, Standing, State, need, present, require_voter, vote
from trueup.kernel.errors import Conflict, Refused

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PEOPLE = [f"user:{n}" for n in range(6)]


class Request(RuleBasedStateMachine):
    """One request, voted on by anybody in any order while time passes."""

    def __init__(self):
        super().__init__()
        self.now = NOW
        self.needed = 3
        self.standing = Standing(State.OPEN, self.needed, NOW + timedelta(hours=10))
        self.consents, self.refusals = set(), set()

    @rule(person=st.sampled_from(PEOPLE), choice=st.sampled_from(list(Choice)))
    def votes(self, person, choice):
        takes = present(self.standing.state, self.standing.expires_at, self.now) is State.OPEN
        again = person in self.consents | self.refusals
        if not takes or again:
            with pytest.raises(Conflict):
                vote(self.standing, person=person, choice=choice, now=self.now)
            return
        self.standing = vote(self.standing, person=person, choice=choice, now=self.now)
        (self.consents if choice is Choice.APPROVE else self.refusals).add(person)

    @rule(hours=st.integers(0, 4))
    def waits(self, hours):
        self.now += timedelta(hours=hours)

    @precondition(lambda self: self.standing.state is State.APPROVED)
    @invariant()
    def is_approved_by_as_many_different_people_as_needed_and_refused_by_none(self):
        assert len(self.consents) == self.needed
        assert not self.refusals

    @precondition(lambda self: bool(self.refusals))
    @invariant()
    def one_refusal_ends_it(self):
        assert self.standing.state is State.REJECTED

    @invariant()
    def is_not_open_after_its_time(self):
        state = present(self.standing.state, self.standing.expires_at, self.now)
        assert self.now < NOW + timedelta(hours=10) or state in (State.EXPIRED, State.REJECTED)


TestRequest = Request.TestCase


@given(st.permutations([("*", 1), ("R3", 2), ("a.b", 3)]), st.integers(0, 3))
def test_the_rule_of_the_name_counts_before_that_of_the_risk_and_that_before_any(rules, left):
    kept = [(name, Need(votes=votes)) for name, votes in rules[:left]]
    found = need(kept, action="a.b", risk="R3").votes
    assert found == max([1, *(rule.votes for _, rule in kept)])


def test_without_a_rule_one_vote_within_three_days():
    assert need([], action="a.b", risk="R3") == Need(1, timedelta(days=3), frozenset())


@pytest.mark.parametrize("state", list(State))
def test_only_what_waits_expires(state):
    later = present(state, NOW, NOW)
    assert later is (State.EXPIRED if state in (State.OPEN, State.APPROVED) else state)
    assert present(state, NOW, NOW - timedelta(microseconds=1)) is state


def test_a_rule_can_say_who_votes():
    require_voter({"viewer"}, set())
    require_voter({"approver", "viewer"}, {"approver"})
    with pytest.raises(Refused, match="approver"):
        require_voter({"admin"}, {"approver"})
