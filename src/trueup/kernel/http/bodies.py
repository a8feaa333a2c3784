"""Bodies of requests that run actions: read once permission was asked, and described from the action's own input."""

import json
from collections.abc import Callable, Collection, Mapping
from copy import deepcopy
from typing import Any

from django.http import HttpRequest, HttpResponse
from pydantic import BaseModel, ValidationError

from trueup.kernel.actions.base import AnyAction
from trueup.kernel.actions.runner import Result, require_permission, run
from trueup.kernel.documents import parse_json
from trueup.kernel.errors import UsageError
from trueup.kernel.http.callers import context_of
from trueup.kernel.http.problem import InvalidInput
from trueup.kernel.http.replies import reply

IDEMPOTENCY_KEY: Mapping[str, Any] = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[ -~]+$"},
    "description": "the same key and input give the first result again",
}


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


def parsed[ModelT: BaseModel](model: type[ModelT], value: Mapping[str, Any], what: str) -> ModelT:
    """Return a body that no action takes as its model.

    Raises:
        InvalidInput: it is none; ``details.fields`` says where.
    """
    try:
        return model.model_validate(value)
    except ValidationError as exc:
        fields = [
            {"field": ".".join(str(part) for part in e["loc"]), "problem": e["msg"]}
            for e in exc.errors(include_input=False, include_url=False)
        ]
        first = fields[0]
        raise InvalidInput(f"{what}: {first['field'] or 'body'}: {first['problem']}", details={"fields": fields}) from None


def act(
    request: HttpRequest,
    action: type[AnyAction],
    input: Callable[[dict[str, Any]], Mapping[str, Any]] = dict,
    *,
    status: int = 200,
) -> HttpResponse:
    """Run an action for a request: permission first, then the body is read, then it runs.

    Args:
        request: of somebody.
        action: to run.
        input: makes the action's input of the body.
        status: of the answer.
    """
    context = context_of(request)
    require_permission(action, context)
    return answered(run(action, context, input(body_of(request))), status=status)


def answered(result: Result, *, status: int = 200) -> HttpResponse:
    """Answer with what an action handed back."""
    response = reply(result.value, status)
    response["X-Attempt-Id"] = str(result.attempt)
    if result.replayed:
        response["Idempotency-Replayed"] = "true"
    return response


def described(
    model: type[BaseModel], *, without: Collection[str] = (), shown: Mapping[str, Any] | None = None, keyed: bool = True
) -> dict[str, Any]:
    """Return the description of a body for the API's documentation.

    Args:
        model: of the body.
        without: fields that are said elsewhere in the request.
        shown: the example; of the required fields where it is not given.
        keyed: whether an action runs, which takes an ``Idempotency-Key``.
    """
    schema = inlined(model.model_json_schema())
    schema["properties"] = {name: value for name, value in schema.get("properties", {}).items() if name not in without}
    needed = [name for name in schema.pop("required", ()) if name not in without]
    schema |= {"required": needed} if needed else {}
    content = {"application/json": {"schema": schema, "example": example(schema) if shown is None else dict(shown)}}
    body: dict[str, Any] = {"requestBody": {"required": bool(needed), "content": content}}
    return body | ({"parameters": [dict(IDEMPOTENCY_KEY)]} if keyed else {})


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
