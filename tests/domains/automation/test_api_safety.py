"""The kill switch, breakers and figures of use over the API."""

from datetime import timedelta

import pytest

from trueup.domains.automation import breakers, meters
from trueup.domains.automation.actions_policies import PutPolicy, SwitchOff
from trueup.domains.automation.engine.hostpolicy import Limits
from trueup.domains.automation.models import Switch

API = "/api/v1/automation"


def test_everything_is_switched_off_and_on_again_with_reasons(doors):
    operator, admin = doors.key("operator"), doors.key("admin")
    off = doors.ask("PUT", f"{API}/kill-switch", key=operator, body={"off": True, "reason": "incident 7"})
    assert (off.status, off.json) == (200, {"host": "*", "off": True})
    shown = doors.get(f"{API}/kill-switch", key=doors.key("viewer")).json
    assert (shown["everything"], shown["off"][0]["reason"], shown["off"][0]["by"][:4]) == (True, "incident 7", "key:")
    body = {"off": False, "reason": "over"}
    assert doors.ask("PUT", f"{API}/kill-switch", key=operator, body=body).status == 403
    assert doors.get(f"{API}/kill-switch", key=operator).json["everything"] is True
    assert doors.ask("PUT", f"{API}/kill-switch", key=admin, body=body).status == 200
    assert doors.get(f"{API}/kill-switch", key=operator).json == {"everything": False, "off": []}
    assert doors.ask("PUT", f"{API}/kill-switch", key=admin, body=body).code == "CONFLICT"


def test_one_host_is_switched_off_alone(doors):
    key = doors.key("operator")
    doors.ask("PUT", f"{API}/kill-switch", key=key, body={"host": "A.org", "off": True, "reason": "they called"})
    found = doors.get(f"{API}/kill-switch", key=key).json
    assert (found["everything"], [one["host"] for one in found["off"]]) == (False, ["a.org"])


@pytest.mark.parametrize(
    ("body", "field"),
    [({"off": True}, "reason"), ({"reason": "x"}, "off"), ({"off": True, "reason": "x", "host": "a/b"}, "host")],
)
def test_a_switch_without_a_reason_a_position_or_a_host_is_refused(doors, body, field):
    answer = doors.ask("PUT", f"{API}/kill-switch", key=doors.key("admin"), body=body)
    assert (answer.status, answer.json["error"]["details"]["fields"][0]["field"]) == (422, field)
    assert Switch.objects.count() == 0


def test_a_viewer_moves_no_switch_and_no_breaker(doors):
    key = doors.key("viewer")
    assert doors.ask("PUT", f"{API}/kill-switch", key=key, body="no json").code == "POLICY_REFUSED"
    for move in ("open", "reset"):
        assert doors.post(f"{API}/breakers/{move}", "no json", key=key).code == "POLICY_REFUSED"


def test_breakers_are_opened_listed_and_reset(doors, session):
    for n in range(2):
        breakers.failed(session.tenant, "failing.org:443", f"status 50{n}", session.context().now)
    admin = doors.key("admin")
    body = {"authority": "Example.org", "reason": "the web team called"}
    assert doors.post(f"{API}/breakers/open", body, key=doors.key("operator")).json["phase"] == "open"
    shown = doors.get(f"{API}/breakers", key=doors.key("viewer")).json["items"]
    assert [(one["authority"], one["phase"], one["failures"], one["forced"]) for one in shown] == [
        ("example.org:443", "open", 0, True),
        ("failing.org:443", "closed", 2, False),
    ]
    assert doors.post(f"{API}/breakers/reset", body, key=doors.key("operator")).status == 403
    assert doors.post(f"{API}/breakers/reset", body, key=admin).json["phase"] == "closed"
    assert doors.post(f"{API}/breakers/reset", body, key=admin).code == "CONFLICT"
    assert [one["authority"] for one in doors.get(f"{API}/breakers", key=admin).json["items"]] == ["failing.org:443"]


def test_use_is_shown_beside_the_limits_of_the_policy_and_old_use_is_not(doors, session, run):
    now = session.context().now
    run(PutPolicy, host="a.org", per_minute=4, per_hour=10, concurrent=2)
    most = Limits(4, 10, 2)
    for minutes in (0, 0, 30, 90):
        meters.begin(session.tenant, "a.org:443", most, now - timedelta(minutes=minutes))
    meters.begin(session.tenant, "old.org:443", Limits(), now - timedelta(minutes=61))
    meters.asked_to_wait(session.tenant, "tired.org:443", now + timedelta(minutes=5))
    items = {one["authority"]: one for one in doors.get(f"{API}/usage", key=doors.key("viewer")).json["items"]}
    assert set(items) == {"a.org:443", "tired.org:443"}
    assert items["a.org:443"]["limits"] == {"per_minute": 4, "per_hour": 10, "concurrent": 2}
    assert items["a.org:443"]["hour"] >= 1
    assert items["tired.org:443"]["not_before"] > now.isoformat()[:10]


def test_switches_breakers_and_use_of_another_tenant_are_not_there(doors, session):
    from trueup.kernel.actions.runner import run as run_action

    other = doors.people.tenant("other")
    context = session.installation.context(session.installation.os_principal(), other)
    run_action(SwitchOff, context, {"host": "*", "reason": "theirs"})
    breakers.force_open(other, "theirs.org:443", "x", context.now)
    meters.begin(other, "theirs.org:443", Limits(), context.now)
    key = doors.key("owner")
    assert doors.get(f"{API}/kill-switch", key=key).json["off"] == []
    assert doors.get(f"{API}/breakers", key=key).json["items"] == []
    assert doors.get(f"{API}/usage", key=key).json["items"] == []
    body = {"authority": "theirs.org:443", "reason": "x"}
    assert doors.post(f"{API}/breakers/reset", body, key=key).code == "CONFLICT"
    assert doors.ask("PUT", f"{API}/kill-switch", key=key, body={"off": False, "reason": "x"}).code == "CONFLICT"
