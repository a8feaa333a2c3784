"""A window of a capture: which events it holds, what is known to be missing from it, and their digest."""

from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

from trueup.domains.telemetry.sources.live.event import stamped
from trueup.domains.telemetry.sources.live.reading import CaptureFile, Span

_LOST = (
    "select coalesce(sum(high - low + 1 - held), 0) from "
    "(select min(sequence) as low, max(sequence) as high, count(distinct sequence) as held "
    "{inside} and sequence is not null group by topic, metric)"
)


@dataclass(frozen=True, slots=True)
class Window:
    """What a window of a capture holds.

    Args:
        capture: its name.
        events: how many.
        first: number of the first of them; 0 where there is none.
        last: number of the last.
        started: time of the earliest of them, RFC 3339; None where there is none.
        ended: time of the latest.
        late: events of its time that came later than was allowed; they are left out.
        lost: numbers that senders counted and that are not there, between the lowest and the highest of each topic.
        duplicates: messages of the whole capture that came once more and were not stored again.
        dead_letters: messages received in the window that could not be events.
        delivery: ``at-least-once`` where an event of it has no key by which it would be known again, else ``exactly-once``.
        sha256: over its events, as ``CaptureFile.digest`` has it.
    """

    capture: str
    events: int
    first: int
    last: int
    started: str | None
    ended: str | None
    late: int
    lost: int
    duplicates: int
    dead_letters: int
    delivery: str
    sha256: str

    def document(self) -> dict[str, Any]:
        """Return it as JSON-able values."""
        return asdict(self)


def window_of(file: CaptureFile, span: Span) -> Window:
    """Look at a window of a capture.

    Raises:
        NotFound: there is no such capture.
        Damaged: the file is none.
    """
    inside = f"from {span.events} where {span.within}"
    with closing(file.open()) as connection:
        events, first, last, started, ended, keyless = connection.execute(
            "select count(*), coalesce(min(seq), 0), coalesce(max(seq), 0), min(at), max(at), coalesce(sum(dedup is null), 0) "
            f"{inside} and not {span.late}"
        ).fetchone()
        (late,) = connection.execute(f"select count(*) {inside} and {span.late}").fetchone()
        (lost,) = connection.execute(_LOST.format(inside=inside)).fetchone()
        (dead,) = connection.execute(
            "select count(*) from dead where received >= ? and received < ?", (span.since, span.until)
        ).fetchone()
        (duplicates,) = connection.execute("select coalesce((select value from counter where name = 'duplicates'), 0)").fetchone()
    return Window(
        capture=file.name,
        events=events,
        first=first,
        last=last,
        started=None if started is None else stamped(started),
        ended=None if ended is None else stamped(ended),
        late=late,
        lost=lost,
        duplicates=duplicates,
        dead_letters=dead,
        delivery="at-least-once" if keyless else "exactly-once",
        sha256=file.digest_of(span),
    )
