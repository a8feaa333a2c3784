"""Events: in the transaction of their change, to each subscriber once, one subject in order."""

import pytest

from trueup.kernel.actions.base import Action, Input, Outcome
from trueup.kernel.actions.ports import Event, JobRequest


class HappenInput(Input):
    names: tuple[str, ...]
    subject: str = "s"
    fails: bool = False


class Happen(Action[HappenInput, None, None]):
    """Let something happen, with a job that follows."""

    name = "testing.thing.happen"
    summary = "let something happen"
    tags = frozenset({"operate"})
    input = HappenInput

    def apply(self, ctx, input, loaded, prepared):  # noqa: ARG002 - every action has the contract's signature
        events = [Event(f"testing.{name}", input.subject, {"n": n}) for n, name in enumerate(input.names)]
        kind = "no.such" if input.fails else "work.noop"
        return Outcome({"ok": True}, events=events, jobs=[JobRequest(kind)])


@pytest.fixture
def happen(home):
    """Let events happen by an action."""
    from trueup.kernel.actions.registry import register

    register([Happen])
    return Happen


@pytest.fixture
def act(happen, session, submit):
    from trueup.kernel.actions.runner import run

    return lambda *names, **more: run(happen, session.context(), {"names": names, **more})


def notes(session):
    from trueup.kernel.work.models import Job

    return Job.objects.filter(tenant=session.tenant, kind="testing.note").order_by("created_at", "rank")


def seen():
    from tests.kernel.work import kinds

    return [args["data"]["n"] for _, args in kinds.SEEN]


def test_an_action_s_jobs_and_events_are_written_with_it(act, session):
    from trueup.kernel.evidence.models import Entry
    from trueup.kernel.work.models import Job, OutboxEvent

    value = act("happened.once").value
    job = Job.objects.get(tenant=session.tenant)
    event = OutboxEvent.objects.get(tenant=session.tenant)
    assert value["jobs"] == [str(job.id)]
    assert job.entry == event.entry == Entry.objects.filter(tenant=session.tenant).latest("id").id


def test_an_action_that_fails_leaves_neither_jobs_nor_events(act, session):
    from trueup.kernel.errors import NotFound
    from trueup.kernel.work.models import Job, OutboxEvent

    with pytest.raises(NotFound):
        act("happened.once", fails=True)
    assert not Job.objects.filter(tenant=session.tenant).exists()
    assert not OutboxEvent.objects.filter(tenant=session.tenant).exists()


def test_an_event_becomes_one_job_of_each_subscriber_that_acts_for_who_caused_it(act, session, drain):
    act("happened.once")
    act("unheard.of")
    drain()
    (row,) = notes(session)
    assert (row.state, row.principal) == ("done", session.context().principal.id)
    from tests.kernel.work import kinds

    (args,) = [args for _, args in kinds.SEEN]
    assert (args["event"], args["subject"], args["data"]) == ("testing.happened.once", "s", {"n": 0})


def test_dispatching_again_makes_nothing_twice(act, session):
    from trueup.kernel.work import outbox

    act("happened.once")
    assert outbox.dispatch(session.now()) == 2
    assert outbox.dispatch(session.now()) == 0
    assert notes(session).count() == 1


def test_events_of_one_subject_are_handled_one_after_the_other_in_their_order(act, session, drain):
    from trueup.kernel.work import outbox

    act(*["happened.x"] * 5)
    outbox.dispatch(session.now())
    assert notes(session).count() == 1, "the next is sent when the one before has ended"
    drain()
    assert seen() == [0, 1, 2, 3, 4]


def test_events_of_other_subjects_do_not_wait(act, session):
    from trueup.kernel.work import outbox

    for subject in "abc":
        act("happened.x", "happened.x", subject=subject)
    outbox.dispatch(session.now())
    assert notes(session).count() == 3


def test_a_job_that_failed_for_good_does_not_stop_the_events_behind_it(act, session, drain):
    from trueup.kernel.work import outbox

    act("happened.x", "happened.x")
    outbox.dispatch(session.now())
    notes(session).update(state="dead")
    drain()
    assert seen() == [1]


def test_a_subscriber_that_nobody_does_waits_and_stops_no_other(act, session):
    from trueup.kernel.work import handlers, outbox

    handlers.subscribe("testing.lonely", kind="testing.unregistered")
    act("lonely")
    act("happened.x")
    outbox.dispatch(session.now())
    assert notes(session).count() == 1
    assert handlers.subscribers("testing.lonely") == ["testing.unregistered"]
    handlers._subscriptions.remove(("testing.lonely", "testing.unregistered"))


def test_an_event_whose_job_s_row_was_pruned_is_closed(act, session):
    from trueup.kernel.work import outbox
    from trueup.kernel.work.models import Delivery

    act("happened.x")
    outbox.dispatch(session.now())
    notes(session).delete()
    outbox.dispatch(session.now())
    assert not Delivery.objects.filter(tenant=session.tenant, open=True).exists()
