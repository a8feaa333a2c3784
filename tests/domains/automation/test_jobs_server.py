"""Jobs over the real server: one key from many clients at once, and streams that people leave open."""

import http.client
import json
import shutil
import threading
import time

import pytest

from tests.conftest import Command
from tests.support.server import serving

JOBS = "/api/v1/automation/jobs"
CLIENTS, POSTS = 32, 1_000


@pytest.fixture(scope="module")
def place(template_home, tmp_path_factory):
    """A home that allows one host, and a key for it."""
    home = shutil.copytree(template_home, tmp_path_factory.mktemp("jobs-server") / "home")
    command = Command(home, home.parent)
    assert command("automation", "policy", "put", "a.org").code == 0
    return home, command("apikey", "create", "--name", "jobs", "--role", "operator", "--json").json["key"]


@pytest.fixture(scope="module")
def server(place):
    with serving(place[0], "--no-worker", env={"TRUEUP_RATE_LIMIT": "9999:9999"}) as running:
        yield running


@pytest.fixture(scope="module")
def ask(server, place):
    def call(path, *, method="GET", body=None):
        given = {"Authorization": f"Bearer {place[1]}", "Content-Type": "application/json"}
        status, _, answer = server.ask(path, method=method, body=body, **given)
        return status, json.loads(answer)

    return call


@pytest.mark.requirement("automation:9.3", "automation:W8")
def test_a_thousand_posts_of_one_key_by_many_clients_at_once_are_exactly_one_job(server, place, ask):
    body = json.dumps({"url": "https://a.org/", "job_type": "fetch", "key": "the-same"})
    given = {"Authorization": f"Bearer {place[1]}", "Content-Type": "application/json"}
    answers, left = [], iter(range(POSTS))
    lock = threading.Lock()

    def client():
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        while True:
            with lock:
                if next(left, None) is None:
                    break
            connection.request("POST", JOBS, body=body, headers=given)
            answer = connection.getresponse()
            answers.append((answer.status, answer.read()))
        connection.close()

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(answers), {status for status, _ in answers}) == (POSTS, {201})
    ids = {json.loads(text)["jobs"][0] for _, text in answers}
    assert len(ids) == 1
    assert [one["id"] for one in ask(JOBS)[1]["items"]] == list(ids)
    assert ask("/api/v1/automation/queue/stats")[1]["queued"] == 1


def test_streams_hold_no_more_than_their_share_of_the_server_and_are_let_go_when_their_reader_leaves(server, place, ask):
    id = ask(JOBS, method="POST", body={"url": "https://a.org/", "job_type": "fetch"})[1]["jobs"][0]
    given = {"Authorization": f"Bearer {place[1]}"}

    def stream():
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.request("GET", f"{JOBS}/{id}/events?seconds=3", headers=given)
        answer = connection.getresponse()
        return connection, answer

    open = [stream() for _ in range(6)]
    assert sorted(answer.status for _, answer in open) == [200] * 4 + [429] * 2
    begun = time.monotonic()
    assert ask("/api/v1/automation/queue/stats")[0] == 200  # the others are answered meanwhile
    assert time.monotonic() - begun < 2
    for both in open:
        left(*both)
    while (one := stream())[1].status == 429 and time.monotonic() - begun < 10:
        left(*one)
        time.sleep(0.2)
    assert one[1].status == 200
    assert time.monotonic() - begun < 5
    assert b"event: job" in one[1].read()
    left(*one)


def left(connection, answer):
    """Close a connection whose answer was not read to its end."""
    answer.close()
    connection.close()
