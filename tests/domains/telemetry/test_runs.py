"""Runs: taken in whole, once, and held against what was chosen for them."""

import json
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from tests.domains.telemetry.runfiles import SCOPE, write_run
from trueup.domains.telemetry import measured, queries, trust
from trueup.domains.telemetry.actions_baselines import CreateBaseline
from trueup.domains.telemetry.actions_config import PutPolicy, PutRegistry
from trueup.domains.telemetry.actions_runs import AnalyzeRun, IngestRun
from trueup.domains.telemetry.models import Analysis, Run, RunMetric
from trueup.kernel.errors import Conflict, Damaged, NotFound, UnreadableInput, UsageError
from trueup.kernel.evidence.models import ArtifactRef


@pytest.fixture
def taken(run, tmp_path):
    def take(name, seed=1, *, shift=0.0, **more):
        path = write_run(tmp_path / f"{name}.csv", seed, shift=shift)
        return run(IngestRun, path=path, name=name, **{**SCOPE, **more})

    return take


def test_a_run_is_kept_with_what_was_said_of_it_and_the_numbers_of_its_metrics(taken, session):
    value = taken("r1", context={"environment": "lab"}, build={"git_sha": "abc"}, started_at=datetime(2026, 1, 1, tzinfo=UTC))
    row = Run.objects.get(tenant=session.tenant, name="r1")
    assert (row.program, row.context, row.build, row.rows) == ("Aquila", {"environment": "lab"}, {"git_sha": "abc"}, 600)
    assert [item["name"] for item in value["excluded"]] == ["t"]
    metrics = {m.metric: m for m in RunMetric.objects.filter(tenant=session.tenant, run=row.id)}
    assert sorted(metrics) == ["amp", "volt"]
    assert metrics["volt"].n == 600
    assert abs(metrics["volt"].mean - 12.0) < 0.05
    assert ArtifactRef.objects.filter(tenant=session.tenant, sha256=row.sha256).exists()


def test_the_same_file_under_the_same_name_is_the_same_run(taken, session):
    assert taken("r1")["id"] == taken("r1")["id"]
    assert Run.objects.filter(tenant=session.tenant).count() == 1


def test_another_file_under_the_same_name_is_refused_and_the_first_stays(taken, session):
    first = taken("r1")
    with pytest.raises(Conflict, match="another run called r1"):
        taken("r1", seed=2)
    assert Run.objects.get(tenant=session.tenant).sha256 == first["sha256"]


@pytest.mark.requirement("telemetry:W8.3.2")
@pytest.mark.parametrize("name", ["../escape", "a/b", ".hidden", "<script>", "x" * 101])
def test_a_name_that_could_be_a_path_or_a_script_is_refused(run, name, tmp_path, session):
    with pytest.raises(UsageError, match="name"):
        run(IngestRun, path=write_run(tmp_path / "r.csv", 1), name=name)
    assert not Run.objects.filter(tenant=session.tenant).exists()


@pytest.mark.parametrize(
    "more",
    [
        {"context": {"colour": "red"}},
        {"context": {"environment": ""}},
        {"program": "a\nb"},
        {"started_at": "2026-01-01T00:00:00"},
    ],
)
def test_what_is_said_of_a_run_is_held_to_its_form(taken, more):
    with pytest.raises(UsageError):
        taken("r1", **more)


def test_a_file_that_is_no_table_leaves_no_run(run, session, tmp_path):
    bad = tmp_path / "bad.parquet"
    bad.write_bytes(b"PAR1 nothing")
    with pytest.raises(UnreadableInput):
        run(IngestRun, path=bad, name="bad")
    assert not Run.objects.filter(tenant=session.tenant).exists()


@pytest.mark.requirement("telemetry:W8.1.1")
def test_a_run_without_a_baseline_is_never_a_pass(taken, run, session):
    taken("r1")
    value = run(AnalyzeRun, run="r1")
    assert (value["verdict"], value["baseline"]["name"]) == ("NO_BASELINE", None)
    assert Run.objects.get(tenant=session.tenant, name="r1").verdict == "NO_BASELINE"


def test_a_run_is_held_against_the_newest_version_when_the_policy_says_rolling(taken, run, founded):
    run(PutPolicy, policy={"version": 1, "strategy": "rolling"})
    founded("r1")
    taken("r2", 2)
    run(AnalyzeRun, run="r2")
    made = run(CreateBaseline, runs=["r2"])
    taken("r3", 3)
    value = run(AnalyzeRun, run="r3")
    assert (value["verdict"], value["baseline"]["name"]) == ("PASS", made["version"])
    assert value["baseline"]["digest"] == made["digest"]


def test_a_run_that_drifted_is_found_and_every_analysis_is_kept(taken, run, session):
    taken("r1")
    row = taken("r2", 2, shift=1.0)
    value = run(AnalyzeRun, run="r2", baseline="r1")
    assert value["verdict"] == "PASS_WITH_DRIFT"
    assert {item["metric"] for item in value["findings"]} == {"volt"}
    assert run(AnalyzeRun, run="r2", baseline="r1", drift_is_fail=True)["verdict"] == "FAIL"
    assert [item["verdict"] for item in queries.analyses(session.tenant, queries.find_run(session.tenant, row["id"]).id)] == [
        "FAIL",
        "PASS_WITH_DRIFT",
    ]


def test_a_baseline_that_is_named_and_not_there_is_an_error_and_no_verdict(taken, run, session):
    taken("r1")
    with pytest.raises(NotFound, match="nobody"):
        run(AnalyzeRun, run="r1", baseline="nobody")
    assert not Analysis.objects.filter(tenant=session.tenant).exists()


def test_an_analysis_names_the_data_of_both_sides_as_evidence(taken, run, session):
    first, second = taken("r1"), taken("r2", 2)
    run(AnalyzeRun, run="r2", baseline="r1")
    made = Analysis.objects.get(tenant=session.tenant)
    named = set(ArtifactRef.objects.filter(tenant=session.tenant).values_list("sha256", flat=True))
    assert {first["sha256"], second["sha256"], made.report, made.comparison} <= named


@pytest.mark.requirement("telemetry:W8.1.2")
def test_a_named_baseline_is_the_one_compared_with_whatever_else_is_stored(taken, run):
    taken("old", 1)
    run(AnalyzeRun, run="old")
    taken("shifted", 2, shift=1.0)
    taken("like-shifted", 3, shift=1.0)
    value = run(AnalyzeRun, run="like-shifted", baseline="shifted")
    assert (value["verdict"], value["baseline"]["name"]) == ("PASS", "shifted")
    assert run(AnalyzeRun, run="like-shifted", baseline="old")["verdict"] == "PASS_WITH_DRIFT"


def test_a_dual_policy_warns_against_the_rolling_version_and_does_not_decide_by_it(taken, run, founded):
    made = founded("r1")
    founded("r2", 2, shift=1.0, tag="pilot")
    run(PutPolicy, policy={"version": 1, "strategy": "golden", "dual": True})
    taken("r3", 3)
    value = run(AnalyzeRun, run="r3")
    assert (value["verdict"], value["baseline"]["name"]) == ("PASS", made["version"])
    assert any(note.startswith("early warning, against v_") and "volt" in note for note in value["notes"])


def test_data_that_changed_on_the_disk_is_not_judged(taken, run, session, home):
    taken("r1")
    value = taken("r2", 2)
    (place,) = home.glob(f"artifacts/*/{value['sha256'][:2]}/{value['sha256']}")
    place.write_bytes(place.read_bytes().replace(b"12.", b"13.", 1))
    with pytest.raises(Damaged, match="is not what was recorded"):
        run(AnalyzeRun, run="r2", baseline="r1")


def test_another_tenants_run_is_not_found(taken, session):
    taken("r1")
    with pytest.raises(NotFound):
        queries.find_run(uuid4(), "r1")
    assert trust.candidates(uuid4()) == []


def test_the_document_of_an_analysis_is_json_and_names_its_configuration(taken, run):
    taken("r1")
    taken("r2", 2)
    value = run(AnalyzeRun, run="r2", baseline="r1")
    assert json.loads(json.dumps(value)) == value
    assert len(value["config_digest"]) == 64
    assert run(AnalyzeRun, run="r2", baseline="r1", alpha=0.05)["config_digest"] != value["config_digest"]


REGISTRY = {
    "version": "1",
    "metrics": {"bus_voltage": {"aliases": ["volt"], "unit": "V"}, "bus_current": {"aliases": ["AMP"], "unit": "A"}},
}


def test_metrics_go_by_the_names_and_units_of_the_registry(taken, run, session):
    run(PutRegistry, registry=REGISTRY)
    taken("r1")
    row = queries.find_run(session.tenant, "r1")
    assert [(m["metric"], m["unit"]) for m in measured.documents(session.tenant, row)] == [
        ("bus_current", "A"),
        ("bus_voltage", "V"),
    ]
    taken("r2", 2, shift=1.0)
    assert [item["metric"] for item in run(AnalyzeRun, run="r2", baseline="r1")["findings"]] == ["bus_voltage"]


def test_two_columns_that_are_one_metric_are_refused(taken, run, session):
    run(PutRegistry, registry={"version": "1", "metrics": {"power": {"aliases": ["volt", "amp"]}}})
    with pytest.raises(UnreadableInput, match="'volt' and 'amp' are both the metric power"):
        taken("r1")
    assert not Run.objects.filter(tenant=session.tenant).exists()


def test_a_registry_that_contradicts_itself_is_not_set(run, session):
    with pytest.raises(UnreadableInput, match="invariant_min"):
        run(PutRegistry, registry={"version": "1", "metrics": {"x": {"invariant_min": 2, "invariant_max": 1}}})
    assert queries.configuration(session.tenant, queries.REGISTRY) is None


@pytest.mark.requirement("telemetry:W8.1.1")
def test_limits_of_the_registry_hold_without_a_baseline(taken, run):
    run(PutRegistry, registry={"version": "1", "metrics": {"volt": {"unit": "V", "invariant_max": 12.1}}})
    taken("r1")
    value = run(AnalyzeRun, run="r1")
    assert (value["verdict"], [(item["metric"], item["kind"]) for item in value["findings"]]) == ("FAIL", [("volt", "invariant")])
    assert value["metric_registry"]


@pytest.mark.requirement("telemetry:W8.1.1")
def test_a_critical_metric_of_the_registry_that_is_missing_fails_with_and_without_a_baseline(taken, run):
    taken("r1")
    run(
        PutRegistry,
        registry={"version": "1", "metrics": {"resets": {"critical": True, "invariant_eq": 0}, "volt": {}, "amp": {}}},
    )
    assert run(AnalyzeRun, run="r1")["verdict"] == "FAIL"
    taken("r2", 2)
    value = run(AnalyzeRun, run="r2", baseline="r1")
    assert (value["verdict"], value["findings"][0]["metric"]) == ("FAIL", "resets")


def test_a_metric_outside_the_registry_is_told_and_compared_all_the_same(taken, run):
    run(PutRegistry, registry={"version": "1", "metrics": {"amp": {"unit": "A"}}})
    taken("r1")
    taken("r2", 2, shift=1.0)
    value = run(AnalyzeRun, run="r2", baseline="r1")
    assert (value["verdict"], [item["metric"] for item in value["findings"]]) == ("PASS_WITH_DRIFT", ["volt"])
    assert any("volt" in note and "regist" in note for note in value["notes"])


@pytest.mark.requirement("telemetry:W8.1.2")
def test_a_run_that_is_named_like_anothers_id_is_never_taken_for_it(taken, run):
    first = taken("r1")
    run(AnalyzeRun, run="r1")
    made = run(CreateBaseline, runs=["r1"])
    taken(first["id"], 9, shift=1.0)
    taken("r2", 2, shift=1.0)
    for baseline in ("r1", made["version"]):
        value = run(AnalyzeRun, run="r2", baseline=baseline)
        assert (value["verdict"], [item["metric"] for item in value["findings"]]) == ("PASS_WITH_DRIFT", ["volt"])
