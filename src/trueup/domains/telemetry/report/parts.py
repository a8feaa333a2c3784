"""The pieces a page is put together from."""

import re
from collections.abc import Iterable, Sequence

from trueup.domains.telemetry.report.markup import Node, Safe, figure, join, tag

_SMALLEST_Q = 1e-4


def mark() -> Safe:
    """Draw the product's mark."""
    return tag(
        "svg",
        tag("path", d="M3 17 L9 11 L13 15 L21 6", class_="stroke"),
        tag("circle", cx="21", cy="6", r="2.4"),
        viewBox="0 0 24 24",
        class_="mark-icon",
        aria_hidden="true",
    )


def section(name: str, heading: str, *content: Node, lead: str = "") -> Safe:
    """Build a section with its heading; ``name`` is unique on the page."""
    return tag(
        "section",
        tag("h2", heading, id=f"{name}-h"),
        tag("p", lead, class_="lead") if lead else None,
        *content,
        id=name,
        aria_labelledby=f"{name}-h",
    )


def pill(words: str, tone: str) -> Safe:
    """Build a coloured word."""
    return tag("span", words, class_=f"pill {tone}")


def facts(facts: Iterable[tuple[str, str]]) -> Safe:
    """List names and values."""
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in facts), class_="facts")


def label(name: str) -> str:
    """Write a key for a reader."""
    words = name.replace("_", " ").strip()
    return {"sha256": "SHA-256"}.get(words, words)


def q_words(value: float | None) -> str:
    """Write a p- or q-value on one line: the space in it does not break."""
    if value is None:
        return "not tested"
    return "<\u00a00.0001" if value < _SMALLEST_Q else figure(value)


# Roles are written out because a table that a narrow screen lays out as blocks is no table to a screen reader any more.
def table(
    caption: str, heads: Sequence[str], rows: Iterable[Sequence[Node]], *, class_: str = "", below: Sequence[Node] = ()
) -> Safe:
    """Build a table; the first cell of a row names it.

    Args:
        caption: what the table holds.
        heads: names of the columns.
        rows: the cells.
        class_: ``compact`` for close rows, ``stack`` for blocks on a narrow screen.
        below: for each row, what stands under it across the whole width.
    """
    head = tag("thead", _row(*(tag("th", one, scope="col", role="columnheader") for one in heads)), role="rowgroup")
    body: list[Safe] = []
    for place, cells in enumerate(rows):
        first = tag("th", cells[0], scope="row", role="rowheader")
        rest = [tag("td", cell, data_label=name, role="cell") for name, cell in zip(heads[1:], cells[1:], strict=True)]
        body.append(_row(first, *rest))
        if below:
            body.append(_row(tag("td", below[place], colspan=str(len(heads)), role="cell"), class_="below"))
    whole = tag("table", tag("caption", caption), head, tag("tbody", *body, role="rowgroup"), class_=class_ or None, role="table")
    return tag("div", whole, class_="scroll")


def _row(*cells: Node, class_: str | None = None) -> Safe:
    return tag("tr", *cells, role="row", class_=class_)


def breakable(name: str) -> Safe:
    """Let a long name break after an underscore, a dot or a slash and not in the middle of a word."""
    return join(*((part, Safe("<wbr>")) if part[-1:] in "_./" else part for part in re.split(r"(?<=[_./])", name) if part))
