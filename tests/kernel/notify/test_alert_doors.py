"""Alerts through pages and API."""

from uuid import UUID, uuid4

import pytest


@pytest.fixture
def alert(run):
    from trueup.kernel.notify.actions import PutSink, RaiseAlert

    run(PutSink, name="log", kind="file", target="alerts.jsonl", severity="info")
    return run(
        RaiseAlert, rule="testing.level", subject="device/a", severity="critical", title="the level is high", detail={"level": 9}
    )["alert"]


def test_an_alert_is_listed_shown_and_on_the_home_page(doors, alert):
    browser = doors.browser(doors.everyone)
    assert "the level is high" in doors.get("/alerts/", client=browser).text
    assert "the level is high" in doors.get("/", client=browser).text
    text = doors.get(f"/alerts/{alert}/", client=browser).text
    assert "critical" in text
    assert "that it opened" in text
    assert "Nothing matches" in doors.get("/alerts/?state=resolved", client=browser).text
    assert "the level is high" in doors.get("/alerts/?state=live&severity=critical&subject=device/a", client=browser).text
    assert doors.get(f"/alerts/{uuid4()}/", client=browser).status == doors.get("/alerts/x/", client=browser).status == 404


def test_an_alert_is_acknowledged_and_resolved_by_those_who_may(doors, alert):
    viewer = doors.browser(doors.people.add("viewer@example.org", "viewer"))
    assert 'value="resolve"' not in doors.get(f"/alerts/{alert}/", client=viewer).text
    assert viewer.post(f"/alerts/{alert}/", {"do": "resolve"}).status_code == 403
    browser = doors.browser(doors.everyone)
    assert browser.post(f"/alerts/{alert}/", {"do": "acknowledge", "comment": "on it"}).status_code == 302
    assert "on it" in doors.get(f"/alerts/{alert}/", client=browser).text
    assert browser.post(f"/alerts/{alert}/", {"do": "acknowledge"}).status_code == 400
    assert browser.post(f"/alerts/{alert}/", {"do": "resolve"}).status_code == 302
    assert browser.post(f"/alerts/{alert}/", {"do": "explode"}).status_code == 400
    assert "the level is high" not in doors.get("/", client=browser).text.partition("What changed")[0]


def test_without_alerts_the_page_says_what_to_do(doors):
    text = doors.get("/alerts/", client=doors.browser(doors.everyone)).text
    assert "trueup sink put" in text


def test_the_api_lists_alerts_and_sinks_of_its_own_tenant(doors, alert, session):
    from trueup.kernel.actions.runner import run as run_action
    from trueup.kernel.identity.actions import CreateTenant
    from trueup.kernel.notify.actions import RaiseAlert

    other = UUID(run_action(CreateTenant, session.context(system=True), {"slug": "other"}).value["id"])
    context = session.installation.context(session.installation.os_principal(), other)
    given = {"rule": "testing.level", "subject": "device/b", "severity": "info", "title": "theirs"}
    theirs = run_action(RaiseAlert, context, given).value["alert"]
    key = doors.key("operator")
    assert [row["alert"] for row in doors.get("/api/v1/notify/alerts?state=live&subject=device/a", key=key).json["items"]] == [
        alert
    ]
    assert doors.get("/api/v1/notify/alerts?state=resolved", key=key).json["items"] == []
    assert doors.get("/api/v1/notify/alerts?state=loud", key=key).status == 422
    assert doors.get(f"/api/v1/notify/alerts/{alert}", key=key).json["deliveries"][0]["sink"] == "log"
    assert doors.get(f"/api/v1/notify/alerts/{theirs}", key=key).status == 404
    assert doors.post("/api/v1/notify/alert/resolve", {"alert": theirs}, key=key).status == 404
    assert doors.post("/api/v1/notify/alert/resolve", {"alert": alert}, key=key).json["state"] == "resolved"
    assert doors.get("/api/v1/notify/sinks", key=key).json["items"][0]["waiting"] == 2
