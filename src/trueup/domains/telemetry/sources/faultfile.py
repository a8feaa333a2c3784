"""Puts a fault into a recorded table and writes it in the form it was read; what is not hit keeps every character."""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfileobj
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine.inject import Dose, Fault, Injected, differs, inject, shifted_time, targets, time_scale
from trueup.domains.telemetry.engine.table import Table
from trueup.domains.telemetry.sources.events import head_of, kind_of
from trueup.domains.telemetry.sources.session import connect, exact_path, faults, identifier, literal
from trueup.domains.telemetry.sources.tabular import open_table
from trueup.kernel.errors import UnreadableInput, UsageError
from trueup.kernel.files import replacing

if TYPE_CHECKING:
    import duckdb

_FORMS = {"csv": (".csv", ".tsv", ".tab", ".txt"), "parquet": (".parquet", ".pq"), "jsonl": (".jsonl", ".ndjson", ".json")}
_MAX_CELLS = 200_000_000
_MEMORY_MIB = 256


@dataclass(frozen=True, slots=True)
class Hit:
    """What a fault changed.

    Args:
        metrics: columns it was put into; the clock's for a skewed one.
        start: the first row that could be hit, from 0.
        rows_in: data rows before.
        rows_out: data rows after.
        cells: values, times or heads that are different.
    """

    metrics: tuple[str, ...]
    start: int
    rows_in: int
    rows_out: int
    cells: int


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is different, with which cells."""

    injected: Injected
    before: Mapping[str, NDArray[np.float64]]
    clock: str = ""

    def hits(self) -> dict[str, NDArray[np.bool_]]:
        return {name: differs(self.before[name], values) for name, values in self.injected.columns.items()}


def inject_file(path: Path, output: Path, fault: Fault, *, metrics: Sequence[str], seed: int, dose: Dose, workdir: Path) -> Hit:
    """Put a fault into a file.

    Args:
        path: a wide table: CSV, TSV, Parquet or JSON lines.
        output: the file to write; in the form of the input.
        fault: which.
        metrics: columns to put it into; none for those that it makes sense for.
        seed: of everything that is drawn.
        dose: how much of it.
        workdir: an existing folder for what is being made.

    Raises:
        UnreadableInput: no such file, or no table.
        UsageError: it changes nothing, names no column, or the output is of another form, the input itself, or nowhere.
    """
    kind = kind_of(path)
    _refuse_output(path, output, kind)
    with open_table(path, workdir=workdir) as table:
        names = targets(fault, table.numeric, metrics)
        if table.rows * max(1, len(names)) > _MAX_CELLS:
            raise UsageError(f"{path}: more than {_MAX_CELLS} cells would change", remedy="name fewer columns with --metric")
        before = {name: _dense(table, name) for name in names}
        clock = next((item.name for item in table.excluded if item.reason.startswith("time column")), "")
        rows, taken = table.rows, {*table.numeric, *(item.name for item in table.excluded)}
    injected = inject(fault, before, rows, seed=seed, dose=dose)
    if injected.shifted is not None and not clock:
        raise UsageError(f"{path}: has no time column", remedy="choose another fault, or name the column ts")
    if clash := set(injected.renamed.values()) & taken:
        raise UsageError(f"{path}: there is already a column {min(clash)!r}", remedy="choose another --metric")
    plan = _Plan(injected, before, clock)
    cells = _cells(plan, rows)
    rows_out = rows if injected.repeats is None else int(injected.repeats.sum())
    if not cells and rows_out == rows:
        raise UsageError(
            f"{fault} changes nothing in {path}", remedy="choose other columns, an earlier --from, or a larger --scale"
        )
    with tempfile.TemporaryDirectory(dir=workdir, prefix=".inject-", ignore_cleanup_errors=True) as folder:
        part = Path(folder, "part")
        with faults(str(path), workdir):
            _WRITE[kind](path, part, plan, rows)
        with part.open("rb") as made, replacing(output) as target:
            copyfileobj(made, target, 1 << 20)
    return Hit((clock,) if injected.shifted is not None else names, injected.start, rows, rows_out, cells)


def _refuse_output(path: Path, output: Path, kind: str) -> None:
    if output.suffix.lower() not in _FORMS[kind]:
        raise UsageError(
            f"{output}: {path.name} is {kind}, and faults are written in the form of their input",
            remedy=f"name a {_FORMS[kind][0]} file",
        )
    if not output.absolute().parent.is_dir():
        raise UsageError(f"{output}: there is no such folder", remedy="make it first")
    if output.resolve() == path.resolve() or (output.exists() and output.samefile(path)):
        raise UsageError(f"{output}: is read and would be overwritten", remedy="choose another --output")


def _dense(table: Table, name: str) -> NDArray[np.float64]:
    data = table.column(name)
    if data.rows is None:
        return np.array(data.values, dtype=np.float64)
    dense = np.full(data.total, np.nan)
    dense[data.rows] = data.values
    return dense


def _cells(plan: _Plan, rows: int) -> int:
    injected = plan.injected
    count = sum(int(hit.sum()) for hit in plan.hits().values()) + len(injected.renamed)
    count += sum(int(np.isfinite(plan.before[name]).sum()) for name in injected.retyped) + rows * len(injected.dropped)
    return count + (0 if injected.shifted is None or not injected.seconds else int(injected.shifted.sum()))


def _repeats(plan: _Plan, rows: int) -> list[int]:
    return [1] * rows if plan.injected.repeats is None else plan.injected.repeats.tolist()


def _number(value: float) -> str:
    return "" if np.isnan(value) else repr(float(value))


def _comma(cell: str) -> str:
    return cell.replace(".", ",") if "." in cell else f"{cell},0"


def _write_csv(path: Path, part: Path, plan: _Plan, rows: int) -> None:
    with path.open("rb") as stream:
        delimiter, head = head_of(stream.read(1 << 18).removeprefix(b"\xef\xbb\xbf"), path)
    injected, hits, repeats = plan.injected, plan.hits(), _repeats(plan, rows)
    if absent := (set(plan.before) | ({plan.clock} if injected.shifted is not None else set())) - set(head):
        raise UnreadableInput(f"{path}: line 1: does not name the column {min(absent)!r}", remedy="give the file a header line")
    touched = {head.index(name): name for name in {*hits, *injected.retyped} if name in head}
    clock = head.index(plan.clock) if injected.shifted is not None else -1
    kept = [index for index, name in enumerate(head) if name not in injected.dropped]
    with path.open(encoding="utf-8-sig", newline="") as source, part.open("w", encoding="utf-8", newline="") as target:
        records = (record or [""] for record in csv.reader(source, delimiter=delimiter) if record or len(head) == 1)
        writer = csv.writer(target, delimiter=delimiter, lineterminator="\n")
        next(records, None)
        writer.writerow([injected.renamed.get(head[index], head[index]) for index in kept])
        for row, record in enumerate(_as_many(records, rows, path)):
            if not repeats[row]:
                continue
            for index, name in touched.items():
                if name in injected.retyped:
                    record[index] = _comma(record[index]) if np.isfinite(plan.before[name][row]) else record[index]
                elif hits[name][row]:
                    record[index] = _number(injected.columns[name][row])
            if clock >= 0 and injected.shifted is not None and injected.shifted[row]:
                record[clock] = _shifted(record[clock], injected.seconds, path)
            for _ in range(repeats[row]):
                writer.writerow([record[index] for index in kept])


def _as_many[T](records: Iterator[T], rows: int, path: Path) -> Iterator[T]:
    """Hand records on, and see that there are as many as the table has rows."""
    count = -1
    for count, record in enumerate(records):
        if count < rows:
            yield record
    if count + 1 != rows:
        raise UnreadableInput(
            f"{path}: its {count + 1} records are not the {rows} rows of the table", remedy="export it as plain CSV"
        )


def _shifted(cell: str, seconds: float, path: Path) -> str:
    moved = shifted_time(cell, seconds)
    if moved is None:
        raise UnreadableInput(f"{path}: {cell[:40]!r} is no time", remedy="write times as numbers or as 2026-01-31T12:00:00Z")
    return moved


def _write_jsonl(path: Path, part: Path, plan: _Plan, rows: int) -> None:
    repeats = _repeats(plan, rows)
    with path.open(encoding="utf-8-sig") as source, part.open("w", encoding="utf-8", newline="\n") as target:
        for row, line in enumerate(_as_many((text for text in source if text.strip()), rows, path)):
            if not repeats[row]:
                continue
            written = _json_line(line.rstrip("\r\n"), row, plan, path)
            target.write(f"{written}\n" * repeats[row])


def _json_line(line: str, row: int, plan: _Plan, path: Path) -> str:
    injected = plan.injected
    moved = injected.shifted is not None and bool(injected.shifted[row])
    hit = [
        name for name, values in injected.columns.items() if differs(plan.before[name][row : row + 1], values[row : row + 1])[0]
    ]
    if not (hit or moved or injected.renamed or injected.dropped or injected.retyped):
        return line
    body: dict[str, Any] = json.loads(line)
    for name in hit:
        value = float(injected.columns[name][row])
        holder, key = _held(body, name)
        holder[key] = None if np.isnan(value) else value
    for name in injected.retyped:
        holder, key = _held(body, name)
        if key in holder and np.isfinite(plan.before[name][row]):
            holder[key] = _comma(str(holder[key]))
    if moved:
        holder, key = _held(body, plan.clock)
        cell = _shifted(str(holder[key]), injected.seconds, path)
        holder[key] = cell if isinstance(holder[key], str) else json.loads(cell)
    for name in injected.dropped:
        holder, key = _held(body, name)
        holder.pop(key, None)
    return json.dumps(dict(_renamed(body, injected.renamed)), ensure_ascii=False, separators=(",", ":"))


def _held(body: dict[str, Any], name: str) -> tuple[dict[str, Any], str]:
    """Return the object that holds a flattened name, and its key there."""
    outer, dot, inner = name.partition(".")
    if name not in body and dot and isinstance(body.get(outer), dict):
        return body[outer], inner
    return body, name


def _renamed(body: Mapping[str, Any], renamed: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    for key, value in body.items():
        inner = {name.partition(".")[2]: new.partition(".")[2] for name, new in renamed.items() if name.partition(".")[0] == key}
        yield (
            renamed.get(key, key),
            {inner.get(part, part): held for part, held in value.items()} if isinstance(value, dict) else value,
        )


def _write_parquet(path: Path, part: Path, plan: _Plan, rows: int) -> None:
    injected = plan.injected
    order = np.repeat(np.arange(rows, dtype=np.int64), _repeats(plan, rows))
    frame: dict[str, NDArray[Any]] = {"position": np.arange(len(order), dtype=np.int64), "origin": order}
    hits = plan.hits()
    for index, (name, values) in enumerate(injected.columns.items()):
        frame |= {f"v{index}": values[order], f"h{index}": hits[name][order]}
    if injected.shifted is not None:
        frame["late"] = injected.shifted[order]
    with connect(part.parent, reads=path, memory_mib=_MEMORY_MIB) as connection:
        connection.register("frame", frame)
        read = f"read_parquet({exact_path(path)}, hive_partitioning=false, file_row_number=true)"
        cells = ", ".join(_parquet_cells(connection, read, plan))
        connection.execute(
            f"copy (select {cells} from frame join {read} as source on frame.origin = source.file_row_number order by frame.position) "  # noqa: S608 - quoted
            f"to {literal(str(part))} (format parquet, compression zstd)"
        )


def _parquet_cells(connection: duckdb.DuckDBPyConnection, read: str, plan: _Plan) -> Iterator[str]:
    injected = plan.injected
    numbers = {name: index for index, name in enumerate(injected.columns)}
    for name, kind, *_ in connection.execute(f"describe select * exclude (file_row_number) from {read}").fetchall():  # noqa: S608 - quoted
        cell = f"source.{identifier(name)}"
        if name in injected.dropped:
            continue
        if name in numbers:
            value = f"case when isnan(frame.v{numbers[name]}) then null else frame.v{numbers[name]} end"
            cell = f"case when frame.h{numbers[name]} then {value} else cast({cell} as double) end"
        elif name in injected.retyped:
            cell = f"replace(cast(cast({cell} as double) as varchar), '.', ',')"
        elif name == plan.clock and injected.shifted is not None:
            cell = _parquet_time(connection, read, cell, name, str(kind), injected.seconds)
        yield f"{cell} as {identifier(injected.renamed.get(name, name))}"


def _parquet_time(connection: duckdb.DuckDBPyConnection, read: str, cell: str, name: str, kind: str, seconds: float) -> str:
    if kind.startswith("TIMESTAMP"):
        return f"case when frame.late then {cell} + to_microseconds({round(seconds * 1e6)}) else {cell} end"
    if kind not in ("DOUBLE", "FLOAT") and "INT" not in kind:
        raise UnreadableInput(f"{name}: a time of the type {kind} cannot be moved", remedy="write times as numbers or timestamps")
    found = connection.execute(f"select max(abs({identifier(name)})) from {read}").fetchone()  # noqa: S608 - quoted
    step = seconds * time_scale(float(found[0] or 0) if found else 0.0)
    return f"case when frame.late then {cell} + {step if 'INT' not in kind else round(step)} else {cell} end"


_WRITE = {"csv": _write_csv, "jsonl": _write_jsonl, "parquet": _write_parquet}
