"""A real server of a home: the installed command, in a process of its own."""

import http.client
import json
import os
import re
import signal
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.conftest import TRUEUP


@dataclass(frozen=True)
class Server:
    """A running server, and how to ask it."""

    child: subprocess.Popen
    address: str
    log: Path

    @property
    def port(self):
        return urlsplit(self.address).port

    def ask(self, path, *, method="GET", body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body=None if body is None else json.dumps(body), headers=given)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def lines(self):
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]


@contextmanager
def serving(home, *args, env=None):
    """Start the installed command on a free port; wait until it answers; end it with Ctrl-C."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TRUEUP_")} | (env or {})
    log = Path(home).parent / f"server-{time.monotonic_ns()}.log"
    with (
        log.open("w") as file,
        subprocess.Popen(
            [str(TRUEUP), "--home", str(home), "serve", "--port", "0", *args], stderr=file, text=True, env=clean
        ) as child,
    ):
        try:
            server = Server(child, _address(child, log), log)
            _wait(server)
            yield server
        finally:
            if child.poll() is None:
                child.send_signal(signal.SIGINT)
            try:
                child.wait(30)
            except subprocess.TimeoutExpired:
                child.kill()
                raise


def _address(child, log):
    for _ in range(400):
        found = re.search(r"on (http://\S+/)", log.read_text())
        if found:
            return found[1]
        if child.poll() is not None:
            break
        time.sleep(0.05)
    raise AssertionError(f"the server did not start: {log.read_text()}")


def _wait(server):
    for _ in range(400):
        try:
            if server.ask("/health/live")[0] == 200:
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"the server does not answer: {server.log.read_text()}")
