"""The store, for code that runs in an event loop: one thread with a connection of its own answers, one question at a time.

A question takes about a millisecond, and is asked before a hop to another machine: the loop waits for it.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from django.db import connection

from trueup.kernel import tenancy


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
