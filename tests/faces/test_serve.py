"""``trueup serve``: it starts, answers over real HTTP, shares its limits over processes, and ends cleanly."""

import http.client
import json
import re
import shutil
import signal
import socket
import threading
import time

import pytest

from tests.conftest import Command
from tests.support.server import serving


def key_of(home, *roles):
    more = [part for role in roles for part in ("--role", role)]
    return Command(home, home.parent)("apikey", "create", "--name", "test", *more, "--json").json["key"]


@pytest.fixture(scope="module")
def place(template_home, tmp_path_factory):
    return shutil.copytree(template_home, tmp_path_factory.mktemp("served") / "home")


@pytest.fixture(scope="module")
def key(place):
    return key_of(place, "owner")


@pytest.fixture(scope="module")
def server(place, key):
    with serving(place) as running:
        yield running


def test_it_answers_and_says_where(server, place):
    status, headers, body = server.ask("/health/live")
    assert (status, body) == (200, b'{"status":"ok"}')
    assert headers["content-length"] == "15"
    assert server.address == f"http://127.0.0.1:{server.port}/"


@pytest.mark.requirement("automation:AR-18")
def test_it_is_ready_with_a_worker_of_its_own(server):
    for _ in range(100):
        status, _, body = server.ask("/health/ready")
        if status == 200:
            return
        time.sleep(0.1)
    raise AssertionError(body)


def test_an_action_over_http_is_covered_by_a_checkpoint_within_moments(server, key):
    given = {"Authorization": f"Bearer {key}", "Content_Type": "application/json"}
    assert server.ask("/api/v1/evidence/checkpoint/publish", method="POST", body={}, **given)[0] == 200
    for _ in range(50):
        coverage = json.loads(server.ask("/api/v1/evidence/coverage", **given)[2])
        if coverage["pending"] == 0:
            return
        time.sleep(0.1)
    raise AssertionError(coverage)


def test_a_job_submitted_over_http_is_done_by_the_servers_worker(server, key, place):
    given = {"Authorization": f"Bearer {key}", "Content_Type": "application/json"}
    status, _, body = server.ask("/api/v1/work/job/submit", method="POST", body={"kind": "work.noop", "jobs": [{}]}, **given)
    assert status == 200, body
    (id,) = json.loads(body)["jobs"]
    for _ in range(10):
        if Command(place, place.parent)("job", "show", id, "--json").json["state"] == "done":
            return
        time.sleep(0.1)
    raise AssertionError("the job was not done")


def test_each_request_is_one_line_of_the_log_without_its_secrets(server, key):
    server.ask("/api/v1/evidence/facts?subject=private-words", Authorization=f"Bearer {key}", X_Request_Id="look-for-this-one")
    (line,) = [line for line in server.lines() if line.get("request_id") == "look-for-this-one"]
    assert (line["method"], line["path"], line["status"]) == ("GET", "/api/v1/evidence/facts", 200)
    assert line["principal"].startswith("key:")
    text = server.log.read_text()
    assert key not in text
    assert "private-words" not in text


def test_a_connection_that_says_nothing_does_not_keep_others_waiting(server):
    with socket.create_connection(("127.0.0.1", server.port)):
        assert server.ask("/health/live")[0] == 200


def test_sixteen_callers_at_once_are_all_answered(server, key):
    found = []

    def call():
        found.extend(server.ask("/api/v1/evidence/entries?limit=50", Authorization=f"Bearer {key}")[0] for _ in range(5))

    threads = [threading.Thread(target=call) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [200] * 80


def test_two_processes_share_one_limit(home):
    key = key_of(home, "viewer")
    with serving(home, "--workers", "2", "--no-worker", env={"TRUEUP_RATE_LIMIT": "0.001:40"}) as server:
        found = []

        def call():
            found.extend(server.ask("/api/v1/evidence/coverage", Authorization=f"Bearer {key}")[0] for _ in range(10))

        threads = [threading.Thread(target=call) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (found.count(200), found.count(429)) == (40, 160)
        status, _, body = server.ask("/metrics", Authorization=f"Bearer {key_of(home, 'owner')}")
        told = sum(
            float(n) for n in re.findall(rb'trueup_http_requests_total\{door="api",method="GET",status="200"\} ([0-9.]+)', body)
        )
        assert (status, told) == (200, 40.0)


def test_with_risk_accepted_it_answers_to_any_name_and_without_a_worker_it_expects_none(home):
    with serving(home, "--host", "0.0.0.0", "--insecure", "--no-worker") as server:  # noqa: S104 - what is tested
        assert server.ask("/health/live", Host="some.example.org")[0] == 200
        status, _, body = server.ask("/health/ready")
        assert (status, json.loads(body)["checks"]["worker"]["word"]) == (200, "none is expected")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_frees_the_port_and_leaves_nothing_behind(home, number):
    with serving(home) as server:
        server.child.send_signal(number)
        assert server.child.wait(30) in (0, 130)
        assert "Traceback" not in server.log.read_text()
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", server.port))
    assert [path.name for path in (home / "run").iterdir() if path.suffix != ".lock" and path.name != "place"] == []


def test_a_request_that_is_being_answered_when_the_server_ends_is_answered(home):
    with serving(home) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        connection.request("GET", "/api/openapi.json")
        time.sleep(0.01)
        server.child.send_signal(signal.SIGINT)
        assert connection.getresponse().status == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org"])  # noqa: S104 - what must be refused
def test_passwords_are_not_sent_over_a_network_in_the_clear_unless_somebody_says_so(trueup, host):
    done = trueup("serve", "--host", host, "--port", "0", "--json")
    assert (done.code, done.json["error"]["code"]) == (5, "REFUSED")
    assert "TRUEUP_PUBLIC_URL" in done.json["error"]["remedy"]


def test_with_tls_in_front_cookies_are_secure_and_browsers_are_told_to_stay(home):
    public = {"TRUEUP_PUBLIC_URL": "https://trueup.example.org", "TRUEUP_BEHIND_PROXY": "1"}
    with serving(home, env=public) as server:
        given = {"Host": "trueup.example.org", "X_Forwarded_Proto": "https", "X_Forwarded_For": "192.0.2.7"}
        _, headers, _ = server.ask("/login/", **given)
        assert "__Host-trueup_csrf" in headers["set-cookie"]
        assert "Secure" in headers["set-cookie"]
        assert headers["strict-transport-security"] == "max-age=31536000"
        assert server.ask("/login/", Host="another.example.org")[0] == 400


def test_a_port_that_is_taken_is_said_in_words(trueup):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = trueup("serve", "--port", taken.getsockname()[1], "--json")
    assert (done.code, done.json["error"]["code"]) == (2, "BAD_REQUEST")
    assert done.json["error"]["remedy"]
    assert [path.name for path in (trueup.home / "run").iterdir() if path.suffix != ".lock" and path.name != "place"] == []


def test_without_its_signing_key_it_does_not_start(trueup, home):
    (home / "keys" / "signing.pem").unlink()
    assert trueup("serve", "--port", "0", "--json").code == 3
