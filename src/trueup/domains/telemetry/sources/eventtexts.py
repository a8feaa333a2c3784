"""Reads values out of lines of text by a schema's patterns, with RE2: in time linear in the text, whatever the pattern."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trueup.domains.telemetry.engine.normalise_schema import Pattern, Schema
from trueup.domains.telemetry.sources.session import connect, literal, reason
from trueup.kernel.errors import UnreadableInput

if TYPE_CHECKING:
    import duckdb

MAX_TEXT = 8192
_HOLE = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class PatternTexts:
    """What a schema knows of topics and of lines of text.

    Args:
        schema: the schema.
        connection: a session of its own.
    """

    schema: Schema
    connection: duckdb.DuckDBPyConnection

    def name_of(self, topic: str, metric: str) -> str:
        """Return what a value of a topic is called; a bare value that nobody names is called as its topic."""
        return self.schema.name_of(topic, metric) or topic

    def read(self, texts: list[str]) -> list[list[tuple[str, str, str]]] | None:
        """Return the (metric, value, unit) that each text holds, in the order of patterns and groups; None without patterns.

        Of a text longer than 8192 characters the beginning is read.
        """
        if not self.schema.patterns:
            return None
        found: list[list[tuple[str, str, str]]] = [[] for _ in texts]
        cut = [text[:MAX_TEXT] for text in texts]
        for pattern in self.schema.patterns:
            rows = self.connection.execute(_sql(pattern), [cut]).fetchall()
            for held, (groups,) in zip(found, rows, strict=True):
                if groups is not None:
                    held.extend(_values(pattern, dict(zip(pattern.groups, groups.values(), strict=True))))
        return found


@contextmanager
def texts_of(schema: Schema, scratch: Path) -> Iterator[PatternTexts]:
    """Open what a schema knows of texts.

    Raises:
        UnreadableInput: a pattern that RE2 does not take; it names file, line and field.
    """
    folder = scratch / "texts"
    folder.mkdir()
    with connect(folder) as connection:
        import duckdb

        for pattern in schema.patterns:
            try:
                connection.execute(_sql(pattern), [["tried"]]).fetchall()
            except duckdb.Error as error:
                raise UnreadableInput(
                    f"{pattern.place}: is no pattern of RE2 ({reason(error)})",
                    remedy="leave out look-arounds and back-references, which cannot be matched in linear time",
                ) from None
        yield PatternTexts(schema, connection)


def _sql(pattern: Pattern) -> str:
    names = ", ".join(f"'g{index}'" for index in range(len(pattern.groups)))
    text = literal(pattern.pattern)
    return f"select case when regexp_matches(t, {text}) then regexp_extract(t, {text}, [{names}]) end from (select unnest($1::varchar[]) as t)"  # noqa: S608 - quoted


def _values(pattern: Pattern, groups: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    groups.pop("", None)
    if pattern.metric:
        name = _HOLE.sub(lambda hole: groups[hole[1]], pattern.metric)
        yield name, groups["value"], groups.get("unit", "")
        return
    yield from ((name, value, "") for name, value in groups.items() if value)
