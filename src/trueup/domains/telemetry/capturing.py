"""One run of a source: listened to, made durable, told of, recorded."""

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from trueup.domains.telemetry.actions_live import RecordCapture, StartCapture, file_of, subject_of
from trueup.domains.telemetry.sources.live.build import Asked, build
from trueup.domains.telemetry.sources.live.capture import Capture
from trueup.domains.telemetry.sources.live.reading import CaptureFile
from trueup.domains.telemetry.sources.live.sink import Sink, State
from trueup.kernel.doors import App
from trueup.kernel.errors import TrueupError
from trueup.kernel.notify import queries
from trueup.kernel.notify.actions import RaiseAlert, ResolveAlert

RULE = "telemetry.capture.degraded"
GRACE_SECONDS = 5.0
RETRY_SECONDS = 2.0
SETTLED_SECONDS = 2.0


class Watch:
    """Keeps the alert about a capture in line with its state, also when the store could not take the alert at first.

    Args:
        app: by whom alerts are raised and resolved.
        name: of the capture.
    """

    def __init__(self, app: App, name: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._app, self._subject, self._monotonic = app, subject_of(name), monotonic
        self._wanted: str | None = None  # why it is degraded; empty: it is not
        self._told: str | None = None
        self._next = 0.0

    def changed(self, state: State, reason: str) -> None:
        """Hear of a change of state."""
        self._app.say(f"{state}: {reason}" if reason else str(state))
        self._wanted = reason
        # One that comes and goes is one alert: it is resolved when it has been well for a while, or at the end.
        self._next = self._monotonic() + SETTLED_SECONDS if state is State.LIVE and self._told else 0.0
        self.tick()

    def tick(self) -> None:
        """Raise or resolve what is still to be; call it now and then."""
        if self._wanted == self._told or self._wanted is None or self._monotonic() < self._next:
            return
        from django.db import DatabaseError

        try:
            if self._wanted:
                title = f"the capture is degraded: {self._wanted}"
                self._app.run(RaiseAlert, {"rule": RULE, "subject": self._subject, "severity": "warning", "title": title})
            else:
                self._resolve()
            self._told = self._wanted
        except (TrueupError, DatabaseError, OSError):
            self._told = None  # it may be half done
            self._next = self._monotonic() + RETRY_SECONDS  # the store's disk is full as well

    def _resolve(self) -> None:
        for row in queries.listing(self._app.session.tenant, subject=self._subject):
            if row["rule"] == RULE:
                self._app.run(ResolveAlert, {"alert": row["alert"], "comment": "the capture works again"})


class Stop:
    """Says when to stop: a signal, a deadline, or enough was taken."""

    def __init__(self, sink: Sink, seconds: float, watch: Watch, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._sink, self._watch, self._monotonic = sink, watch, monotonic
        self._deadline = monotonic() + seconds if seconds else float("inf")
        self.signal = ""

    def __call__(self) -> bool:
        """Whether the source is to stop."""
        self._watch.tick()
        return bool(self.signal) or self._sink.finished or self._monotonic() >= self._deadline

    @property
    def reason(self) -> str:
        """Why it stopped."""
        if self.signal:
            return self.signal
        if self._sink.finished:
            return "as many as were asked for"
        return "time is over" if self._monotonic() >= self._deadline else "the source ended"


@contextmanager
def _signals(stop: Stop) -> Iterator[None]:
    def asked(number: int, _frame: FrameType | None) -> None:
        stop.signal = signal.Signals(number).name

    before = {number: signal.signal(number, asked) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_capture(app: App, name: str, asked: Asked, *, seconds: float, limit: int) -> Mapping[str, Any]:
    """Listen to a source until it is stopped; return what was stored.

    Args:
        app: by whom.
        name: of the capture.
        asked: the source.
        seconds: how long; 0 for no end.
        limit: events after which it stops; 0 for no limit.

    Raises:
        Conflict: another process captures under this name.
        UsageError, Refused, ConfigurationError: the source cannot be had.
    """
    context = app.session.context()
    file = file_of(context, name)
    capture = Capture(file.path, tenant=context.tenant, name=name, kind=asked.kind)
    try:
        source = build(asked, capture.cursors(), tenant=context.tenant, name=name, told=lambda at: app.say(f"listening on {at}"))
        app.run(StartCapture, {"name": name, "kind": asked.kind, "where": asked.where})
        watch = Watch(app, name)
        sink = Sink(capture, limit=limit, changed=watch.changed)
        stop = Stop(sink, seconds, watch)
        with _signals(stop):
            try:
                source.run(sink, stop)
            finally:
                _drain(sink)
                reason = stop.reason
                sink.stopped()
        done = app.run(RecordCapture, {"name": name, "reason": reason})
    finally:
        capture.close()
    totals = sink.totals
    return {
        **done,
        "kind": asked.kind,
        "received": totals.received,
        "stored": totals.stored,
        "duplicates": totals.duplicates,
        "dead_letters": totals.dead,
        "not_stored": sink.pending,
    }


def _drain(sink: Sink) -> None:
    """Commit what is left; where that cannot be done soon, it is told as not stored."""
    until = time.monotonic() + GRACE_SECONDS
    while not sink.commit() and time.monotonic() < until:
        time.sleep(0.05)


def stand(app: App, file: CaptureFile) -> dict[str, Any]:
    """Return a capture's counters with its state: ``live``, ``degraded`` with the reason, or ``stopped``."""
    summary = file.summary()
    alerts = [row for row in queries.listing(app.session.tenant, subject=subject_of(file.name)) if row["rule"] == RULE]
    if not summary.pop("running"):
        state, reason = State.STOPPED, ""
    elif alerts:
        state, reason = State.DEGRADED, str(alerts[0]["title"])
    else:
        state, reason = State.LIVE, ""
    return {"state": str(state), "reason": reason, **summary}
