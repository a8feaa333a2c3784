"""A real mosquitto, and a publisher that is sure of what it published."""

import time
from dataclasses import dataclass
from shutil import which

import paho.mqtt.client as paho

from tests.conformance.sources.daemon import Daemon
from tests.conformance.sources.running import until


@dataclass
class Mosquitto(Daemon):
    """A broker on loopback, whose sessions outlive it; its ``lines`` stand before the listener's own.

    Args:
        listener: lines about its listener.
    """

    PROGRAM = which("mosquitto") or "/usr/sbin/mosquitto"
    SCHEME = "mqtt"

    listener: tuple = ("allow_anonymous true",)

    def configuration(self):
        store = self.folder / "broker"
        store.mkdir(exist_ok=True)
        return [
            "user root",
            "persistence true",
            f"persistence_location {store}/",
            "autosave_interval 1",
            "max_queued_messages 0",
            *self.lines,
            f"listener {self.port} 127.0.0.1",
            *self.listener,
        ]

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
