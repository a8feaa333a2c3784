"""Making a back-up, and writing down that one was restored."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field

from trueup.kernel.actions.base import Action, Context, Input, Outcome
from trueup.kernel.backup import archive, tables
from trueup.kernel.backup.databases import captures, copy_database
from trueup.kernel.errors import UsageError
from trueup.kernel.evidence import ledger
from trueup.kernel.evidence.engine.encode import raw, stamp
from trueup.kernel.evidence.models import Checkpoint, Install
from trueup.kernel.evidence.snapshot import snapshot
from trueup.kernel.files import replacing


class CreateBackupInput(Input):
    """Where to, and from where.

    ``home`` is this installation's own folder, whose keys and artifacts belong to the back-up.
    """

    out: Path
    home: Path
    version: str


class CreateBackup(Action[CreateBackupInput, None, dict[str, Any]]):
    """Write store, captures, keys and artifacts to one file."""

    name = "system.backup.create"
    summary = "write store, captures, keys and artifacts to one file"
    tags = frozenset({"administer"})
    input = CreateBackupInput
    prepares = True
    local = True

    def check(self, ctx: Context, input: CreateBackupInput, loaded: None) -> None:
        """Refuse to write over something."""
        if input.out.exists():
            raise UsageError(f"{input.out} exists", remedy="name a new file: a back-up is never overwritten")

    def prepare(self, ctx: Context, input: CreateBackupInput, loaded: None) -> dict[str, Any]:
        """Write the file: captures, each as of one moment, then tables as of one moment, then keys, artifacts and the outbox.

        Captures go first: what they say of themselves that is recorded is then in the tables that follow.
        """
        from django.apps import apps

        spool = ctx.ports.spool()
        with replacing(input.out) as file:
            input_writer = archive.Writer(file)
            counts: dict[str, Any] = {}
            for path in captures(input.home):
                name = path.relative_to(input.home).as_posix()
                if archive.is_member(name):
                    copied = copy_database(path, spool / f"{path.stem}.copy")
                    input_writer.add(name, copied)
                    copied.unlink()
            with snapshot():
                manifest = _manifest(ctx, input.version)
                for model in tables.included(apps):
                    name = model._meta.db_table
                    dumped = spool / f"{name}.jsonl"
                    with dumped.open("wb") as rows:
                        counts[name] = tables.dump(model, rows)
                    input_writer.add(f"tables/{name}.jsonl", dumped)
                    dumped.unlink()
            for path in _files(input.home):
                input_writer.add(path.relative_to(input.home).as_posix(), path)
            digest = input_writer.finish({**manifest, "tables": counts})
        input.out.chmod(0o600)
        return {
            "backup": str(input.out),
            "manifest": digest,
            "rows": sum(table["rows"] for table in counts.values()),
            "files": len(input_writer.files),
            "logs": manifest["logs"],
        }

    def apply(self, ctx: Context, input: CreateBackupInput, loaded: None, prepared: dict[str, Any]) -> Outcome:
        """Record which back-up was made."""
        return Outcome(prepared, note={"manifest": prepared["manifest"], "rows": prepared["rows"], "files": prepared["files"]})


def _manifest(ctx: Context, version: str) -> dict[str, Any]:
    from django.db import connection
    from django.db.migrations.recorder import MigrationRecorder

    applied = sorted(MigrationRecorder(connection).applied_migrations())
    return {
        "version": version,
        "at": stamp(ctx.now),
        "install": str(Install.objects.get().id),
        "store": connection.vendor,
        "migrations": [list(key) for key in applied],
        "logs": [_head(tenant) for tenant in _logs()],
    }


def _logs() -> list[Any]:
    return list(Checkpoint.objects.order_by("tenant").values_list("tenant", flat=True).distinct())


def _head(tenant: Any) -> dict[str, Any]:
    last = ledger.newest(tenant)
    if last is None:
        return {"tenant": str(tenant), "size": 0, "root": ""}
    return {"tenant": str(tenant), "size": last.size, "root": raw(last.root).hex()}


def _files(home: Path) -> Iterator[Path]:
    """Yield keys, artifacts and what was told to files; what is still being written is not part of a back-up."""
    for folder in ("keys", "artifacts", "outbox"):
        for path in sorted((home / folder).rglob("*")):
            foreign = folder == "outbox" and not archive.is_member(path.relative_to(home).as_posix())
            if path.is_symlink() or path.name.startswith(".") or path.parent.name == "incoming" or foreign:
                continue
            if path.is_file():
                yield path


class RecordRestoreInput(Input):
    """Which back-up was restored."""

    manifest: str = Field(pattern="^[0-9a-f]{64}$")
    made_at: str
    rows: int


class RecordRestore(Action[RecordRestoreInput, None, None]):
    """Write down that this installation was restored from a back-up: what came after it is not here."""

    name = "system.backup.restore"
    summary = "write down that a back-up was restored"
    tags = frozenset({"administer"})
    input = RecordRestoreInput
    local = True

    def apply(self, ctx: Context, input: RecordRestoreInput, loaded: None, prepared: None) -> Outcome:
        """Record the back-up's digest."""
        return Outcome({"manifest": input.manifest}, note=input.model_dump())


ACTIONS = (CreateBackup, RecordRestore)
