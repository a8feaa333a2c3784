"""What a handler is given: its job, a principal's present rights, and a way to act that survives a retry."""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from trueup.kernel.actions.attempts import DONE, HELD
from trueup.kernel.actions.base import AnyAction, Context, Input, Ports, Principal
from trueup.kernel.actions.models import Attempt
from trueup.kernel.actions.runner import run
from trueup.kernel.errors import UsageError
from trueup.kernel.work.claims import Claimed
from trueup.kernel.work.engine.states import State
from trueup.kernel.work.errors import JobCancelled, PrincipalGone, StaleFence
from trueup.kernel.work.fence import JobFence, JointFence
from trueup.kernel.work.handlers import Handler
from trueup.kernel.work.host import Host
from trueup.kernel.work.models import Job, JobEvent

LINES, WIDTH = 1000, 2000
"""How many lines a job may log in one attempt, and how long they may be."""

_EACH = 0.5  # seconds between two writings of progress


class JobContext:
    """One attempt at one job.

    Args:
        host: the process it runs in.
        job: what was claimed.
        handler: of its kind.
        gone: tells why the job must stop (``lost``, ``cancelled``, ``timeout``), empty while it may go on.
    """

    def __init__(self, host: Host, job: Claimed, handler: Handler, *, gone: Callable[[], str]) -> None:
        self._host, self._job, self._gone = host, job, gone
        self.handler = handler
        self.args: Mapping[str, Any] = json.loads(job.args)
        self._steps = 0
        self._lines = 0
        self._told = 0.0
        self._lock = threading.Lock()

    @property
    def job(self) -> Claimed:
        """What was claimed: id, tenant, kind, fence, number of the attempt."""
        return self._job

    @property
    def input(self) -> Any:
        """The args as the kind's model.

        Raises:
            UsageError: they do not fit it, or the kind has none.
        """
        if self.handler.args is None:
            raise UsageError(f"the kind {self.handler.kind} has no model of its args")
        self.handler.require_args(self.args)
        return self.handler.args.model_validate(self.args)

    @property
    def ports(self) -> Ports:
        """What the process reaches, for handlers that act for nobody (deliveries, upkeep)."""
        return self._host.ports

    def now(self) -> datetime:
        """The present moment by the process's clock."""
        return self._host.clock()

    def principal(self) -> Principal:
        """Return who asked for the job, with the roles held at this moment.

        Raises:
            PrincipalGone: who asked is gone, disabled, or has no role left.
        """
        found = self._host.principal(self._job.principal, self._job.tenant)
        if found is None or not found.roles:
            raise PrincipalGone(
                f"{self._job.principal} asked for this job and may act in this tenant no more",
                remedy="have somebody who may ask for it again",
            )
        return found

    @property
    def context(self) -> Context:
        """An action context with the asking principal's present rights and the hold on this job."""
        return self._context(None)

    def _context(self, key: str | None) -> Context:
        return self._host.context(self.principal(), self._job.tenant, key=key, job=self._hold)

    def joint(self, jobs: Sequence["JobContext"]) -> Context:
        """Return an action context with the hold on several jobs of the same tenant and principal, for doing them together."""
        return self._host.context(self.principal(), self._job.tenant, job=JointFence([job._hold for job in jobs]))

    @property
    def _hold(self) -> JobFence:
        return JobFence(self._job.id, self._job.tenant, self._job.fence)

    def run(self, action: type[AnyAction], input: Mapping[str, Any] | Input, *, step: str = "") -> Mapping[str, Any]:
        """Run an action as a step of the job and return its value; a step that was recorded is not done again.

        Steps are told apart by name, or by their place when they have none: then a handler must take them in the same
        order each time.

        Args:
            action: to run.
            input: the same in every attempt; another one is a conflict.
            step: name of the step, unique in the job.

        Raises:
            StaleFence: the job is no longer this worker's; nothing was written.
            TrueupError: the action's own.
        """
        with self._lock:
            self._steps += 1
            name = step or str(self._steps)
        # The fence rises with each attempt, and an older fence writes nothing any more: at most one of these keys has
        # done, or will do, the step.
        keys = [f"job:{self._job.id}:{name}:{fence}" for fence in range(1, self._job.fence + 1)]
        settled = Attempt.objects.filter(tenant=self._job.tenant, action=action.name, key__in=keys, state__in=(DONE, HELD))
        key = settled.values_list("key", flat=True).first() or keys[-1]
        return run(action, self._context(key), input).value

    def cancelled(self) -> bool:
        """Tell whether the job must stop: cancelled, timed out, or given to another worker."""
        return bool(self._gone())

    def require_wanted(self) -> None:
        """Leave the handler when the job must stop.

        Raises:
            JobCancelled: somebody cancelled it, or it ran out of time.
            StaleFence: it was given to another worker.
        """
        why = self._gone()
        if why == "lost":
            raise StaleFence(f"job {self._job.id} was given to another worker")
        if why:
            raise JobCancelled(f"job {self._job.id} must stop: {why}")

    heartbeat = require_wanted
    """For handlers in long loops; the lease itself is kept up by the worker."""

    def sleep(self, seconds: float) -> None:
        """Wait, and leave at once when the job must stop."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.require_wanted()
            time.sleep(min(left, 0.1))
        self.require_wanted()

    def progress(self, fraction: float, words: str = "") -> None:
        """Show how far the job is: 0…1, and in words; written at most twice a second."""
        now = time.monotonic()
        if now - self._told < _EACH and fraction < 1:
            return
        self._told = now
        self._mine().update(progress=min(max(fraction, 0.0), 1.0), words=words[:WIDTH])

    def log(self, words: str) -> None:
        """Add a line to the job's log; no secrets, no personal data."""
        with self._lock:
            self._lines += 1
        if self._lines > LINES:
            return
        line = words[:WIDTH] if self._lines < LINES else f"more than {LINES} lines: the rest is not kept"
        job = self._job
        JobEvent.objects.create(
            tenant=job.tenant, job=job.id, at=self._host.clock(), what="log", words=line, fence=job.fence, digest=""
        )

    def _mine(self) -> Any:
        job = self._job
        return Job.objects.filter(id=job.id, tenant=job.tenant, fence=job.fence, state=State.RUNNING)
