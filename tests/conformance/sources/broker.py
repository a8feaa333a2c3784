"""A real mosquitto, and a publisher that is sure of what it published."""

import socket
import subprocess
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which

import paho.mqtt.client as paho

from tests.conformance.sources.running import until

MOSQUITTO = which("mosquitto") or "/usr/sbin/mosquitto"


def free_port():
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port):
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class Mosquitto:
    """A broker on loopback, whose sessions outlive it.

    Args:
        folder: for its store.
        lines: further lines of its configuration, before the listener's own.
        listener: lines about its listener.
    """

    folder: Path
    lines: tuple = ()
    listener: tuple = ("allow_anonymous true",)
    port: int = field(default_factory=free_port)
    child: subprocess.Popen = None

    def start(self):
        store = self.folder / "broker"
        store.mkdir(exist_ok=True)
        config = self.folder / "mosquitto.conf"
        config.write_text(
            "\n".join(
                [
                    "user root",
                    "persistence true",
                    f"persistence_location {store}/",
                    "autosave_interval 1",
                    "max_queued_messages 0",
                    *self.lines,
                    f"listener {self.port} 127.0.0.1",
                    *self.listener,
                    "",
                ]
            )
        )
        with (self.folder / "mosquitto.log").open("a") as log:
            self.child = subprocess.Popen([MOSQUITTO, "-c", str(config)], stdout=log, stderr=log)
        until(lambda: answers(self.port), "the broker answers")
        return self

    def stop(self):
        if self.child is not None and self.child.poll() is None:
            self.child.terminate()
            self.child.wait(20)

    def restart(self):
        self.stop()
        return self.start()

    @property
    def address(self):
        return f"mqtt://127.0.0.1:{self.port}"

    def publish(self, topic, payloads, *, qos=1, rate=0.0, login=None, at=None):
        """Publish messages; return when the broker has acknowledged each. ``at`` maps a number of messages to what to do then."""
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=f"publisher-{time.monotonic_ns()}", clean_session=False)
        if login:
            client.username_pw_set(*login)
        client.reconnect_delay_set(0.1, 0.5)
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        began, known = time.monotonic(), []
        client.on_publish = lambda *_: known.append(1)
        for number, payload in enumerate(payloads):
            if rate:
                time.sleep(max(0.0, began + number / rate - time.monotonic()))
            if at and number in at:
                at[number]()
            client.publish(topic, payload, qos=qos)
        until(lambda: len(known) >= len(payloads), "the broker acknowledged everything")
        client.disconnect()
        client.loop_stop()
