"""One event loop for all jobs of a process, in a thread of its own; a job's thread waits for what it asked for.

It ends with the process's worker. In a process that is killed it ends with everything: the browsers' driver notices.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import CancelledError
from typing import Any

from trueup.kernel.work.handlers import at_end

_LOOK = 0.1  # seconds between two looks at whether a job must stop
_ENDING = 15.0  # seconds that something gets to end by itself


class Stopped(Exception):
    """What ran was ended, since its job must stop; ``why`` is the job's reason."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Loop:
    """A loop that begins with its first question, and ends with the worker."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closing: list[Callable[[], Awaitable[None]]] = []

    def at_end(self, close: Callable[[], Awaitable[None]]) -> None:
        """Have something closed before the loop ends."""
        self._closing.append(close)

    def run[T](self, work: Callable[[], Coroutine[Any, Any, T]], *, gone: Callable[[], str]) -> T:
        """Run something in the loop, and wait for it.

        Args:
            work: makes the coroutine, inside the loop.
            gone: why the job must stop; empty while it may go on.

        Raises:
            Stopped: it was ended.
        """
        future = asyncio.run_coroutine_threadsafe(_made(work), self._running())
        while True:
            try:
                return future.result(_LOOK)
            except TimeoutError:
                if future.done():
                    raise
                if why := gone():
                    break
        future.cancel()
        end = time.monotonic() + _ENDING
        while not future.done() and time.monotonic() < end:
            time.sleep(0.01)
        raise Stopped(why)

    def begin(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run something in the loop, and wait for nothing."""
        asyncio.run_coroutine_threadsafe(_made(work), self._running())

    def call(self, do: Callable[[], object]) -> None:
        """Have something done in the loop soon; where it has ended, there is nothing left to be done."""
        with self._lock:
            loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(do)

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or self._loop.is_closed():
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="trueup-automation", daemon=True)
                self._thread.start()
                at_end(self.close)
            return self._loop

    def close(self) -> None:
        """End what runs, and the loop."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._closed(), loop).result(_ENDING)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_ENDING)
        loop.close()

    async def _closed(self) -> None:
        closing, self._closing = self._closing, []
        for close in closing:
            await close()
        mine = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not mine]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.get_running_loop().shutdown_default_executor()


async def _made[T](work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    try:
        return await work()
    except CancelledError:
        raise asyncio.CancelledError from None


LOOP = Loop()
"""Of this process."""
