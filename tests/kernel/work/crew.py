"""``trueup`` with the kinds and actions of the tests: what the tests start, kill and start again.

``python -m tests.kernel.work.crew --home H worker …`` works like ``trueup``; ``… report`` prints what the store holds.
"""

import json
import sys
from collections import Counter
from pathlib import Path


def wired() -> None:
    """Register the tests' actions and kinds beside the product's own."""
    from trueup.config.home import find_home
    from trueup.config.store import configure, database

    home = find_home(sys.argv[sys.argv.index("--home") + 1])
    configure(database(home))
    from tests.kernel.work import kinds  # noqa: F401 - registers the handlers
    from tests.support.actions import ACTIONS, PREDICATES
    from trueup.kernel.actions.registry import register
    from trueup.kernel.evidence import predicates

    register(ACTIONS)
    predicates.register(PREDICATES)


def report() -> None:
    """Print the states of all jobs, how often each effect was recorded, what is left open."""
    from trueup.config.home import find_home
    from trueup.config.session import HomeSession

    session = HomeSession(find_home(sys.argv[sys.argv.index("--home") + 1]))
    from trueup.kernel.actions.models import Attempt
    from trueup.kernel.evidence.models import Fact
    from trueup.kernel.work import queries
    from trueup.kernel.work.actions_batch import unrecorded
    from trueup.kernel.work.models import Job, JobEvent

    tenant = session.tenant
    events = Counter(JobEvent.objects.filter(tenant=tenant).values_list("what", flat=True))
    document = {
        "counts": queries.counts(tenant),
        "effects": dict(Counter(Fact.objects.filter(tenant=tenant).values_list("subject", flat=True))),
        "events": events,
        "keys": Job.objects.filter(tenant=tenant, key__isnull=False).count(),
        "attempts": dict(Counter(Attempt.objects.filter(tenant=tenant).values_list("state", flat=True))),
        "unrecorded": len(unrecorded()),
        "scheduled": sorted(Job.objects.filter(tenant=tenant, key__startswith="schedule:").values_list("key", flat=True)),
    }
    session.close()
    sys.stdout.write(json.dumps(document))


def main() -> int:
    """Run one command."""
    wired()
    if sys.argv[-1] == "report":
        report()
        return 0
    if sys.argv[-1].startswith("submit:"):
        return submit(int(sys.argv[-1].partition(":")[2]))
    from trueup.faces.cli.main import main as trueup

    return trueup(sys.argv[1:])


def submit(count: int) -> int:
    """Submit so many jobs that record an effect."""
    from trueup.config.home import Home
    from trueup.config.session import HomeSession

    session = HomeSession(Home(Path(sys.argv[sys.argv.index("--home") + 1])))
    from trueup.kernel.actions.runner import run
    from trueup.kernel.work.actions import SubmitJobs

    for start in range(0, count, 100):
        jobs = [{"args": {"n": n, "seconds": 0.1}, "key": f"effect-{n}"} for n in range(start, min(start + 100, count))]
        for kind, some in (("testing.effect", jobs[::2]), ("testing.effects", jobs[1::2])):  # one by one, and together
            run(SubmitJobs, session.context(), {"kind": kind, "jobs": some})
    session.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
