"""Opens recorded runs: their data is copied out of the artifacts, checked byte for byte, and read from the copy."""

import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from trueup.domains.telemetry.engine.views import Mapped, Pooled, Source
from trueup.domains.telemetry.sources.sheetname import parted
from trueup.domains.telemetry.sources.tabular import open_table
from trueup.kernel.errors import Damaged
from trueup.kernel.evidence.artifacts import CHUNK, ArtifactStore


@dataclass(frozen=True, slots=True)
class StoredRun:
    """What has to be known to open a run: its name, its data, and how its columns are to be read."""

    name: str
    sha256: str
    file_name: str
    mapping: Mapping[str, Mapping[str, Any]]

    @property
    def sources(self) -> dict[str, Source]:
        """The mapping as the engine knows it."""
        return {name: Source(**source) for name, source in self.mapping.items()}


@contextmanager
def open_runs(store: ArtifactStore, tenant: UUID, runs: Sequence[StoredRun], *, spool: Path) -> Iterator[Pooled]:
    """Open one run, or several as one table, for the time of a ``with`` block.

    Args:
        store: the artifacts.
        tenant: whose they are.
        runs: at least one.
        spool: where copies may lie; they are gone when the block ends.

    Raises:
        NotFound: the data of a run was erased.
        Damaged: the data of a run is no longer what was recorded.
    """
    spool.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=spool, prefix=".runs-", ignore_cleanup_errors=True) as folder, ExitStack() as stack:
        tables = []
        for number, run in enumerate(runs):
            place = Path(folder, str(number))
            place.mkdir()
            name, sheet = parted(run.file_name)
            copy = place / f"data{''.join(Path(name).suffixes[-2:])}"
            _copy(store, tenant, run, copy)
            tables.append(Mapped(stack.enter_context(open_table(copy, workdir=place, sheet=sheet)), run.sources))
        yield Pooled(tables)


def _copy(store: ArtifactStore, tenant: UUID, run: StoredRun, target: Path) -> None:
    digest = hashlib.sha256()
    with store.open(tenant, run.sha256) as source, target.open("wb") as out:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            out.write(chunk)
    if digest.hexdigest() != run.sha256:
        raise Damaged(f"the data of run {run.name} is not what was recorded", remedy="trueup evidence log verify")
