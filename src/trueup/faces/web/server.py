"""A small read-only server on the loopback interface; its address holds a token that other users cannot guess."""

import base64
import hashlib
import hmac
import html
import secrets
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from django.db import connection

from trueup.kernel.errors import TrueupError
from trueup.kernel.evidence import queries

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Type": "text/html; charset=utf-8",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
STYLE = """:root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.5rem .75rem .5rem 0;border-bottom:1px solid #8886}
html{background:#fff;color:#1a1a1a}a{color:#0b57d0}
@media(prefers-color-scheme:dark){html{background:#121212;color:#eee}a{color:#8ab4f8}}
td:first-child{font-weight:600;white-space:nowrap}.wide{overflow-x:auto}"""

STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


class ReportServer(ThreadingHTTPServer):
    """Serves the comparisons of one tenant.

    Args:
        where: host and port.
        session: the open home.
    """

    daemon_threads = True

    def __init__(self, where: tuple[str, int], session: Any) -> None:
        super().__init__(where, _Handler)
        self.session = session
        self.token = secrets.token_urlsafe(24)

    @property
    def address(self) -> str:
        """The address that shows the list."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}/{self.token}/"


class _Handler(BaseHTTPRequestHandler):
    server: ReportServer
    server_version = "trueup"
    sys_version = ""
    timeout = 10  # seconds: browsers open connections that they may never use

    def finish(self) -> None:
        super().finish()
        connection.close()  # each request has a thread, and so a connection, of its own

    def do_GET(self) -> None:
        if self.path == "/favicon.ico":  # browsers ask for it by themselves
            self._send(HTTPStatus.NOT_FOUND, "")
            return
        token, _, rest = self.path.lstrip("/").partition("/")
        host = (self.headers.get("Host") or "").rsplit(":", 1)[0]
        if host not in ("127.0.0.1", "[::1]", "localhost") or not hmac.compare_digest(token.encode(), self.server.token.encode()):
            self._send(
                HTTPStatus.UNAUTHORIZED,
                _page("Not this address", "<p>Use the whole address that <code>trueup serve</code> printed.</p>"),
            )
        elif rest == "":
            self._send(HTTPStatus.OK, listing(queries.comparisons(self.server.session.tenant)))
        elif rest.startswith("report/"):
            self._report(rest.removeprefix("report/"))
        else:
            self._send(HTTPStatus.NOT_FOUND, _page("Nothing here", "<p>There is no such page.</p>"))

    def _report(self, sha256: str) -> None:
        try:
            data = queries.read_artifact(self.server.session, sha256, media_type="text/html")
        except TrueupError as exc:
            self._send(HTTPStatus.NOT_FOUND, _page("Not shown", f"<p>{html.escape(exc.message)}</p>"))
            return
        self._send(HTTPStatus.OK, data.decode(), policy="")  # a report carries its own policy

    def _send(self, status: HTTPStatus, body: str, *, policy: str = POLICY) -> None:
        data = body.encode()
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        if policy:
            self.send_header("Content-Security-Policy", policy)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the address, and so the log line, holds the token."""


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{html.escape(title)} · Trueup</title><style>{STYLE}</style><main><h1>{html.escape(title)}</h1>{body}</main></html>"
    )


def listing(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the page that lists recorded comparisons, the newest first."""
    if not rows:
        return _page("Comparisons", "<p>Nothing has been compared yet: <code>trueup telemetry compare --help</code>.</p>")
    cells = "".join(
        f"<tr><td>{html.escape(row['verdict'])}</td>"
        f'<td><a href="report/{html.escape(row["report"])}">{html.escape(row["subject"])}</a></td>'
        f"<td>{row['findings']}</td><td>{html.escape(row['at'][:19].replace('T', ' '))}</td></tr>"
        for row in rows
    )
    names = ("Verdict", "Report of", "Findings", "When (UTC)")
    head = "".join(f"<th scope=col>{name}</th>" for name in names)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{cells}</tbody></table>"
    return _page("Comparisons", f'<div class="wide" tabindex="0" role="region" aria-label="Comparisons">{table}</div>')
