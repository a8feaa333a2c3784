"""Every order of events that can meet a job, played on the real store against a model of five lines."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trueup.kernel.errors import Conflict
from trueup.kernel.work.engine.lease import SECOND
from trueup.kernel.work.engine.states import ENDED, Move, State, after

EVENTS = ("claim", "expire", "succeed", "stale", "retry", "refuse", "return", "cancel", "replay")


@pytest.mark.requirement("automation:AR-2")
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(EVENTS), min_size=1, max_size=14))
def test_whatever_happens_in_whatever_order_the_job_is_where_the_model_says(session, submit, run, events):
    from trueup.kernel.work import claims
    from trueup.kernel.work.actions import CancelJob, ReplayJob
    from trueup.kernel.work.models import Job, JobEvent

    Job.objects.filter(tenant=session.tenant).delete()
    (id,) = submit("testing.note", max_attempts=50)
    model, asked, at, held, old, successes = State.QUEUED, False, 0, None, None, 0
    hand = claims.Hand("w", 10.0, ("testing.note",))
    ends = {"succeed": Move.SUCCEED, "retry": Move.RETRY, "refuse": Move.REFUSE, "return": Move.RETURN}

    def turn(ended=(), want=0):
        return claims.turn(hand, ended, want, now=session.now(), scale=at * SECOND)

    fence = 0
    for event in events:
        if event in ("claim", "expire"):
            at += 11 if event == "expire" else 0
            taken = turn(want=1)
            free = model is State.QUEUED or (model is State.RUNNING and event == "expire")
            if model is State.RUNNING and event == "expire" and asked:
                model, asked, held, old = State.CANCELLED, False, None, held
                assert taken == []
            elif free:
                model, old, held = State.RUNNING, held, taken[0]
            else:
                assert taken == []
        elif event in ends and held is not None and model is State.RUNNING:
            turn([claims.Ended(held, ends[event], result="{}")])
            model = State.CANCELLED if asked else after(model, ends[event])
            successes += model is State.DONE
            held, old, asked = None, held, False
        elif event == "stale" and old is not None:
            turn([claims.Ended(old, Move.SUCCEED, result="{}")])
        elif event == "cancel":
            try:
                asked = run(CancelJob, id=id)["asked"]
                model = model if asked else State.CANCELLED
            except Conflict:
                assert model in ENDED
        elif event == "replay":
            try:
                run(ReplayJob, id=id)
                model = after(model, Move.REPLAY)
            except Conflict:
                assert after(model, Move.REPLAY) is None
        row = Job.objects.get(tenant=session.tenant, id=id)
        assert (row.state, row.cancel_asked and row.state == "running") == (model, asked)
        assert row.fence >= fence
        fence = row.fence
    assert JobEvent.objects.filter(tenant=session.tenant, job=id, what="done").count() == successes <= 1
