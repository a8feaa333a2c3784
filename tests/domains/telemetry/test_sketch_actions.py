"""Checks against stored versions: by name and tag, under the tenant's registry, and never as a verdict of the run."""

import pytest

from tests.domains.telemetry.runfiles import write_run
from trueup.kernel.errors import NotFound, UnreadableInput, UsageError


def checked(run, baseline, file, **more):
    from trueup.domains.telemetry.actions_sketch import CheckRun

    return run(CheckRun, baseline=str(baseline), run=file, **more)


def test_a_run_is_checked_against_a_version_and_its_tag(run, founded, tmp_path):
    from trueup.domains.telemetry.models import Run
    from trueup.kernel.evidence.models import Fact

    version = founded("first")
    facts, runs = Fact.objects.count(), Run.objects.count()
    clean = checked(run, "golden", write_run(tmp_path / "clean.csv", 2))
    assert (clean["verdict"], clean["files"]["baseline"]["name"]) == ("PASS", version["version"])
    assert clean["files"]["baseline"]["sha256"] == version["digest"]
    drifted = checked(run, version["version"], write_run(tmp_path / "drifted.csv", 3, shift=0.2))
    assert drifted["verdict"] == "PASS_WITH_DRIFT"
    # a check says too little to be a fact about a run, or a run that a baseline could be built on
    assert (Fact.objects.count(), Run.objects.count()) == (facts, runs)


def test_an_answer_is_kept_as_evidence_with_both_digests(run, session, founded, tmp_path):
    founded("first")
    value = checked(run, "golden", write_run(tmp_path / "clean.csv", 2), subject="bench:7")
    assert value["subject"] == "bench:7"
    assert set(value["artifacts"]) == {"check.json"}


def test_what_is_no_version_is_not_found(run, tmp_path):
    with pytest.raises(NotFound, match="no such sketch file"):
        checked(run, "golden", write_run(tmp_path / "run.csv", 2))


def test_a_name_that_is_a_file_and_a_tag_is_refused(run, founded, tmp_path, monkeypatch):
    founded("first")
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "golden", 1)
    with pytest.raises(UsageError, match="is a file and a baseline version"):
        checked(run, "golden", write_run(tmp_path / "run.csv", 2))
    with pytest.raises(UnreadableInput, match="is no sketch file"):
        checked(run, "./golden", write_run(tmp_path / "run.csv", 2))


def test_a_subject_of_runs_that_were_taken_in_is_refused(run, tmp_path):
    with pytest.raises(UsageError, match="run/"):
        checked(run, "golden", write_run(tmp_path / "run.csv", 2), subject="run/first")


def test_a_file_is_not_sketched_onto_itself(run, tmp_path):
    from trueup.domains.telemetry.actions_sketch import SketchRun

    file = write_run(tmp_path / "run.csv", 2)
    with pytest.raises(UsageError, match="is the file to be sketched"):
        run(SketchRun, source=file, out=file)
