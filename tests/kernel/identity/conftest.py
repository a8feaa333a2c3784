"""Fixtures of identity: people, a clock, and browsers on the real layers."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.kernel.identity.people import PASSWORD, Clock, People


@pytest.fixture
def people(session: Any) -> People:
    """Makes people, and acts for them."""
    return People(session)


@pytest.fixture
def clock(session: Any) -> Clock:
    """The installation's clock, in the test's hand."""
    made = Clock()
    session.installation.clock = made
    return made


@pytest.fixture
def log(session: Any) -> Callable[..., list[Any]]:
    """Entries of the tenant's log, or of the system log, the newest first."""
    from trueup.kernel.evidence import queries
    from trueup.kernel.evidence.ledger import SYSTEM

    return lambda system=False: queries.entries(SYSTEM if system else session.tenant, limit=200)


@pytest.fixture
def browser(session: Any) -> Callable[..., Any]:
    """Return browsers that talk to the product's own layers, in this process; a request begins with nothing in reach."""
    from django.test import Client

    from trueup.kernel import tenancy
    from trueup.kernel.http.host import serve_from

    serve_from(session.installation)

    class Browser(Client):
        def request(self, **request: Any) -> Any:
            with tenancy.reaching():
                return super().request(**request)

    return lambda **more: Browser(HTTP_HOST="localhost", HTTP_USER_AGENT="a test", **more)


@pytest.fixture
def signed_in(browser: Callable[..., Any]) -> Callable[..., Any]:
    """Sign a person in; return the browser."""

    def sign_in(user: Any, password: str = PASSWORD) -> Any:
        client = browser()
        done = client.post("/login/", {"email": user.email, "password": password})
        assert done.status_code == 302, done.content
        return client

    return sign_in
