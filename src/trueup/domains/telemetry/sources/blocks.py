"""Blocks of rows: cut one run in two that saw the same conditions, and tell a run at rest from one with bursts."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from trueup.domains.telemetry.sources.session import connect, exact_path, literal
from trueup.domains.telemetry.sources.tabular import open_table
from trueup.kernel.errors import UsageError


def alternating_blocks(path: Path, folder: Path, *, rows: int) -> tuple[Path, Path]:
    """Write the even and the odd blocks of a Parquet file as two Parquet files.

    Args:
        path: the run.
        folder: where ``even-<name>`` and ``odd-<name>`` go.
        rows: rows of one block, at least 1.

    Raises:
        UsageError: blocks of no rows.
    """
    if rows < 1:
        raise UsageError(f"blocks of {rows} rows cannot be cut", remedy="choose at least 1")
    targets = (folder / f"even-{path.name}", folder / f"odd-{path.name}")
    with TemporaryDirectory(dir=folder, prefix=".blocks-") as name:
        scratch = Path(name)
        with connect(scratch, reads=path) as connection:
            for parity, target in enumerate(targets):
                part = scratch / str(parity)
                connection.execute(
                    f"copy (select * exclude (file_row_number) from read_parquet({exact_path(path)}, file_row_number = true) "  # noqa: S608 - quoted by exact_path() and literal()
                    f"where (file_row_number // {int(rows)}) % 2 = {parity} order by file_row_number) "
                    f"to {literal(str(part.absolute()))} (format parquet)"
                )
                part.replace(target)
    return targets


def unrest(path: Path, metric: str, *, rows: int, workdir: Path) -> float:
    """Return by how much a metric's greatest block mean exceeds its median block mean, in the metric's unit.

    Args:
        path: the run.
        metric: a numeric column.
        rows: rows of one block, at least 1.
        workdir: scratch folder.
    """
    with open_table(path, workdir=workdir) as table:
        values = table.column(metric).values
    whole = len(values) // rows
    if not whole:
        return 0.0
    means = values[: whole * rows].reshape(whole, rows).mean(axis=1)
    return float(means.max() - np.median(means))
