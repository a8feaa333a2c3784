"""A capture's values as Parquet, in flat memory."""

from datetime import tzinfo
from pathlib import Path
from shutil import copyfileobj

from trueup.domains.telemetry.sources.live.payload import Fields
from trueup.domains.telemetry.sources.live.reading import CaptureFile, Span
from trueup.domains.telemetry.sources.session import connect, faults, literal
from trueup.kernel.files import replacing

_COLUMNS = {
    "time": "timestamp",
    "received": "timestamp",
    "topic": "varchar",
    "metric": "varchar",
    "value": "varchar",
    "unit": "varchar",
    "sequence": "bigint",
    "raw": "boolean",
}


def to_parquet(file: CaptureFile, path: Path, *, scratch: Path, fields: Fields, zone: tzinfo, span: Span | None = None) -> int:
    """Write every value of a capture as one row, in the order in which it was stored, of a span by its time; return how many.

    ``time`` and ``received`` are timestamps in UTC; ``value`` is float64, null for one that is no number, whose text then
    stands in ``text``.

    Raises:
        StorageFull: no room is left.
        UsageError: the place cannot be written.
    """
    lines, made = scratch / f"{path.name}.jsonl", scratch / f"{path.name}.part"
    columns = ", ".join(f"{name}: {literal(kind)}" for name, kind in _COLUMNS.items())
    try:
        with lines.open("wb") as target:
            rows = file.export(target, fields=fields, zone=zone, span=span)
        with faults(path.name, path), connect(scratch) as connection:
            connection.execute(
                "copy (select time, received, topic, metric, try_cast(value as double) as value, "  # noqa: S608 - quoted by literal()
                "case when try_cast(value as double) is null then value end as text, unit, sequence, raw "
                f"from read_json({literal(str(lines.absolute()))}, format = 'newline_delimited', columns = {{{columns}}}, "
                f"maximum_object_size = 16777216)) to {literal(str(made.absolute()))} (format parquet, compression zstd)"
            )
        with made.open("rb") as part, replacing(path) as target:
            copyfileobj(part, target)
    finally:
        lines.unlink(missing_ok=True)
        made.unlink(missing_ok=True)
    return rows
