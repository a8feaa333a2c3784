"""The report server: this machine alone, whoever knows the address alone, and nothing that is not as recorded."""

import http.client
import re
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from tests.conftest import TRUEUP, Command

SUBJECT = "rig <b>&"


@dataclass(frozen=True)
class Server:
    """A running server, and how to ask it."""

    child: subprocess.Popen
    address: str

    @property
    def port(self):
        return urlsplit(self.address).port

    @property
    def token(self):
        return urlsplit(self.address).path.strip("/")

    def get(self, path, *, method="GET", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read().decode()
        finally:
            connection.close()

    def page(self, rest="", **headers):
        return self.get(f"/{self.token}/{rest}", **headers)


@contextmanager
def serving(home):
    """Start the installed command and read the address that it prints."""
    with subprocess.Popen(
        [str(TRUEUP), "--home", str(home), "serve", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            line = child.stderr.readline()
            yield Server(child, re.search(r"http://\S+/", line).group())
        finally:
            if child.poll() is None:
                child.send_signal(signal.SIGINT)
            child.wait(20)


@pytest.fixture(scope="module")
def compared(template_home, tmp_path_factory):
    """A home with one comparison."""
    folder = tmp_path_factory.mktemp("served")
    shutil.copytree(template_home, folder / "home")
    (folder / "a.csv").write_text("x\n" + "\n".join(str(i % 9) for i in range(300)))
    command = Command(folder / "home", folder)
    assert command("telemetry", "compare", "--baseline", "a.csv", "--run", "a.csv", "--subject", SUBJECT).code == 0
    assert command("tenant", "create", "other").code == 0
    assert (
        command("telemetry", "compare", "--baseline", "a.csv", "--run", "a.csv", "--subject", "theirs", "--tenant", "other").code
        == 0
    )
    return folder / "home"


@pytest.fixture(scope="module")
def server(compared):
    with serving(compared) as found:
        yield found


@pytest.fixture(scope="module")
def report(server):
    """The path of the one report that is listed."""
    (path,) = set(re.findall(r'href="(report/[0-9a-f]{64})"', server.page()[2]))
    return path


def secured(headers):
    return (
        headers["X-Content-Type-Options"],
        headers["X-Frame-Options"],
        headers["Referrer-Policy"],
        headers["Cache-Control"],
    ) == ("nosniff", "DENY", "no-referrer", "no-store")


def test_the_list_shows_the_comparison_with_a_policy_that_allows_no_script(server):
    status, headers, body = server.page()
    assert status == 200
    assert secured(headers)
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert "PASS" in body


def test_what_a_subject_is_called_cannot_become_markup(server):
    body = server.page()[2]
    assert "rig &lt;b&gt;&amp;" in body
    assert SUBJECT not in body


def test_the_style_of_the_list_is_the_one_that_its_policy_names(server):
    import base64
    import hashlib

    _, headers, body = server.page()
    (style,) = re.findall(r"<style>(.*?)</style>", body, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in headers["Content-Security-Policy"]


def test_a_report_is_served_as_recorded_with_its_own_policy(server, report, compared):
    status, headers, body = server.page(report)
    assert status == 200
    assert secured(headers)
    assert re.search(r'<meta http-equiv="Content-Security-Policy" content="default-src (&#x27;|\')none', body)
    stored = next(path for path in (compared / "artifacts").rglob(report.removeprefix("report/")))
    assert body.encode() == stored.read_bytes()


@pytest.mark.parametrize("path", ["/", "/wrong/", "//", "/wrong", "/%00/", "/%C3%BC/", "/report/x"])
def test_without_the_token_nothing_is_shown(server, path):
    status, headers, body = server.get(path)
    assert status == 401
    assert secured(headers)
    assert "PASS" not in body


def test_a_token_that_is_cut_grown_or_of_another_case_is_wrong(server, report):
    for token in (server.token[:-1], server.token + "x", server.token.swapcase(), ""):
        for rest in ("", report):
            assert server.get(f"/{token}/{rest}")[0] == 401


@pytest.mark.parametrize("host", ["example.org", "127.0.0.1.example.org", "attacker:80", "", "127.0.0.2", "[::1]x"])
def test_another_name_for_this_machine_is_refused_even_with_the_token(server, host):
    assert server.page(Host=host)[0] == 401


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "localhost:1"])
def test_the_names_of_the_loopback_are_answered(server, host):
    assert server.page(Host=host)[0] == 200


@pytest.mark.parametrize(
    "rest",
    [
        "../trueup.sqlite3",
        "report/../../../trueup.sqlite3",
        "report/..%2f..%2ftrueup.sqlite3",
        "report/%2e%2e/keys/signing.pem",
        "report//etc/passwd",
        "report/",
        "report/" + "0" * 64,
        "report/" + "x" * 5000,
        "other",
    ],
)
def test_no_path_leads_out_of_the_reports(server, rest):
    status, headers, body = server.page(rest)
    assert (status, secured(headers)) == (404, True)
    assert "PRIVATE" not in body
    assert "root:" not in body


def test_a_file_that_is_no_report_is_not_shown_though_an_entry_names_it(server, compared, tmp_path):
    entries = Command(compared, tmp_path)("evidence", "log", "show", "--json").json["entries"]
    others = [a["sha256"] for entry in entries for a in entry.get("artifacts", ()) if a["media_type"] != "text/html"]
    assert others
    assert [server.page(f"report/{digest}")[0] for digest in others] == [404] * len(others)


def test_the_report_of_another_tenant_is_neither_listed_nor_shown(server, compared, tmp_path):
    entries = Command(compared, tmp_path)("evidence", "log", "show", "--json", "--tenant", "other").json["entries"]
    (theirs,) = [a["sha256"] for entry in entries for a in entry.get("artifacts", ()) if a["name"] == "report.html"]
    assert "theirs" not in server.page()[2]
    assert server.page(f"report/{theirs}")[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_changed_through_it(server, method):
    assert server.get(f"/{server.token}/", method=method)[0] in (405, 501)


def test_a_report_whose_bytes_changed_is_not_shown(server, report, compared):
    stored = next((compared / "artifacts").rglob(report.removeprefix("report/")))
    whole = stored.read_bytes()
    changed = bytearray(whole)
    changed[whole.index(b"<body")] ^= 0x01
    stored.write_bytes(changed)
    try:
        status, _, body = server.page(report)
        assert status == 404
        assert "its bytes now hash to" in body
    finally:
        stored.write_bytes(whole)
    assert server.page(report)[0] == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org", ""])  # noqa: S104 - what must be refused
def test_it_listens_on_the_loopback_alone(trueup, host):
    done = trueup("serve", "--host", host, "--port", "0", "--json")
    assert (done.code, done.json["error"]["code"]) == (5, "REFUSED")


def test_an_interrupt_ends_it_and_frees_the_port(home):
    with serving(home) as server:
        assert server.page()[0] == 200
        server.child.send_signal(signal.SIGINT)
        assert server.child.wait(20) in (0, 130)
        assert "Traceback" not in server.child.stderr.read()
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", server.port))
    assert list((home / "run").glob("*.owner")) == []


def test_every_start_has_another_token_and_says_it_once(home, server):
    with serving(home) as other:
        assert other.token != server.token
        assert len(other.token) >= 32
        assert other.page()[0] == 200
        assert "Nothing has been compared yet" in other.page()[2]
        assert other.get(f"/{server.token}/")[0] == 401
    assert other.child.stdout.closed


def test_a_connection_that_says_nothing_does_not_keep_the_pages_from_others(home):
    with serving(home) as server, socket.create_connection(("127.0.0.1", server.port)):
        time.sleep(0.2)
        assert server.page()[0] == 200


def test_a_port_that_is_taken_is_said_in_words(trueup):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = trueup("serve", "--port", taken.getsockname()[1], "--json")
    assert (done.code, done.json["error"]["code"]) == (2, "BAD_REQUEST")
    assert done.json["error"]["remedy"]
