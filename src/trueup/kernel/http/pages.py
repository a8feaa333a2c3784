"""What pages share that change something: acting on a form, or saying on the page it came from why not."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase

from trueup.kernel.actions.errors import Held, PolicyRefused
from trueup.kernel.errors import TrueupError


def said(error: TrueupError) -> str:
    """Return an error as a sentence or two for people."""
    return f"{error.message}. {error.remedy}".rstrip(". ") + "."


def acted(
    request: HttpRequest, act: Callable[[], object], again: Callable[[str], HttpResponseBase], *, onto: str
) -> HttpResponseBase:
    """Act on a form, and go on; where another person has to consent first, to the request for it.

    Args:
        request: that brought the form.
        act: what it asks for.
        again: shows the page once more, with why that was not done.
        onto: the address to go on to.

    Raises:
        PolicyRefused: the caller may not; that has a page of its own.
    """
    try:
        act()
    except PolicyRefused:
        raise
    except Held as held:
        messages.success(request, "Another person has to consent now.")
        return HttpResponseRedirect(f"/approvals/{held.details['request']}/")
    except TrueupError as exc:
        return again(said(exc))
    return HttpResponseRedirect(onto)
