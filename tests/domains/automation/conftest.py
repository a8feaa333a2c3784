"""What tests of automation share. Django is told of the rooms first, so that models can be imported."""

from dataclasses import replace
from datetime import timedelta

import pytest

from trueup.config.store import configure
from trueup.kernel.actions.base import Principal

configure(None)


@pytest.fixture
def authorize(run, session):
    """Ask for an authorization of a loopback port, prove it and put it into force; return its id."""

    def call(port, **more):
        from trueup.domains.automation.actions_authorizations import RequestAuthorization, SubmitEvidence, VerifyAuthorization
        from trueup.domains.automation.actions_force import Activate

        asked = {"host": "127.0.0.1", "ports": [port], "method": "loopback", "contact": "tests"}
        expires = session.context().now + timedelta(days=1)
        id = run(RequestAuthorization, **{**asked, "expires": expires, **more})["id"]
        for action in (SubmitEvidence, VerifyAuthorization, Activate):
            run(action, id=id)
        return id

    return call


@pytest.fixture
def acting(session):
    """Run an action as somebody with given roles, at a time."""

    def call(action, *roles, who="os:somebody", at=None, **input):
        from trueup.kernel.actions.runner import run

        ctx = replace(session.context(), principal=Principal(who, frozenset(roles)))
        return run(action, replace(ctx, clock=lambda: at) if at else ctx, input).value

    return call
