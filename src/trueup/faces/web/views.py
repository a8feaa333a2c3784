"""The shell's own pages: home, and the switch between tenants."""

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme

from trueup.faces.web import assets
from trueup.faces.web.boxes import boxes
from trueup.kernel.errors import NotFound
from trueup.kernel.http.callers import TENANT, caller_of


def home(request: HttpRequest) -> HttpResponse:
    """Show what needs the caller, what changed, and what is unknown."""
    return render(request, "trueup/home.html", {"boxes": boxes(request)})


def switch_tenant(request: HttpRequest) -> HttpResponseBase:
    """Work in another tenant from now on.

    Raises:
        NotFound: the caller does not belong to such a tenant.
    """
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    slug = request.POST.get("tenant", "")
    if slug not in {place.slug for place in getattr(caller_of(request), "memberships", ())}:
        raise NotFound("there is no such tenant that you belong to")
    request.session[TENANT] = slug
    after = request.POST.get("next", "/")
    return HttpResponseRedirect(after if url_has_allowed_host_and_scheme(after, allowed_hosts=None) else "/")


def favicon(request: HttpRequest) -> HttpResponseBase:
    """Answer what browsers ask for by themselves."""
    return assets.serve(request, "trueup/mark.svg")


def robots(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - the same for everybody
    """Keep search engines out."""
    return HttpResponse("User-agent: *\nDisallow: /\n", content_type="text/plain")
