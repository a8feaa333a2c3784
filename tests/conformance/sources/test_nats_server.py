"""A real nats-server: restarts, kills, credentials, TLS, refusals, poison, streams that come and go."""

import signal
import socket
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest

from tests.conformance.sources.natsserver import NatsServer
from tests.conformance.sources.rigs import number, numbered
from tests.conformance.sources.running import until
from tests.conformance.sources.test_full_disk import alerts
from tests.conformance.sources.test_mqtt_broker import authority
from tests.conformance.sources.userjwt import operated
from tests.conftest import TRUEUP
from trueup.domains.telemetry.sources.live import nats_client
from trueup.domains.telemetry.sources.live.build import Asked, build
from trueup.domains.telemetry.sources.live.capture import Capture
from trueup.domains.telemetry.sources.live.reading import CaptureFile
from trueup.domains.telemetry.sources.live.sink import Sink
from trueup.kernel.errors import ConfigurationError, Refused

TENANT = UUID(int=1)
LISTEN = ("--source", "nats", "--stream", "RIG", "--ack-wait", "2")


class Here:
    """A capture in this process."""

    def __init__(self, folder, address):
        self.path, self.address, self.states = folder / "telemetry" / "captures" / "t" / "it.sqlite3", address, []
        self.file = CaptureFile(self.path, TENANT, "it")

    def hear(self, done, *, limit=0, seconds=15.0, **asked):
        """Listen until ``done`` says so of the sink."""
        capture = Capture(self.path, tenant=TENANT, name="it", kind="nats")
        sink = Sink(capture, limit=limit, changed=lambda state, reason: self.states.append((str(state), reason)))
        options = {"broker": self.address, "stream": "RIG", "ack_wait": 2.0, **asked}
        end = time.monotonic() + seconds
        try:
            source = build(Asked("nats", **options), {}, tenant=TENANT, name="it", told=print)
            source.run(sink, lambda: bool(done(sink)) or time.monotonic() > end)
            assert sink.commit()
        finally:
            capture.close()
        assert time.monotonic() <= end or not seconds, f"waited in vain: {sink.totals}, {self.states}"
        return sink

    def stored(self, count, **more):
        return self.hear(lambda sink: sink.totals.received >= count, **more)

    def numbers(self):
        return Counter(number(event.payload) for event in self.file.events())


@pytest.fixture
def here(server, tmp_path):
    return Here(tmp_path, server.address)


@pytest.mark.requirement("telemetry:W8.2.2", "telemetry:W8.2.3")
def test_1200_messages_across_a_restart_of_the_server_and_a_kill_of_the_consumer_are_stored_each_once(captures, server):
    running = [captures.start(*LISTEN, "--broker", server.address).live()]

    def kill():
        running[-1].kill()
        running.append(captures.start(*LISTEN, "--broker", server.address))

    server.publish("rig.7", numbered(0, 1_200), rate=600, at={400: server.restart, 800: kill})
    until(lambda: captures.counters()["stored"] >= 1_200, f"all is stored, not {captures.counters()}")
    running[-1].live().stop()
    assert Counter(map(number, captures.payloads())) == Counter(range(1_200))


def test_what_was_written_and_not_acknowledged_at_a_kill_comes_again_and_is_stored_once(captures, server):
    captures.program = [sys.executable, str(Path(__file__).with_name("dying.py"))]
    server.publish("rig.7", numbered(0, 50))
    dying = captures.start(*LISTEN, "--broker", server.address)
    assert dying.child.wait(20) == -signal.SIGKILL
    written = captures.counters()["stored"]
    captures.program = [str(TRUEUP)]
    again = captures.start(*LISTEN, "--broker", server.address).live()
    until(lambda: captures.counters()["stored"] == 50 and not server.consumer().num_ack_pending, "all is stored and acknowledged")
    code, document = again.stop()
    assert 0 < written <= document["duplicates"]
    assert (code, document["stored"]) == (0, 50 - written)
    assert Counter(map(number, captures.payloads())) == Counter(range(50))


def test_while_the_server_is_away_the_capture_is_degraded_with_an_alert_and_then_live_again(captures, server):
    running = captures.start(*LISTEN, "--broker", server.address).live()
    server.stop()
    running.says("degraded: the connection to the broker is lost")
    until(lambda: alerts(captures.home), "the alert is there")
    assert alerts(captures.home) == [("telemetry.capture.degraded", "capture:it", "open")]
    server.start().publish("rig.7", numbered(0, 10))
    until(lambda: captures.file() and captures.counters()["stored"] == 10, "it hears again")
    code, document = running.stop()
    assert (code, document["not_stored"], captures.counters()["reconnects"]) == (0, 0, 1)
    assert alerts(captures.home) == [("telemetry.capture.degraded", "capture:it", "resolved")]


def test_a_missing_stream_ends_it_with_exit_3_and_a_remedy(captures, server):
    code, document = captures.start("--source", "nats", "--broker", server.address, "--stream", "NONE").ended()
    assert (code, document["error"]["message"]) == (3, "the broker has no stream 'NONE'")
    assert "--stream" in document["error"]["remedy"]


def test_a_server_that_stands_still_is_told_as_not_answering_and_heard_again(here, server, monkeypatch):
    monkeypatch.setattr(nats_client, "ASK_SECONDS", 0.3)
    monkeypatch.setattr(nats_client, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(nats_client, "CLOSE_SECONDS", 1)

    def still(sink):
        if here.states == [("live", "")]:
            server.child.send_signal(signal.SIGSTOP)
        if ("degraded", "the broker does not answer") in here.states:
            server.child.send_signal(signal.SIGCONT)
        return here.states[-1:] == [("live", "")] and len(here.states) > 2

    here.hear(still, seconds=30.0)
    assert here.states[:2] == [("live", ""), ("degraded", "the broker does not answer")]


def test_a_server_that_is_not_there_yet_is_waited_for(here, server):
    server.stop()

    def ready(_sink):
        if len(here.states) == 1 and server.child.poll() is not None:
            server.start()
        return here.states[-1:] == [("live", "")]

    here.hear(ready)
    assert here.states[0][1].startswith("no connection to the broker (")


def test_as_many_as_were_asked_for_are_taken_and_the_others_come_at_the_next_start(here, server):
    server.publish("rig.7", numbered(0, 80))
    assert here.hear(lambda sink: sink.finished, limit=50).totals.stored == 50
    assert server.consumer().num_ack_pending == 0
    here.stored(30)
    assert here.numbers() == Counter(range(80))


def test_a_stop_leaves_all_that_is_stored_acknowledged_and_nothing_comes_twice(here, server):
    server.publish("rig.7", numbered(0, 3_000))
    here.hear(lambda sink: sink.pending)
    assert server.consumer().ack_floor.stream_seq == sum(here.numbers().values())
    rest = here.hear(lambda _sink: sum(here.numbers().values()) == 3_000)
    assert (here.numbers(), rest.totals.duplicates, server.consumer().num_ack_pending) == (Counter(range(3_000)), 0, 0)


def test_every_message_has_a_key_of_the_stream_and_equal_ones_are_two(here, server):
    server.publish("rig.temp", [b"21.5", b"21.5", *numbered(0, 3), *numbered(5, 6)])
    here.stored(6)
    summary = here.file.summary()
    assert (summary["delivery"], summary["counters"]["stored"], summary["counters"]["gaps"]) == ("exactly-once", 6, 2)


def test_a_stream_that_is_made_anew_counts_from_one_and_none_of_it_is_taken_for_known(here, server):
    server.publish("rig.7", numbered(0, 5))
    here.stored(5)
    server.call(lambda js: js.delete_stream("RIG"))
    server.stream().publish("rig.7", numbered(0, 5))
    assert here.stored(5).totals.stored == 5


def test_a_stream_that_vanishes_degrades_the_capture_until_it_is_there_again(here, server, monkeypatch):
    monkeypatch.setattr(nats_client, "ASK_SECONDS", 0.3)
    monkeypatch.setattr(nats_client, "ANSWER_SECONDS", 0.3)
    missing, done = ("degraded", "the broker has no stream 'RIG'"), []

    def vanish(sink):
        if here.states == [("live", "")] and not done:
            done.append(server.call(lambda js: js.delete_stream("RIG")))
        if missing in here.states and len(done) == 1:
            done.append(server.stream().publish("rig.7", numbered(0, 5)))
        return sink.totals.received == 5

    here.hear(vanish, seconds=30.0)
    assert here.states[-1] == ("live", "")


def test_poison_is_a_dead_letter_with_its_reason_and_never_sent_again(here, server):
    server.publish("rig.7", [b"{", b"\xff\x00", b'"text"', *numbered(0, 1)])
    with closing(socket.create_connection(("127.0.0.1", server.port))) as raw:
        odd = b'PUB rig.\xff\xfe 9\r\n{"seq":7}\r\n' + b'PUB rig.\x0b\x0c 9\r\n{"seq":8}\r\n'
        raw.sendall(b'CONNECT {"verbose": false}\r\n' + odd + b"PING\r\n")
        until(lambda: b"PONG" in raw.recv(4096), "the server took it")
    here.stored(6)
    assert here.numbers() == Counter([0, 8])
    assert here.file.summary()["dead_letters"] == {"not_an_object_or_number": 1, "not_json": 2, "topic_not_utf8": 1}
    known = server.consumer()
    assert (known.num_ack_pending, known.num_pending, known.num_redelivered) == (0, 0, 0)


def test_messages_of_more_than_one_requests_size_all_come(here, server):
    server.publish("rig.7", [b'{"seq": %d, "note": "%b"}' % (n, b"x" * 900_000) for n in range(24)])
    here.stored(24, seconds=30.0)
    assert here.numbers() == Counter(range(24))
    assert [state for state, _ in here.states] == ["live"]


def test_a_message_with_headers_is_stored_like_any_other(here, server):
    server.call(lambda js: js.publish("rig.7", b'{"seq": 1}', headers={"Any": "thing"}))
    here.stored(1)
    assert here.numbers() == Counter([1])


def test_a_filter_takes_its_subjects_alone(here, server):
    server.publish("plant.1", numbered(3, 5))
    server.publish("rig.7", numbered(0, 3))
    here.stored(3, topics=("rig.*",))
    assert here.numbers() == Counter(range(3))


def test_a_filter_that_was_changed_would_skip_what_came_before_and_is_refused(here, server):
    here.hear(lambda _sink: here.states, topics=("rig.*",))
    with pytest.raises(ConfigurationError, match=r"reads rig\.\*") as caught:
        here.hear(lambda _sink: False)
    assert "--name" in caught.value.remedy


def test_the_consumer_is_durable_acknowledged_one_by_one_and_never_gives_up(here, server):
    here.hear(lambda _sink: here.states, ack_wait=7.0)
    config = server.consumer().config
    assert (config.ack_policy, config.ack_wait, config.max_deliver, config.deliver_subject) == ("explicit", 7.0, -1, None)
    assert config.durable_name.startswith("tu")


@pytest.mark.parametrize(
    "config", [{"deliver_subject": "elsewhere"}, {"headers_only": True}, {"max_deliver": 3}, {"deliver_policy": "new"}]
)
def test_a_consumer_by_which_messages_would_be_missed_is_not_taken_over(here, server, config):
    server.call(lambda js: js.add_consumer("RIG", durable_name="theirs", ack_policy="explicit", **config))
    with pytest.raises(ConfigurationError, match="'theirs'"):
        here.hear(lambda _sink: False, client_id="theirs")


def test_a_server_without_jetstream_is_told_as_such(tmp_path):
    server = NatsServer(tmp_path, jetstream=False).start()
    try:
        with pytest.raises(ConfigurationError, match="does not run JetStream") as caught:
            Here(tmp_path, server.address).hear(lambda _sink: False)
    finally:
        server.stop()
    assert "--jetstream" in caught.value.remedy


@pytest.fixture
def guarded(tmp_path):
    users = (
        "{user: rig, password: right-word}",
        '{user: shy, password: shy-word, permissions: {publish: "none", subscribe: "_INBOX.>"}}',
        '{user: half, password: half-word, permissions: {publish: {deny: "$JS.API.CONSUMER.MSG.NEXT.>"}}}',
    )
    lines, login = (f"authorization {{ users: [{', '.join(users)}] }}",), {"user": "rig", "password": "right-word"}
    found = NatsServer(tmp_path, lines=lines, login=login).start().stream()
    yield found
    found.stop()


def test_the_password_comes_from_the_environment_and_is_nowhere_to_be_read(captures, guarded):
    options = (*LISTEN, "--broker", guarded.address, "--username", "rig", "--password-env", "WORD")
    guarded.publish("rig.7", numbered(0, 3))
    running = captures.start(*options, "--max-events", 3, env={"WORD": "right-word"})
    assert running.ended()[0] == 0
    assert len(captures.payloads()) == 3
    files = [path for path in captures.home.rglob("*") if path.is_file()] + [running.said, running.out]
    assert [path for path in files if b"right-word" in path.read_bytes()] == []


def test_wrong_credentials_are_refused_and_not_repeated(guarded, tmp_path):
    with pytest.raises(Refused, match="refuses the connection") as caught:
        Here(tmp_path, guarded.address).hear(lambda _sink: False, username="rig", password="wrong-word")
    assert "wrong-word" not in str(caught.value.as_dict())


def test_a_user_who_may_not_read_the_stream_is_refused(guarded, tmp_path, monkeypatch):
    monkeypatch.setattr(nats_client, "API_SECONDS", 0.5)
    with pytest.raises(Refused, match=r"(?i)permissions violation"):
        Here(tmp_path, guarded.address).hear(lambda _sink: False, username="shy", password="shy-word", seconds=20.0)


def test_a_user_who_may_not_pull_is_told_so(guarded, tmp_path):
    here = Here(tmp_path, guarded.address)
    here.hear(lambda _sink: len(here.states) > 1, username="half", password="half-word")
    assert here.states[1][1].startswith("the broker refuses what is needed: permissions violation for publish")


def test_a_token_opens_the_door(tmp_path):
    server = (
        NatsServer(tmp_path, lines=("authorization { token: right-token }",), login={"token": "right-token"}).start().stream()
    )
    try:
        server.publish("rig.7", numbered(0, 2))
        Here(tmp_path, server.address).stored(2, token="right-token")
        with pytest.raises(Refused):
            Here(tmp_path, server.address).hear(lambda _sink: False, token="wrong-token")
    finally:
        server.stop()


def test_a_file_of_credentials_opens_the_door(tmp_path):
    lines, login, creds = operated(tmp_path)
    server = NatsServer(tmp_path, lines=lines, login=login).start().stream()
    try:
        server.publish("rig.7", numbered(0, 2))
        Here(tmp_path, server.address).stored(2, creds=creds)
    finally:
        server.stop()


@pytest.fixture
def sealed(tmp_path):
    ca, certificate, key = authority(tmp_path)
    context = nats_client.trusted(ca, certificate, key)
    lines = (f'tls {{ cert_file: "{certificate}", key_file: "{key}", ca_file: "{ca}", verify: true }}',)
    found = NatsServer(tmp_path, lines=lines, login={"tls": context}).start().stream()
    yield found, {"ca": ca, "certificate": certificate, "key": key}
    found.stop()


@pytest.mark.parametrize("scheme", ["tls", "nats"])
def test_tls_with_a_client_certificate_is_spoken_without_a_word(sealed, tmp_path, scheme, caplog):
    server, files = sealed
    server.publish("rig.7", numbered(0, 2))
    caplog.clear()
    Here(tmp_path, server.address.replace("nats:", f"{scheme}:")).stored(2, **files)
    assert caplog.text == ""


def test_a_server_whose_certificate_nobody_vouches_for_is_not_listened_to(sealed, tmp_path):
    here = Here(tmp_path, sealed[0].address)
    here.hear(lambda _sink: here.states)
    assert here.states == [("degraded", "no connection to the broker (its certificate: unable to get local issuer certificate)")]


def test_where_tls_was_asked_for_nothing_is_said_to_a_server_without_it(guarded, tmp_path):
    here = Here(tmp_path, guarded.address.replace("nats:", "tls:"))
    here.hear(lambda _sink: here.states, username="rig", password="right-word")
    assert here.states == [("degraded", "the broker offers no TLS")]
