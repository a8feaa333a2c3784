"""How far long work is, told to whoever asked to hear it: a job's row, a terminal, or nobody."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import count

type Listener = Callable[[float, str], None]


def _nobody(fraction: float, words: str) -> None:
    """Hear nothing."""


_listener: ContextVar[Listener] = ContextVar("telemetry_progress", default=_nobody)


@contextmanager
def telling(listener: Listener) -> Iterator[None]:
    """Tell a listener of the progress of what runs inside the block, in this thread.

    Args:
        listener: takes a fraction, 0…1, and what is being done.
    """
    before = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(before)


def tell(fraction: float, words: str) -> None:
    """Say how far the work is."""
    _listener.get()(min(1.0, max(0.0, fraction)), words)


def telling_columns(columns: int, *, start: float = 0.1, share: float = 0.8) -> Callable[[str], None]:
    """Return what to call before each column of a table is read, so that it is told.

    Args:
        columns: how many there are; some may be read twice.
        start: fraction of the work that is done before the first.
        share: fraction of the work that they are together.
    """
    done = count()
    return lambda name: tell(start + share * min(1.0, next(done) / max(1, columns)), name)
