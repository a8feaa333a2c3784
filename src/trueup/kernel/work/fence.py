"""A worker's hold on a job, as actions see it."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from trueup.kernel.work import sql
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


class JointFence:
    """A worker's hold on several jobs of one tenant; fills the same port.

    Args:
        holds: the single ones.
    """

    def __init__(self, holds: Sequence[JobFence]) -> None:
        self._fences = {hold.id: hold.fence for hold in holds}
        self._tenant = holds[0].tenant
        self.held: frozenset[UUID] = frozenset()

    def require_held(self) -> None:
        """Lock the rows that are still this worker's, inside the caller's transaction; ``held`` then names them.

        What is written for the others is for the caller to leave out.

        Raises:
            StaleFence: none is.
        """
        lock = " FOR UPDATE" if sql.on_postgresql() else ""  # SQLite's transaction is the only writer from its start
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT id, fence FROM work_job WHERE tenant = %s AND state = 'running' AND NOT cancel_asked "  # noqa: S608 - placeholders alone
                f"AND id IN ({sql.marks(len(self._fences))}) ORDER BY id{lock}",
                [sql.uid(self._tenant), *sql.uids(self._fences)],
            )
            rows = [(sql.as_uuid(id), fence) for id, fence in cursor.fetchall()]
        self.held = frozenset(id for id, fence in rows if self._fences[id] == fence)
        if not self.held:
            raise StaleFence(
                f"none of {len(self._fences)} jobs is held any longer",
                remedy="nothing: whoever holds them now, or their cancellation, decides",
            )
