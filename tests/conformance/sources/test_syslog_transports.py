"""``logger`` and a corpus of odd lines over every transport: none lost, none lost in silence."""

import shutil
import socket
import ssl
import subprocess

import pytest

from tests.conformance.sources.running import until
from tests.conformance.sources.test_mqtt_broker import authority

LOGGER = shutil.which("logger") or "logger"
ODD = [
    b"<34>Oct 11 22:14:15 mymachine su: 'su root' failed",
    b"<165>1 2003-10-11T22:14:15.003Z host app - ID47 [a@1 b=\"\\]\"] \xef\xbb\xbftext",
    b"Use the BFG!",
    b"<0>1990 Oct 22 10:52:01 TZ-6 scapegoat sched[0]: That's All Folks!",
    b"<999>no such priority",
    b"<>",
    b"<13>",
    b"\xff\xfe\x00\x01 binary \x80",
    b"   leading blanks",
    b"<13>Nov 21 12:00:00 rig app[12]: " + "größer als 3 °C ✓".encode(),
    b"{\"json\": true}",
    b"<13>1 - - - - - -",
    b"x" * 60_000,
]  # fmt: skip


@pytest.fixture
def listening(captures):
    def begin(*addresses, options=()):
        listens = [part for address in addresses for part in ("--listen", address)]
        running = captures.start("--source", "syslog", *listens, *options)
        return running, [said.rpartition(":")[2] for said in running.listens()]

    return begin


def kept(captures, running, count):
    until(lambda: captures.file() and captures.counters()["received"] >= count, f"{count} are stored")
    assert running.stop()[0] == 0
    assert captures.counters()["dropped_by_kernel"] == 0
    return captures.payloads()


@pytest.mark.requirement("telemetry:S4.1")
@pytest.mark.parametrize("form", ["--rfc3164", "--rfc5424"])
@pytest.mark.parametrize("transport", ["udp", "tcp", "tcp counted", "unix", "unix-dgram"])
def test_all_that_logger_sends_is_stored_and_understood(captures, listening, tmp_path, transport, form):
    path = tmp_path / "log.sock"
    kind = transport.split()[0]
    running, (port,) = listening(f"{kind}://{path}" if kind.startswith("unix") else f"{kind}://127.0.0.1:0")
    how = {
        "udp": ["--udp", "--server", "127.0.0.1", "--port", port],
        "tcp": ["--tcp", "--server", "127.0.0.1", "--port", port],
        "tcp counted": ["--tcp", "--octet-count", "--server", "127.0.0.1", "--port", port],
        "unix": ["--socket", str(path)],
        "unix-dgram": ["--socket", str(path)],
    }[transport]
    lines = [f"message {n} of the rig" for n in range(200)]
    subprocess.run([LOGGER, form, "--tag", "rig", *how], input="\n".join(lines), text=True, check=True)
    found = kept(captures, running, len(lines))
    assert [one.decode().rpartition("message")[2].partition(" of")[0].strip() for one in found] == [str(n) for n in range(200)]
    rows = list(captures.file().events())
    assert {(row.metric, row.raw) for row in rows} == {("rig", 0)}


def test_no_odd_datagram_is_lost(captures, listening):
    running, (port,) = listening("udp://127.0.0.1:0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for line in ODD:
            out.sendto(line, ("127.0.0.1", int(port)))
    assert kept(captures, running, len(ODD)) == ODD


@pytest.mark.parametrize("counted", [False, True])
def test_no_odd_line_of_a_stream_is_lost(captures, listening, counted):
    running, (port,) = listening("tcp://127.0.0.1:0")
    with socket.create_connection(("127.0.0.1", int(port))) as out:
        for line in ODD:
            out.sendall(b"%d %b" % (len(line), line) if counted else line + b"\n")
    assert kept(captures, running, len(ODD)) == ODD


def test_no_odd_line_over_tls_is_lost(captures, listening, tmp_path):
    ca, certificate, key = authority(tmp_path)
    running, (port,) = listening("tls://127.0.0.1:0", options=("--certificate", certificate, "--key", key))
    context = ssl.create_default_context(cafile=str(ca))
    with (
        socket.create_connection(("127.0.0.1", int(port))) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as out,
    ):
        for line in ODD:
            out.sendall(b"%d %b" % (len(line), line))
    assert kept(captures, running, len(ODD)) == ODD


@pytest.mark.requirement("telemetry:S4.1")
def test_no_odd_line_of_a_followed_file_is_lost_through_a_rotation(captures, tmp_path):
    path = tmp_path / "messages"
    path.write_bytes(b"")
    running = captures.start("--source", "syslog", "--path", path, "--follow").live()
    path.write_bytes(b"".join(line + b"\n" for line in ODD))
    path.rename(tmp_path / "messages.1")
    path.write_bytes(b"".join(line + b"\n" for line in ODD))
    assert kept(captures, running, 2 * len(ODD)) == [*ODD, *ODD]


def test_what_the_kernel_drops_is_counted(captures, listening):
    running, (port,) = listening("udp://127.0.0.1:0")
    running.room(1 << 16)  # nothing can be stored, so nothing more is taken in, and the socket's buffer fills
    sent = 12_000
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for _ in range(sent):
            out.sendto(b"<13>Nov 21 12:00:00 rig app: " + b"x" * 4_000, ("127.0.0.1", int(port)))
    running.says("degraded")
    running.room(-1)
    until(lambda: captures.counters()["received"] + captures.counters()["dropped_by_kernel"] >= sent, "all are accounted for")
    running.stop()
    counters = captures.counters()
    assert counters["dropped_by_kernel"] > 0
    assert counters["received"] + counters["dropped_by_kernel"] == sent


def test_an_address_that_is_taken_is_refused_with_a_remedy(captures, listening):
    _, (port,) = listening("udp://127.0.0.1:0")
    code, document = captures.start("--source", "syslog", "--listen", f"udp://127.0.0.1:{port}", name="other").ended()
    assert (code, bool(document["error"]["remedy"])) == (2, True)
