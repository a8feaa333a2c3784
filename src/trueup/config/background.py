"""What one server process of a home does besides answering: it sequences each second, and works off jobs.

Of several processes one does it: the one that holds the lock. It is free again when that process dies, however it dies.
"""

import fcntl
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from threading import Event, Thread
from typing import Any

from django.db import DatabaseError, connection

from trueup.config.installation import Installation
from trueup.kernel import tenancy
from trueup.kernel.errors import TrueupError

PAUSE, WATCH = 1.0, 2.0
_ENDING = 10.0


class Background:
    """The sequencer and worker of a server.

    Args:
        installation: what it works on.
        worker: work off jobs too.
    """

    def __init__(self, installation: Installation, *, worker: bool) -> None:
        self._installation = installation
        self._with_worker = worker
        self.leads = False
        self._stopped = Event()
        self._worker: Any = None
        self._thread = Thread(target=self._run, name="trueup-background", daemon=True)

    def start(self) -> None:
        """Begin, once the lock is free."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for what is being done."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(_ENDING)

    def _run(self) -> None:
        with (self._installation.home.run / "background.lock").open("a") as file:
            while not self._stopped.is_set():
                with suppress(BlockingIOError):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                self._stopped.wait(WATCH)
            if not self._stopped.is_set():
                self._lead()
        connection.close()

    def _lead(self) -> None:
        self.leads = True
        try:
            self._begin_work()
            while not self._stopped.wait(PAUSE):
                # What fails now (a busy store, a damaged log) is tried again; readiness and 'log verify' tell of it.
                with suppress(TrueupError, DatabaseError):
                    self.sequence()
        finally:
            self.leads = False
            if self._worker is not None:
                self._worker.stop()
            with suppress(TrueupError, DatabaseError):
                self.sequence()

    def _begin_work(self) -> None:
        if self._with_worker and find_spec("trueup.kernel.work") and find_spec("trueup.kernel.work.worker"):
            self._worker = import_module("trueup.kernel.work.worker").Worker(self._installation)
            self._worker.start()

    def sequence(self) -> None:
        """Sequence every tenant that has something pending."""
        from trueup.kernel.evidence.models import Pending

        with tenancy.reaching_every():
            waiting = list(Pending.objects.order_by().values_list("tenant", flat=True).distinct())
            if waiting:
                self._installation.sequence(*waiting)
