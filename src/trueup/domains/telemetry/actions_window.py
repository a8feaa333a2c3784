"""From a capture to a run in one step: a window of what was heard is taken in as it was stored."""

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pydantic import AwareDatetime, Field

from trueup.domains.telemetry import facts as known
from trueup.domains.telemetry import queries
from trueup.domains.telemetry.actions_live import NAME, file_of, subject_of
from trueup.domains.telemetry.actions_runs import SOURCE, IngestRun, IngestRunInput, RunInput, Taken
from trueup.domains.telemetry.sources.live.event import micros
from trueup.kernel.actions.base import Action, Context, Outcome
from trueup.kernel.errors import UsageError
from trueup.kernel.evidence.engine.fact import Fact
from trueup.kernel.words import Verdict

if TYPE_CHECKING:
    from trueup.domains.telemetry.sources.live.window import Window


class IngestCaptureInput(RunInput):
    """A capture, its window, and what is said about the run."""

    capture: str = Field(pattern=NAME)
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    lateness: float | None = Field(default=None, ge=0, le=31_536_000)
    zone: str = Field(default="UTC", max_length=100)
    sequence_field: str = Field(default="seq", max_length=200)


@dataclass(frozen=True, slots=True)
class Heard:
    """What a window hands to its transaction; nothing was taken where nothing is in it."""

    window: "Window"
    input: IngestRunInput | None = None
    taken: Taken | None = None


class IngestCapture(Action[IngestCaptureInput, None, Heard]):
    """Take in a window of a capture as a run; a window without events is NO_DATA and makes none."""

    name = "telemetry.run.ingest_capture"
    summary = "take in a window of a capture as a run"
    tags = frozenset({"operate"})
    input = IngestCaptureInput
    prepares = True
    local = True

    def check(self, ctx: Context, input: IngestCaptureInput, loaded: None) -> None:
        """Refuse a window that ends before it begins."""
        if input.since and input.until and input.until <= input.since:
            raise UsageError("the window ends before it begins", remedy="name a --to that is after --from")

    def prepare(self, ctx: Context, input: IngestCaptureInput, loaded: None) -> Heard:
        """Look at the window; write its values to a file, and read that as any run's."""
        from trueup.domains.telemetry.sources.live.build import timezone
        from trueup.domains.telemetry.sources.live.payload import Fields
        from trueup.domains.telemetry.sources.live.reading import Span
        from trueup.domains.telemetry.sources.live.toparquet import to_parquet
        from trueup.domains.telemetry.sources.live.window import window_of

        file, zone = file_of(ctx, input.capture), timezone(input.zone)
        bounds = {name: micros(at) for name, at in (("since", input.since), ("until", input.until)) if at is not None}
        lateness = None if input.lateness is None else round(input.lateness * 1e6)
        span = Span(**bounds, last=file.last(), lateness=lateness)
        window = window_of(file, span)
        if not window.events:
            return Heard(window)
        with TemporaryDirectory(dir=ctx.ports.spool(), prefix=".window-", ignore_cleanup_errors=True) as folder:
            path = Path(folder, f"{input.capture}.parquet")
            to_parquet(file, path, scratch=Path(folder), fields=Fields(sequence=input.sequence_field), zone=zone, span=span)
            said = input.model_dump(exclude={"capture", "since", "until", "lateness", "zone", "sequence_field"})
            said["name"] = input.name or f"{input.capture}-{window.first}-{window.last}"
            said["started_at"] = input.started_at or _moment(window.started)
            said["ended_at"] = input.ended_at or _moment(window.ended)
            run = IngestRunInput(**{**said, "path": path, "source": "capture"})
            return Heard(window, run, IngestRun().prepare(ctx, run, None))

    def apply(self, ctx: Context, input: IngestCaptureInput, loaded: None, prepared: Heard) -> Outcome:
        """Write the run with what is known of its window; of an empty one, write down that it was empty."""
        window = prepared.window.document()
        if prepared.input is None or prepared.taken is None:
            value = {"verdict": str(Verdict.NO_DATA), "findings": [], "window": window}
            return Outcome(value, subjects=[subject_of(input.capture)], note={"verdict": str(Verdict.NO_DATA), **window})
        outcome = IngestRun().apply(ctx, prepared.input, None, prepared.taken)
        subject = queries.subject(prepared.taken.name)
        found = (
            (known.CAPTURE, prepared.window.sha256),
            (known.DELIVERY, prepared.window.delivery),
            (known.LATE, prepared.window.late),
            (known.LOST, prepared.window.lost),
            (known.DEAD, prepared.window.dead_letters),
            (known.DUPLICATES, prepared.window.duplicates),
        )
        facts = [
            Fact(
                subject=subject,
                predicate=predicate.key,
                value=value,
                unit=predicate.unit,
                valid_at=ctx.now,
                recorded_at=ctx.now,
                source=SOURCE,
            )
            for predicate, value in found
        ]
        return replace(
            outcome,
            value={**outcome.value, "window": window},
            facts=[*outcome.facts, *facts],
            subjects=[*outcome.subjects, subject_of(input.capture)],
            note={**outcome.note, "window": window},
        )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


ACTIONS = (IngestCapture,)
