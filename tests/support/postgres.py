"""A private PostgreSQL cluster for one test process: run by an unprivileged user, on a UNIX socket, gone afterwards."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROLE, PASSWORD = "trueup", "not-a-secret"


def binaries() -> Path:
    """Return the folder of ``initdb`` and ``pg_ctl``; without one the tests that need it fail."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    initdb = shutil.which("initdb")
    if initdb is None:
        raise RuntimeError(
            "no PostgreSQL server is installed. Remedy: apt-get install -y postgresql (as root), then run the tests again"
        )
    return Path(initdb).resolve().parent


def unprivileged() -> dict[str, object]:
    """Return how to start a server that refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    names = ("postgres", "nobody")
    user = next(pwd.getpwnam(name) for name in names if name in {entry.pw_name for entry in pwd.getpwall()})
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@contextmanager
def cluster() -> Iterator[Path]:
    """Run a cluster while the block runs; yield the folder of its socket."""
    # Short, and outside pytest's folders: a socket's path has at most 107 bytes, and root's folders are closed to others.
    folder = Path(tempfile.mkdtemp(prefix="trueup-pg-", dir="/tmp"))
    who = unprivileged()
    if who:
        os.chown(folder, who["user"], who["group"])
    bin, data = binaries(), folder / "data"
    options = (
        f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off -c full_page_writes=off -c max_connections=200"
    )

    def call(*args: str) -> None:
        done = subprocess.run(args, capture_output=True, text=True, cwd=folder, check=False, **who)
        if done.returncode:
            raise RuntimeError(f"{args[0]} failed: {done.stdout}{done.stderr}")

    # A database that sorts by language, as most do: what relies on an order of bytes fails here.
    made = ("--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US", "--no-sync")
    try:
        call(str(bin / "initdb"), "-D", str(data), "-U", "admin", "--auth=trust", *made)
        call(str(bin / "pg_ctl"), "-D", str(data), "-l", str(folder / "log"), "-w", "-o", options, "start")
        try:
            execute(folder, "postgres", f"CREATE ROLE {ROLE} LOGIN NOSUPERUSER CREATEDB")
            yield folder
        finally:
            call(str(bin / "pg_ctl"), "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def execute(folder: Path, database: str, *statements: str) -> None:
    """Run statements as the cluster's administrator."""
    import psycopg

    with psycopg.connect(host=str(folder), dbname=database, user="admin", autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def url(folder: Path, database: str) -> str:
    """Return the address of a database, as ``TRUEUP_DATABASE_URL`` wants it."""
    return f"postgresql://{ROLE}@/{database}?host={folder}"
