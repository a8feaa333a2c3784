"""``trueup serve``: pages and API of this home."""

import os
import socket
from pathlib import Path
from shutil import rmtree
from typing import Any
from urllib.parse import urlsplit

import click

from trueup.kernel.doors import App, pass_app
from trueup.kernel.errors import Refused, UsageError

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@click.command()
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    envvar="TRUEUP_HOST",
    help="Address to listen on; others than this machine's need TLS in front.",
)
@click.option(
    "--port", default=8471, show_default=True, envvar="TRUEUP_PORT", type=click.IntRange(0, 65535), help="0 takes any free port."
)
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Server processes.")
@click.option("--threads", default=8, show_default=True, type=click.IntRange(1, 256), help="Requests at once in each process.")
@click.option("--no-worker", is_flag=True, help="Leave jobs to 'trueup worker'.")
@click.option("--insecure", is_flag=True, help="Listen on other addresses without TLS: passwords and keys travel in the clear.")
@pass_app
def serve(app: App, host: str, port: int, workers: int, threads: int, no_worker: bool, insecure: bool) -> None:
    """Serve the pages and the API of this home until Ctrl-C; logins, keys and policies apply."""
    require_safe(host, insecure=insecure)
    home = app.key_folder.parent
    # Said before the store is opened, which is when the settings are made; the processes of the server inherit both.
    os.environ |= _environment(host, home, workers=workers, worker=not no_worker, insecure=insecure)
    try:
        app.session.context().ports.keys.require_present()
        app.close()
        _serve(app, host, port or _free(host), workers=workers, threads=threads)
    finally:
        _limits(home).unlink(missing_ok=True)
        rmtree(_figures(home), ignore_errors=True)


def _serve(app: App, host: str, port: int, *, workers: int, threads: int) -> None:
    _require_free(host, port)
    shown = f"[{host}]" if ":" in host else host
    public = os.environ.get("TRUEUP_PUBLIC_URL", "")
    app.say(f"trueup: pages and API on http://{shown}:{port}/{f', for people at {public}' if public else ''}  (Ctrl-C ends)")
    _server(host, port, workers=workers, threads=threads).serve()


def _environment(host: str, home: Path, *, workers: int, worker: bool, insecure: bool) -> dict[str, str]:
    """Return what the processes of the server are told."""
    told = {"TRUEUP_HOME": str(home), "TRUEUP_LIMITS": str(_limits(home)), "TRUEUP_NO_WORKER": "" if worker else "1"}
    if host not in LOOPBACK:
        told["TRUEUP_HOSTS"] = f"{os.environ.get('TRUEUP_HOSTS', '')} {'*' if insecure else host}".strip()
    if workers > 1:
        _figures(home).mkdir(mode=0o700, parents=True)
        told["PROMETHEUS_MULTIPROC_DIR"] = str(_figures(home))
    return told


def _limits(home: Path) -> Path:
    return home / "run" / f"{os.getpid()}.limits"


def _figures(home: Path) -> Path:
    return home / "run" / f"{os.getpid()}.figures"


def require_safe(host: str, *, insecure: bool) -> None:
    """Refuse to send passwords and keys over a network in the clear.

    Raises:
        Refused: another address than this machine's own, and no TLS in front.
    """
    secure = urlsplit(os.environ.get("TRUEUP_PUBLIC_URL", "")).scheme == "https"
    if host not in LOOPBACK and not secure and not insecure:
        raise Refused(
            f"{host!r} is not a loopback address",
            remedy="put a proxy with TLS in front and set TRUEUP_PUBLIC_URL=https://…, or accept the risk with --insecure",
        )


def _free(host: str) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        _bind(probe, host, 0)
        return int(probe.getsockname()[1])


def _require_free(host: str, port: int) -> None:
    """Refuse a port that somebody listens on, before anything is started."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _bind(probe, host, port)


def _bind(probe: socket.socket, host: str, port: int) -> None:
    try:
        probe.bind((host, port))
    except OSError as exc:
        raise UsageError(
            f"cannot listen on {host}:{port}: {exc.strerror}", remedy="choose another port with --port, or 0 for any"
        ) from exc


def _server(host: str, port: int, *, workers: int, threads: int) -> Any:
    from granian.constants import Interfaces
    from granian.log import LogLevels
    from granian.server import Server

    return Server(
        "trueup.config.wsgi:application",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=threads,
        websockets=False,
        log_level=LogLevels.error,
        respawn_failed_workers=True,
        workers_kill_timeout=20,
    )
