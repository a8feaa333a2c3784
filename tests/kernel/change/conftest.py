"""Fixtures of consent: people with roles, something that is held, and a clock."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from tests.kernel.identity.conftest import browser, clock, log, people, signed_in
from trueup.kernel.actions.errors import Held

__all__ = ["browser", "clock", "log", "people", "signed_in"]


@pytest.fixture
def ask(people: Any) -> Callable[..., UUID]:
    """Ask for something irreversible, as a user, and return the request that holds it."""
    from tests.support.actions import Remove

    def call(user: Any, subject: str = "thing", **more: Any) -> UUID:
        with pytest.raises(Held) as caught:
            people.run(user, Remove, subject=subject, **more)
        return UUID(caught.value.details["request"])

    return call


@pytest.fixture
def vote(people: Any, session: Any) -> Callable[..., Any]:
    """Vote as a user; the action runs when that was the last vote needed."""
    from trueup.kernel.change import execute

    def call(user: Any, request: UUID, choice: str = "approve", comment: str = "", principal: Any = None) -> Any:
        ctx = session.installation.context(principal or people.principal(user), session.tenant)
        return execute.vote(session.installation, ctx, {"request": request, "choice": choice, "comment": comment})

    return call


@pytest.fixture
def found(session: Any) -> Callable[[UUID], dict[str, Any]]:
    """Return a request as it is now."""
    from trueup.kernel.change import queries

    return lambda request: queries.request(session.tenant, request, now=session.installation.clock())


@pytest.fixture
def ran(session: Any) -> Callable[[str], int]:
    """Count how often something irreversible was done to a subject, by the log."""
    from trueup.kernel.evidence import queries

    def count(subject: str = "thing") -> int:
        entries = queries.entries(session.tenant, limit=1000)
        done = [e for e in entries if (e["action"], e["outcome"]) == ("testing.thing.remove", "done")]
        return sum(e.get("subjects") == [subject] for e in done)

    return count
