"""What a server does besides answering: it sequences for every tenant, and of several processes one does it."""

import os
import subprocess
import sys
import time

import pytest

from tests.support.actions import Observe
from tests.support.doors import Doors


@pytest.fixture
def background(session, monkeypatch):
    """Make the background of a server on this home."""
    from trueup.config import background

    monkeypatch.setattr(background, "PAUSE", 0.02)
    monkeypatch.setattr(background, "WATCH", 0.02)
    made = []

    def make(*, worker=False):
        made.append(background.Background(session.installation, worker=worker))
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        one.stop()


def eventually(true):
    for _ in range(250):
        if true():
            return True
        time.sleep(0.02)
    return False


def pending(tenant):
    from trueup.kernel.evidence import queries

    return queries.coverage(tenant)["pending"]


def test_what_is_pending_in_any_tenant_is_covered_within_moments(session, background):
    from trueup.kernel import tenancy
    from trueup.kernel.actions.runner import run

    other = Doors(session).people.tenant("other")
    for tenant in (session.tenant, other):
        run(Observe, session.installation.context(session.installation.os_principal(), tenant), {"subject": "x"})
        assert pending(tenant) > 0
    background()
    with tenancy.reaching(session.tenant, other):
        assert eventually(lambda: pending(session.tenant) == pending(other) == 0)


def test_of_two_processes_one_works_and_the_other_takes_over(session, background):
    first, second = background(), background()
    assert eventually(lambda: first.leads or second.leads)
    time.sleep(0.1)
    assert [first.leads, second.leads].count(True) == 1
    leader, follower = (first, second) if first.leads else (second, first)
    leader.stop()
    assert eventually(lambda: follower.leads)


def test_a_worker_is_started_with_it_and_ends_with_it(session, background):
    from trueup.kernel import tenancy
    from trueup.kernel.work.models import WorkerRow

    one = background(worker=True)
    with tenancy.reaching_every():
        assert eventually(lambda: WorkerRow.objects.exclude(state__in=("stopped", "lost")).exists())
        one.stop()
        assert not WorkerRow.objects.exclude(state__in=("stopped", "lost")).exists()


PROCESS = """
import json, sys
from trueup.config.wsgi import application
from trueup.kernel import tenancy
told = []
environ = {"REQUEST_METHOD": "GET", "PATH_INFO": sys.argv[1], "SERVER_NAME": "localhost", "SERVER_PORT": "80",
           "HTTP_HOST": "localhost", "wsgi.url_scheme": "http", "wsgi.input": sys.stdin.buffer, "REMOTE_ADDR": "127.0.0.1"}
answer = application(environ, lambda status, headers: told.append(status))
body = b"".join(answer).decode()
answer.close()
print(json.dumps([told[0], body, tenancy.current()]))
"""


@pytest.mark.parametrize(("path", "status"), [("/health/live", "200 OK"), ("/api/v1/evidence/facts", "401 Unauthorized")])
def test_the_server_process_opens_its_home_answers_and_leaves_nothing_behind(home, path, status):
    import json

    env = os.environ | {"TRUEUP_HOME": str(home)}
    done = subprocess.run([sys.executable, "-c", PROCESS, path], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0::2] == [status, ""]
    assert [file.name for file in (home / "run").iterdir() if file.suffix != ".lock" and file.name != "place"] == []
