"""Alerts: one live alert a key, states that follow each other, and every telling exactly once in its sink."""

import json
import threading
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.kernel.errors import Conflict, NotFound, UsageError
from trueup.kernel.notify.engine.alerts import LIVE, Severity, State, Told, checked_target, require_step, told_of_raise
from trueup.kernel.notify.sources import sinks

ALARM = {"rule": "testing.level", "subject": "device/a", "title": "the level is high"}


@given(st.lists(st.sampled_from(State), max_size=6))
def test_a_resolved_alert_never_changes_again(steps):
    now = State.OPEN
    for then in steps:
        try:
            require_step(now, then)
        except Conflict:
            continue
        assert now in LIVE
        now = then


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (None, Severity.INFO, Told.OPENED),
        (Severity.WARNING, Severity.CRITICAL, Told.ESCALATED),
        (Severity.WARNING, Severity.WARNING, None),
        (Severity.CRITICAL, Severity.INFO, None),
    ],
)
def test_people_are_told_of_news_and_not_of_repetitions(before, now, told):
    assert told_of_raise(before, now) is told


@pytest.mark.parametrize("target", ["", "../x.jsonl", "/etc/x.jsonl", "x.txt", "a/b.jsonl", ".jsonl", "A.jsonl"])
def test_a_file_sink_cannot_leave_its_folder(target):
    with pytest.raises(UsageError):
        checked_target("file", target)


def test_sinks_are_of_known_kinds():
    assert checked_target("file", "alerts.jsonl") == "alerts.jsonl"
    assert checked_target("stdout", "") == ""
    for kind, target in (("stdout", "x"), ("pager", "x")):
        with pytest.raises(UsageError):
            checked_target(kind, target)


@pytest.fixture
def act(run):
    from trueup.kernel.notify import actions

    class Act:
        def raised(self, severity="warning", **more):
            return run(actions.RaiseAlert, severity=severity, **ALARM | more)

        def acknowledge(self, alert, comment=""):
            return run(actions.AcknowledgeAlert, alert=UUID(alert), comment=comment)

        def resolve(self, alert, comment=""):
            return run(actions.ResolveAlert, alert=UUID(alert), comment=comment)

        def sink(self, name="log", kind="file", target="alerts.jsonl", severity="warning"):
            return run(actions.PutSink, name=name, kind=kind, target=target, severity=severity)

        def remove(self, name):
            return run(actions.RemoveSink, name=name)

    return Act()


@pytest.fixture
def known(session):
    from trueup.kernel.notify import queries

    class Known:
        def __getattr__(self, name):
            return lambda *args, **more: getattr(queries, name)(session.tenant, *args, **more)

    return Known()


def test_an_alert_raised_again_is_the_same_alert_counted(act, known):
    first, again = act.raised(), act.raised()
    assert (first["alert"], again["count"]) == (again["alert"], 2)
    assert [row["count"] for row in known.listing()] == [2]


def test_another_subject_rule_or_key_is_another_alert(act, known):
    for more in ({}, {"subject": "device/b"}, {"rule": "testing.other"}, {"key": "mine"}):
        act.raised(**more)
    assert len(known.listing()) == 4


def test_a_greater_severity_opens_an_acknowledged_alert_again(act, known):
    alert = act.raised()["alert"]
    act.acknowledge(alert, "looking")
    assert act.raised()["state"] == "acknowledged"
    assert act.raised(severity="critical")["state"] == "open"
    assert known.one(alert)["severity"] == "critical"
    act.raised(severity="info")
    assert known.one(alert)["severity"] == "critical"


def test_a_resolved_alert_is_out_of_sight_and_raised_again_is_a_new_one(act, known):
    alert = act.raised()["alert"]
    act.resolve(alert, "replaced")
    assert known.listing() == []
    assert act.raised()["alert"] != alert
    assert [row["state"] for row in known.listing(live=False)].count("resolved") == 1
    for step in (act.resolve, act.acknowledge):
        with pytest.raises(Conflict):
            step(alert)


@pytest.mark.parametrize(
    "wrong",
    [{"severity": "loud"}, {"rule": "Level"}, {"rule": "level"}, {"subject": ""}, {"title": "x"}],
)
def test_an_alarm_that_says_too_little_is_refused(act, known, wrong):
    with pytest.raises(UsageError):
        act.raised(**wrong)
    assert known.listing() == []


def test_an_unknown_alert_or_sink_is_not_found(act, known):
    for call in (lambda: act.resolve(str(uuid4())), lambda: known.one("x"), lambda: act.remove("nothing")):
        with pytest.raises(NotFound):
            call()


def test_a_delivery_is_written_with_the_alert_and_only_for_sinks_that_hear_of_it(act, known):
    act.sink("all", severity="info", target="all.jsonl")
    act.sink("worst", severity="critical", target="worst.jsonl")
    alert = act.raised()["alert"]
    assert [(d["sink"], d["told"], d["delivered_at"]) for d in known.one(alert)["deliveries"]] == [("all", "opened", None)]
    act.raised()
    act.raised(severity="critical")
    assert sorted((d["sink"], d["told"]) for d in known.one(alert)["deliveries"]) == [
        ("all", "escalated"),
        ("all", "opened"),
        ("worst", "escalated"),
    ]
    assert {row["name"]: row["waiting"] for row in known.sinks()} == {"all": 2, "worst": 1}


def test_a_sink_put_again_is_replaced(act, known):
    act.sink()
    act.sink(target="other.jsonl", severity="critical")
    (row,) = known.sinks()
    assert (row["target"], row["severity"]) == ("other.jsonl", "critical")
    act.remove("log")
    assert known.sinks() == []


def test_alerts_of_one_tenant_are_unknown_to_another(act, session):
    from trueup.kernel.actions.runner import run as run_action
    from trueup.kernel.identity.actions import CreateTenant
    from trueup.kernel.notify import queries
    from trueup.kernel.notify.actions import RaiseAlert, ResolveAlert

    act.sink()
    alert = act.raised()["alert"]
    other = UUID(run_action(CreateTenant, session.context(system=True), {"slug": "other"}).value["id"])
    context = session.installation.context(session.installation.os_principal(), other)
    assert queries.listing(other, live=False) == queries.sinks(other) == []
    with pytest.raises(NotFound):
        run_action(ResolveAlert, context, {"alert": alert})
    same = run_action(RaiseAlert, context, {"severity": "critical", **ALARM}).value
    assert (same["count"], same["alert"] != alert, "jobs" in same) == (1, True, False)


# --- telling ---


@pytest.mark.requirement("kernel:notify.once")
def test_a_delivery_repeated_after_a_crash_writes_no_second_line(tmp_path):
    one, two = uuid4(), uuid4()
    assert sinks.to_file(tmp_path, "a.jsonl", one, '{"title": "x"}')
    assert sinks.to_file(tmp_path, "a.jsonl", two, '{"title": "y"}')
    assert not sinks.to_file(tmp_path, "a.jsonl", one, '{"title": "x"}')
    assert [json.loads(line)["delivery"] for line in (tmp_path / "a.jsonl").read_text().splitlines()] == [str(one), str(two)]


def test_a_line_cut_short_by_a_crash_does_not_swallow_the_next(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"delivery": "' + str(one := uuid4()).encode())
    assert sinks.to_file(tmp_path, "a.jsonl", one, "{}")
    cut, whole = (tmp_path / "a.jsonl").read_text().splitlines()
    assert (json.loads(whole), cut.endswith("}")) == ({"delivery": str(one)}, False)


def test_many_writers_of_one_file_lose_nothing(tmp_path):
    ids = [uuid4() for _ in range(40)]
    threads = [threading.Thread(target=sinks.to_file, args=(tmp_path, "a.jsonl", id, "{}")) for id in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [json.loads(line)["delivery"] for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert sorted(found) == sorted(map(str, ids))


def test_a_link_in_the_outbox_is_not_followed(tmp_path):
    (tmp_path / "target").write_text("")
    (tmp_path / "a.jsonl").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="symbolic"):
        sinks.to_file(tmp_path, "a.jsonl", uuid4(), "{}")


@pytest.mark.requirement("kernel:notify.once")
def test_an_alert_reaches_its_sinks_through_the_worker(trueup, home):
    assert trueup("sink", "put", "log", "--kind", "file", "--target", "alerts.jsonl").code == 0
    assert trueup("sink", "put", "out", "--kind", "stdout", "--severity", "info").code == 0
    assert "no alerts" in trueup("alert", "list").out
    raised = trueup(
        "alert", "raise", "--rule", "testing.level", "--subject", "device/a", "--title", "the level is high", "--json"
    )
    assert raised.code == 0, raised.err
    alert = raised.json["alert"]
    assert "log that it opened: waits" in trueup("alert", "show", alert).out
    told = trueup("worker", "--drain")
    assert told.code == 0, told.err
    assert json.loads(next(line for line in told.out.splitlines() if line.startswith("{")))["title"] == "the level is high"
    (file,) = (home / "outbox").rglob("alerts.jsonl")
    (line,) = file.read_text().splitlines()
    assert json.loads(line)["alert"] == alert
    assert trueup("alert", "acknowledge", alert).code == 0
    assert trueup("alert", "resolve", alert, "--comment", "replaced").code == 0
    assert trueup("worker", "--drain").code == 0
    assert [json.loads(line)["told"] for line in file.read_text().splitlines()] == ["opened", "resolved"]
    assert "0 waiting" in trueup("sink", "list").out
    assert trueup("sink", "remove", "log").code == 0
    assert trueup("alert", "list", "--all", "--json").json["alerts"][0]["state"] == "resolved"


def test_an_alert_is_told_even_when_who_raised_it_is_gone(session, run, home):
    from trueup.kernel.actions.base import Principal
    from trueup.kernel.actions.runner import run as run_action
    from trueup.kernel.notify.actions import PutSink, RaiseAlert
    from trueup.kernel.work.worker import Until, Worker

    run(PutSink, name="log", kind="file", target="alerts.jsonl")
    gone = session.installation.context(Principal(f"user:{uuid4()}", frozenset({"operator"})), session.tenant)
    run_action(RaiseAlert, gone, {"severity": "critical", **ALARM})
    Worker(session.installation, concurrency=1).run(Until.DRAINED)
    (file,) = (home / "outbox").rglob("alerts.jsonl")
    assert json.loads(file.read_text())["title"] == ALARM["title"]
