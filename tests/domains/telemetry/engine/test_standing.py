"""What can stand for a baseline goes back to consent, and nothing that was asked for or taken back does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domains.telemetry.engine.standing import RunStanding, VersionStanding, trusted

GOLDEN = VersionStanding("v1", ("founder",), vouched=True)


def passed(id, against="v1", *, by_policy=True, verdict="PASS"):
    return RunStanding(id, verdict, by_policy, against)


@pytest.mark.requirement("telemetry:W8.1.3")
@pytest.mark.parametrize("verdict", ["FAIL", "PASS_WITH_DRIFT", "INSUFFICIENT_DATA", "NO_BASELINE", "STALE", "UNKNOWN", ""])
def test_a_run_that_did_not_pass_cannot_stand(verdict):
    assert trusted([passed("a", verdict=verdict)], [GOLDEN]) == {"v1", "founder"}


def test_a_version_with_consent_its_runs_and_what_passed_against_it_can_stand():
    assert trusted([passed("founder", "", verdict="NO_BASELINE"), passed("a")], [GOLDEN]) == {"v1", "founder", "a"}


@pytest.mark.requirement("telemetry:W8.1.3")
def test_a_pass_against_what_somebody_picked_cannot_stand():
    assert trusted([passed("a", by_policy=False), passed("b", "a")], [GOLDEN]) == {"v1", "founder"}


def test_a_version_without_consent_stands_only_if_each_of_its_runs_does():
    runs = [passed("a"), passed("b"), passed("c", by_policy=False)]
    versions = [GOLDEN, VersionStanding("good", ("a", "b")), VersionStanding("mixed", ("a", "c")), VersionStanding("empty", ())]
    assert trusted(runs, versions) == {"v1", "founder", "a", "b", "good"}


def test_what_was_built_on_a_version_falls_with_it():
    withdrawn = VersionStanding("v1", ("founder",), vouched=True, withdrawn=True)
    runs = [passed("a"), passed("b", "a"), passed("c", "v2")]
    assert trusted(runs, [withdrawn, VersionStanding("v2", ("a", "b"))]) == frozenset()


def test_runs_that_vouch_for_each_other_in_a_ring_cannot_stand():
    assert trusted([passed("a", "b"), passed("b", "a")], [VersionStanding("v", ("a", "b"))]) == frozenset()


def test_a_chain_of_ten_thousand_runs_is_followed():
    runs = [passed(f"r{i}", f"r{i - 1}" if i else "v1") for i in range(10_000)]
    assert len(trusted(runs, [GOLDEN])) == 10_002


_ids = st.sampled_from([f"r{i}" for i in range(6)])
_runs = st.lists(
    st.builds(
        RunStanding, _ids, st.sampled_from(["PASS", "FAIL"]), st.booleans(), st.one_of(_ids, st.sampled_from(["v0", "v1"]))
    ),
    max_size=6,
    unique_by=lambda run: run.id,
)
_versions = st.lists(
    st.builds(
        VersionStanding,
        st.sampled_from(["v0", "v1", "v2"]),
        st.lists(_ids, max_size=3).map(tuple),
        st.booleans(),
        st.booleans(),
    ),
    max_size=3,
    unique_by=lambda version: version.id,
)


@given(_runs, _versions, st.randoms())
def test_without_consent_nothing_stands_and_the_order_does_not_matter(runs, versions, rng):
    found = trusted(runs, versions)
    shuffled = list(runs)
    rng.shuffle(shuffled)
    assert trusted(shuffled, versions[::-1]) == found
    if not any(version.vouched and not version.withdrawn for version in versions):
        assert not found
    by_id = {version.id: version for version in versions}
    assert not {id for id in found if id in by_id and by_id[id].withdrawn}
