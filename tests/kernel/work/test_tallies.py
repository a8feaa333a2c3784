"""Counts that triggers keep are those of the rows, whatever happens to the rows."""

from collections import Counter
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trueup.config.store import configure

configure(None)

from trueup.kernel.work import tallies  # noqa: E402 - models exist once Django is configured
from trueup.kernel.work.actions import CancelJob, PruneJobs, ReplayJob  # noqa: E402
from trueup.kernel.work.models import Job, Tally  # noqa: E402


def counted(tenant):
    rows = Job.objects.filter(tenant=tenant).values_list("state", "error", "priority")
    cells = Counter(("delayed" if state == "queued" and error else state, priority) for state, error, priority in rows)
    found = {}
    for (state, priority), n in cells.items():
        found.setdefault(state, {})[priority] = n
    return found


def test_a_life_of_jobs_is_counted(session, run, submit, drain):
    ids = submit("testing.note", *[{"args": {"n": n}, "priority": n % 3} for n in range(9)])
    assert tallies.counts(session.tenant) == counted(session.tenant)
    run(CancelJob, id=str(ids[0]))
    drain()
    assert tallies.counts(session.tenant, "testing.note") == counted(session.tenant)
    run(ReplayJob, id=str(ids[0]))
    assert tallies.counts(session.tenant) == counted(session.tenant)
    drain()
    run(PruneJobs, older_than_days=0)
    assert tallies.counts(session.tenant) == counted(session.tenant)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    moves=st.lists(
        st.tuples(st.sampled_from(("queued", "running", "done", "dead")), st.booleans(), st.integers(0, 5)), max_size=8
    )
)
def test_any_moves_of_any_rows_are_counted(session, submit, moves):
    ids = submit("testing.note", *[{"priority": n} for n in range(3)])
    for state, error, which in moves:
        if which > 4:
            Job.objects.filter(tenant=session.tenant, id=ids[0]).delete()
        else:
            Job.objects.filter(tenant=session.tenant, id__in=ids[: which + 1]).update(state=state, error="E: x" if error else "")
    tallies.add_up()
    assert tallies.counts(session.tenant) == counted(session.tenant)


def test_triggers_that_are_gone_are_put_back_and_all_is_counted_anew(session, submit):
    from django.db import connection

    from trueup.kernel import tenancy

    with tenancy.reaching_every(), connection.cursor() as cursor:
        tallies._remove(cursor)
    submit("testing.note", {}, {})
    assert tallies.counts(session.tenant) != counted(session.tenant)
    tallies.ensure()
    assert tallies.counts(session.tenant) == counted(session.tenant)


def test_another_tenants_jobs_are_not_counted(session, submit):
    submit("testing.note", {}, {})
    assert tallies.counts(UUID(int=9)) == {}


@pytest.mark.parametrize("rows", [tallies._MANY + 50])
def test_many_rows_of_a_cell_are_added_up(session, submit, rows):
    from trueup.kernel.work import sql

    submit("testing.note", {})
    Tally.objects.bulk_create(
        [Tally(tenant=session.tenant, kind="other", state="done", priority=5, n=1 if n % 2 else -1) for n in range(rows)]
    )
    tallies.add_up()
    assert tallies.counts(session.tenant) == counted(session.tenant)
    assert (Tally.objects.filter(tenant=session.tenant, kind="other").count() == 0) == sql.on_postgresql()
