"""How jobs stand before another attempt at them: many at once, in few queries."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from trueup.domains.automation.models import Intent, Run
from trueup.kernel.work.models import JobEvent


@dataclass(slots=True)
class Standing:
    """What came before.

    Args:
        runs: attempts that were written down, in their order.
        replayed: when somebody last asked for it to be tried again.
        sent: when something was sent for it that changes something.
    """

    runs: list[Run] = field(default_factory=list)
    replayed: datetime | None = None
    sent: list[datetime] = field(default_factory=list)

    @property
    def over(self) -> Run | None:
        """The attempt that ended it, where it only has to be ended."""
        last = self.runs[-1] if self.runs else None
        return last if last is not None and last.final and (self.replayed is None or last.at > self.replayed) else None

    @property
    def failures(self) -> int:
        """How many attempts ended badly, since somebody last asked for it to be tried again."""
        return sum(run.ended != "completed" and (self.replayed is None or run.at >= self.replayed) for run in self.runs)

    @property
    def in_transit(self) -> bool:
        """Whether something was sent that changes something, since then."""
        return any(self.replayed is None or at >= self.replayed for at in self.sent)


def standings(tenant: UUID, jobs: Sequence[UUID]) -> dict[UUID, Standing]:
    """Return how each of these jobs stands."""
    found: defaultdict[UUID, Standing] = defaultdict(Standing)
    for run in Run.objects.filter(tenant=tenant, job__in=jobs).order_by("attempt"):
        found[run.job].runs.append(run)
    for job, at in Intent.objects.filter(tenant=tenant, job__in=jobs).values_list("job", "at"):
        found[job].sent.append(at)
    if found:  # what is new was never asked for again
        events = JobEvent.objects.filter(tenant=tenant, job__in=list(found), what="replay").order_by("id")
        for job, at in events.values_list("job", "at"):
            found[job].replayed = at
    return {job: found[job] for job in jobs}
