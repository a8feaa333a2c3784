"""Table views: one declaration of columns, filters and order gives a page, its fragments and its CSV file."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from trueup.kernel import tenancy
from trueup.kernel.errors import UsageError
from trueup.kernel.http.callers import caller_of
from trueup.kernel.http.engine.cells import line
from trueup.kernel.http.paging import Asked, Page, asked, page, scope_of

Rows = QuerySet[Any, Any]
CSV_STEP = 200
_LONGEST_FILTER = 300


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Args:
        name: of the value in a presented row; ``<name>_url`` makes it a link.
        title: for people.
        kind: how it is shown: ``text``, ``time``, ``digest``, ``number``, ``badge``, ``code``,
            ``value`` (text, or the badge of a verdict).
        sort: field names that sort by it, ascending; empty where it does not sort.
        narrow: keep it where the screen is narrow.
    """

    name: str
    title: str
    kind: str = "text"
    sort: tuple[str, ...] = ()
    narrow: bool = True


@dataclass(frozen=True, slots=True)
class Filter:
    """One way to choose rows.

    Args:
        name: of the query parameter.
        title: for people.
        apply: returns the rows that match a value.
        choices: value and words of each choice; none for free text.
        hint: shown in the empty field.
    """

    name: str
    title: str
    apply: Callable[[Rows, str], Rows]
    choices: tuple[tuple[str, str], ...] = ()
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Empty:
    """What is said where there is nothing: why, and what to do next."""

    title: str
    words: str
    command: str = ""
    icon: str = "database"


@dataclass(frozen=True, slots=True)
class Query:
    """What a request asks of a table."""

    asked: Asked
    filters: tuple[tuple[str, str], ...]
    sort: str
    order: tuple[str, ...]

    @property
    def parameters(self) -> dict[str, str]:
        """The choice of rows and order, without the page."""
        return dict(self.filters) | ({"sort": self.sort} if self.sort else {})


class Table:
    """One list of things of a tenant."""

    name: ClassVar[str]
    title: ClassVar[str]
    columns: ClassVar[tuple[Column, ...]]
    order: ClassVar[tuple[str, ...]]
    unique: ClassVar[tuple[str, ...]] = ("id",)
    filters: ClassVar[tuple[Filter, ...]] = ()
    empty: ClassVar[Empty]

    def rows(self, tenant: UUID) -> Rows:
        """Return all rows of a tenant, unordered."""
        raise TypeError(f"{type(self).__name__} has no rows (asked for {tenant})")

    def present(self, tenant: UUID, rows: Sequence[Any]) -> list[dict[str, Any]]:
        """Return rows as columns show them; few queries for all of them together."""
        raise TypeError(f"{type(self).__name__} presents none of {len(rows)} rows of {tenant}")

    def page(self, tenant: UUID, query: Query) -> Page[dict[str, Any]]:
        """Return one page, presented."""
        rows = self.rows(tenant)
        for filter in self.filters:
            value = dict(query.filters).get(filter.name)
            rows = filter.apply(rows, value) if value else rows
        found = page(rows, query.order, query.asked, scope=scope_of(self.name, tenant, query.order, query.filters))
        return Page(self.present(tenant, found.rows), found.next, found.previous)

    def query(self, request: HttpRequest) -> Query:
        """Read a request.

        Raises:
            UsageError: a value that this table does not know.
        """
        given, found = request.GET, []
        for filter in self.filters:
            value = given.get(filter.name, "").strip()
            known = not filter.choices or value in dict(filter.choices)
            if value and (not known or len(value) > _LONGEST_FILTER or "\x00" in value):
                raise UsageError(f"{filter.name}: {value[:40]!r} is none of its values", details={"field": filter.name})
            if value:
                found.append((filter.name, value))
        sort = given.get("sort", "")
        return Query(asked(given.get("limit"), given.get("cursor")), tuple(found), sort, self._order(sort))

    def _order(self, sort: str) -> tuple[str, ...]:
        if not sort:
            return self.order
        fields = {column.name: column.sort for column in self.columns if column.sort}.get(sort.lstrip("-"))
        if fields is None:
            raise UsageError(f"sort: {sort[:40]!r} is no column that sorts", details={"field": "sort"})
        sign = "-" if sort.startswith("-") else ""
        chosen = [f"{sign}{name}" for name in fields]
        return (*chosen, *(f"{sign}{name}" for name in self.unique if name not in fields))

    def respond(
        self, request: HttpRequest, template: str = "trueup/list.html", context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        """Answer a request: a page, its table alone (htmx), or all matching rows as CSV."""
        query, tenant = self.query(request), caller_of(request).tenant
        if request.GET.get("format") == "csv":
            return self._csv(tenant, query)
        found = self.page(tenant, query)
        state = (context or {}) | {"table": Shown(self, query, found, request.path)}
        part = request.headers.get("HX-Target") == f"table-{self.name}"
        return render(request, "trueup/table.html" if part else template, state)

    def _csv(self, tenant: UUID, query: Query) -> HttpResponseBase:
        response = StreamingHttpResponse(self._lines(tenant, query), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="{self.name}.csv"'
        return response

    def _lines(self, tenant: UUID, query: Query) -> Iterator[str]:
        yield line([column.title for column in self.columns])
        at = replace(query, asked=Asked(CSV_STEP))
        while True:
            # The answer is read after the request's own reach has ended.
            with tenancy.reaching(tenant):
                found = self.page(tenant, at)
            for row in found.rows:
                yield line([_plain(row.get(column.name)) for column in self.columns])
            if not found.next:
                return
            at = replace(at, asked=Asked(CSV_STEP, found.next))


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


@dataclass(frozen=True, slots=True)
class Head:
    """A column's head: where a click on it leads, and how it sorts now."""

    column: Column
    url: str
    direction: str


class Shown:
    """A table as its template shows it."""

    def __init__(self, table: Table, query: Query, found: Page[dict[str, Any]], path: str) -> None:
        self.name, self.title, self.empty = table.name, table.title, table.empty
        self.columns, self.rows, self.path = table.columns, found.rows, path
        self.filtered = bool(query.filters)
        self.heads = [self._head(column, query) for column in table.columns]
        values = dict(query.filters)
        self.filters = [{"filter": filter, "value": values.get(filter.name, "")} for filter in table.filters]
        self.sort = query.sort
        self.first = self._url(query.parameters)
        self.next = self._url(query.parameters, cursor=found.next) if found.next else ""
        self.previous = self._url(query.parameters, cursor=found.previous) if found.previous else ""
        self.csv = self._url(query.parameters, format="csv")

    def _url(self, parameters: dict[str, str], **more: str) -> str:
        text = urlencode(parameters | more)
        return f"{self.path}?{text}" if text else self.path

    def _head(self, column: Column, query: Query) -> Head:
        if not column.sort:
            return Head(column, "", "")
        now = {column.name: "ascending", f"-{column.name}": "descending"}.get(query.sort, "")
        following = f"-{column.name}" if now == "ascending" else column.name
        return Head(column, self._url(query.parameters | {"sort": following}), now)


def attachment(data: bytes, name: str, media_type: str) -> HttpResponse:
    """Return bytes as a file to save: no browser shows or runs it."""
    response = HttpResponse(data, content_type=media_type)
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name).lstrip(".") or "file"
    response["Content-Disposition"] = f'attachment; filename="{safe}"'
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response
