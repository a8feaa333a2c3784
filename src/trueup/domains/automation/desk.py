"""The store, for code that runs in an event loop: one thread with a connection of its own answers, one question at a time.

A question takes about a millisecond, and is asked before a hop to another machine: the loop waits for it.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Any, Protocol
from uuid import UUID

from django.db import connection

from trueup.kernel import tenancy


class Asks(Protocol):
    """What answers."""

    def ask[T](self, question: Callable[[], T]) -> T:
        """Ask, and wait for the answer."""

    async def put[T](self, question: Callable[[], T]) -> T:
        """Ask, and let others go on meanwhile."""


class Desk:
    """A thread that asks the store about one tenant, for as long as the block lasts."""

    def __init__(self, tenant: UUID) -> None:
        self._thread = ThreadPoolExecutor(1, "trueup-desk", initializer=tenancy.reach, initargs=(tenant,))

    def __enter__(self) -> "Desk":
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection, and end the thread."""
        self._thread.submit(lambda: connection.close()).result()  # noqa: PLW0108 - the connection is that of the thread
        self._thread.shutdown()

    def ask[T](self, question: Callable[[], T]) -> T:
        """Ask, and wait for the answer."""
        return self._thread.submit(question).result()

    async def put[T](self, question: Callable[[], T]) -> T:
        """Ask, and let others go on meanwhile."""
        return await asyncio.wrap_future(self._thread.submit(question))


class Counter:
    """The thread that waits for what runs in the loop, as the one that answers: it has a connection, and nothing else to do."""

    def __init__(self) -> None:
        self._asked: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._thread = threading.get_ident()

    def ask[T](self, question: Callable[[], T]) -> T:
        """Answer at once; for this very thread: the loop puts its questions, and never waits as a whole.

        Raises:
            RuntimeError: another thread asks.
        """
        if threading.get_ident() != self._thread:
            raise RuntimeError("whoever runs in the loop puts a question, and waits for its answer alone")
        return question()

    async def put[T](self, question: Callable[[], T]) -> T:
        """Ask, and let others go on meanwhile."""
        answer: Future[T] = Future()
        self._asked.put(lambda: _answered(question, answer))
        return await asyncio.wrap_future(answer)

    def wake(self) -> None:
        """Have :meth:`serve` return."""
        self._asked.put(None)

    def serve(self, seconds: float) -> None:
        """Answer what is asked within so many seconds, or what is asked already; return sooner when woken."""
        try:
            asked = self._asked.get(timeout=seconds)
            while asked is not None:
                asked()
                asked = self._asked.get_nowait()
        except Empty:
            return


def _answered(question: Callable[[], Any], answer: "Future[Any]") -> None:
    if not answer.set_running_or_notify_cancel():
        return
    try:
        answer.set_result(question())
    except BaseException as exc:  # noqa: BLE001 - it is for whoever asked
        answer.set_exception(exc)
