"""Capturing from a NATS stream beside a bare consumer, in one run.  python -m benchmarks.telemetry.jetstream

The stream is filled while nobody listens, and then drained: by the library's own pull consumer that does nothing but acknowledge, and by
the capture, which acknowledges what is on the disk.
"""

import asyncio
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from shutil import which

from benchmarks.harness import measure, references, report
from benchmarks.telemetry.mqtt import TENANT, free_port

COUNT, BATCH = 60_000, 5_000
SERVER = which("nats-server") or "/usr/sbin/nats-server"


def answers(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def filled(port: int, count: int) -> None:
    """Make a stream on disk, and publish numbered messages of about 40 bytes to it."""
    import nats

    client = await nats.connect(f"nats://127.0.0.1:{port}")
    stream = client.jetstream(timeout=30)
    await stream.add_stream(name="RIG", subjects=["rig.>"])
    for number in range(count):
        await client.publish("rig.7", b'{"seq":%d,"t":1700000000.1,"temp":21.5}' % number)
        if not number % 2_000:
            await client.flush(30)
    await client.flush(30)
    while (await stream.stream_info("RIG")).state.messages < count:
        await asyncio.sleep(0.05)
    await client.close()


async def emptied(port: int, count: int) -> None:
    """Drain with the library's own pull consumer."""
    import nats
    from nats.js.api import ConsumerConfig

    client = await nats.connect(f"nats://127.0.0.1:{port}")
    wide = ConsumerConfig(max_ack_pending=4 * BATCH)
    consumer = await client.jetstream().pull_subscribe("rig.>", durable="bare", stream="RIG", config=wide)
    seen = 0
    while seen < count:
        for message in await consumer.fetch(BATCH, timeout=5):
            await message.ack()
            seen += 1
    await client.flush()
    await client.close()


def bare(port: int, count: int, _folder: str) -> dict[str, float]:
    """Drain with a consumer that counts and acknowledges."""
    began, cpu = time.perf_counter(), time.process_time()
    asyncio.run(emptied(port, count))
    wall, spent = time.perf_counter() - began, time.process_time() - cpu
    return {"wall_s": wall, "cpu_s": spent, "per_s": count / wall}


def captured(port: int, count: int, folder: str) -> dict[str, float]:
    """Drain with the capture: each message is on the disk before it is acknowledged."""
    from trueup.domains.telemetry.sources.live.capture import Capture
    from trueup.domains.telemetry.sources.live.jetstream import JetStreamSource
    from trueup.domains.telemetry.sources.live.nats_client import Server
    from trueup.domains.telemetry.sources.live.sink import Sink

    capture = Capture(Path(folder, "bench.sqlite3"), tenant=TENANT, name="bench", kind="nats")
    sink = Sink(capture, limit=count)
    began, cpu = time.perf_counter(), time.process_time()
    JetStreamSource(Server("127.0.0.1", port, "RIG", "capture")).run(sink, lambda: sink.finished)
    wall, spent = time.perf_counter() - began, time.process_time() - cpu
    capture.close()
    if sink.totals.stored != count:
        raise RuntimeError(f"{sink.totals.stored} of {count} stored")
    return {"wall_s": wall, "cpu_s": spent, "per_s": count / wall}


def drained(kind: str) -> dict[str, object]:
    """Fill a stream for one reader, and measure the reader."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        child = subprocess.Popen(
            [SERVER, "-js", "-a", "127.0.0.1", "-p", str(port), "-sd", f"{folder}/nats"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            while not answers(port):
                time.sleep(0.05)
            asyncio.run(filled(port, COUNT))
            return measure(bare if kind == "bare" else captured, port, COUNT, folder, repeats=1)
        finally:
            child.terminate()
            child.wait()


def main() -> int:
    figures = references()
    for kind in ("bare", "capture"):
        runs = sorted((drained(kind) for _ in range(3)), key=lambda run: run["per_s"])
        figures[kind] = runs[1]
        print(f"{kind}: {runs[1]['per_s']:.0f} messages/s", flush=True)
    figures["capture"]["share_of_bare"] = figures["capture"]["per_s"] / figures["bare"]["per_s"]
    return report("jetstream", figures, {"capture": ("share_of_bare", ">=", 0.6)})


if __name__ == "__main__":
    sys.exit(main())
