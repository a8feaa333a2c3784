"""Writes a host sample as Parquet, whole or not at all."""

import errno
import shutil
import tempfile
from pathlib import Path

from trueup.domains.telemetry.sources.sample import HostSample
from trueup.domains.telemetry.sources.session import connect, identifier, is_full, literal, reason, storage_full
from trueup.kernel.errors import NotFound, UsageError
from trueup.kernel.files import replacing


def write_parquet(sample: HostSample, path: Path, *, scratch: Path | None = None) -> None:
    """Write a sample to ``path``: ``time_ms`` int64, every metric float64, missing cells null.

    ``path`` is never half-written, and an older file stays as it was when anything fails.

    Args:
        sample: what was sampled.
        path: the file.
        scratch: an existing folder for what is being made; default the file's own folder.

    Raises:
        NotFound: the folder does not exist.
        UsageError: ``path`` is a folder, or may not be written.
        StorageFull: no room is left.
    """
    if not path.parent.is_dir():
        raise NotFound(f"{path.parent}: no such folder", remedy="make it first")
    if path.is_dir():
        raise UsageError(f"{path}: is a folder", remedy="name a file")
    try:
        with tempfile.TemporaryDirectory(dir=scratch or path.parent, prefix=".host-sample-") as folder:
            part = Path(folder, "part")
            _copy(sample, part, Path(folder))
            with part.open("rb") as made, replacing(path) as target:
                shutil.copyfileobj(made, target)
    except OSError as error:
        if is_full(error):
            raise storage_full(path) from None
        raise UsageError(f"{path}: cannot be written ({error.strerror})", remedy="choose a place you may write to") from None


def _copy(sample: HostSample, part: Path, scratch: Path) -> None:
    names = {f"c{index}": name for index, name in enumerate(sample.columns)}
    frame = {"time_ms": sample.time_ms, **{short: sample.columns[name] for short, name in names.items()}}
    cells = ", ".join(
        f"case when isnan({short}) then null else {short} end as {identifier(name)}" for short, name in names.items()
    )
    notes = f"{{'rate': {literal(f'{sample.rate:g}')}, 'late': '{sample.late}', 'skipped': '{sample.skipped}'}}"
    with connect(scratch) as connection:
        import duckdb

        connection.register("frame", frame)
        try:
            connection.execute(
                f"copy (select time_ms{', ' if cells else ''}{cells} from frame) to {literal(str(part.absolute()))} "  # noqa: S608 - quoted by identifier() and literal()
                f"(format parquet, compression zstd, kv_metadata {notes})"
            )
        except duckdb.Error as error:
            raise OSError(errno.ENOSPC if is_full(error) else errno.EIO, reason(error)) from None
