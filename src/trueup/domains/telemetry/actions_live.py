"""Every change to captures: begun, recorded, exported, removed."""

import hashlib
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from trueup.domains.telemetry.sources.live import schema
from trueup.domains.telemetry.sources.live.capture import locked
from trueup.domains.telemetry.sources.live.reading import CaptureFile
from trueup.kernel.actions.base import Action, Context, Input, Outcome
from trueup.kernel.errors import NotFound, UsageError

NAME = r"^[a-z0-9][a-z0-9._-]{0,59}$"


def subject_of(name: str) -> str:
    """Return what a capture is called in entries and alerts."""
    return f"capture:{name}"


def file_of(ctx: Context, name: str) -> CaptureFile:
    """Return the capture of a name, in the context's tenant."""
    return CaptureFile(schema.place(ctx.ports.data, ctx.tenant, name), ctx.tenant, name)


class NamedInput(Input):
    """Which capture."""

    name: str = Field(pattern=NAME)


class StartInput(NamedInput):
    """Which capture, and of what."""

    kind: Literal["mqtt", "nats", "syslog", "file_replay", "host"]
    where: str = Field(default="", max_length=2000)


class StartCapture(Action[StartInput, None, int]):
    """Record that a source is listened to from now on."""

    name = "telemetry.capture.start"
    summary = "record that a source is captured from now on"
    tags = frozenset({"operate"})
    input = StartInput
    prepares = True
    local = True

    def prepare(self, ctx: Context, input: StartInput, loaded: None) -> int:
        """See where it goes on."""
        return file_of(ctx, input.name).last()

    def apply(self, ctx: Context, input: StartInput, loaded: None, prepared: int) -> Outcome:
        """Record it."""
        note = {"name": input.name, "kind": input.kind, "after": prepared}
        return Outcome({**note, "where": input.where}, subjects=[subject_of(input.name)], note=note)


class RecordInput(NamedInput):
    """Which capture, and how its source ended."""

    reason: str = Field(default="stopped", max_length=500)


@dataclass(frozen=True, slots=True)
class Batch:
    """The events since the last record."""

    after: int
    until: int
    sha256: str
    counters: dict[str, int]


class RecordCapture(Action[RecordInput, None, Batch]):
    """Record what was captured since the last record: its counts, and the digest of its events."""

    name = "telemetry.capture.record"
    summary = "record what was captured, by counts and digest"
    tags = frozenset({"operate"})
    input = RecordInput
    prepares = True
    local = True

    def prepare(self, ctx: Context, input: RecordInput, loaded: None) -> Batch:
        """Compute the digest."""
        file = file_of(ctx, input.name)
        after, until = int(file.meta()["recorded"]), file.last()
        return Batch(after, until, file.digest(after, until), file.summary()["counters"])

    def apply(self, ctx: Context, input: RecordInput, loaded: None, prepared: Batch) -> Outcome:
        """Record it."""
        note = {
            "name": input.name,
            "reason": input.reason,
            "after": prepared.after,
            "until": prepared.until,
            "sha256": prepared.sha256,
            "counters": prepared.counters,
        }
        return Outcome(note, subjects=[subject_of(input.name)], note=note)

    def settled(self, ctx: Context, outcome: Outcome) -> None:
        """Note in the file up to where it is recorded; lost, the next record begins where this one did."""
        path = schema.place(ctx.ports.data, ctx.tenant, str(outcome.value["name"]))
        with suppress(sqlite3.Error, OSError), closing(schema.connect(path, write=True)) as connection:
            connection.execute("update meta set value = ? where key = 'recorded'", (str(outcome.value["until"]),))


class ExportInput(NamedInput):
    """Which capture, and where to."""

    output: Path
    zone: str = "UTC"
    sequence_field: str = "seq"


class ExportCapture(Action[ExportInput, None, dict[str, Any]]):
    """Write a capture's values as JSON lines or Parquet, and record the file's digest."""

    name = "telemetry.capture.export"
    summary = "write a capture's values to a file"
    tags = frozenset({"operate", "analyse"})
    input = ExportInput
    prepares = True
    local = True

    def prepare(self, ctx: Context, input: ExportInput, loaded: None) -> dict[str, Any]:
        """Write the file in one step."""
        from trueup.domains.telemetry.sources.live.build import timezone
        from trueup.domains.telemetry.sources.live.payload import Fields
        from trueup.domains.telemetry.sources.live.toparquet import to_parquet
        from trueup.kernel.files import replacing

        file, zone = file_of(ctx, input.name), timezone(input.zone)
        schema.require(file.path, input.name)
        suffix = input.output.suffix.lower()
        if suffix not in (".jsonl", ".parquet"):
            raise UsageError(
                f"{input.output}: captures are not written as {suffix or 'that'}", remedy="name a .jsonl or .parquet file"
            )
        if not input.output.absolute().parent.is_dir():
            raise UsageError(f"{input.output}: there is no such folder", remedy="make it first")
        fields = Fields(sequence=input.sequence_field)
        if suffix == ".parquet":
            rows = to_parquet(file, input.output, scratch=ctx.ports.spool(), fields=fields, zone=zone)
        else:
            with replacing(input.output) as target:
                rows = file.export(target, fields=fields, zone=zone)
        with input.output.open("rb") as made:
            sha256 = hashlib.file_digest(made, "sha256").hexdigest()
        return {"name": input.name, "out": str(input.output), "rows": rows, "sha256": sha256}

    def apply(self, ctx: Context, input: ExportInput, loaded: None, prepared: dict[str, Any]) -> Outcome:
        """Record the digest."""
        note = {name: prepared[name] for name in ("name", "rows", "sha256")}
        return Outcome(prepared, subjects=[subject_of(input.name)], note=note)


class RemoveCapture(Action[NamedInput, None, dict[str, int]]):
    """Remove what a source told; the entries about it stay."""

    name = "telemetry.capture.remove"
    summary = "remove a capture's file"
    tags = frozenset({"administer"})
    input = NamedInput
    prepares = True
    local = True

    def prepare(self, ctx: Context, input: NamedInput, loaded: None) -> dict[str, int]:
        """Refuse one that is not there, or that runs."""
        path = schema.place(ctx.ports.data, ctx.tenant, input.name)
        if not path.is_file():
            raise NotFound(f"there is no capture {input.name!r}", remedy="list them with 'trueup telemetry capture list'")
        locked(path, input.name).close()
        return {"bytes": path.stat().st_size}

    def apply(self, ctx: Context, input: NamedInput, loaded: None, prepared: dict[str, int]) -> Outcome:
        """Record it."""
        note = {"name": input.name, **prepared}
        return Outcome(note, subjects=[subject_of(input.name)], note=note)

    def settled(self, ctx: Context, outcome: Outcome) -> None:
        """Remove the files."""
        path = schema.place(ctx.ports.data, ctx.tenant, str(outcome.value["name"]))
        for suffix in (".sqlite3-wal", ".sqlite3-shm", ".sqlite3", ".lock"):
            with suppress(OSError):
                path.with_suffix(suffix).unlink()


ACTIONS = (StartCapture, RecordCapture, ExportCapture, RemoveCapture)
