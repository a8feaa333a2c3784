"""Exporting the log to a file."""

from pathlib import Path
from typing import Any

from trueup.kernel.actions.base import Action, Context, Input, Outcome
from trueup.kernel.errors import NotFound
from trueup.kernel.evidence import ledger
from trueup.kernel.evidence.engine import logfile, notes
from trueup.kernel.evidence.engine.encode import raw
from trueup.kernel.evidence.models import Checkpoint
from trueup.kernel.evidence.storecheck import leaves
from trueup.kernel.files import replacing


class ExportLogInput(Input):
    """Where the log goes."""

    out: Path


class ExportLog(Action[ExportLogInput, Checkpoint, dict[str, Any]]):
    """Write the whole log to one file that an auditor verifies in constant memory."""

    name = "evidence.log.export"
    summary = "write the whole log to a file"
    tags = frozenset({"audit", "operate"})
    input = ExportLogInput
    prepares = True
    local = True

    def load(self, ctx: Context, input: ExportLogInput) -> Checkpoint:
        """Sequence what is pending and fix the size."""
        last = ledger.sequence(ctx.tenant, ctx.ports.keys.signer())
        if last is None:
            raise NotFound("nothing has been recorded in this tenant yet")
        return last

    def prepare(self, ctx: Context, input: ExportLogInput, loaded: Checkpoint) -> dict[str, Any]:
        """Write entries and checkpoints in order."""
        name = ledger.origin(ctx.tenant)
        rows = Checkpoint.objects.filter(tenant=ctx.tenant, size__lte=loaded.size).order_by("size", "id")
        known = {mark: ctx.ports.keys.public_key(mark) for mark in ctx.ports.keys.trusted_fingerprints()}
        hashes = {notes.note_key_hash(name, raw): notes.vkey(name, raw) for raw in known.values()}
        vkeys = {hashes[h] for row in rows for _, h, _ in notes.split_note(row.note)[1] if h in hashes}
        checkpoints = rows.iterator(chunk_size=1000)
        following = next(checkpoints, None)
        counted = {"entries": 0, "checkpoints": 0}
        with replacing(input.out) as file:
            file.write(logfile.header_line(name, vkeys))
            for index, hashed, _, body in leaves(ctx.tenant, loaded.size):
                file.write(logfile.entry_line(index, raw(hashed), raw(body)))
                counted["entries"] += 1
                while following is not None and following.size == index + 1:
                    file.write(logfile.checkpoint_line(following.note))
                    counted["checkpoints"] += 1
                    following = next(checkpoints, None)
            file.write(logfile.closing_line(loaded.size, raw(loaded.root)))
        return {"out": str(input.out), "size": loaded.size, **counted}

    def apply(self, ctx: Context, input: ExportLogInput, loaded: Checkpoint, prepared: dict[str, Any]) -> Outcome:
        """Record the export."""
        return Outcome(prepared, note={"size": loaded.size})
