"""The demo's part on pages: a site of this machine is reached under policy, its neighbour is not, and the rules say why."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

from trueup.kernel.doors import App
from trueup.kernel.errors import ConfigurationError, Refused

HELLO = "<html><head><title>demo</title></head><body><h1>hello</h1></body></html>"


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the table.

    Args:
        what: was done.
        expected: to come out.
        found: came out.
        ok: whether that is what was expected.
        judged: False where the step could say nothing.
    """

    what: str
    expected: str
    found: str
    ok: bool
    judged: bool = True


ALLOWED, BROWSER, REFUSED = "an authorized page is fetched", "and read in a browser", "the port beside it is refused"


class _Server(ThreadingHTTPServer):
    """A server of this machine that counts who connects.

    Args:
        away: where its page ``/away`` leads.
    """

    daemon_threads = True

    def __init__(self, away: str = "") -> None:
        super().__init__(("127.0.0.1", 0), _Pages)
        self.away, self.heard = away, 0

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def verify_request(self, request: Any, client_address: Any) -> bool:
        self.heard += 1
        return super().verify_request(request, client_address)


class _Pages(BaseHTTPRequestHandler):
    """Answers with one page; ``/away`` leads away."""

    server: _Server

    def do_GET(self) -> None:
        away = self.path == "/away"
        self.send_response(302 if away else 200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        if away:
            self.send_header("Location", self.server.away)
        self.send_header("Content-Length", str(len(HELLO)))
        self.end_headers()
        self.wfile.write(HELLO.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing: standard error is the demo's."""


@contextmanager
def _serving(away: str = "") -> Iterator[_Server]:
    with _Server(away) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def steps(app: App) -> list[Step]:
    """Serve a site, authorize its port, and try what is allowed and what is not."""
    from trueup.domains.automation.agent import require_extra

    try:
        require_extra()
    except ConfigurationError as exc:
        return [Step("pages under policy", "allowed and refused", f"not tried: {exc.message}", ok=True, judged=False)]
    with _serving() as forbidden, _serving(forbidden.url("/")) as site, _authorized(app, site.port):
        return _Tried(app, site, forbidden).steps()


@contextmanager
def _authorized(app: App, port: int) -> Iterator[None]:
    """Authorize a port of this machine for as long as the block lasts."""
    from trueup.domains.automation.actions_authorizations import RequestAuthorization, SubmitEvidence, VerifyAuthorization
    from trueup.domains.automation.actions_force import Activate, Revoke

    expires = app.session.context().now + timedelta(hours=1)
    asked = {"host": "127.0.0.1", "ports": [port], "method": "loopback", "own": True, "contact": "demo", "expires": expires}
    id = app.run(RequestAuthorization, asked)["id"]
    for action in (SubmitEvidence, VerifyAuthorization, Activate):
        app.run(action, {"id": id})
    try:
        yield
    finally:
        app.run(Revoke, {"id": id, "reason": "the demo is over"})


class _Tried:
    """What is asked for, and what came of it."""

    def __init__(self, app: App, site: _Server, forbidden: _Server) -> None:
        self.app, self.site, self.forbidden = app, site, forbidden

    def steps(self) -> list[Step]:
        from trueup.domains.automation.browser.errors import BrowserMissing
        from trueup.domains.automation.browser.launch import executable

        asked: list[dict[str, Any]] = [
            {"url": self.site.url("/"), "job_type": "fetch"},
            {"url": self.site.url("/away"), "job_type": "fetch"},
        ]
        missing = ""
        try:
            executable()
        except BrowserMissing as exc:
            missing = exc.message
        else:
            reading = {"fields": {"title": "h1"}, "store_as": "page"}
            asked.append({"url": self.site.url("/"), "job_type": "navigate_extract", "payload": reading})
        try:
            jobs = self._done(asked)
        except Refused as exc:  # somebody's own rule about this machine
            return [Step(ALLOWED, "allowed", f"not tried: {exc.message}", ok=True, judged=False)]
        read = _read(jobs[2]) if not missing else _not_read(missing)
        return [_fetched(jobs[0]), read, self._kept_away(jobs[1])]

    def _done(self, asked: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Ask for jobs, and do them in this process.

        Raises:
            Refused: by a rule.
        """
        from trueup.domains.automation import jobqueries
        from trueup.domains.automation.actions_jobs import SubmitJobs
        from trueup.kernel.work.worker import Until, Worker

        session = self.app.session
        ids = [UUID(id) for id in self.app.run(SubmitJobs, {"jobs": asked})["jobs"]]
        Worker(session.installation, tenants=[session.tenant]).run(Until.DRAINED)
        return [jobqueries.job(session.tenant, id) | {"hops": jobqueries.egress(session.context(), id)} for id in ids]

    def _kept_away(self, job: Mapping[str, Any]) -> Step:
        """Ask for the neighbour outright, and look at what became of the page that leads there."""
        from trueup.domains.automation.actions_jobs import SubmitJobs

        outright: list[str] = []
        try:
            self.app.run(SubmitJobs, {"jobs": [{"url": self.forbidden.url("/"), "job_type": "fetch"}]})
        except Refused as exc:
            outright = list(exc.details.get("rule_ids", ()))
        led = [rule for hop in job["hops"] if not hop["allowed"] for rule in hop["rule_ids"]]
        found = (
            f"{', '.join(outright) or 'allowed'}; by a redirect {', '.join(led) or 'allowed'}; {self.forbidden.heard} connections"
        )
        ok = bool(outright and led) and job["state"] == "denied" and self.forbidden.heard == 0
        return Step(REFUSED, "refused twice, 0 connections", found, ok)


def _fetched(job: Mapping[str, Any]) -> Step:
    rules = [rule for hop in job["hops"] if hop["allowed"] for rule in hop["rule_ids"]]
    found = f"{job['state']}, {(job['result'] or {}).get('status', 'no answer')}: {', '.join(map(_short, rules))}"
    return Step(ALLOWED, "completed, 200", found, job["state"] == "completed" and bool(rules))


def _short(rule: str) -> str:
    """Return a rule's id with the id of an authorization cut short, as for people."""
    kind, _, name = rule.partition(".")
    return f"{kind}.{name[:8]}…" if kind == "authorization" and len(name) > 30 else rule


def _read(job: Mapping[str, Any]) -> Step:
    error = job["error"] or {}
    if error.get("code") in ("BROWSER_MISSING", "SANDBOX_MISSING"):
        return _not_read(error["message"])
    title = ((job["result"] or {}).get("stored") or {}).get("page", {}).get("title", "")
    found = (
        f"{job['state']}: its heading says {title!r}" if title else f"{job['state']}: {error.get('message', 'nothing was read')}"
    )
    return Step(BROWSER, "its heading says 'hello'", found, job["state"] == "completed" and title == "hello")


def _not_read(why: str) -> Step:
    return Step(BROWSER, "its heading says 'hello'", f"not tried: {why}", ok=True, judged=False)
