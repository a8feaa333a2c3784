"""What the two databases write differently, for the few statements that are written by hand."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection


def uid(value: UUID) -> Any:
    """Return an id as the database stores it."""
    return value if on_postgresql() else value.hex


def uids(values: Iterable[UUID]) -> list[Any]:
    """Return ids as the database stores them."""
    return list(values) if on_postgresql() else [value.hex for value in values]


def as_uuid(value: Any) -> UUID:
    """Return an id that a hand-written statement has read."""
    return value if isinstance(value, UUID) else UUID(value)


def moment(value: datetime) -> Any:
    """Return a moment as the database stores it."""
    return connection.ops.adapt_datetimefield_value(value)


def marks(count: int) -> str:
    """Return so many placeholders."""
    return ", ".join(["%s"] * count)


def on_postgresql() -> bool:
    """Tell whether the store is PostgreSQL."""
    return connection.vendor == "postgresql"


def locking(alias: str = "") -> str:
    """Return the clause that locks the rows read and leaves out those that others hold; SQLite has one writer anyway."""
    if not on_postgresql():
        return ""
    return f" FOR UPDATE OF {alias} SKIP LOCKED" if alias else " FOR UPDATE SKIP LOCKED"
