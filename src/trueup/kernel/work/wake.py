"""Telling idle workers that there is something to do: at once in this process, by NOTIFY on PostgreSQL."""

import threading
from contextlib import suppress
from weakref import WeakSet

from django.db import connection, transaction

CHANNEL = "trueup_work"
_waiting: "WeakSet[threading.Event]" = WeakSet()
_lock = threading.Lock()


def join(event: threading.Event) -> None:
    """Have an event set whenever this process commits new work."""
    with _lock:
        _waiting.add(event)


def leave(event: threading.Event) -> None:
    """Stop that."""
    with _lock:
        _waiting.discard(event)


def wake() -> None:
    """Wake every idle worker of this process."""
    with _lock:
        for event in _waiting:
            event.set()


def announce() -> None:
    """Wake every idle worker once the present transaction is committed."""
    transaction.on_commit(wake, robust=True)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"NOTIFY {CHANNEL}")


class Listener(threading.Thread):
    """Wakes this process's workers when another process commits new work (PostgreSQL).

    A connection that is lost is not an error: workers also look by themselves, four times a second.
    """

    def __init__(self) -> None:
        super().__init__(name="trueup-listen", daemon=True)
        self._ended = threading.Event()

    def run(self) -> None:
        """Listen until told to stop."""
        import psycopg

        while not self._ended.is_set():
            with suppress(psycopg.Error):
                self._listen()
            self._ended.wait(1.0)

    def _listen(self) -> None:
        with connection.get_new_connection(connection.get_connection_params()) as raw:
            raw.autocommit = True
            raw.execute(f"LISTEN {CHANNEL}")
            while not self._ended.is_set():
                if any(True for _ in raw.notifies(timeout=0.5, stop_after=1)):
                    wake()

    def stop(self) -> None:
        """Stop listening."""
        self._ended.set()
        self.join(5.0)
