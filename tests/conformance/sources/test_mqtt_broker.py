"""A real mosquitto: restarts, credentials, TLS, refusals, poison."""

import json
import subprocess
from collections import Counter

import pytest

from tests.conformance.sources.broker import Mosquitto
from tests.conformance.sources.rigs import number, numbered
from tests.conformance.sources.running import until

LISTEN = ("--source", "mqtt", "--topic", "rig/#")


def crossing(captures, broker, messages, rate):
    """Publish at a rate, with a restart of the broker and a kill -9 of the consumer on the way; return the numbers stored."""
    address = ("--broker", broker.address)
    running = [captures.start(*LISTEN, *address).live()]

    def kill():
        running[-1].kill()
        running.append(captures.start(*LISTEN, *address))

    broker.publish("rig/7", numbered(0, messages), rate=rate, at={messages // 3: broker.restart, 2 * messages // 3: kill})
    until(lambda: captures.counters()["stored"] >= messages, f"all is stored, not {captures.counters()}")
    running[-1].live().stop()
    return Counter(map(number, captures.payloads()))


def test_300_messages_across_a_restart_of_the_broker_and_a_kill_of_the_consumer_are_stored_each_once(captures, broker):
    found = crossing(captures, broker, 300, 100)
    assert found == Counter(range(300))


@pytest.mark.slow
@pytest.mark.requirement("telemetry:S4.1", "telemetry:W8.2.2")
def test_3000_messages_at_100_a_second_across_a_restart_and_a_kill_are_stored_each_once(captures, broker):
    found = crossing(captures, broker, 3_000, 100)
    assert found == Counter(range(3_000))


def test_while_the_broker_is_away_the_capture_is_degraded_and_then_live_again(captures, broker):
    running = captures.start(*LISTEN, "--broker", broker.address).live()
    broker.stop()
    running.says("degraded: the connection to the broker is lost")
    broker.start()
    broker.publish("rig/7", numbered(0, 10))
    until(lambda: captures.file() and captures.counters()["stored"] == 10, "it hears again")
    assert running.stop()[0] == 0
    assert captures.counters()["reconnects"] == 1


def test_a_stop_that_was_asked_for_is_no_fault(captures, broker):
    running = captures.start(*LISTEN, "--broker", broker.address).live()
    broker.publish("rig/7", numbered(0, 1))
    until(lambda: captures.counters()["stored"] == 1, "it is stored")
    running.stop()
    assert "degraded" not in running.tell()


def test_what_was_published_while_nobody_listened_comes_with_the_session(captures, broker):
    captures.start(*LISTEN, "--broker", broker.address).live().stop()
    broker.publish("rig/7", numbered(0, 50))
    code, document = captures.start(*LISTEN, "--broker", broker.address, "--max-events", 50).ended()
    assert (code, document["stored"]) == (0, 50)


def test_a_gap_in_the_senders_numbers_is_counted(captures, broker):
    running = captures.start(*LISTEN, "--broker", broker.address).live()
    broker.publish("rig/7", numbered(0, 5) + numbered(8, 10))
    until(lambda: captures.counters()["stored"] == 7, "all is stored")
    running.stop()
    assert captures.counters()["gaps"] == 3


def test_messages_without_number_or_time_are_told_as_at_least_once(captures, broker):
    running = captures.start(*LISTEN, "--broker", broker.address).live()
    broker.publish("rig/temp", [b"21.5", b"21.5"])
    until(lambda: captures.counters()["stored"] == 2, "both are stored")
    running.stop()
    summary = captures.file().summary()
    assert (summary["delivery"], summary["counters"]["without_key"]) == ("at-least-once", 2)


def test_a_poison_message_is_acknowledged_and_not_sent_again(captures, broker):
    running = captures.start(*LISTEN, "--broker", broker.address).live()
    broker.publish("rig/7", [b"{", *numbered(0, 1)])
    until(lambda: captures.counters()["received"] == 2, "both are taken")
    running.stop()
    code, _ = captures.start(*LISTEN, "--broker", broker.address, "--duration", 1).ended()
    assert code == 30
    assert captures.file().summary()["dead_letters"] == {"not_json": 1}


@pytest.fixture
def guarded(tmp_path):
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-c", "-b", str(passwords), "rig", "right-word"], check=True, capture_output=True)
    passwords.chmod(0o600)
    found = Mosquitto(tmp_path, listener=("allow_anonymous false", f"password_file {passwords}")).start()
    yield found
    found.stop()


def test_the_password_comes_from_the_environment_and_is_nowhere_to_be_read(captures, guarded):
    options = (*LISTEN, "--broker", guarded.address, "--username", "rig", "--password-env", "WORD")
    running = captures.start(*options, env={"WORD": "right-word"}).live()
    guarded.publish("rig/7", numbered(0, 3), login=("rig", "right-word"))
    until(lambda: captures.counters()["stored"] == 3, "all is stored")
    running.stop()
    files = [path for path in captures.home.rglob("*") if path.is_file()] + [running.said, running.out]
    assert [path for path in files if b"right-word" in path.read_bytes()] == []


def test_wrong_credentials_are_refused_with_exit_5(captures, guarded):
    options = (*LISTEN, "--broker", guarded.address, "--username", "rig", "--password-env", "WORD")
    code, document = captures.start(*options, env={"WORD": "wrong-word"}).ended()
    assert (code, document["error"]["code"]) == (5, "REFUSED")
    assert "wrong-word" not in json.dumps(document)


def authority(folder):
    """Make an authority and a certificate of it for 127.0.0.1."""

    def openssl(command):
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)

    (folder / "names").write_text("subjectAltName=IP:127.0.0.1")
    openssl("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=rig-authority")
    openssl("req -newkey rsa:2048 -nodes -keyout it.key -out it.csr -subj /CN=127.0.0.1")
    openssl("x509 -req -in it.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out it.pem -days 2 -extfile names")
    return folder / "ca.pem", folder / "it.pem", folder / "it.key"


@pytest.fixture
def sealed(tmp_path):
    ca, certificate, key = authority(tmp_path)
    listener = ("allow_anonymous true", f"cafile {ca}", f"certfile {certificate}", f"keyfile {key}", "require_certificate true")
    found = Mosquitto(tmp_path, listener=listener).start()
    yield found, (ca, certificate, key)
    found.stop()


def test_tls_with_a_client_certificate_is_spoken(captures, sealed):
    broker, (ca, certificate, key) = sealed
    options = ("--broker", broker.address.replace("mqtt:", "mqtts:"), "--ca", ca, "--certificate", certificate, "--key", key)
    running = captures.start(*LISTEN, *options).live()
    message = ["--cafile", ca, "--cert", certificate, "--key", key, "-t", "rig/7", "-q", "1", "-m", '{"seq": 1, "temp": 2}']
    subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(broker.port), *map(str, message)], check=True)
    until(lambda: captures.counters()["stored"] == 1, "it is stored")
    assert running.stop()[0] == 0


def test_a_broker_whose_certificate_nobody_vouches_for_is_not_listened_to(captures, sealed):
    broker, _ = sealed
    running = captures.start(*LISTEN, "--broker", broker.address.replace("mqtt:", "mqtts:"), "--duration", "2")
    code, document = running.ended()
    assert (code, document["received"]) == (30, 0)
    assert "degraded: no connection to the broker" in running.tell()


def test_a_message_with_properties_of_mqtt_5_is_stored_like_any_other(captures, broker):
    running = captures.start(*LISTEN, "--broker", broker.address, "--mqtt-version", "5").live()
    message = ["-V", "5", "-q", "1", "-t", "rig/7", "-D", "publish", "user-property", "a", "b", "-m", '{"seq": 1}']
    subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(broker.port), *message], check=True)
    until(lambda: captures.counters()["stored"] == 1, "it is stored")
    running.stop()
    assert captures.payloads() == [b'{"seq": 1}']
