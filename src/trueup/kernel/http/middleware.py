"""What happens to every request: an id, a credential, a tenant in reach, and an answer of one shape."""

import time
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import quote

import structlog
from django.conf import settings
from django.core.exceptions import DisallowedHost, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string

from trueup.kernel import tenancy
from trueup.kernel.actions.errors import Held
from trueup.kernel.errors import NotFound, Refused, TrueupError, UsageError
from trueup.kernel.http import callers, metrics, problem, readers
from trueup.kernel.http.options import options
from trueup.kernel.logs import log, trace_of


class FormOutOfDate(Refused):
    """A form was sent without the token that its page holds."""

    code = "FORM_OUT_OF_DATE"


Answer = Callable[[HttpRequest], HttpResponseBase]

OPEN_PATHS = frozenset({"/health/live", "/health/ready", "/api/openapi.json", "/api/docs", "/favicon.ico", "/robots.txt"})
OPEN_PREFIXES = ("/static/",)
_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
_MACHINES = ("/api/", "/health/", "/metrics")


def is_open(path: str) -> bool:
    """Tell whether an address answers without a credential; the login pages are named by the settings."""
    return path in OPEN_PATHS or path.startswith(OPEN_PREFIXES) or path in options().login_paths


def open_to_loopback(request: HttpRequest) -> bool:
    """Tell whether a request asks for the figures from this machine, where the settings open them to it."""
    near = request.META.get("REMOTE_ADDR") in ("127.0.0.1", "::1") and not options().behind_proxy
    return request.path == "/metrics" and near and options().metrics_to_loopback


def for_machines(path: str) -> bool:
    """Tell whether programs read the answers of an address, rather than people."""
    return path.startswith(_MACHINES)


def answer_to(request: HttpRequest, error: TrueupError) -> HttpResponse:
    """Return the answer that tells of an error: the problem shape to programs, a page or the login to people."""
    request_id = str(getattr(request, "request_id", ""))
    code = problem.status(error)
    if for_machines(request.path):
        return _for_machines(error, request_id, code)
    if isinstance(error, problem.Unauthenticated):
        return _to_login(request)
    state = {"error": error, "status": code, "title": HTTPStatus(code).phrase, "request_id": request_id}
    part = bool(request.headers.get("HX-Request"))
    text = render_to_string("trueup/problem_part.html" if part else "trueup/problem.html", state, request)
    response = HttpResponse(text, status=code)
    if isinstance(error, problem.TooMany):
        response["Retry-After"] = str(error.wait)
    return response


def _for_machines(error: TrueupError, request_id: str, code: int) -> HttpResponse:
    body = problem.held(error, request_id) if isinstance(error, Held) else problem.document(error, request_id)
    response = JsonResponse(body, status=code, json_dumps_params={"ensure_ascii": False, "default": str})
    if isinstance(error, problem.TooMany):
        response["Retry-After"] = str(error.wait)
    if isinstance(error, problem.Unauthenticated):
        response["WWW-Authenticate"] = 'Bearer realm="trueup"'
    return response


def _to_login(request: HttpRequest) -> HttpResponse:
    wanted = request.get_full_path() if request.method == "GET" and not request.headers.get("HX-Request") else "/"
    place = f"{settings.LOGIN_URL}?next={quote(wanted)}" if wanted != "/" else str(settings.LOGIN_URL)
    if request.headers.get("HX-Request"):
        response = HttpResponse(status=401)
        response["HX-Redirect"] = place
        return response
    return HttpResponseRedirect(place)


def known(exc: Exception) -> TrueupError:
    """Return any exception as one of our errors; what was not meant says nothing of its cause."""
    if isinstance(exc, TrueupError):
        return exc
    if isinstance(exc, Http404):
        return NotFound("there is no such page or endpoint")
    if isinstance(exc, RequestDataTooBig):
        return problem.TooLarge("the request is larger than 10 MiB", remedy="send less at once")
    if isinstance(exc, DisallowedHost):
        return UsageError("this server does not answer to that name", remedy="set TRUEUP_PUBLIC_URL to the address people use")
    if isinstance(exc, PermissionDenied):
        return Refused(str(exc) or "this is not allowed")
    if isinstance(exc, SuspiciousOperation):
        return UsageError("the request is malformed")
    return TrueupError("internal error", remedy="tell who runs the server the request id")


class Edge:
    """The outermost layer: request id, log line, figures, and the shape of every error.

    Args:
        answer: the layers within.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer one request."""
        began = time.perf_counter()
        request_id = problem.chosen_request_id(request.headers)
        request.request_id = request_id  # type: ignore[attr-defined]
        structlog.contextvars.bind_contextvars(request_id=request_id, trace_id=trace_of(request.headers))
        try:
            response = self._shaped(request)
            response["X-Request-Id"] = request_id
            if isinstance(response, HttpResponse):
                response.setdefault("Content-Length", str(len(response.content)))
            response.setdefault("Cache-Control", "no-store")
            response.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
            response.setdefault("Cross-Origin-Resource-Policy", "same-origin")
            _note(request, response.status_code, time.perf_counter() - began)
            return response
        finally:
            tenancy.reach()
            structlog.contextvars.clear_contextvars()

    def _shaped(self, request: HttpRequest) -> HttpResponseBase:
        try:
            request.get_host()
        except DisallowedHost as exc:
            return HttpResponse(known(exc).message, status=400, content_type="text/plain")
        response = self._answer(request)
        if response.status_code == 405 and not response.headers.get("Content-Type", "").startswith("application/json"):
            allowed = response.headers.get("Allow", "")
            response = answer_to(request, problem.MethodNotAllowed(f"{request.method} is not answered here; allowed: {allowed}"))
            response["Allow"] = allowed
        return response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answer what Django finds malformed."""
    return answer_to(request, known(exception))


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answer what Django refuses."""
    return answer_to(request, known(exception))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:  # noqa: ARG001 - Django's signature
    """Answer an address that there is not."""
    return answer_to(request, NotFound("there is no such page or endpoint"))


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Answer an error that nothing within has answered."""
    return answer_to(request, known(RuntimeError()))


def out_of_date(request: HttpRequest, reason: str = "") -> HttpResponseBase:  # noqa: ARG001 - Django's signature
    """Answer a form without its token: a page that was left open too long, or another site's doing."""
    return answer_to(request, FormOutOfDate("the form is out of date, or came from elsewhere", remedy="load the page again"))


def _note(request: HttpRequest, code: int, seconds: float) -> None:
    door = request.path.split("/", 2)[1] if request.resolver_match else "unknown"
    method = request.method if request.method in _METHODS else "other"
    metrics.REQUESTS.labels(method, door, str(code)).inc()
    metrics.SECONDS.labels(door).observe(seconds)
    caller = getattr(request, "caller", None)
    log().info(
        "request",
        method=request.method,
        path=request.path,
        status=code,
        ms=round(seconds * 1000, 1),
        principal=caller.principal.id if caller else None,
        tenant=str(caller.tenant) if caller else None,
    )


def _reads(request: HttpRequest) -> bool:
    """Tell whether a request looks at the tenant's data: actions ask policy themselves, one's own account is one's own."""
    changes = request.method not in callers.SAFE and request.path.startswith("/api/v1/")
    return not changes and not request.path.startswith(options().own_prefixes)


class Door:
    """The layer that lets nobody past without a credential, and puts the caller's tenant in reach, no other.

    Args:
        answer: the layers within.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Let one request in, or not."""
        if is_open(request.path) or open_to_loopback(request):
            return self._answer(request)
        try:
            caller = callers.authenticate(request, by_key=for_machines(request.path))
            request.caller = caller  # type: ignore[attr-defined]
            if _reads(request):
                readers.require(caller, "read")
        except TrueupError as exc:
            return self._without(request, exc)
        tenancy.reach(caller.tenant)
        return self._answer(request)

    def _without(self, request: HttpRequest, error: TrueupError) -> HttpResponseBase:
        """Answer who may not come in; who must first choose a password may do that."""
        if error.code == "MUST_CHANGE_PASSWORD" and not for_machines(request.path):
            if request.path in options().password_paths:
                return self._answer(request)
            return HttpResponseRedirect(options().password_paths[0])
        return answer_to(request, error)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase:
        """Answer an exception of a view."""
        error = known(exception)
        if error is not exception and problem.status(error) >= 500:
            log().error("unexpected", exc_info=exception)
        return answer_to(request, error)
