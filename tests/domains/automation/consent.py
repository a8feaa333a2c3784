"""Authorizations that open load or scripts, with another person's consent to their version."""

from dataclasses import replace
from datetime import timedelta

from trueup.domains.automation.actions_authorizations import RequestAuthorization, SubmitEvidence, VerifyAuthorization
from trueup.domains.automation.actions_force import ActivateLoad
from trueup.domains.automation.actions_policies import PutPolicy
from trueup.kernel.actions.base import Principal
from trueup.kernel.actions.errors import Held
from trueup.kernel.actions.runner import run as act
from trueup.kernel.change.execute import vote

BOUNDED = {"max_rps": 10_000.0, "max_concurrent": 1_000, "max_requests": 1_000_000}
FREE = {"per_minute": 100_000, "per_hour": 1_000_000, "concurrent": 100}


def verified(run, session, port, *tiers, **more):
    """Ask for tiers on a loopback port that is one's own, and prove it; return the authorization as it is then."""
    now = session.context().now
    asked = {
        "host": "127.0.0.1", "ports": [port], "method": "loopback", "contact": "tests", "own": True, "strategies": ["vanilla", *tiers],
        "opens": now - timedelta(minutes=1), "closes": now + timedelta(hours=1), "expires": now + timedelta(hours=2),
        **(BOUNDED if "assault" in tiers else {}), **more,
    }  # fmt: skip
    id = run(RequestAuthorization, **asked)["id"]
    run(SubmitEvidence, id=id)
    return run(VerifyAuthorization, id=id)


def consented(run, session, port, *tiers, limits=None, scripts=(), **more):
    """Open tiers on a loopback port: authorized, consented to by somebody else, and listed; return the authorization's id."""
    found = verified(run, session, port, *tiers, **more)
    run(
        PutPolicy, host="127.0.0.1", ports=[port], strategies=["vanilla", *tiers], scripts=list(scripts), **{**FREE, **(limits or {})}
    )  # fmt: skip
    try:
        act(ActivateLoad, session.context(), {"id": found["id"], "version": found["version"]})
    except Held as held:
        second = replace(session.context(), principal=Principal("os:second", frozenset({"owner"})))
        voted = vote(session.installation, second, {"request": held.details["request"], "choice": "approve"})
        assert voted.problem is None, voted.problem
        return found["id"]
    raise AssertionError("nobody had to consent")
