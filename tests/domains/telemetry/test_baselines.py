"""Baselines: made of eligible runs, bound to their data, given a tag by two people, rolled back."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event
from time import sleep
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction

from tests.domains.telemetry.runfiles import SCOPE, write_run
from trueup.domains.telemetry import queries
from trueup.domains.telemetry.actions_baselines import CreateBaseline, PromoteBaseline, RollBackBaseline, moved
from trueup.domains.telemetry.actions_config import PutPolicy
from trueup.domains.telemetry.actions_runs import AnalyzeRun, IngestRun
from trueup.domains.telemetry.models import Baseline, Run, RunMetric
from trueup.kernel.actions.errors import Held, PolicyRefused
from trueup.kernel.actions.models import Attempt
from trueup.kernel.errors import Conflict, Damaged, NotFound, Refused, UnreadableInput, UsageError
from trueup.kernel.tenancy import reaching


@pytest.fixture
def taken(run, tmp_path):
    def take(name, seed=1, *, shift=0.0, rows=600, against="", **more):
        path = write_run(tmp_path / f"{name}.csv", seed, shift=shift, rows=rows)
        run(IngestRun, path=path, name=name, **{**SCOPE, **more})
        return run(AnalyzeRun, run=name, baseline=against)

    return take


@pytest.fixture
def made(taken, run):
    taken("r1")
    return run(CreateBaseline, runs=["r1"])


def promoted(consented, version, **more):
    return consented(PromoteBaseline, version=version["version"], digest=version["digest"], **more)


@pytest.mark.requirement("telemetry:S4.3")
def test_a_version_of_a_window_holds_the_runs_of_its_scope_that_can_stand_for_it(taken, run, made, consented):
    promoted(consented, made)
    assert taken("good", 2)["verdict"] == "PASS"
    assert taken("drifted", 3, shift=1.0)["verdict"] == "PASS_WITH_DRIFT"
    taken("elsewhere", 4, program="Other")
    version = run(CreateBaseline, window_hours=24, **SCOPE)
    assert (version["runs"], version["founding"]) == (["r1", "good"], ["r1"])


@pytest.mark.requirement("telemetry:W8.1.3")
@pytest.mark.parametrize("loose", [{"baseline": "twin"}, {"alpha": 1e-300}])
def test_a_drifted_run_that_was_made_to_pass_is_nobodys_baseline(taken, run, made, consented, loose):
    promoted(consented, made)
    assert taken("drifted", 3, shift=0.2)["verdict"] == "PASS_WITH_DRIFT"
    taken("twin", 4, shift=0.2, against="drifted")
    assert run(AnalyzeRun, run="drifted", **loose)["by_policy"] is False
    with pytest.raises(Refused, match="drifted is PASS_WITH_DRIFT"):
        run(CreateBaseline, runs=["drifted"])
    with pytest.raises(Refused, match="twin is PASS by a comparison that was asked for, not by the policy"):
        run(CreateBaseline, runs=["twin"])
    run(PutPolicy, policy={"version": 1, "strategy": "last_pass"})
    assert taken("next", 5)["baseline"]["name"] == "r1"


def test_the_policys_verdict_stands_whatever_else_a_run_is_held_against(taken, run, made, consented, session):
    promoted(consented, made)
    taken("good", 2)
    taken("far", 3, shift=5.0, program="Other")
    assert run(AnalyzeRun, run="good", baseline="far")["verdict"] == "PASS_WITH_DRIFT"
    assert Run.objects.get(tenant=session.tenant, name="good").verdict == "PASS"
    assert run(AnalyzeRun, run="good", baseline=made["version"])["by_policy"] is True


def test_what_passed_against_a_version_that_was_taken_back_is_nobodys_baseline(taken, run, made, consented):
    promoted(consented, made)
    taken("r2", 2)
    second = run(CreateBaseline, runs=["r2"])
    promoted(consented, second)
    taken("r3", 3)
    run(RollBackBaseline, version=second["version"], reason="wrong firmware")
    assert run(CreateBaseline, window_hours=24, **SCOPE)["runs"] == ["r1", "r2"]


@pytest.mark.requirement("telemetry:S4.3")
def test_numbers_that_were_changed_in_the_store_make_no_baseline(taken, run, made, session):
    RunMetric.objects.filter(tenant=session.tenant, metric="volt").update(n=1_000_000)
    with pytest.raises(Damaged, match="the numbers of run r1"):
        run(CreateBaseline, runs=["r1"])
    with pytest.raises(Damaged, match="the numbers of run r1"):
        run(PromoteBaseline, version=made["version"], digest=made["digest"])


@pytest.mark.postgresql
def test_two_promotions_at_once_know_of_each_other(taken, run, made, session):
    taken("other", 2)
    versions = [made, run(CreateBaseline, runs=["other"])]
    rows = [queries.find_baseline(session.tenant, version["version"]) for version in versions]
    ctx, written = session.context(), Event()

    def second():
        try:
            with reaching(session.tenant), transaction.atomic():
                assert written.wait(20)
                moved(ctx, rows[1], "golden", "promote", "")
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            moved(ctx, rows[0], "golden", "promote", "")
            waiting = pool.submit(second)
            written.set()
            sleep(0.5)  # without a lock the second would be through by now, and know of no version before it
        waiting.result(20)
    first, second = reversed(queries.tag_history(session.tenant))
    assert (first.previous, second.previous) == (None, first.baseline)


@pytest.mark.requirement("telemetry:W8.1.3")
def test_a_window_without_a_run_that_passed_makes_no_version(taken, run):
    taken("r1")
    with pytest.raises(NotFound, match="no run of Aquila / psu / burn-in can stand"):
        run(CreateBaseline, window_hours=24, **SCOPE)


def test_a_run_that_failed_founds_no_version(taken, run):
    taken("r1")
    run(AnalyzeRun, run="r1", baseline="")
    Run.objects.filter(name="r1").update(verdict="FAIL")
    with pytest.raises(Refused, match="r1 is FAIL"):
        run(CreateBaseline, runs=["r1"])


def test_a_run_that_was_never_analysed_founds_no_version(run, tmp_path):
    run(IngestRun, path=write_run(tmp_path / "r.csv", 1), name="r")
    with pytest.raises(Refused, match="never analysed"):
        run(CreateBaseline, runs=["r"])


def test_runs_of_different_tests_make_no_version_together(taken, run):
    taken("r1")
    taken("r2", 2, test_name="other")
    with pytest.raises(Refused, match="not of one program"):
        run(CreateBaseline, runs=["r1", "r2"])


def test_either_runs_or_a_window(run):
    with pytest.raises(UsageError, match="either runs or a window"):
        run(CreateBaseline)


def test_a_version_keeps_the_circumstances_that_all_its_runs_share(taken, run):
    taken("r1", context={"environment": "lab", "scenario_id": "1"})
    taken("r2", 2, context={"environment": "lab", "scenario_id": "2"})
    assert run(CreateBaseline, runs=["r1", "r2"])["context"] == {"environment": "lab"}


def test_several_runs_are_compared_with_as_one(taken, run):
    taken("r1")
    taken("r2", 2)
    version = run(CreateBaseline, runs=["r1", "r2"])
    value = taken("r3", 3, against=version["version"])
    assert (value["verdict"], value["rows"]) == ("PASS", {"baseline": 1200, "run": 600})


@pytest.mark.requirement("telemetry:S4.3")
def test_a_version_whose_run_was_changed_in_the_store_is_damaged(made, run, taken):
    Run.objects.filter(name="r1").update(mapping={"volt": {"raw": "amp", "unit": "", "factor": 1.0, "offset": 0.0}})
    with pytest.raises(Damaged, match="no longer what it was made of"):
        taken("r2", 2, against=made["version"])


@pytest.mark.requirement("telemetry:S5.4")
def test_a_version_gets_its_tag_with_the_consent_of_another_person(made, consented, session):
    value = promoted(consented, made)
    assert (value["tag"], value["previous"]) == ("golden", None)
    assert queries.tags(session.tenant) == {UUID(made["id"]): {"golden"}}


@pytest.mark.requirement("telemetry:W8.3.4", "telemetry:S5.4")
def test_whoever_asked_for_a_tag_cannot_consent_to_it(made, session):
    from trueup.kernel.actions.runner import run as run_action
    from trueup.kernel.change.execute import vote

    with pytest.raises(Held) as held:
        run_action(PromoteBaseline, session.context(), {"version": made["version"], "digest": made["digest"]})
    with pytest.raises(PolicyRefused):
        vote(session.installation, session.context(), {"request": held.value.details["request"], "choice": "approve"})
    assert queries.tags(session.tenant) == {}


def test_consent_to_a_version_that_changed_since_is_void(made, session, consented):
    from trueup.kernel.actions.base import Principal
    from trueup.kernel.actions.runner import run as run_action
    from trueup.kernel.change.execute import vote

    with pytest.raises(Held) as held:
        run_action(PromoteBaseline, session.context(), {"version": made["version"], "digest": made["digest"]})
    Baseline.objects.filter(name=made["version"]).update(digest="0" * 64)
    other = replace(session.context(), principal=Principal("os:second", frozenset({"owner"})))
    voted = vote(session.installation, other, {"request": held.value.details["request"], "choice": "approve"})
    assert voted.problem is not None
    assert queries.tags(session.tenant) == {}
    assert Attempt.objects.get(id=held.value.details["attempt"]).state != "done"


def test_a_request_for_another_digest_than_the_versions_is_a_conflict(made, run):
    with pytest.raises(Conflict, match="has the digest"):
        run(PromoteBaseline, version=made["version"], digest="0" * 64)


@pytest.mark.requirement("telemetry:AC-4")
def test_a_version_that_is_not_fit_is_not_promoted_unless_somebody_says_why(taken, run, consented):
    taken("short", rows=40)
    version = run(CreateBaseline, runs=["short"])
    assert version["quality"]["passed"] is False
    with pytest.raises(Refused, match="40 values, 100 are needed"):
        run(PromoteBaseline, version=version["version"], digest=version["digest"])
    with pytest.raises(UsageError, match="needs a reason"):
        run(PromoteBaseline, version=version["version"], digest=version["digest"], skip_quality=True)
    assert promoted(consented, version, skip_quality=True, reason="bench check")["tag"] == "golden"


@pytest.mark.requirement("telemetry:S4.3")
def test_a_rollback_gives_the_tag_back_in_one_step(made, taken, run, consented, session):
    promoted(consented, made)
    taken("r2", 2)
    second = run(CreateBaseline, runs=["r2"])
    promoted(consented, second)
    value = run(RollBackBaseline, version=second["version"], reason="wrong firmware")
    assert (value["version"], value["previous"]) == (made["version"], second["version"])
    assert queries.tags(session.tenant) == {UUID(made["id"]): {"golden"}}
    assert [move.kind for move in queries.tag_history(session.tenant)] == ["rollback", "promote", "promote"]


def test_the_first_version_cannot_be_rolled_back_nor_one_that_bears_no_tag(made, run, consented):
    with pytest.raises(Conflict, match="is not golden now"):
        run(RollBackBaseline, version=made["version"], reason="x")
    promoted(consented, made)
    with pytest.raises(Conflict, match="is the first"):
        run(RollBackBaseline, version=made["version"], reason="x")


def test_after_two_rollbacks_the_first_version_bears_the_tag(made, taken, run, consented):
    versions = [made]
    promoted(consented, made)
    for seed in (2, 3):
        taken(f"r{seed}", seed)
        versions.append(run(CreateBaseline, runs=[f"r{seed}"]))
        promoted(consented, versions[-1])
    run(RollBackBaseline, version=versions[2]["version"], reason="x")
    assert run(RollBackBaseline, version=versions[1]["version"], reason="x")["version"] == versions[0]["version"]


def test_a_promoted_version_is_what_runs_are_held_against(made, taken, consented):
    promoted(consented, made)
    value = taken("r2", 2)
    assert (value["verdict"], value["baseline"]["name"], value["baseline"]["reason"]) == ("PASS", made["version"], "golden")


def test_a_policy_that_is_not_of_the_schema_is_not_set(run, session):
    with pytest.raises(UnreadableInput, match="strategy"):
        run(PutPolicy, policy={"version": 1, "strategy": "newest"})
    assert queries.configuration(session.tenant, queries.POLICY) is None


def test_another_tenants_version_is_not_found(made):
    with pytest.raises(NotFound):
        queries.find_baseline(uuid4(), made["version"])
    assert queries.baselines(uuid4()) == []
