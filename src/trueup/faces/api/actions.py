"""One endpoint for each registered action: ``POST /api/v1/<room>/<noun>/<verb>``."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router

from trueup.kernel.actions.base import AnyAction
from trueup.kernel.actions.registry import registered
from trueup.kernel.http.bodies import act
from trueup.kernel.http.bodies import described as described_body
from trueup.kernel.http.replies import HeldOut


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
            openapi_extra=described_body(action.input),
        )
    return router


def endpoint(action: type[AnyAction]) -> Any:
    """Return the view that runs an action: permission first, then the body is read, then it runs."""

    def call(request: HttpRequest) -> HttpResponse:
        return act(request, action)

    call.__name__ = f"action_{action.name.replace('.', '_')}"
    call.__doc__ = action.__doc__
    return call


def described(action: type[AnyAction]) -> str:
    """Return what the documentation says of an action."""
    words = [(action.__doc__ or "").strip(), f"Risk {action.risk}; meant for: {', '.join(sorted(action.tags))}."]
    if action.local:
        words.append(
            "Its input names files of the server's machine, or it is about the whole installation: refused here, see the shell."
        )
    return "\n\n".join(words)
