"""What signed-in requests go through: a one-time password is changed first, and a session notes when it was last seen."""

import time
from collections.abc import Callable

from allauth.usersessions.models import UserSession
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils import timezone

from trueup.kernel.http.middleware import for_machines

PASSWORD_PAGE = "/password/"  # noqa: S105 - an address
FREE = (PASSWORD_PAGE, "/logout/", "/static/")
COARSE = 60.0
_REMEMBERED = 10_000


class SignedIn:
    """The layer between Django's authentication and the door.

    Args:
        answer: the layers within.
    """

    def __init__(self, answer: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._answer = answer
        self._seen: dict[str, float] = {}

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer one request; programs that use a session are refused by the door instead of redirected."""
        if request.COOKIES and not request.path.startswith("/static/") and request.user.is_authenticated:
            self._note(request)
            if request.user.must_change_password and not for_machines(request.path) and not request.path.startswith(FREE):
                return HttpResponseRedirect(PASSWORD_PAGE)
        return self._answer(request)

    def _note(self, request: HttpRequest) -> None:
        """Write when the session was seen, at most once a minute and process."""
        key, now = request.session.session_key or "", time.monotonic()
        if now - self._seen.get(key, -COARSE) < COARSE:
            return
        if len(self._seen) >= _REMEMBERED:
            self._seen.clear()
        self._seen[key] = now
        UserSession.objects.filter(session_key=key).update(last_seen_at=timezone.now())
