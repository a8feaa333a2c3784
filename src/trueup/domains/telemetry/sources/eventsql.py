"""The SQL that normalises events: one pass over rows of text, with a small table of what becomes of each name and unit."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

from trueup.domains.telemetry.engine.normalise import LARGEST, Pair, Refusal, Rule
from trueup.domains.telemetry.sources.cells import NULL_WORDS
from trueup.domains.telemetry.sources.relation import value_sql
from trueup.domains.telemetry.sources.session import literal

if TYPE_CHECKING:
    import duckdb

_MOMENT = (
    r"^(\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)?)(?:Z|([+-])([01]\d|2[0-3]):?([0-5]\d))?$"  # RFC 3339, and less
)


class Clock(StrEnum):
    """How a file tells the time."""

    NONE = "none"
    INTEGER = "integer"
    NUMBER = "number"
    MOMENT = "moment"


def time_sql(clock: Clock) -> str:
    """Return the SQL of a time: numbers stay numbers, dates become UTC; null where it is neither."""
    match clock:
        case Clock.INTEGER:
            return "case when not contains(time, '.') and not contains(lower(time), 'e') and not contains(time, '_') then try_cast(time as bigint) end"
        case Clock.NUMBER:
            number = "case when not contains(time, '_') then try_cast(time as double) end"
            return f"case when isfinite({number}) then {number} end"
        case Clock.MOMENT:
            parts = f"regexp_extract(trim(time), {literal(_MOMENT)}, ['base', 'sign', 'hour', 'minute'])"
            minutes = "coalesce(try_cast(part.hour as bigint), 0) * 60 + coalesce(try_cast(part.minute as bigint), 0)"
            shift = f"to_minutes((case part.sign when '-' then -1 else 1 end) * ({minutes}))"
            return (
                f"(select case when moment between timestamp '0001-01-01' and timestamp '9999-12-31 23:59:59.999999' then moment end "  # noqa: S608 - quoted
                f"from (select try_cast(part.base as timestamp) - {shift} as moment from (select {parts} as part)))"
            )
        case Clock.NONE:
            return "cast(null as bigint)"


def missing_sql() -> str:
    """Return the SQL that tells whether a value is missing: empty, or a word for it."""
    words = ", ".join(literal(word) for word in NULL_WORDS)
    return f"case when value is null then true when length(value) <= 8 then list_contains([{words}], trim(value)) else false end"


def pairs_sql(rows: str) -> str:
    """Return the SQL of the distinct names and units: events, missing ones, and of wide columns the numbers."""
    return (
        f"select metric, unit, wide, count(*), count(*) filter ({missing_sql()}), "  # noqa: S608 - built here
        f"count(*) filter (wide and {value_sql('value')} is not null) from ({rows}) group by all order by all"
    )


def store_rules(connection: duckdb.DuckDBPyConnection, rules: Mapping[Pair, Rule | Refusal], left_out: frozenset[Pair]) -> None:
    """Make the table ``rule`` of what becomes of each name and unit."""
    connection.execute(
        "create or replace table rule(raw_name varchar, raw_unit varchar, metric varchar, label varchar, factor double, bias double, refused varchar)"
    )
    rows: list[list[str | float | None]] = []
    for pair, rule in rules.items():
        if pair in left_out:
            rows.append([*pair, None, None, None, None, "excluded"])
        elif isinstance(rule, Refusal):
            rows.append([*pair, None, None, None, None, rule.reason])
        else:
            rows.append([*pair, rule.metric, rule.unit, float(rule.line.factor), float(rule.line.offset), None])
    if rows:
        connection.executemany("insert into rule values (?, ?, ?, ?, ?, ?, ?)", rows)


def good_sql(rows: str, clock: Clock, *, timed: bool, tagged: bool) -> str:
    """Return the SQL of the normalised events, in the order of the file."""
    inner = (
        f"select {time_sql(clock)} as time, rule.metric as metric, {value_sql('value')} as raw, raw * rule.factor + rule.bias as value, "  # noqa: S608 - built here
        f"nullif(rule.label, '') as unit{', tags' if tagged else ''} from ({rows}) as event "
        "join rule on event.metric = rule.raw_name and event.unit = rule.raw_unit where rule.refused is null"
    )
    inside = f"abs(raw) <= {LARGEST!r} and abs(value) <= {LARGEST!r}{' and time is not null' if timed else ''}"
    return f"select time, metric, value, unit{', tags' if tagged else ''} from ({inner}) where {inside}"  # noqa: S608 - built here


def bad_sql(rows: str, clock: Clock, *, timed: bool) -> str:
    """Return the SQL of what is set aside: line, last, reason, name, unit, value, and whether the time was a number after all."""
    late = "try_cast(event.time as double)"
    reason = (
        "case when rule.refused is not null then rule.refused when raw is null then 'not_a_number' when not isfinite(raw) then 'not_finite' "
        f"when not (abs(raw) <= {LARGEST!r} and abs(made) <= {LARGEST!r}) then 'out_of_range' "
        f"{'when moment is null then ' + literal('bad_time') if timed else ''} end"
    )
    inner = (
        f"select event.line, event.last, event.metric as name, event.unit as sent, event.value as cell, rule, isfinite({late}) as number, "  # noqa: S608 - built here
        f"{time_sql(clock)} as moment, {value_sql('event.value')} as raw, raw * rule.factor + rule.bias as made from ({rows}) as event "
        f"join rule on event.metric = rule.raw_name and event.unit = rule.raw_unit where not ({missing_sql().replace('value', 'event.value')})"
    )
    return (
        f"select line, coalesce(last, line) as last, reason, name, sent, cell, coalesce(number, false) as number "  # noqa: S608 - built here
        f"from (select *, {reason} as reason from ({inner})) where reason is not null and reason <> 'excluded'"
    )
