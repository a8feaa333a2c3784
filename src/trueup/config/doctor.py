"""Whether an installation is fit to work: every check by name, what it found, and what to do about it.

Nothing is mended here, and nothing is opened that would mend by itself: the store is looked at as it is.
"""

import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from trueup.config.home import Home
from trueup.config.store import configure, database, schema, schema_version
from trueup.kernel import tenancy
from trueup.kernel.errors import TrueupError

GOOD, WARN, BAD = "good", "warning", "bad"
LEAST_FREE = 1 << 30
SILENT = timedelta(minutes=1)
LATE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found.

    Args:
        check: its name.
        state: good, warning or bad.
        words: what was seen.
        remedy: what to do; empty where nothing is needed.
    """

    check: str
    state: str
    words: str
    remedy: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return JSON-able data."""
        return {"check": self.check, "state": self.state, "words": self.words, "remedy": self.remedy}


def examine(home: Home) -> list[Finding]:
    """Return what every check finds; one that cannot be carried out is bad."""
    found: list[Finding] = []
    for name, check in CHECKS.items():
        if name in IN_STORE and any(one.check == "store" and one.state == BAD for one in found):
            found.append(Finding(name, BAD, "not looked at: there is no store to look into"))
            continue
        try:
            found += [Finding(name, *result) for result in check(home)]
        except TrueupError as exc:
            found.append(Finding(name, BAD, exc.message, exc.remedy))
        except Exception as exc:  # noqa: BLE001 - a check that breaks is a finding, and the others go on
            found.append(Finding(name, BAD, f"{type(exc).__name__}: {exc}", "see 'trueup --verbose doctor'"))
    return found


type Results = Iterator[tuple[str, str, str]]


def _python(home: Home) -> Results:  # noqa: ARG001 - every check has one form
    yield GOOD, f"Python {sys.version.split()[0]}", ""


def _home(home: Home) -> Results:
    if not home.path.is_dir():
        yield BAD, f"{home.path} is not there", "trueup init"
        return
    mode = stat.S_IMODE(home.path.stat().st_mode)
    if mode & 0o077:
        yield WARN, f"{home.path} is open to other users (mode {mode:04o})", f"chmod 700 {home.path}"
    if not os.access(home.path, os.W_OK):
        yield BAD, f"{home.path} cannot be written", "run as the user who owns the home"
    free = shutil.disk_usage(home.path).free
    state = GOOD if free >= LEAST_FREE else WARN
    yield (
        state,
        f"{home.path}, {free >> 20} MiB free",
        "" if state == GOOD else "free some space: nothing is recorded on a full disk",
    )


def _settings(home: Home) -> Results:
    from trueup.config.options import resolve

    values = resolve(home.path)
    yield GOOD, f"{sum(value.origin != 'default' for value in values)} of {len(values)} settings are not the defaults", ""


def _key(home: Home) -> Results:
    from trueup.kernel.evidence.keys import KeyFolder

    keys = KeyFolder(home.keys)
    keys.require_present()
    yield GOOD, f"signing key {keys.signer().fingerprint[:16]}…, {len(keys.trusted_fingerprints())} trusted", ""


def _store(home: Home) -> Results:
    chosen = database(home)
    sqlite = "sqlite" in chosen["ENGINE"]
    if sqlite and not home.database.exists():
        yield BAD, f"{home.database} is not there", "trueup init, or restore a back-up with 'trueup restore'"
        return
    configure(chosen)
    tenancy.reach_every()
    have, want = schema_version(), schema()
    if have != want:
        remedy = "use the newer Trueup that made it" if have > want else "any command brings it up to date: trueup init"
        yield BAD if have > want else WARN, f"schema {have}, this Trueup works with {want}", remedy
        return
    yield from _durable(sqlite=sqlite)


def _durable(*, sqlite: bool) -> Results:
    from django.db import connection

    with connection.cursor() as cursor:
        if sqlite:
            cursor.execute("PRAGMA quick_check(1)")
            (whole,) = cursor.fetchone()
            yield (
                (GOOD, "SQLite, whole, every commit synced", "")
                if whole == "ok"
                else (BAD, f"SQLite: {whole}", "restore a back-up")
            )
            return
        from trueup.kernel.evidence.guards_postgresql import bypassed

        cursor.execute(
            "SELECT current_setting('server_version'), current_setting('fsync'), current_setting('synchronous_commit')"
        )
        version, fsync, commit = cursor.fetchone()
        state = GOOD if (fsync, commit) == ("on", "on") else WARN
        remedy = (
            "" if state == GOOD else "set fsync = on and synchronous_commit = on: without them a crash loses what was recorded"
        )
        yield state, f"PostgreSQL {version}, fsync {fsync}, synchronous_commit {commit}", remedy
        if bypassed(cursor):
            yield WARN, "the database role passes through the wall between tenants", "ALTER ROLE … NOSUPERUSER NOBYPASSRLS"


def _guards(home: Home) -> Results:  # noqa: ARG001 - every check has one form
    from trueup.kernel.evidence.guards import missing

    lacking = missing()
    if lacking:
        yield BAD, f"{len(lacking)} guards are gone (first: {lacking[0]})", "trueup evidence log verify, then trueup init"
    else:
        yield GOOD, "every insert-only table is guarded", ""


def _logs(home: Home) -> Results:  # noqa: ARG001 - every check has one form
    from trueup.kernel.evidence import ledger
    from trueup.kernel.evidence.models import Entry, Pending
    from trueup.kernel.identity.models import Tenant

    now = datetime.now(UTC)
    tenants = {ledger.SYSTEM: "system", **dict(Tenant.objects.values_list("id", "slug"))}
    for tenant, slug in tenants.items():
        last = Entry.objects.filter(tenant=tenant).order_by("-id").first()
        at = _moment(last.body) if last else None
        if at and at > now + LATE:
            yield WARN, f"log {slug}: its newest entry is of {at:%F %T}, later than this machine's clock", "set the clock right"
        oldest = Pending.objects.filter(tenant=tenant).order_by("entry").first()
        entry = Entry.objects.filter(tenant=tenant, id=oldest.entry).first() if oldest else None
        waits = now - _moment(entry.body) if entry else timedelta()
        if waits > LATE:
            yield (
                WARN,
                f"log {slug}: entries have waited {waits} for a checkpoint",
                f"trueup evidence log checkpoint --tenant {slug}",
            )
    yield GOOD, f"{len(tenants)} logs", ""


def _moment(body: Any) -> datetime:
    import json

    from trueup.kernel.evidence.engine.encode import raw

    try:
        return datetime.fromisoformat(json.loads(raw(body))["at"])
    except (ValueError, KeyError, TypeError):
        return datetime.min.replace(tzinfo=UTC)


def _people(home: Home) -> Results:  # noqa: ARG001 - every check has one form
    from trueup.kernel.identity.models import User

    active = User.objects.filter(is_active=True).count()
    yield (GOOD, f"{active} users who may sign in", "") if active else (WARN, "nobody can sign in to the pages", "trueup init")


def _work(home: Home) -> Results:  # noqa: ARG001 - every check has one form
    from trueup.kernel.work.models import Job, WorkerRow

    now = datetime.now(UTC)
    live = WorkerRow.objects.filter(seen__gte=now - SILENT).count()
    states = dict.fromkeys(("queued", "running", "dead"), 0)
    for state in states:
        states[state] = Job.objects.filter(state=state).count()
    waits = Job.objects.filter(state="queued", not_before__lt=now - LATE).exists()
    if waits and not live:
        yield WARN, f"{states['queued']} jobs wait and no worker has been seen for a minute", "trueup worker, or trueup serve"
    if states["dead"]:
        yield WARN, f"{states['dead']} jobs failed for good", "trueup job list --state dead, then trueup job replay"
    yield GOOD, f"{live} workers, {states['queued']} jobs queued, {states['running']} running", ""


IN_STORE = ("guards", "logs", "people", "work")
CHECKS: dict[str, Callable[[Home], Results]] = {
    "python": _python,
    "home": _home,
    "settings": _settings,
    "key": _key,
    "store": _store,
    "guards": _guards,
    "logs": _logs,
    "people": _people,
    "work": _work,
}
