"""A real nats-server with JetStream, and a publisher that is sure of what it published."""

import asyncio
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which
from uuid import uuid4

import nats
from nats.errors import Error

from tests.conformance.sources.broker import answers, free_port
from tests.conformance.sources.running import until

SERVER = which("nats-server") or "/usr/sbin/nats-server"
SUBJECTS = ["rig.>", "plant.>"]


@dataclass
class NatsServer:
    """A server on loopback, whose streams outlive it.

    Args:
        folder: for its store.
        lines: further lines of its configuration.
        jetstream: whether it runs it.
        login: how its publisher gets in, as the library's ``connect`` has it.
    """

    folder: Path
    lines: tuple = ()
    jetstream: bool = True
    login: dict = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    child: subprocess.Popen = None

    def start(self):
        config = self.folder / "nats.conf"
        store = f'jetstream {{ store_dir: "{self.folder}/nats" }}' if self.jetstream else ""
        config.write_text("\n".join([f"listen: 127.0.0.1:{self.port}", store, *self.lines, ""]))
        with (self.folder / "nats.log").open("a") as log:
            self.child = subprocess.Popen([SERVER, "-c", str(config)], stdout=log, stderr=log)
        until(lambda: answers(self.port) or self.child.poll() is not None, "the server answers")
        assert self.child.poll() is None, (self.folder / "nats.log").read_text()
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
        return f"nats://127.0.0.1:{self.port}"

    def call(self, do):
        """Run a coroutine function with a JetStream context; return its result."""

        async def run():
            client = await nats.connect(self.address, connect_timeout=5, allow_reconnect=False, error_cb=quiet, **self.login)
            try:
                return await do(client.jetstream(timeout=5))
            finally:
                await client.close()

        return asyncio.run(run())

    def stream(self, name="RIG", subjects=SUBJECTS, **more):
        self.call(lambda js: js.add_stream(name=name, subjects=subjects, **more))
        return self

    def consumer(self, name="RIG"):
        """Return what the server knows of the one consumer of a stream."""
        (found,) = self.call(lambda js: js.consumers_info(name))
        return found

    def publish(self, subject, payloads, *, rate=0.0, at=None):
        """Publish messages; return when the stream has each once. ``at`` maps a number of messages to what to do then."""
        run, done, began = uuid4().hex, 0, time.monotonic()
        while done < len(payloads):
            first, last = done, min([number for number in (at or {}) if number > done] + [len(payloads)])

            async def some(js, first=first, last=last):
                for number in range(first, last):
                    if rate:
                        await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
                    await js.publish_async(subject, payloads[number], headers={"Nats-Msg-Id": f"{run}-{number}"})
                await js.publish_async_completed()

            try:
                self.call(some)
            except (Error, OSError):
                time.sleep(0.1)  # what was published already is known to the stream by its id
                continue
            done = last
            if at and done in at:
                at[done]()


async def quiet(_fault):
    """Say nothing: what is lost is published again."""
