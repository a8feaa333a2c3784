"""A process's hold on the work time (``engine.lease``)."""

import threading
import time
from collections.abc import Callable

from django.db import transaction

from trueup.kernel.work.engine.lease import Reading
from trueup.kernel.work.models import Scale


class WorkTime:
    """The work time as this process knows it; shared by its threads.

    Args:
        monotonic: the process's monotonic clock, seconds.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._reading = Reading(0, monotonic())
        self._lock = threading.Lock()

    def now(self) -> int:
        """Return the work time, microseconds."""
        return self._reading.now(self._monotonic())

    def sync(self) -> int:
        """Publish this process's reading and learn of others; return the work time."""
        mine = self.now()
        with transaction.atomic():
            if not Scale.objects.filter(id=1, micros__lt=mine).update(micros=mine):
                Scale.objects.bulk_create([Scale(id=1, micros=mine)], ignore_conflicts=True)
            stored = Scale.objects.values_list("micros", flat=True).get(id=1)
        with self._lock:
            self._reading = self._reading.merged(stored, self._monotonic())
        return self.now()
