"""Whether this server can do its work: each check by name, with a word on what is wrong."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec
from typing import Any

from django.db import DatabaseError, connection

from trueup.kernel import tenancy
from trueup.kernel.errors import TrueupError
from trueup.kernel.http.host import host
from trueup.kernel.http.options import options

LEAST_FREE = 256 << 20
HEARTBEAT = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its name, whether it passed, and a word for who looks."""

    name: str
    ok: bool
    word: str

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able data."""
        return {"ok": self.ok, "word": self.word}


def checks() -> list[Check]:
    """Return all checks; what cannot be checked has failed."""
    return [_checked(name, ask) for name, ask in CHECKS.items()]


def _checked(name: str, ask: Callable[[], str]) -> Check:
    try:
        return Check(name, ok=True, word=ask())
    except (TrueupError, DatabaseError, OSError) as exc:
        return Check(name, ok=False, word=getattr(exc, "message", "") or type(exc).__name__)


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()
    return connection.vendor


def _guards() -> str:
    from trueup.kernel.evidence.guards import missing

    lacking = missing()
    if lacking:
        raise TrueupError(f"{len(lacking)} guards of the evidence tables are gone")
    return "in place"


def _key() -> str:
    if not host().ports.keys.readable():
        raise TrueupError("the signing key cannot be read")
    return "readable"


def _disk() -> str:
    free = shutil.disk_usage(host().home.path).free
    if free < LEAST_FREE:
        raise TrueupError(f"{free >> 20} MiB are free")
    return f"{free >> 20} MiB are free"


def _worker() -> str:
    if find_spec("trueup.kernel.work") is None or not options().expects_worker:
        return "none is expected"
    from trueup.kernel.work.models import WorkerRow

    with tenancy.reaching_every():
        seen = WorkerRow.objects.order_by("-seen").values_list("seen", flat=True).first()
    if seen is None or seen < host().clock() - HEARTBEAT:
        raise TrueupError("no worker has been seen in the last 30 s")
    return "seen"


CHECKS: dict[str, Callable[[], str]] = {
    "database": _database,
    "guards": _guards,
    "key": _key,
    "worker": _worker,
    "disk": _disk,
}
