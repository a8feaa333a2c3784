"""``trueup worker`` and ``trueup job``."""

import json
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from trueup.kernel.doors import App, leave, pass_app, pass_store
from trueup.kernel.errors import UnreadableInput, UsageError
from trueup.kernel.logs import configure
from trueup.kernel.words import ExitCode

STATES = ("queued", "running", "done", "failed", "dead", "cancelled")


def document(text: str, what: str) -> dict[str, Any]:
    """Return the JSON object of an option: the text itself, or ``@file``.

    Raises:
        UnreadableInput: there is no such file.
        UsageError: it is no JSON object.
    """
    if text.startswith("@"):
        try:
            text = Path(text[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            raise UnreadableInput(f"cannot read {text[1:]}: {exc}") from None
    try:
        found = json.loads(text)
    except ValueError as exc:
        raise UsageError(f"{what} is not JSON: {exc}") from None
    if not isinstance(found, dict):
        raise UsageError(f"{what} is no JSON object", remedy='write {"name": value}')
    return found


def identifier(text: str) -> UUID:
    """Return a job's id.

    Raises:
        UsageError: it is none.
    """
    try:
        return UUID(text)
    except ValueError:
        raise UsageError(f"{text!r} is no job's id", remedy="list them with 'trueup job list'") from None


def cancel_job(app: App, id: str) -> None:
    """Cancel a job, and say how it stands now."""
    from trueup.kernel.work.actions import CancelJob

    value = app.run(CancelJob, {"id": identifier(id)})
    app.emit(value, f"job {value['job']} {'was asked to stop' if value['asked'] else 'is cancelled'}")


def replay_job(app: App, id: str) -> None:
    """Queue a job again, and say how it ended before."""
    from trueup.kernel.work.actions import ReplayJob

    value = app.run(ReplayJob, {"id": identifier(id)})
    app.emit(value, f"job {value['job']} is queued; it was {value['was']}")


@click.command()
@click.option("--concurrency", type=click.IntRange(1, 64), default=4, show_default=True, help="Handlers that run at once.")
@click.option("--once", is_flag=True, help="Do one batch and end.")
@click.option("--drain", is_flag=True, help="End when nothing is due any more.")
@click.option("--only", "slugs", multiple=True, metavar="TENANT", help="Do the jobs of this tenant alone; may be repeated.")
@click.option("--lease", type=click.FloatRange(1, 3600), default=30.0, show_default=True, help="Seconds until others take over.")
@click.option(
    "--grace", type=click.FloatRange(0, 3600), default=10.0, show_default=True, help="Seconds that jobs get at the end."
)
@click.option("--job", "job_id", hidden=True, help="Do this one job in this process, for a worker that waits for it.")
@click.option("--fence", type=int, default=0, hidden=True)
@click.option("--answer", "pipe", type=int, default=-1, hidden=True)
@pass_store
def worker(
    app: App,
    concurrency: int,
    once: bool,
    drain: bool,
    slugs: tuple[str, ...],
    lease: float,
    grace: float,
    job_id: str | None,
    fence: int,
    pipe: int,
) -> None:
    """Do jobs, fire schedules, hand on events; until SIGTERM or Ctrl-C, which let running jobs end or give them back."""
    configure()
    if job_id is not None:
        from trueup.kernel.work.child import do_job

        do_job(app.session.installation, identifier(job_id), fence, pipe)
        return
    if once and drain:
        raise UsageError("--once and --drain exclude each other", remedy="give one of the two")
    from trueup.kernel.work.worker import Until, Worker

    installation = app.session.installation
    tenants = [installation.tenant(slug) for slug in slugs]
    made = Worker(installation, concurrency=concurrency, tenants=tenants, lease=lease)
    until = Until.ONCE if once else Until.DRAINED if drain else Until.STOPPED
    app.say(f"worker {made.id} with {concurrency} slots")
    interrupted = _stopped_by_signals(lambda: made.ask_to_stop(grace=grace))
    ended = made.run(until)
    app.emit({"worker": str(made.id), "ended": ended}, f"{ended} jobs ended")
    if interrupted():
        leave(ExitCode.INTERRUPTED)


def _stopped_by_signals(stop: Callable[[], None]) -> Callable[[], bool]:
    """Have SIGTERM and SIGINT stop a worker; the function returned tells whether it was SIGINT."""
    seen: list[int] = []

    def handle(number: int, _: Any) -> None:
        seen.append(number)
        stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)
    return lambda: signal.SIGINT in seen


@click.group()
def job() -> None:
    """Durable work: ask for it, look at it, cancel it, try it again."""


@job.command()
@click.argument("kind")
@click.option("--args", "text", default="{}", help="JSON object, or @file.")
@click.option("--key", help="The same key again is the same job.")
@click.option("--priority", type=click.IntRange(0, 9), default=5, show_default=True, help="0 is urgent.")
@click.option("--concurrency-key", default="", help="Jobs that share it run one at a time.")
@click.option("--not-before", help="Earliest start (ISO 8601 with a zone).")
@click.option("--max-attempts", type=click.IntRange(1, 100), help="Tries before it becomes a dead letter.")
@pass_store
def submit(
    app: App,
    kind: str,
    text: str,
    key: str | None,
    priority: int,
    concurrency_key: str,
    not_before: str | None,
    max_attempts: int | None,
) -> None:
    """Ask for a job."""
    from trueup.kernel.work.actions import SubmitJobs

    item = {
        "args": document(text, "--args"),
        "key": key,
        "priority": priority,
        "concurrency_key": concurrency_key,
        "not_before": not_before,
        "max_attempts": max_attempts,
    }
    value = app.run(SubmitJobs, {"kind": kind, "jobs": [item]})
    app.emit(value, f"job {value['jobs'][0]}")


@job.command("list")
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Only these; may be repeated.")
@click.option("--kind", default="", help="Only this kind.")
@click.option("--key", default="", help="Only the job of this key.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@click.option("--after", default="", help="The cursor that the page before gave.")
@pass_store
def list_jobs(app: App, states: tuple[str, ...], kind: str, key: str, limit: int, after: str) -> None:
    """List jobs, the newest first, and how many there are in each state."""
    from trueup.kernel.work import queries

    tenant = app.session.tenant
    page = queries.jobs(tenant, states=states, kind=kind, key=key, after=after, limit=limit)
    counts = queries.counts(tenant)
    lines = [f"{'job':<36}  {'state':<9}  {'kind':<24}  {'tries':>5}  {'created':<19}  error"]
    lines += [_line(row) for row in page["jobs"]]
    lines.append("  ".join(f"{state} {count}" for state, count in counts.items() if count) or "no jobs")
    if page["next"]:
        lines.append(f"more: --after {page['next']}")
    app.emit({**page, "counts": counts}, lines)


def _line(row: Mapping[str, Any]) -> str:
    state = "stopping" if row["cancel_asked"] and row["state"] == "running" else row["state"]
    tries = f"{row['attempts']}/{row['max_attempts']}"
    return f"{row['id']:<36}  {state:<9}  {row['kind']:<24}  {tries:>5}  {when(row['created_at'])}  {row['error'][:60]}".rstrip()


def when(text: str | None) -> str:
    """Return a stored moment to the second, for tables."""
    return text[:19].replace("T", " ") if text else "-"


@job.command()
@click.argument("id")
@pass_store
def show(app: App, id: str) -> None:
    """Show a job and all that happened to it."""
    from trueup.kernel.work import queries

    row = queries.job(app.session.tenant, identifier(id))
    skipped = ("events", "args", "result")
    lines = [f"{name:<16} {value}" for name, value in row.items() if name not in skipped and value not in (None, "")]
    lines += [f"{'args':<16} {json.dumps(row['args'])}", f"{'result':<16} {json.dumps(row['result'])}"]
    app.emit(row, [*lines, *map(_event, row["events"])])


def _event(row: Mapping[str, Any]) -> str:
    return f"{when(row['at'])}  {row['what']:<8}  {row['words']}".rstrip()


@job.command()
@click.argument("id")
@click.option("--after", type=int, default=0, help="Only lines behind this number.")
@pass_store
def logs(app: App, id: str, after: int) -> None:
    """Show what a job logged and what happened to it."""
    from trueup.kernel.work import queries

    found = identifier(id)
    queries.job(app.session.tenant, found)
    rows = queries.events(app.session.tenant, found, after=after)
    app.emit({"job": str(found), "events": rows}, [_event(row) for row in rows] or "nothing yet")


@job.command()
@click.argument("id")
@pass_store
def cancel(app: App, id: str) -> None:
    """Cancel a job; one that runs is asked to stop, and can record nothing any more."""
    cancel_job(app, id)


@job.command()
@click.argument("id")
@pass_store
def replay(app: App, id: str) -> None:
    """Try a job again that failed, died or was cancelled."""
    replay_job(app, id)


@job.command()
@click.option("--older-than", "days", type=click.IntRange(0), default=30, show_default=True, help="Days since they ended.")
@click.option("--dry-run", is_flag=True, help="Only say how many there are.")
@pass_store
def prune(app: App, days: int, dry_run: bool) -> None:
    """Remove the rows of jobs that ended long ago; dead letters and the ledger stay."""
    from trueup.kernel.work.actions import PruneJobs

    value = app.run(PruneJobs, {"older_than_days": days, "dry_run": dry_run})
    verb = "would go" if dry_run else "are gone"
    app.emit(value, f"{value['jobs']} jobs and {value['events']} events {verb}")


@job.command()
@click.argument("running", type=click.IntRange(1, 10_000))
@pass_store
def limit(app: App, running: int) -> None:
    """Set how many jobs of the tenant run at once, over all workers."""
    from trueup.kernel.work.actions import SetLimit

    app.emit(app.run(SetLimit, {"running": running}), f"at most {running} jobs of this tenant run at once")


@job.command()
@pass_store
def workers(app: App) -> None:
    """List the processes that work."""
    from trueup.kernel.work import queries

    rows = queries.workers()
    lines = [
        f"{r['id']}  {r['host']}:{r['pid']}  {r['state']:<8}  {r['busy']}/{r['slots']} busy  {r['ended']} ended  {when(r['seen'])}"
        for r in rows
    ]
    app.emit({"workers": rows}, lines or "no workers")


@job.command()
@pass_app
def kinds(app: App) -> None:
    """List the kinds of jobs, and which may be asked for."""
    app.product.actions()
    from trueup.kernel.work import queries

    rows = queries.kinds()
    lines = [f"{r['kind']:<32}  {'may be asked for' if r['submittable'] else 'by actions alone'}" for r in rows]
    app.emit({"kinds": rows}, lines)
