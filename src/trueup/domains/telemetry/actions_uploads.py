"""Comparing files that came over the network: they are stored first, then compared by a job."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import Field

from trueup.domains.telemetry.actions import Compared, File, Wishes, compared, recorded
from trueup.kernel.actions.base import Action, Context, Input, Outcome
from trueup.kernel.actions.ports import JobRequest
from trueup.kernel.evidence.artifacts import Artifact, check_artifact

KIND = "telemetry.compare"


class StoredFile(Input):
    """A file that was uploaded: its digest, and what people call it."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    name: str = Field(pattern=r"^[^\x00-\x1f/\\]{1,200}$")


class CompareStoredInput(Wishes):
    """Two files that were uploaded."""

    baseline: StoredFile
    run: StoredFile


@contextmanager
def _copied(ctx: Context, files: tuple[StoredFile, StoredFile]) -> Iterator[tuple[File, File]]:
    """Give stored files as files, for the time of a ``with`` block.

    Raises:
        NotFound: one is not stored here.
        Damaged: one is no longer what was stored.
    """
    store = ctx.ports.artifacts
    spool = ctx.ports.spool()
    spool.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=spool, prefix=".uploads-", ignore_cleanup_errors=True) as folder:
        made = []
        for number, file in enumerate(files):
            check_artifact(store, ctx.tenant, file.sha256)
            path = Path(folder, f"{number}{''.join(Path(file.name).suffixes[-2:])}")
            with store.open(ctx.tenant, file.sha256) as source, path.open("wb") as out:
                shutil.copyfileobj(source, out)
            made.append(File(path, file.name))
        yield made[0], made[1]


class CompareStored(Action[CompareStoredInput, None, Compared]):
    """Compare two uploaded files and record the verdict."""

    name = "telemetry.comparison.run"
    summary = "compare two uploaded files and record the verdict"
    tags = frozenset({"operate", "analyse"})
    input = CompareStoredInput
    prepares = True

    def prepare(self, ctx: Context, input: CompareStoredInput, loaded: None) -> Compared:
        """Read, compare, draw; store what was made."""
        with _copied(ctx, (input.baseline, input.run)) as files:
            return compared(ctx, files, input)

    def apply(self, ctx: Context, input: CompareStoredInput, loaded: None, prepared: Compared) -> Outcome:
        """Record facts and entry."""
        return recorded(ctx, prepared)


class SubmitComparison(Action[CompareStoredInput, tuple[Artifact, Artifact], None]):
    """Have a job compare two uploaded files."""

    name = "telemetry.comparison.submit"
    summary = "have a job compare two uploaded files"
    tags = frozenset({"operate", "analyse"})
    input = CompareStoredInput

    def load(self, ctx: Context, input: CompareStoredInput) -> tuple[Artifact, Artifact]:
        """Find the files.

        Raises:
            NotFound: one is not stored here.
        """
        return _named(ctx, "baseline", input.baseline), _named(ctx, "run", input.run)

    def apply(self, ctx: Context, input: CompareStoredInput, loaded: tuple[Artifact, Artifact], prepared: None) -> Outcome:
        """Name the files in the entry, so that they are kept, and write the job."""
        args: dict[str, Any] = input.model_dump(mode="json")
        return Outcome({"submitted": True}, artifacts=loaded, jobs=[JobRequest(KIND, args, max_attempts=2)])


def _named(ctx: Context, role: str, file: StoredFile) -> Artifact:
    size = ctx.ports.artifacts.size(ctx.tenant, file.sha256)
    return Artifact(file.sha256, size, f"{role}-{file.name}", "application/octet-stream")


def keep(ctx: Context, source: Path | bytes, name: str) -> StoredFile:
    """Store an uploaded file; until an entry names it, ``trueup prune`` may forget it.

    Raises:
        StorageFull: there is no room.
    """
    found = ctx.ports.artifacts.put(ctx.tenant, source, name=name, media_type="application/octet-stream")
    return StoredFile(sha256=found.sha256, name=name)


def job_of(value: Any) -> UUID:
    """Return the job that a submission caused."""
    return UUID(value["jobs"][0])


ACTIONS = (CompareStored, SubmitComparison)
