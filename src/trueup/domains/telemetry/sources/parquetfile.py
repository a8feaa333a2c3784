"""Parquet: types are in the file; only what is not a number has to be told apart."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trueup.domains.telemetry.sources.relation import Field, Relation, cell_sql, kind_sql
from trueup.domains.telemetry.sources.session import exact_path, identifier, reason
from trueup.kernel.errors import UnreadableInput

if TYPE_CHECKING:
    import duckdb

_NUMBERS = frozenset(
    [
        "TINYINT",
        "SMALLINT",
        "INTEGER",
        "BIGINT",
        "HUGEINT",
        "UTINYINT",
        "USMALLINT",
        "UINTEGER",
        "UBIGINT",
        "UHUGEINT",
        "FLOAT",
        "DOUBLE",
    ]
)
_ZONED = "TIMESTAMP WITH TIME ZONE"
_BATCH = 8
_REMEDY = "write the file again; a Parquet file is complete only once its writer was closed"


def read_parquet(connection: duckdb.DuckDBPyConnection, path: Path, *, named: str) -> Relation:
    """Open a Parquet file in place; its columns are read when they are asked for.

    Integers and decimals beyond 2^53 are compared at double precision, booleans as 0 and 1.

    Raises:
        UnreadableInput: not a whole Parquet file, or two columns of one name.
    """
    import duckdb

    source = f"read_parquet({exact_path(path)}, hive_partitioning=false)"
    try:
        described = connection.execute(f"describe select * from {source}").fetchall()  # noqa: S608 - quoted
        names = _names(connection, path) or [row[0] for row in described]
        counted = connection.execute(f"select count(*) from {source}").fetchone()  # noqa: S608 - quoted
    except duckdb.Error as error:
        raise UnreadableInput(f"{named}: is not a whole Parquet file ({reason(error)})", remedy=_REMEDY) from None
    if len(names) != len(described):
        names = [row[0] for row in described]
    if len(set(names)) != len(names):
        double = next(name for name in names if names.count(name) > 1)
        raise UnreadableInput(f"{named}: two columns are called {double!r}", remedy="give every column its own name")
    fields = [_field(name, row[0], str(row[1])) for name, row in zip(names, described, strict=True)]
    rows = int(counted[0]) if counted else 0
    return Relation(connection, source, fields, rows, named=named, batch=_BATCH)


def _names(connection: duckdb.DuckDBPyConnection, path: Path) -> list[str]:
    """Return the top-level names as written: the reader renames those that differ only in case."""
    rows = connection.execute(f"select name, coalesce(num_children, 0) from parquet_schema({exact_path(path)})").fetchall()  # noqa: S608 - quoted
    names: list[str] = []
    waiting = 0
    for name, children in rows[1:]:
        if waiting:
            waiting += children - 1
            continue
        names.append(name)
        waiting = children
    return names


def _field(name: str, alias: str, kind: str) -> Field:
    cell = identifier(alias)
    base = kind.split("(", 1)[0].strip()
    if kind.endswith("]") or base in {"STRUCT", "MAP", "UNION", "LIST", "JSON", "VARIANT"}:
        return Field(name, cell, excluded="nested values")
    if base in _NUMBERS or base == "DECIMAL":
        return Field(name, f"cast({cell} as double)")
    if base == "BOOLEAN":
        return Field(name, f"cast(cast({cell} as integer) as double)")
    if base in {"VARCHAR", "ENUM"}:
        text = f"cast({cell} as varchar)"
        return Field(name, cell_sql(text), kind_sql(text))
    if base.startswith(("TIMESTAMP", "DATE")):
        moment = cell if base == _ZONED else f"cast({cell} as timestamp)"
        return Field(name, f"cast(epoch_us({moment}) as double)", excluded=f"time column (by type, {base.lower()})", clock=True)
    if base.startswith(("TIME", "INTERVAL")):
        return Field(name, cell, excluded=f"time column (by type, {base.lower()})")
    return Field(name, cell, excluded=f"not a number ({base.lower()})")
