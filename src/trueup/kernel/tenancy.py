"""The second wall between tenants: which tenants' rows this connection may see, held by the database itself.

The first wall is in every query, which names its tenant. On PostgreSQL each table that tenants own also has a row-level
policy that compares the row's tenant with the setting ``trueup.tenants`` of the connection, and shows nothing without it.
SQLite has no such policies; there the first wall stands alone.

References:
    PostgreSQL documentation, "Row Security Policies" and ``set_config``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from uuid import UUID

EVERY = "*"
_reach: ContextVar[str] = ContextVar("trueup_reach", default="")


def current() -> str:
    """Return the tenants in reach: ids joined by commas, ``*`` for every tenant, empty for none."""
    return _reach.get()


def reach(*tenants: UUID) -> None:
    """Let this thread see the rows of these tenants, and of no other, from now on; call it outside transactions."""
    _set(",".join(sorted({str(tenant) for tenant in tenants})))


def reach_every() -> None:
    """Let this thread see the rows of every tenant: for the scheduler, recovery, back-ups and the sequencer."""
    _set(EVERY)


@contextmanager
def reaching(*tenants: UUID) -> Iterator[None]:
    """Let this thread see the rows of these tenants while the block runs; the block begins and ends outside transactions."""
    before = _reach.get()
    reach(*tenants)
    try:
        yield
    finally:
        _set(before)


@contextmanager
def reaching_every() -> Iterator[None]:
    """Let this thread see every tenant's rows while the block runs."""
    before = _reach.get()
    reach_every()
    try:
        yield
    finally:
        _set(before)


def _set(value: str) -> None:
    from django.db import connection

    _reach.set(value)
    if connection.connection is not None and getattr(connection, "trueup_reach", None) != value:
        apply(connection)


def apply(connection: Any, **_: Any) -> None:
    """Tell the database what is in reach; also the receiver of ``connection_created``."""
    value = _reach.get()
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('trueup.tenants', %s, false)", [value])
    connection.trueup_reach = value
