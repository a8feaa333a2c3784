"""The doors: a real server on 100,000 facts, asked over real HTTP.  python -m benchmarks.kernel.http"""

import http.client
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil

from benchmarks.harness import measure, references, report

FACTS, BATCH, REQUESTS, PAGES = 100_000, 1000, 1000, 60
PASSWORD = "a password of the benchmark"  # noqa: S105 - of a home that lives as long as the benchmark
TRUEUP = Path(sys.executable).parent / "trueup"
PORT = 8497


def fill(folder: str) -> None:
    """Make a home with 100,000 facts, one key and one person; the facts go in by bulk, as a hundred entries."""
    from django.contrib.auth.hashers import make_password

    from trueup.config.home import Home
    from trueup.config.session import HomeSession

    session = HomeSession(Home(Path(folder)))
    from trueup.kernel.actions.runner import run
    from trueup.kernel.evidence import ledger
    from trueup.kernel.evidence.models import Entry, Fact
    from trueup.kernel.identity.actions_keys import CreateApiKey
    from trueup.kernel.identity.credentials import new_key
    from trueup.kernel.identity.models import Membership, User

    now = datetime.now(UTC)
    body = {
        "v": 1,
        "action": "telemetry.comparison.create",
        "at": "2026-01-01T00:00:00.000000Z",
        "outcome": "done",
        "principal": "os:x",
    }
    ledger.append_many(session.tenant, [{**body, "n": n} for n in range(FACTS // BATCH)])
    for n, entry in enumerate(
        Entry.objects.filter(tenant=session.tenant).order_by("-id").values_list("id", flat=True)[: FACTS // BATCH]
    ):
        Fact.objects.bulk_create(
            [
                Fact(
                    id=uuid4(), tenant=session.tenant, subject=f"rig-{n % 97}/part-{i}", predicate=f"telemetry.metric.effect@{i % 3 + 1}",
                    value="0.125", unit="1", valid_at=now - timedelta(seconds=i), recorded_at=now, source="benchmark",
                    supersedes="", entry=entry, index=i,
                )
                for i in range(BATCH)
            ],
            batch_size=500,
        )  # fmt: skip
    key = new_key()
    run(CreateApiKey, session.context(), {"name": "benchmark", "prefix": key.prefix, "secret": key.secret, "roles": ["viewer"]})
    user = User.objects.create(email="reader@example.org", password=make_password(PASSWORD), created_at=now)
    Membership.objects.create(user=user, tenant_id=session.tenant, roles=["viewer"])
    session.sequence()
    (Path(folder) / "key").write_text(key.text)
    session.close()


@contextmanager
def serving(folder: str) -> Any:
    """Run a server of one process; yield it, with its children, as something to be measured."""
    env = os.environ | {"TRUEUP_RATE_LIMIT": "99999:999999"}
    args = [str(TRUEUP), "--home", folder, "serve", "--port", str(PORT), "--no-worker"]
    with subprocess.Popen(args, stderr=subprocess.DEVNULL, env=env) as child:
        try:
            for _ in range(200):
                try:
                    get(http.client.HTTPConnection("127.0.0.1", PORT), "/health/live", {})
                    break
                except OSError:
                    time.sleep(0.05)
            yield psutil.Process(child.pid)
        finally:
            child.send_signal(signal.SIGINT)
            child.wait(30)


def get(connection: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> bytes:
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status}: {body[:2000]!r}")
    return body


def spent(server: psutil.Process) -> float:
    """Return the CPU seconds of the server and its children until now."""
    return sum(p.cpu_times().user + p.cpu_times().system for p in (server, *server.children(recursive=True)))


def repeated(folder: str, path: str, times: int, headers: dict[str, str]) -> dict[str, float]:
    """Ask for one address many times over one connection; return CPU of the server and wall time of one request."""
    with serving(folder) as server:
        connection = http.client.HTTPConnection("127.0.0.1", PORT)
        for _ in range(20):
            get(connection, path, headers)
        before, walls = spent(server), []
        for _ in range(times):
            began = time.perf_counter()
            get(connection, path, headers)
            walls.append(time.perf_counter() - began)
        used = spent(server) - before
    return {
        "cpu_s": used,
        "wall_s": sum(walls),
        "cpu_ms_each": used / times * 1000,
        "wall_ms_each": statistics.median(walls) * 1000,
    }


def api_list(folder: str, path: str) -> dict[str, float]:
    key = (Path(folder) / "key").read_text()
    return repeated(folder, path, REQUESTS, {"Authorization": f"Bearer {key}"})


def page(folder: str, path: str) -> dict[str, float]:
    return repeated(folder, path, PAGES, {"Cookie": signed_in(folder)})


def signed_in(folder: str) -> str:
    """Sign in through the login page; return the session's cookie."""
    from urllib.parse import urlencode

    with serving(folder):
        connection = http.client.HTTPConnection("127.0.0.1", PORT)
        connection.request("GET", "/login/")
        answer = connection.getresponse()
        token = answer.read().decode().partition('csrfmiddlewaretoken" value="')[2].partition('"')[0]
        cookie = (answer.getheader("Set-Cookie") or "").partition(";")[0]
        form = urlencode({"csrfmiddlewaretoken": token, "email": "reader@example.org", "password": PASSWORD})
        headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", "/login/", body=form, headers=headers)
        answer = connection.getresponse()
        answer.read()
        cookies = [value.partition(";")[0] for name, value in answer.getheaders() if name.lower() == "set-cookie"]
        return next(cookie for cookie in cookies if cookie.startswith("trueup_session"))


def main() -> int:
    folder = tempfile.mkdtemp()
    try:
        measure(fill, folder, repeats=1)
        figures = references()
        lists = {
            "API: 50 facts of 100,000": "/api/v1/evidence/facts?limit=50",
            "API: 50 entries": "/api/v1/evidence/entries?limit=50",
        }
        pages = {
            "page: facts of 100,000": "/facts/",
            "page: facts of one subject": "/facts/?subject=rig-7",
            "page: facts by subject": "/facts/?sort=subject",
            "page: facts of one predicate": "/facts/?predicate=telemetry.metric.effect%402",
            "page: log": "/log/",
            "page: home": "/",
        }
        figures |= {name: measure(api_list, folder, path, repeats=1) for name, path in lists.items()}
        figures |= {name: measure(page, folder, path, repeats=1) for name, path in pages.items()}
        for name in (*lists, *pages):
            print(f"{name:<40} {json.dumps({k: round(v, 2) for k, v in figures[name].items() if 'each' in k})}")
        targets = dict.fromkeys(lists, ("cpu_ms_each", "<=", 2.5)) | dict.fromkeys(pages, ("wall_ms_each", "<=", 60.0))
        return report("http", figures, targets)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
