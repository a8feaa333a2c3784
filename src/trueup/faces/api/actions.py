"""One endpoint for each registered action: ``POST /api/v1/<room>/<noun>/<verb>``."""

import json
from copy import deepcopy
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router

from trueup.kernel.actions.base import AnyAction
from trueup.kernel.actions.registry import registered
from trueup.kernel.actions.runner import require_permission, run
from trueup.kernel.documents import parse_json
from trueup.kernel.errors import UsageError
from trueup.kernel.http.callers import context_of
from trueup.kernel.http.problem import InvalidInput
from trueup.kernel.http.replies import HeldOut, reply

_HELD = {"description": "Held: other people must consent first", "content": {"application/json": {"schema": {}}}}


def actions_router() -> Router:
    """Return the endpoints of all actions."""
    router = Router()
    for action in registered():
        room, _, rest = action.name.partition(".")
        router.add_api_operation(
            f"/{room}/{rest.replace('.', '/')}",
            ["POST"],
            endpoint(action),
            response={200: dict[str, Any], 202: HeldOut},
            operation_id=action.name,
            summary=action.summary,
            description=described(action),
            tags=[room],
            openapi_extra=extra(action),
        )
    return router


def endpoint(action: type[AnyAction]) -> Any:
    """Return the view that runs an action: permission first, then the body is read, then it runs."""

    def call(request: HttpRequest) -> HttpResponse:
        context = context_of(request)
        require_permission(action, context)
        result = run(action, context, body_of(request))
        response = reply(result.value)
        response["X-Attempt-Id"] = str(result.attempt)
        if result.replayed:
            response["Idempotency-Replayed"] = "true"
        return response

    call.__name__ = f"action_{action.name.replace('.', '_')}"
    call.__doc__ = action.__doc__
    return call


def body_of(request: HttpRequest) -> dict[str, Any]:
    """Read the body: one JSON object; none at all is an empty one.

    Raises:
        UsageError: it is no JSON object.
    """
    if not request.body:
        return {}
    if request.content_type != "application/json":
        raise UsageError("the body is not application/json", remedy="send 'Content-Type: application/json'")
    try:
        text = request.body.decode()
    except UnicodeDecodeError:
        raise UsageError("the body is not UTF-8 text") from None
    value = parse_json(text, "body").value
    if not isinstance(value, dict):
        raise InvalidInput(f"body: expected a JSON object, got {json.dumps(value)[:40]}")
    return value


def described(action: type[AnyAction]) -> str:
    """Return what the documentation says of an action."""
    words = [(action.__doc__ or "").strip(), f"Risk {action.risk}; meant for: {', '.join(sorted(action.tags))}."]
    if action.local:
        words.append(
            "Its input names files of the server's machine, or it is about the whole installation: refused here, see the shell."
        )
    return "\n\n".join(words)


def extra(action: type[AnyAction]) -> dict[str, Any]:
    """Return the action's input schema, with an example, for the documentation."""
    schema = inlined(action.input.model_json_schema())
    needed = bool(schema.get("required"))
    body = {"application/json": {"schema": schema, "example": example(schema)}}
    return {
        "requestBody": {"required": needed, "content": body},
        "parameters": [
            {
                "in": "header",
                "name": "Idempotency-Key",
                "required": False,
                "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[ -~]+$"},
                "description": "the same key and input give the first result again",
            }
        ],
    }


def inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with its definitions written out in place: one document holds many, and their names would collide."""
    schema = deepcopy(schema)
    known = schema.pop("$defs", {})

    def resolve(node: Any) -> Any:
        if isinstance(node, list):
            return [resolve(item) for item in node]
        if not isinstance(node, dict):
            return node
        name = str(node.get("$ref", "")).rpartition("/")[2]
        if name:
            return resolve(known[name])
        return {key: resolve(value) for key, value in node.items()}

    resolved: dict[str, Any] = resolve(schema)
    return resolved


_EXAMPLES = {"string": "text", "integer": 1, "number": 1.0, "boolean": False, "array": [], "object": {}, "null": None}


def example(schema: dict[str, Any]) -> dict[str, Any]:
    """Return an input that shows the required fields, and what the others are when they are left out."""
    properties = schema.get("properties", {})
    return {name: _example_of(properties[name]) for name in properties if name in schema.get("required", ())}


def _example_of(schema: dict[str, Any]) -> Any:
    if schema.get("examples"):
        return schema["examples"][0]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return _example_of(schema["anyOf"][0])
    if schema.get("format") == "uuid":
        return "00000000-0000-4000-8000-000000000000"
    if schema.get("type") == "array" and schema.get("minItems"):
        return [_example_of(schema.get("items", {}))]
    if schema.get("type") == "object" and schema.get("required"):
        return example(schema)
    return _EXAMPLES.get(str(schema.get("type", "string")), "text")
