"""Pages of long lists by keyset: each page costs the same, wherever it is, and rows that come or go move no page.

References:
    PostgreSQL documentation, "LIMIT and OFFSET" (why not offsets).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet

from trueup.kernel.errors import UsageError
from trueup.kernel.http.engine.cursor import Value, seal, unseal

DEFAULT, LONGEST = 50, 200


@dataclass(frozen=True, slots=True)
class Asked:
    """Which page of a list is asked for.

    Args:
        limit: rows of a page.
        cursor: where the page begins; empty for the first.
    """

    limit: int = DEFAULT
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class Page[Row]:
    """One page: its rows and the cursors beside it; an empty cursor means that there is nothing beyond."""

    rows: list[Row]
    next: str = ""
    previous: str = ""


def asked(limit: str | int | None, cursor: str | None) -> Asked:
    """Read ``limit`` and ``cursor`` of a request.

    Raises:
        UsageError: the limit is no number from 1 to 200.
    """
    text = str(limit or DEFAULT)
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
    if not 1 <= number <= LONGEST:
        raise UsageError(f"limit: expected a number from 1 to {LONGEST}", details={"field": "limit"})
    return Asked(number, cursor or "")


def cursor_key() -> bytes:
    """Return the key that seals cursors; it is the installation's, so every server process knows it."""
    return hashlib.sha256(b"trueup cursor\x00" + str(settings.SECRET_KEY).encode()).digest()


def scope_of(name: str, tenant: UUID, order: Sequence[str], filters: object = "") -> str:
    """Return what a cursor is good for: one list, tenant, order and choice of rows."""
    return "\x00".join((name, str(tenant), ",".join(order), repr(filters)))


def page[Row: Any](rows: "QuerySet[Any, Row]", order: Sequence[str], asked: Asked, *, scope: str) -> Page[Row]:
    """Return one page of a query.

    Args:
        rows: of model objects or of ``.values()`` that hold the order's fields; filtered, not ordered.
        order: field names, ``-`` for descending; together they tell any two rows apart, and none is null.
        asked: which page.
        scope: binds the cursors (:func:`scope_of`).

    Raises:
        UsageError: the cursor is not one of this list.
    """
    backwards, after = False, None
    if asked.cursor:
        values = unseal(cursor_key(), scope, asked.cursor, length=len(order) + 1)
        backwards, after = values[0] == "<", _typed(rows, order, values[1:])
    way = [_turned(name) for name in order] if backwards else list(order)
    if after is not None:
        rows = rows.filter(_beyond(way, after))
    found = list(rows.order_by(*way)[: asked.limit + 1])
    more, found = len(found) > asked.limit, found[: asked.limit]
    if backwards:
        found.reverse()
    ahead = (more if not backwards else True) and bool(found)
    behind = (more if backwards else after is not None) and bool(found)
    return Page(
        found,
        next=_cursor(">", found[-1], order, scope) if ahead else "",
        previous=_cursor("<", found[0], order, scope) if behind else "",
    )


def _turned(name: str) -> str:
    return name[1:] if name.startswith("-") else f"-{name}"


def _beyond(order: Sequence[str], after: Sequence[Any]) -> Q:
    """Return the rows that come after a row in an order; the first field is bounded by itself, for the index."""
    first, value = order[0], after[0]
    bound = Q(**{f"{first.lstrip('-')}__{'lte' if first.startswith('-') else 'gte'}": value})
    either = Q()
    for n, name in enumerate(order):
        same = {order[k].lstrip("-"): after[k] for k in range(n)}
        either |= Q(**same, **{f"{name.lstrip('-')}__{'lt' if name.startswith('-') else 'gt'}": after[n]})
    return bound & either


def _typed(rows: "QuerySet[Any, Any]", order: Sequence[str], values: Sequence[Value]) -> list[Any]:
    fields = [rows.model._meta.get_field(name.lstrip("-")) for name in order]
    try:
        return [field.to_python(value) for field, value in zip(fields, values, strict=True)]
    except (ValueError, TypeError) as exc:
        raise UsageError("the cursor is not one of this list") from exc


def _cursor(way: str, row: Any, order: Sequence[str], scope: str) -> str:
    names = [name.lstrip("-") for name in order]
    values = [row[name] if isinstance(row, dict) else getattr(row, name) for name in names]
    return seal(cursor_key(), scope, [way, *map(_plain, values)])


def _plain(value: Any) -> Value:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
