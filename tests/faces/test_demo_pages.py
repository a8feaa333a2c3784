"""The demo's part on pages says what came of it: also where there is no browser, a rule of one's own, or a neighbour that was heard."""

import pytest

from trueup.domains.automation.browser import launch
from trueup.faces.cli import demo_pages
from trueup.kernel.doors import App


@pytest.fixture
def app(session):
    return App(json=False, verbose=False, opener=lambda: session, key_folder=session.home.keys, product=None)


def test_without_a_browser_it_says_that_it_tried_none_and_judges_the_rest(app, session, monkeypatch):
    from trueup.domains.automation import authorizations

    monkeypatch.setattr(launch, "PLACES", ())
    fetched, read, away = demo_pages.steps(app)
    assert (fetched.ok, fetched.found.startswith("completed, 200: authorization.open")) == (True, True)
    assert (read.judged, read.found) == (False, "not tried: no Chromium was found")
    assert (away.ok, away.judged) == (True, True)
    assert away.found == "egress.address.loopback; by a redirect egress.address.loopback; 0 connections"
    assert [row.state for row in authorizations.listed(session.tenant)] == ["revoked"]


def test_where_somebody_switched_everything_off_it_goes_by_that_and_judges_nothing(app, run):
    from trueup.domains.automation.actions_policies import SwitchOff

    run(SwitchOff, host="*", reason="stop")
    (step,) = demo_pages.steps(app)
    assert (step.judged, "switched off" in step.found) == (False, True)


def test_a_neighbour_that_is_heard_or_a_redirect_that_is_followed_fails_it(app):
    with demo_pages._serving() as neighbour, demo_pages._serving(neighbour.url("/")) as site:
        tried = demo_pages._Tried(app, site, neighbour)
        refused = {"state": "denied", "hops": [{"allowed": False, "rule_ids": ["egress.address.loopback"]}]}
        assert tried._kept_away(refused).ok is True
        followed = {"state": "completed", "hops": [{"allowed": True, "rule_ids": ["authorization.open"]}]}
        assert tried._kept_away(followed).ok is False
        neighbour.heard += 1
        assert tried._kept_away(refused).ok is False


@pytest.mark.parametrize(
    ("job", "ok", "judged"),
    [
        ({"state": "completed", "error": None, "result": {"stored": {"page": {"title": "hello"}}}}, True, True),
        ({"state": "completed", "error": None, "result": {"stored": {"page": {"title": "bye"}}}}, False, True),
        ({"state": "failed", "error": {"code": "NAVIGATION_FAILED", "message": "no"}, "result": None}, False, True),
        ({"state": "retry_wait", "error": {"code": "SANDBOX_MISSING", "message": "no sandbox"}, "result": None}, True, False),
    ],
)
def test_what_was_read_is_judged_and_no_browser_is_said_to_be_none(job, ok, judged):
    step = demo_pages._read(job)
    assert (step.ok, step.judged) == (ok, judged)
