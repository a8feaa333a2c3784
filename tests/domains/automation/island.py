"""A machine of its own, without privileges: a network namespace in which public addresses are this machine's, and nothing else is there.

So a site at a public address can be real, and what looks for it is the whole product, with no rule switched off.

References:
    user_namespaces(7), network_namespaces(7), netdevice(7) of Linux.
"""

import asyncio
import fcntl
import json
import os
import socket
import struct
import sys
from datetime import timedelta
from pathlib import Path

PLACES = {"well_known_file": "93.184.216.34", "html_meta": "93.184.216.35"}
"""A site for each way to prove one: no place may be asked more than five times a minute."""
_SIOCSIFFLAGS, _SIOCSIFADDR, _IFF_UP = 0x8914, 0x8916, 0x1


def leave() -> None:
    """Enter new user and network namespaces, and make the addresses of ``PLACES`` those of their loopback device."""
    user, group = os.geteuid(), os.getegid()
    os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNET)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))
        for number, address in enumerate(PLACES.values()):
            place = struct.pack("16sHH4s8x", f"lo:{number}".encode(), socket.AF_INET, 0, socket.inet_aton(address))
            fcntl.ioctl(control, _SIOCSIFADDR, place)


def main(home: str) -> None:
    """Prove a site in both ways in which a site proves itself, first in vain; print what came of it."""
    leave()
    from tests.domains.automation.egress.sites import Site
    from trueup.config.home import Home
    from trueup.config.session import HomeSession
    from trueup.config.store import configure, database

    configure(database(Home(Path(home))))
    from aiohttp import web

    class Public(Site):
        async def _start(self) -> None:
            app = web.Application()
            app.router.add_route("*", "/{rest:.*}", self._answer)
            self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
            await self._runner.setup()
            for address in PLACES.values():
                await web.TCPSite(self._runner, address, 80).start()
            self._ready.set()

    pages = {"/there": "<h1>hello</h1>"}

    async def answer(request: web.Request) -> web.Response:
        found = pages.get(request.path)
        return web.Response(text=found or "nothing", status=200 if found else 404, content_type="text/html")

    opened = HomeSession(Home(Path(home)))
    asyncio.set_event_loop(None)
    with Public(answer) as site:
        found = {method: proved(opened, method, pages) | fetched(opened, PLACES[method]) for method in PLACES}
        found["asked"] = [(headers["Host"], path) for _, path, headers in site.asked]
        found["agents"] = sorted({headers["User-Agent"].partition("/")[0] for _, _, headers in site.asked})
    opened.close()
    sys.stdout.write(json.dumps(found))


def proved(session: object, method: str, pages: dict[str, str]) -> dict[str, object]:
    """Ask, verify in vain, publish, verify and put into force; return what was said."""
    from trueup.domains.automation.actions_authorizations import (
        NotProved,
        RequestAuthorization,
        SubmitEvidence,
        VerifyAuthorization,
    )
    from trueup.domains.automation.actions_force import Activate
    from trueup.kernel.actions.runner import run

    def act(action: type, **input: object) -> dict[str, object]:
        value = run(action, session.context(), input).value
        session.sequence()
        return value

    expires = session.context().now + timedelta(hours=1)
    asked = act(RequestAuthorization, host=PLACES[method], ports=[80], method=method, own=True, contact="them", expires=expires)
    token = asked["challenge"]["token"]
    where = "/.well-known/trueup-challenge.txt" if method == "well_known_file" else "/"
    act(SubmitEvidence, id=asked["id"])
    pages.pop(where, None)
    missing, wrong = "", ""
    try:
        act(VerifyAuthorization, id=asked["id"])
    except NotProved as exc:
        missing = exc.code
    pages[where] = (
        f"{token}x" if method == "well_known_file" else f'<body><meta name="trueup-challenge" content="{token}"></body>'
    )
    try:
        act(VerifyAuthorization, id=asked["id"])
    except NotProved as exc:
        wrong = exc.code
    pages[where] = token if method == "well_known_file" else f'<head><meta name="trueup-challenge" content="{token}"></head>'
    states = [act(VerifyAuthorization, id=asked["id"])["state"], act(Activate, id=asked["id"])["state"]]
    return {"where": asked["challenge"]["where"], "missing": missing, "wrong": wrong, "states": states, "id": asked["id"]}


def fetched(session: object, host: str) -> dict[str, object]:
    """Fetch the site in a job, now that it is proved."""
    from trueup.domains.automation import jobqueries
    from trueup.domains.automation.actions_jobs import SubmitJobs
    from trueup.domains.automation.actions_policies import PutPolicy
    from trueup.kernel.actions.runner import run
    from trueup.kernel.work.worker import Until, Worker

    run(PutPolicy, session.context(), {"host": host})
    job = run(SubmitJobs, session.context(), {"jobs": [{"url": f"http://{host}/there", "job_type": "fetch"}]}).value["jobs"][0]
    Worker(session.installation).run(Until.DRAINED)
    from uuid import UUID

    row = jobqueries.job(session.tenant, UUID(job))
    return {"state": row["state"], "mode": jobqueries.args_of(session.tenant, UUID(job)).frozen.mode, "error": row["error"]}


if __name__ == "__main__":
    main(sys.argv[1])
