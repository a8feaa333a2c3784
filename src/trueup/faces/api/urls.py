"""The addresses of the API."""

from functools import lru_cache

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from ninja import NinjaAPI

from trueup.faces.api.api import make_api
from trueup.kernel.http import health, metrics, readers
from trueup.kernel.http.callers import caller_of
from trueup.kernel.http.middleware import open_to_loopback
from trueup.kernel.http.replies import reply

OPERATING = ("operate", "audit", "administer")


@lru_cache(maxsize=1)
def api() -> NinjaAPI:
    """Return the API of this process; made once, when all actions are registered."""
    return make_api()


@lru_cache(maxsize=1)
def _description() -> bytes:
    return reply(dict(api().get_openapi_schema(path_prefix="/api/"))).content


def openapi(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - the same for everybody
    """Describe the API, for programs."""
    return HttpResponse(_description(), content_type="application/json")


def docs(request: HttpRequest) -> HttpResponse:
    """Describe the API, for people."""
    return render(request, "trueup/api_docs.html")


def live(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - the same for everybody
    """Tell that the process answers."""
    return reply({"status": "ok"})


def ready(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - the same for everybody
    """Tell whether the server can do its work."""
    found = health.checks()
    well = all(check.ok for check in found)
    document = {"status": "ok" if well else "failing", "checks": {check.name: check.as_dict() for check in found}}
    return reply(document, 200 if well else 503)


def figures(request: HttpRequest) -> HttpResponse:
    """Show the server's figures for Prometheus, to who operates, audits or administers."""
    if not open_to_loopback(request):
        readers.require(caller_of(request), *OPERATING)
    media_type, text = metrics.exposition()
    return HttpResponse(text, content_type=media_type)


urlpatterns = [
    path("api/openapi.json", openapi),
    path("api/docs", docs),
    path("api/", api().urls),
    path("health/live", live),
    path("health/ready", ready),
    path("metrics", figures),
]
