"""What tests of telemetry share. Django is told of the rooms first, so that models can be imported; each test opens its own store."""

from dataclasses import replace

import pytest

from tests.domains.telemetry.runfiles import SCOPE, write_run
from trueup.config.store import configure
from trueup.kernel.actions.base import Principal
from trueup.kernel.actions.errors import Held

configure(None)


@pytest.fixture
def consented(session):
    """Ask for an action and let another person consent to it."""
    from trueup.kernel.actions.runner import run as run_action
    from trueup.kernel.change.execute import vote

    def ask(action, **input):
        with pytest.raises(Held) as held:
            run_action(action, session.context(), input)
        other = replace(session.context(), principal=Principal("os:second", frozenset({"owner"})))
        voted = vote(session.installation, other, {"request": held.value.details["request"], "choice": "approve"})
        session.sequence()
        if voted.problem:
            raise voted.problem
        return voted.result.value

    return ask


@pytest.fixture
def founded(run, consented, tmp_path):
    """Take a run in, make a version of it and give it a tag with the consent of another person."""

    def found(name, seed=1, *, shift=0.0, tag="golden"):
        from trueup.domains.telemetry.actions_baselines import CreateBaseline, PromoteBaseline
        from trueup.domains.telemetry.actions_runs import AnalyzeRun, IngestRun
        from trueup.domains.telemetry.models import Run

        run(IngestRun, path=write_run(tmp_path / f"{name}.csv", seed, shift=shift), name=name, **SCOPE)
        run(AnalyzeRun, run=name)
        Run.objects.filter(name=name).update(verdict="NO_BASELINE", by_policy=True)
        version = run(CreateBaseline, runs=[name])
        consented(PromoteBaseline, version=version["version"], digest=version["digest"], tag=tag)
        return version

    return found
