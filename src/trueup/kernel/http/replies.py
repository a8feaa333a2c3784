"""What API endpoints answer with, and the words of their documentation that all share."""

import json
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Field, Schema

from trueup.kernel.http.callers import caller_of
from trueup.kernel.http.paging import DEFAULT, LONGEST, Asked, Page


class ProblemDetail(Schema):
    """What went wrong."""

    code: str = Field(description="one word for programs, UPPER_SNAKE")
    message: str = Field(description="one sentence for people, with the place where there is one")
    details: dict[str, Any] = Field(description="particulars for programs; a 403 names `policies` and `reasons`")
    remedy: str = Field("", description="what can be done about it")
    request_id: str = Field(description="to be found in the server's log")


class Problem(Schema):
    """The shape of every error."""

    error: ProblemDetail


class HeldOut(Schema):
    """The action waits for other people's consent; exactly this input runs, once, after it is given."""

    state: str = "held"
    message: str
    attempt: str
    request: str = Field("", description="id of the approval request")
    remedy: str = ""
    request_id: str


class PageIn(Schema):
    """Which page of a list."""

    limit: int = Field(DEFAULT, ge=1, le=LONGEST, description="rows of a page")
    cursor: str = Field("", max_length=4096, description="`next` or `previous` of another page; sealed, opaque")

    @property
    def asked(self) -> Asked:
        """The page that is asked for."""
        return Asked(self.limit, self.cursor)


class PageOut(Schema):
    """One page; follow `next` until it is null. A page of a filtered log may be short and still have a next one."""

    items: list[dict[str, Any]]
    next: str | None = Field(description="cursor of the next page; null at the end")
    previous: str | None = Field(description="cursor of the page before; null at the beginning")


class ItemsOut(Schema):
    """A short list, whole."""

    items: list[dict[str, Any]]


def reply(document: Mapping[str, Any], status: int = 200) -> HttpResponse:
    """Answer with a JSON document."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=str)
    return HttpResponse(text, status=status, content_type="application/json")


def listing(found: Page[dict[str, Any]]) -> HttpResponse:
    """Answer with one page of a list."""
    return reply({"items": found.rows, "next": found.next or None, "previous": found.previous or None})


def tenant_of(request: HttpRequest) -> Any:
    """Return the tenant that a request works in."""
    return caller_of(request).tenant
