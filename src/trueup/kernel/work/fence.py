"""A worker's hold on a job, as actions see it."""

from dataclasses import dataclass
from uuid import UUID

from trueup.kernel.work.engine.states import State
from trueup.kernel.work.errors import StaleFence
from trueup.kernel.work.models import Job


@dataclass(frozen=True, slots=True)
class JobFence:
    """Fills ``trueup.kernel.actions.ports.Fence``."""

    id: UUID
    tenant: UUID
    fence: int

    def require_held(self) -> None:
        """Lock the job's row inside the caller's transaction, where it is still this worker's.

        While the row is locked nobody else can take the job; so an effect of an older fence is either committed before
        the job changes hands, or never.

        Raises:
            StaleFence: the job was given to another worker, cancelled, or ended.
        """
        mine = Job.objects.filter(id=self.id, tenant=self.tenant, fence=self.fence, state=State.RUNNING, cancel_asked=False)
        if not mine.update(fence=self.fence):
            raise StaleFence(
                f"job {self.id} is no longer held at fence {self.fence}",
                remedy="nothing: whoever holds it now, or its cancellation, decides",
                details={"job": str(self.id), "fence": self.fence},
            )
