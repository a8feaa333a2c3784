"""A server of messages on loopback, in a process of its own."""

import socket
import subprocess
from abc import ABC, abstractmethod
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from tests.conformance.sources.running import until


def free_port():
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port):
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class Daemon(ABC):
    """A server whose store outlives it.

    Args:
        folder: for its store.
        lines: further lines of its configuration.
    """

    PROGRAM: ClassVar[str]
    SCHEME: ClassVar[str]

    folder: Path
    lines: tuple = ()
    port: int = field(default_factory=free_port)
    child: subprocess.Popen = None

    @abstractmethod
    def configuration(self):
        """Return the lines of its configuration."""

    def start(self):
        config, said = self.folder / "server.conf", self.folder / "server.log"
        config.write_text("\n".join([*self.configuration(), ""]))
        with said.open("a") as log:
            self.child = subprocess.Popen([self.PROGRAM, "-c", str(config)], stdout=log, stderr=log)
        until(lambda: answers(self.port) or self.child.poll() is not None, "the server answers")
        assert self.child.poll() is None, said.read_text()
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
        return f"{self.SCHEME}://127.0.0.1:{self.port}"
