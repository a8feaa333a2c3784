"""Capturing from a broker beside a bare subscriber, in one run.  python -m benchmarks.telemetry.mqtt

The broker is filled while nobody listens, and then drained: by a subscriber that does nothing but acknowledge, and by the capture,
which acknowledges what is on the disk. Both use the same client library and read through the same buffer.
"""

import select
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from shutil import which
from uuid import UUID

import paho.mqtt.client as paho

from benchmarks.harness import measure, references, report

QOS0, QOS1 = 200_000, 60_000
TENANT = UUID(int=1)
MOSQUITTO = which("mosquitto") or "/usr/sbin/mosquitto"


def started(folder: Path, port: int) -> "subprocess.Popen[bytes]":
    """Start a broker that keeps everything for who is away."""
    config = folder / "mosquitto.conf"
    lines = ["user root", "persistence false", "max_queued_messages 0", "queue_qos0_messages true", "max_inflight_messages 1000"]
    config.write_text("\n".join([*lines, f"listener {port} 127.0.0.1", "allow_anonymous true", ""]))
    child = subprocess.Popen([MOSQUITTO, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while True:
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return child
        time.sleep(0.05)


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fill(port: int, count: int, qos: int) -> None:
    """Publish numbered messages of about 40 bytes, and wait until the broker has them."""
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="publisher")
    done = []
    client.on_publish = lambda *_: done.append(1)
    client.max_inflight_messages_set(1000)
    client.connect("127.0.0.1", port)
    client.loop_start()
    for number in range(count):
        client.publish("rig/7", b'{"seq":%d,"t":1700000000.1,"temp":21.5}' % number, qos=qos)
    while len(done) < count:
        time.sleep(0.05)
    client.disconnect()
    client.loop_stop()


def broker_of(port: int, qos: int, name: str) -> "Broker":  # noqa: F821 - imported in the step's process
    from trueup.domains.telemetry.sources.live.mqtt_client import Broker

    return Broker("127.0.0.1", port, ("rig/#",), name, qos=qos)


def join(port: int, qos: int, name: str) -> None:
    """Make the session that the broker fills."""
    client = subscriber(name)
    joined = []
    client.on_connect = lambda *_: client.subscribe("rig/#", qos)
    client.on_subscribe = lambda *_: joined.append(1)
    client.connect("127.0.0.1", port)
    while not joined:
        client.loop(0.05)
    client.disconnect()
    client.loop_write()


def subscriber(name: str) -> paho.Client:
    """Return a client of the library that reads through the capture's buffer, and is otherwise as it comes."""
    from trueup.domains.telemetry.sources.live.mqtt_client import Buffered

    class Straight(Buffered):
        def send(self, data: bytes) -> int:
            return int(self._below.send(data))

    class Subscriber(paho.Client):
        def _create_socket(self) -> Straight:
            return Straight(super()._create_socket())

    return Subscriber(paho.CallbackAPIVersion.VERSION2, client_id=name, clean_session=False, manual_ack=True)


def bare(port: int, count: int) -> dict[str, float]:
    """Drain with a subscriber that counts and acknowledges."""
    client = subscriber("bare")
    seen, owed = [], []

    def heard(_client: object, _data: object, message: paho.MQTTMessage) -> None:
        seen.append(1)
        if message.qos:
            owed.append(message.mid)

    client.on_message = heard
    client.connect("127.0.0.1", port)
    began, cpu = time.perf_counter(), time.process_time()
    while len(seen) < count:
        connection = client.socket()
        if not connection.pending():
            for number in owed:
                client.ack(number, 1)
            owed.clear()
            while client.want_write():
                client.loop_write()
            select.select([connection], [], [], 1.0)
        client.loop_read()
    wall, spent = time.perf_counter() - began, time.process_time() - cpu
    for number in owed:
        client.ack(number, 1)
    client.disconnect()
    client.loop_write()
    return {"wall_s": wall, "cpu_s": spent, "per_s": count / wall}


def captured(port: int, count: int, qos: int, folder: str) -> dict[str, float]:
    """Drain with the capture: each message is on the disk before it is acknowledged."""
    from trueup.domains.telemetry.sources.live.capture import Capture
    from trueup.domains.telemetry.sources.live.mqtt import MqttSource
    from trueup.domains.telemetry.sources.live.sink import Sink

    capture = Capture(Path(folder, "bench.sqlite3"), tenant=TENANT, name="bench", kind="mqtt")
    sink = Sink(capture, limit=count)
    began, cpu = time.perf_counter(), time.process_time()
    MqttSource(broker_of(port, qos, "capture")).run(sink, lambda: sink.finished)
    sink.commit()
    wall, spent = time.perf_counter() - began, time.process_time() - cpu
    capture.close()
    if sink.totals.stored != count:
        raise RuntimeError(f"{sink.totals.stored} of {count} stored")
    return {"wall_s": wall, "cpu_s": spent, "per_s": count / wall}


def drained(kind: str, qos: int) -> dict[str, object]:
    """Fill a broker for one reader, and measure the reader."""
    count = QOS1 if qos else QOS0
    with tempfile.TemporaryDirectory() as name:
        port = free_port()
        child = started(Path(name), port)
        try:
            join(port, qos, kind)
            fill(port, count, qos)
            step = (bare, port, count) if kind == "bare" else (captured, port, count, qos, name)
            return measure(*step, repeats=1)
        finally:
            child.terminate()
            child.wait()


def main() -> int:
    figures = references()
    for qos in (0, 1):
        for kind in ("bare", "capture"):
            runs = sorted((drained(kind, qos) for _ in range(3)), key=lambda run: run["per_s"])
            figures[f"QoS {qos}, {kind}"] = runs[1]
            print(f"QoS {qos}, {kind}: {runs[1]['per_s']:.0f} messages/s", flush=True)
    share = figures["QoS 1, capture"]["per_s"] / figures["QoS 1, bare"]["per_s"]
    figures["QoS 1, capture"]["share_of_bare"] = share
    targets = {"QoS 0, capture": ("per_s", ">=", 40_000.0), "QoS 1, capture": ("share_of_bare", ">=", 0.6)}
    return report("mqtt", figures, targets)


if __name__ == "__main__":
    sys.exit(main())
