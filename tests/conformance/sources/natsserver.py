"""A real nats-server with JetStream, and a publisher that is sure of what it published."""

import asyncio
import time
from dataclasses import dataclass, field
from shutil import which
from uuid import uuid4

import nats
from nats.errors import Error

from tests.conformance.sources.daemon import Daemon

SUBJECTS = ["rig.>", "plant.>"]


@dataclass
class NatsServer(Daemon):
    """A server on loopback, whose streams outlive it.

    Args:
        jetstream: whether it runs it.
        login: how its publisher gets in, as the library's ``connect`` has it.
    """

    PROGRAM = which("nats-server") or "/usr/sbin/nats-server"
    SCHEME = "nats"

    jetstream: bool = True
    login: dict = field(default_factory=dict)

    def configuration(self):
        store = f'jetstream {{ store_dir: "{self.folder}/nats" }}' if self.jetstream else ""
        return [f"listen: 127.0.0.1:{self.port}", store, *self.lines]

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
