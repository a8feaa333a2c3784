"""The API of authorizations: asked for, proved, put into force, taken out of it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Field, File, Query, Router
from ninja.files import UploadedFile

from trueup.domains.automation import api_shapes as shapes
from trueup.domains.automation import authorizations, queries
from trueup.domains.automation.actions_authorizations import (
    LONGEST_LETTER,
    EvidenceInput,
    RequestAuthorization,
    SubmitEvidence,
    VerifyAuthorization,
    keep_letter,
)
from trueup.domains.automation.actions_authorizations import RequestInput as Asked
from trueup.domains.automation.actions_force import (
    Activate,
    ActivateLoad,
    ActivateLoadInput,
    ReasonInput,
    Resume,
    Revoke,
    Suspend,
)
from trueup.domains.automation.models import Authorization
from trueup.kernel.actions.base import AnyAction
from trueup.kernel.actions.runner import Result, require_permission, run
from trueup.kernel.errors import Conflict, Refused, UsageError
from trueup.kernel.http.bodies import act, answered, body_of, described
from trueup.kernel.http.callers import context_of
from trueup.kernel.http.host import host
from trueup.kernel.http.paging import Page, page, scope_of
from trueup.kernel.http.problem import InvalidInput
from trueup.kernel.http.replies import HeldOut, PageIn, listing, reply, tenant_of

router = Router()
ORDER = ("-asked_at", "-id")
DONE = {200: shapes.AuthorizationOut, 202: HeldOut}
_STATES = "draft|evidence_submitted|verified|active|suspended|expired|revoked"
_ASKED = {
    "host": "example.org",
    "method": "dns_txt",
    "own": True,
    "strategies": ["vanilla", "stealth"],
    "expires": "2026-06-30T12:00:00Z",
    "contact": "web team, webmaster@example.org",
}
_REASON = described(ReasonInput, without={"id"}, shown={"reason": "the contract ended"})


class AuthorizationsIn(PageIn):
    """Which authorizations."""

    state: str = Field("", pattern=f"^({_STATES})?$", description="the state that they have now")
    host: str = Field("", max_length=255, description="those that stand for this host; of a pattern, its own")


@router.get(
    "/authorizations",
    response=shapes.AuthorizationsOut,
    operation_id="automation.authorizations",
    summary="authorizations, the newest first",
)
def authorizations_(request: HttpRequest, asked: Query[AuthorizationsIn]) -> HttpResponse:
    """List authorizations in the state that they have now; what is past its end has expired."""
    tenant, now = tenant_of(request), host().clock()
    rows = Authorization.objects.filter(tenant=tenant)
    rows = queries.in_state(rows, asked.state, now) if asked.state else rows
    about = queries.patterns_about(queries.host_of(asked.host)) if asked.host else []
    rows = rows.filter(host__in=about) if about else rows
    scope = scope_of("automation.authorizations", tenant, ORDER, (asked.state, about))
    found = page(rows, ORDER, asked.asked, scope=scope)
    return listing(Page(queries.authorization_documents(tenant, found.rows, now), found.next, found.previous))


@router.get(
    "/authorizations/{id}",
    response=shapes.AuthorizationOut,
    operation_id="automation.authorization",
    summary="one authorization, its evidence, and where it stands",
)
def authorization(request: HttpRequest, id: str) -> HttpResponse:
    """Show an authorization; before it is verified also what has to be published, and where."""
    tenant = tenant_of(request)
    row = authorizations.found(tenant, queries.authorization_id(id))
    return reply(queries.authorization_documents(tenant, [row], host().clock())[0])


@router.post(
    "/authorizations",
    response={201: shapes.AuthorizationOut, 202: HeldOut},
    operation_id="automation.authorizations.create",
    summary="ask to be authorized for a host",
    openapi_extra=described(Asked, shown=_ASKED),
)
def create(request: HttpRequest) -> HttpResponse:
    """Ask for an authorization; `challenge` says what to publish, and where."""
    return act(request, RequestAuthorization, status=201)


def _moving(id: str) -> Any:
    def input(body: dict[str, Any]) -> Mapping[str, Any]:
        if "id" in body:
            raise InvalidInput("id: the address names it", details={"fields": [{"field": "id", "problem": "not in the body"}]})
        return {**body, "id": queries.authorization_id(id)}

    return input


@router.post(
    "/authorizations/{id}/evidence",
    response=DONE,
    operation_id="automation.authorizations.evidence",
    summary="say that the challenge is published",
    openapi_extra=described(EvidenceInput, without={"id", "letter", "sha256"}, shown={}),
)
def evidence(request: HttpRequest, id: str) -> HttpResponse:
    """Say that the challenge is published; a signed letter is handed in with `…/letter`."""
    return act(request, SubmitEvidence, _moving(id))


@router.post(
    "/authorizations/{id}/letter",
    response=DONE,
    operation_id="automation.authorizations.letter",
    summary="hand in the signed letter",
)
def letter(request: HttpRequest, id: str, file: File[UploadedFile]) -> HttpResponse:
    """Send the letter, at most 10 MiB; it is kept by its SHA-256, and an owner or admin vouches for it with `…/verify`."""
    return answered(hand_in(request, queries.authorization_id(id), file))


def hand_in(request: HttpRequest, id: UUID, file: Any) -> Result:
    """Keep a letter that was sent, and hand it in as the evidence of an authorization.

    Raises:
        PolicyRefused: the caller may not; nothing is kept.
        Refused: its evidence is another.
        UsageError: no file was sent, or it is too long.
    """
    context = context_of(request)
    require_permission(SubmitEvidence, context)
    row = authorizations.found(context.tenant, id)
    if row.method != "signed_letter":
        raise Refused(f"the evidence of this one is {row.method}, and no letter")
    if file is None or not 0 < file.size <= LONGEST_LETTER:
        raise UsageError("letter: no file was sent, or it is empty or longer than 10 MiB", remedy="choose the signed letter")
    kept = keep_letter(context, file.read(), "letter")
    return run(SubmitEvidence, context, {"id": row.id, "sha256": kept.sha256})


@router.post(
    "/authorizations/{id}/verify",
    response=DONE,
    operation_id="automation.authorizations.verify",
    summary="look for the evidence now, for the first time or again",
)
def verify(request: HttpRequest, id: str) -> HttpResponse:
    """Look for the evidence; 403 `NOT_PROVED` where it never was there, and what was in force and is gone is suspended."""
    return act(request, VerifyAuthorization, _moving(id))


@router.post(
    "/authorizations/{id}/activate",
    response=DONE,
    operation_id="automation.authorizations.activate",
    summary="put it into force",
    openapi_extra=described(ActivateLoadInput, without={"id"}, shown={"version": 3}),
)
def activate(request: HttpRequest, id: str) -> HttpResponse:
    """Put a verified authorization into force; one that opens load or scripts answers 202 and waits for another person.

    That person consents with `POST /api/v1/change/request/vote`. `version` may be left out: then it is the one there is now.
    """
    return _forced(request, id, Activate, {})


@router.post(
    "/authorizations/{id}/resume",
    response=DONE,
    operation_id="automation.authorizations.resume",
    summary="put it into force again",
    openapi_extra=_REASON,
)
def resume(request: HttpRequest, id: str) -> HttpResponse:
    """Put a suspended authorization into force again; one that opens load or scripts waits for another person again."""
    return _forced(request, id, Resume, {"reason"})


def _forced(request: HttpRequest, id: str, plain: type[AnyAction], fields: "set[str] | dict[str, Any]") -> HttpResponse:
    context = context_of(request)
    require_permission(plain, context)
    body = body_of(request)
    unknown = sorted(set(body) - set(fields) - {"version"})
    if unknown:
        problem = {"field": unknown[0], "problem": "is not known here"}
        raise InvalidInput(f"{unknown[0]}: is not known here", details={"fields": [problem]})
    row = authorizations.found(context.tenant, queries.authorization_id(id))
    action, input = forcing(row, plain, body.pop("version", row.version), body)
    return answered(run(action, context, input))


def forcing(
    row: Authorization, plain: type[AnyAction], version: object, more: Mapping[str, Any]
) -> tuple[type[AnyAction], dict[str, Any]]:
    """Return the action that puts an authorization into force, with its input.

    Args:
        row: the authorization.
        plain: the action, where it opens neither load nor scripts.
        version: that was looked at.
        more: of the input of that action.

    Raises:
        Conflict: there is another version now.
    """
    if authorizations.opens_load(row):
        return ActivateLoad, {"id": row.id, "version": version}
    if version != row.version:
        raise Conflict(f"authorization {row.id} is at version {row.version}", remedy="look at it again")
    return plain, {"id": row.id, **more}


@router.post(
    "/authorizations/{id}/suspend",
    response=DONE,
    operation_id="automation.authorizations.suspend",
    summary="take it out of force for a while, at once",
    openapi_extra=_REASON,
)
def suspend(request: HttpRequest, id: str) -> HttpResponse:
    """Take an authorization out of force: it opens nothing from the next hop on."""
    return act(request, Suspend, _moving(id))


@router.post(
    "/authorizations/{id}/revoke",
    response=DONE,
    operation_id="automation.authorizations.revoke",
    summary="end it for good, at once",
    openapi_extra=_REASON,
)
def revoke(request: HttpRequest, id: str) -> HttpResponse:
    """End an authorization: it opens nothing from the next hop on, ever."""
    return act(request, Revoke, _moving(id))
