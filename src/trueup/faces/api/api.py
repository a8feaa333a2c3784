"""The one API: its routers, its errors, its description."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema

from trueup import __version__
from trueup.faces.api.actions import actions_router
from trueup.kernel.errors import TrueupError, UsageError
from trueup.kernel.http import problem
from trueup.kernel.http.middleware import answer_to, known
from trueup.kernel.http.problem import InvalidInput
from trueup.kernel.logs import log

ROOMS = {
    "evidence": "trueup.kernel.evidence.api",
    "policy": "trueup.kernel.policy.api",
    "gates": "trueup.kernel.gates.api",
    "telemetry": "trueup.domains.telemetry.api",
    "automation": "trueup.domains.automation.api",
    "identity": "trueup.kernel.identity.api",
    "change": "trueup.kernel.change.api",
    "work": "trueup.kernel.work.api",
    "notify": "trueup.kernel.notify.api",
    "subjects": "trueup.kernel.subjects.api",
}
"""Where each room's own endpoints are; a room without any has its actions' alone."""

OLDER = "trueup.domains.automation.api_compat"
"""Paths of an older interface, right below the version."""

ABOUT = """Compare what is claimed with what is, act only under policy, and prove both.

Every change is an action: `POST /api/v1/<room>/<noun>/<verb>` with the action's input as the body. Send an
`Idempotency-Key` and a repeated call gives the first result again. A held action answers 202 with the id of its approval
request. Lists come in pages: follow `next`. Every error has one shape: `{"error": {code, message, details, request_id}}`.

Credential: `Authorization: Bearer tru_…` (an API key).
"""
EXAMPLES: dict[int, dict[str, Any]] = {
    400: {"code": "BAD_REQUEST", "message": "the cursor is not one of this list", "details": {"field": "cursor"}},
    401: {"code": "UNAUTHENTICATED", "message": "this needs a credential", "details": {}},
    403: {
        "code": "POLICY_REFUSED",
        "message": "no policy permits evidence.key.rotate to a viewer; roles that may: owner, admin",
        "details": {
            "action": "evidence.key.rotate",
            "policies": [],
            "reasons": ["no policy permits evidence.key.rotate to a viewer"],
        },
    },
    404: {"code": "NOT_FOUND", "message": "there is no entry 7; the log has 3", "details": {}},
    409: {"code": "IDEMPOTENCY_CONFLICT", "message": "this key was used before with another input", "details": {}},
    413: {"code": "TOO_LARGE", "message": "the request is larger than 10 MiB", "details": {}},
    422: {
        "code": "BAD_REQUEST",
        "message": "evidence.pack.create: subject: Field required",
        "details": {"fields": [{"field": "subject", "problem": "Field required"}]},
    },
    429: {"code": "TOO_MANY_REQUESTS", "message": "too many requests", "details": {"retry_after_seconds": 2}},
    500: {"code": "INTERNAL", "message": "internal error", "details": {}},
    503: {"code": "CONFIGURATION", "message": "the signing key is missing", "details": {}},
    507: {"code": "STORAGE_FULL", "message": "no room to store pack.zip", "details": {}},
}
WORDS = {
    400: "The request cannot be understood",
    401: "No valid credential",
    403: "Refused by policy, with reasons",
    404: "Nothing of that name in this tenant",
    409: "Conflict with the state of things, or with an idempotency key",
    413: "Too large",
    422: "The input is not valid; `details.fields` says where",
    429: "Too many requests; ask again after `Retry-After` seconds",
    500: "Internal error",
    503: "The installation is not fit to run",
    507: "No room on the disk",
}


class TrueupAPI(NinjaAPI):
    """The API, whose description names every error of every endpoint."""

    def get_openapi_schema(self, **kwargs: Any) -> OpenAPISchema:
        """Return the description."""
        schema = super().get_openapi_schema(**kwargs)
        schemas = schema["components"].setdefault("schemas", {})
        schemas["Problem"] = _problem_schema()
        schema["components"]["securitySchemes"] = {
            "key": {"type": "http", "scheme": "bearer", "description": "an API key, `tru_…`"},
            "session": {"type": "apiKey", "in": "cookie", "name": "trueup_session", "description": "the pages' own calls"},
        }
        schema["security"] = [{"key": []}, {"session": []}]
        for path in schema["paths"].values():
            for operation in path.values():
                for code in EXAMPLES:
                    operation["responses"].setdefault(str(code), _error(code))
        return schema


def _problem_schema() -> dict[str, Any]:
    from trueup.kernel.http.bodies import inlined
    from trueup.kernel.http.replies import Problem

    return inlined(Problem.model_json_schema())


def _error(code: int) -> dict[str, Any]:
    body = {"error": {**EXAMPLES[code], "request_id": "5f2b8c9e4d3a4b1f8e7d6c5b4a392817"}}
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}, "example": body}}
    found: dict[str, Any] = {"description": WORDS[code], "content": content}
    if code == 429:
        found["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}
    return found


def make_api() -> NinjaAPI:
    """Return the API over all rooms that there are and all actions that are registered."""
    api = TrueupAPI(title="Trueup", version=__version__, description=ABOUT, docs_url=None, openapi_url=None, urls_namespace="api")
    for room, module in ROOMS.items():
        if find_spec(module.rpartition(".")[0]) is not None and find_spec(module) is not None:
            api.add_router(f"/v1/{room}", import_module(module).router, tags=[room])
    if find_spec(OLDER.rpartition(".")[0]) is not None and find_spec(OLDER) is not None:
        api.add_router("/v1", import_module(OLDER).router)
    api.add_router("/v1", actions_router())
    api.add_exception_handler(TrueupError, _known)
    api.add_exception_handler(ValidationError, _invalid)
    api.add_exception_handler(HttpError, _malformed)
    api.add_exception_handler(Exception, _unexpected)
    return api


def _known(request: HttpRequest, exc: Any) -> HttpResponse:
    return answer_to(request, exc)


def _invalid(request: HttpRequest, exc: Any) -> Any:
    fields = [
        {"field": ".".join(str(part) for part in e["loc"] if part not in ("query", "path", "body", "page")), "problem": e["msg"]}
        for e in exc.errors
    ]
    first = fields[0]
    return answer_to(request, InvalidInput(f"{first['field']}: {first['problem']}", details={"fields": fields}))


def _malformed(request: HttpRequest, exc: Any) -> Any:
    return answer_to(request, UsageError(str(exc)))


def _unexpected(request: HttpRequest, exc: Any) -> Any:
    error = known(exc)
    if problem.status(error) >= 500:
        log().error("unexpected", exc_info=exc)
    return answer_to(request, error)
