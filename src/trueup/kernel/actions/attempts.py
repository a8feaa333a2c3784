"""Attempts: what was begun, by which process, and how it ended."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction

from trueup.kernel.actions.base import Context
from trueup.kernel.actions.errors import AttemptFailed, IdempotencyConflict, InProgress
from trueup.kernel.actions.models import Attempt
from trueup.kernel.evidence import ledger
from trueup.kernel.evidence.engine.encode import stamp

_UNSEEN_SECONDS = 60
RUNNING, DONE, FAILED, REFUSED, HELD = "running", "done", "failed", "refused", "held"


class OwnerLock:
    """A lock file that a process holds as long as it lives, however it dies.

    Args:
        folder: the home's ``run`` folder.
    """

    def __init__(self, folder: Path) -> None:
        self.name = f"{place_of(folder)}-{os.getpid()}-{uuid4().hex}"
        self.path = folder / f"{self.name}.owner"
        # Locked before it has the name that others look at: a living owner is never seen unlocked.
        unseen = folder / f"{self.name}.new"
        self._file = unseen.open("x")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        unseen.rename(self.path)

    def release(self) -> None:
        """Give the lock up and remove its file."""
        self.path.unlink(missing_ok=True)
        self._file.close()


def place_of(folder: Path) -> str:
    """Return what names a home's ``run`` folder: several homes may share one database, and none judges the others' locks."""
    path = folder / "place"
    if not path.exists():
        made = folder / f"place.{uuid4().hex}"
        made.write_text(uuid4().hex[:12])
        with suppress(FileExistsError):  # another process was faster: its word holds
            os.link(made, path)
        made.unlink()
    return path.read_text()


def alive(folder: Path, owner: str) -> bool:
    """Tell whether the process that holds an owner lock still runs."""
    try:
        with (folder / f"{owner}.owner").open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def begin(ctx: Context, action: str, *, digest: str, salt: str, input: str, state: str = RUNNING) -> Attempt:
    """Write the attempt row that precedes the work; with a key, this reserves it.

    Raises:
        InProgress, IdempotencyConflict, AttemptFailed: the key was taken before.
    """
    row = Attempt(
        id=uuid4(),
        tenant=ctx.tenant,
        action=action,
        principal=ctx.principal.id,
        key=ctx.key,
        input_digest=digest,
        salt=salt,
        input=input,
        state=state,
        owner=ctx.ports.owner,
        started_at=ctx.now,
        result="",
        error="",
    )
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        if ctx.key is None:
            raise
        raise InProgress("another call with this key was faster", remedy="ask again with the same key in a moment") from None
    return row


def earlier(ctx: Context, action: str) -> Attempt | None:
    """Return the attempt that took this key before, if any."""
    if ctx.key is None:
        return None
    return Attempt.objects.filter(tenant=ctx.tenant, action=action, key=ctx.key).first()


def replayed(attempt: Attempt, same_input: bool) -> dict[str, Any]:  # noqa: FBT001 - a fact, not a switch
    """Return the first result of a repeated call.

    Raises:
        IdempotencyConflict: the input differs.
        InProgress: the first call has no outcome yet.
        AttemptFailed: the first call failed or was refused.
    """
    if not same_input:
        raise IdempotencyConflict("this key was used before with another input", remedy="use a new key for a new request")
    if attempt.state in (RUNNING, HELD):
        raise InProgress(f"the first call with this key is {attempt.state}", details={"attempt": str(attempt.id)})
    if attempt.state != DONE:
        raise AttemptFailed(
            f"the first call with this key {attempt.state}: {attempt.error}",
            remedy="use a new key to try again",
            details={"attempt": str(attempt.id)},
        )
    return dict(json.loads(attempt.result))


def entry_body(ctx: Context, attempt: Attempt, outcome: str, **more: Any) -> dict[str, Any]:
    """Return the ledger entry of an attempt's end; empty particulars are left out."""
    body = {
        "v": 1,
        "at": stamp(ctx.now),
        "tenant": str(ctx.tenant),
        "principal": ctx.principal.id,
        "action": attempt.action,
        "attempt": str(attempt.id),
        "input": attempt.input_digest,
        "outcome": outcome,
    }
    return body | {name: value for name, value in more.items() if value}


def finish(attempt: Attempt, state: str, at: datetime, *, result: str = "", error: str = "") -> bool:
    """Close an attempt if it still runs; tell whether it did."""
    return bool(
        Attempt.objects.filter(id=attempt.id, tenant=attempt.tenant, state=RUNNING).update(
            state=state, finished_at=at, result=result, error=error
        )
    )


def recover(ctx: Context, folder: Path) -> int:
    """Close every attempt of a dead process as failed, each with its entry; return how many."""
    closed = 0
    for row in _abandoned(ctx.tenant, folder):
        with transaction.atomic():
            if finish(row, FAILED, ctx.now, error="ABANDONED"):
                ledger.append(ctx.tenant, entry_body(ctx, row, FAILED, error="ABANDONED"))
                closed += 1
    for path in folder.glob("*.new"):  # of a process that died before its lock had its name
        if time.time() - path.stat().st_mtime > _UNSEEN_SECONDS:
            path.unlink(missing_ok=True)
    for path in folder.glob("*.owner"):
        if not alive(folder, path.stem):
            with suppress(FileNotFoundError):
                path.unlink()
    return closed


def _abandoned(tenant: UUID, folder: Path) -> Iterator[Attempt]:
    place = place_of(folder)
    for row in Attempt.objects.filter(tenant=tenant, state=RUNNING):
        # An owner that is nobody's: the attempt came with a restored back-up.
        if (not row.owner or row.owner.partition("-")[0] == place) and not alive(folder, row.owner):
            yield row
