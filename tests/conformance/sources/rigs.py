"""The live sources, each behind the same few words: how it is started, how it is fed, what it promises."""

import json
import socket
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.sources.broker import Mosquitto
from tests.conformance.sources.natsserver import NatsServer
from tests.conformance.sources.running import Running


def numbered(first, last):
    return [json.dumps({"seq": n, "temp": n / 10}).encode() for n in range(first, last)]


def number(payload):
    """Return the number of a message that a rig was fed with; None of any other."""
    try:
        body = json.loads(payload.decode().rpartition("n=")[2]) if b"n=" in payload else json.loads(payload)["seq"]
    except (ValueError, KeyError, TypeError):
        return None
    return body if isinstance(body, int) else None


@dataclass
class Rig:
    """One source.

    Args:
        folder: of its own.
        keeps: what is sent while nobody listens, or is under way at a kill, comes again.
        poison: which counter grows by a message that makes no sense.
        running: the process that it feeds.
    """

    folder: Path
    keeps: bool = True
    poison: str = "dead_lettered"
    running: Running | None = None

    def begin(self):
        """Make what is to be there before the source starts."""

    def end(self):
        """Release it."""

    def args(self):
        """Return the options of ``capture start``."""

    def feed(self, first, last):
        """Send numbered messages."""

    def feed_poison(self):
        """Send one message that makes no sense."""


@dataclass
class Mqtt(Rig):
    version: str = "3.1.1"
    topic: str = "rig/7"

    def begin(self):
        self.broker = Mosquitto(self.folder).start()

    def end(self):
        self.broker.stop()

    def args(self):
        return ["--source", "mqtt", "--broker", self.broker.address, "--topic", "rig/#", "--mqtt-version", self.version]

    def feed(self, first, last):
        self.broker.publish(self.topic, numbered(first, last))

    def feed_poison(self):
        self.broker.publish(self.topic, [b"\xff{not json"])


class Mqtt5(Mqtt):
    version = "5"


class Nats(Mqtt):
    def begin(self):
        self.topic = "rig.7"
        self.broker = NatsServer(self.folder).start().stream()

    def args(self):
        return ["--source", "nats", "--broker", self.broker.address, "--stream", "RIG", "--ack-wait", "2"]


class FileReplay(Rig):
    def begin(self):
        self.path = self.folder / "recorded.jsonl"
        self.path.touch()

    def args(self):
        return ["--source", "file_replay", "--path", self.path, "--follow"]

    def feed(self, first, last):
        self._append(b"".join(line + b"\n" for line in numbered(first, last)))

    def feed_poison(self):
        self._append(b"{not json\n")

    def _append(self, data):
        with self.path.open("ab") as file:
            file.write(data)


def line(n):
    return f"<13>Nov 21 12:00:00 rig app[12]: n={n}".encode()


class SyslogFile(FileReplay):
    poison = "raw"

    def begin(self):
        self.path = self.folder / "messages"
        self.path.touch()
        self.poison = "raw"

    def args(self):
        return ["--source", "syslog", "--path", self.path, "--follow"]

    def feed(self, first, last):
        self._append(b"".join(line(n) + b"\n" for n in range(first, last)))

    def feed_poison(self):
        self._append(b"\xff\x00 no grammar at all\n")


class SyslogSocket(Rig):
    def begin(self):
        self.keeps = False
        self.poison = "raw"

    def args(self):
        return ["--source", "syslog", "--listen", "udp://127.0.0.1:0"]

    def feed(self, first, last):
        self._send([line(n) for n in range(first, last)])

    def feed_poison(self):
        self._send([b"\xff no grammar at all"])

    def _send(self, lines):
        _, _, port = self.running.listens()[0].rpartition(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            for one in lines:
                out.sendto(one, ("127.0.0.1", int(port)))


class SyslogTcp(SyslogSocket):
    def args(self):
        return ["--source", "syslog", "--listen", "tcp://127.0.0.1:0"]

    def _send(self, lines):
        _, _, port = self.running.listens()[0].rpartition(":")
        with socket.create_connection(("127.0.0.1", int(port))) as out:
            out.sendall(b"".join(b"%d %b" % (len(one), one) for one in lines))


class SyslogUnix(SyslogSocket):
    def args(self):
        return ["--source", "syslog", "--listen", f"unix-dgram://{self.folder}/log.sock"]

    def _send(self, lines):
        self.running.live()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.connect(f"{self.folder}/log.sock")
            for one in lines:
                out.send(one)


RIGS = {
    "mqtt 3.1.1": Mqtt,
    "mqtt 5": Mqtt5,
    "nats": Nats,
    "file_replay": FileReplay,
    "syslog file": SyslogFile,
    "syslog udp": SyslogSocket,
    "syslog tcp": SyslogTcp,
    "syslog unix": SyslogUnix,
}
