"""``trueup automation job``: ask for work on pages, look at it, cancel it, try it again."""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from trueup.domains.automation.agent import UNSANDBOXED as SETTING
from trueup.kernel.doors import App, leave, pass_store
from trueup.kernel.errors import UnreadableInput, UsageError
from trueup.kernel.words import ExitCode
from trueup.kernel.work.cli import cancel_job, document, identifier, replay_job, when
from trueup.kernel.work.cli import worker as work

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
STATES = ("queued", "running", "retry_wait", "completed", "failed", "cancelled", "timed_out", "denied")
BATCH = 100
UNSANDBOXED = "Start browsers without their sandbox where there is none; each run's evidence says so."
_EXIT: dict[str, ExitCode] = {"completed": ExitCode.OK, "failed": ExitCode.FAIL, "denied": ExitCode.REFUSED}
_NOT_KNOWN = ("TARGET_BLOCKED", "OUTCOME_UNKNOWN")
_LOOK = 0.2


def allow(*, unsandboxed: bool) -> None:
    """Let this process start browsers without a sandbox, where that was asked for."""
    if unsandboxed:
        os.environ[SETTING] = "1"


@click.command()
@click.option("--concurrency", type=click.IntRange(1, 64), default=4, show_default=True, help="Jobs that run at once.")
@click.option("--drain", is_flag=True, help="End when nothing is due any more.")
@click.option("--allow-unsandboxed", is_flag=True, help=UNSANDBOXED)
@click.pass_context
def worker(ctx: click.Context, concurrency: int, drain: bool, allow_unsandboxed: bool) -> None:
    """Do jobs, as `trueup worker` does, with a say in how browsers are started."""
    allow(unsandboxed=allow_unsandboxed)
    ctx.invoke(work, concurrency=concurrency, drain=drain)


@click.group()
def job() -> None:
    """Jobs on pages: each is decided about at every hop, done once, and leaves its evidence."""


@job.command()
@click.argument("url", required=False)
@click.option("--type", "job_type", default="navigate_extract", show_default=True, help="What is done; 'fetch' needs no browser.")
@click.option("--strategy", default="vanilla", show_default=True, help="The tier that is asked for.")
@click.option("--payload", default="{}", help="What the type takes: a JSON object, or @file.")
@click.option("--steps", "steps", type=FILE, help="Steps to perform, as YAML or JSON: the type is then 'steps'.")
@click.option("--file", "batch", type=FILE, help="Jobs to ask for, one JSON object a line, instead of one URL.")
@click.option("--key", help="The same key again is the same job.")
@click.option("--priority", type=click.IntRange(0, 9), default=5, show_default=True, help="0 is urgent.")
@click.option(
    "--timeout", "seconds", type=click.IntRange(1, 3600), default=300, show_default=True, help="Seconds that it may take."
)
@click.option("--profile", default="", help="Declared device: desktop, phone, tablet-dark, …")
@click.option("--session", default="", help="Name of a kept session to begin with, and to keep.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the pauses of quiet tiers.")
@click.option("--light", is_flag=True, help="Leave out pictures, sounds and fonts.")
@click.option("--repeatable", is_flag=True, help="What changes something may be sent again after a crash.")
@click.option("--not-before", help="Earliest start (ISO 8601 with a zone).")
@click.option("--wait", is_flag=True, help="Do what is due in this process, wait for the job's end, and show it.")
@click.option("--allow-unsandboxed", is_flag=True, help=UNSANDBOXED)
@pass_store
def submit(app: App, /, url: str | None, batch: Path | None, wait: bool, allow_unsandboxed: bool, **said: Any) -> None:
    """Ask for a job on URL, or for those of a file.

    With --wait the exit code says how it ended: 0 completed, 5 a rule refused it, 20 it failed, 30 it is not known (the
    target asks to be left alone, time ran out, it was cancelled).
    """
    if (url is None) == (batch is None):
        raise click.UsageError("give either a URL or --file")
    if allow_unsandboxed and not wait:
        raise click.UsageError("--allow-unsandboxed is for the process that starts browsers: give --wait, too")
    allow(unsandboxed=allow_unsandboxed)
    items = _batch(batch) if batch else [_item(url or "", **said)]
    found = _submitted(app, items)
    if not wait:
        app.emit({"jobs": found}, [f"job {id}" for id in found])
        return
    _done_here(app)
    rows = [_ended(app, id) for id in found]
    app.emit(rows[0] if url else {"jobs": rows}, [line for row in rows for line in shown(row)])
    code = max((exit_of(row) for row in rows), default=ExitCode.OK)
    if code is not ExitCode.OK:
        leave(code)


def _item(url: str, payload: str, steps: Path | None, seconds: int, **said: Any) -> dict[str, Any]:
    found = {"url": url, "payload": document(payload, "--payload"), "timeout_seconds": seconds, **said}
    if steps is not None:
        if found["payload"]:
            raise click.UsageError("give either --payload or --steps")
        found |= {"job_type": "steps", "payload": {"steps": _steps(steps)}}
    return found


def _steps(path: Path) -> Any:
    import yaml

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
        raise UnreadableInput(f"{path}: {exc}") from None
    steps = found.get("steps") if isinstance(found, dict) and set(found) == {"steps"} else found
    if not isinstance(steps, list):
        raise UnreadableInput(f"{path}: it holds no list of steps", remedy="write - action: navigate, and so on")
    return steps


def _batch(path: Path) -> list[dict[str, Any]]:
    items = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
        except ValueError as exc:
            raise UnreadableInput(f"{path}:{number}: {exc}") from None
        if not isinstance(item, dict):
            raise UnreadableInput(f"{path}:{number}: it is no JSON object", remedy='write {"url": "https://…"}')
        items.append(item)
    if not items:
        raise UsageError(f"{path} holds no jobs")
    return items


def _submitted(app: App, items: list[dict[str, Any]]) -> list[str]:
    from trueup.domains.automation.actions_jobs import SubmitJobs

    found: list[str] = []
    for at in range(0, len(items), BATCH):
        found += app.run(SubmitJobs, {"jobs": items[at : at + BATCH]})["jobs"]
    return found


def _done_here(app: App) -> None:
    """Do what is due, in this process."""
    from trueup.kernel.work.worker import Until, Worker

    Worker(app.session.installation, tenants=[app.session.tenant]).run(Until.DRAINED)


def _ended(app: App, id: str) -> dict[str, Any]:
    from trueup.domains.automation import jobqueries

    while True:
        row = jobqueries.job(app.session.tenant, identifier(id))
        if row["finished_at"] or row["state"] == "retry_wait":
            return row
        time.sleep(_LOOK)


def exit_of(row: Mapping[str, Any]) -> ExitCode:
    """Return the exit code of a job that ended."""
    if row["error"] and row["error"]["code"] in _NOT_KNOWN:
        return ExitCode.UNKNOWN
    return _EXIT.get(row["state"], ExitCode.UNKNOWN)


def shown(row: Mapping[str, Any]) -> list[str]:
    """Return a job as lines for people."""
    error = f"{row['error']['code']}: {row['error']['message']}" if row["error"] else ""
    lines = [f"job       {row['id']}", f"url       {row['url']}", f"state     {row['state']}  {error}".rstrip()]
    lines.append(f"tier      {row['strategy']} ({row['mode']})")
    lines += map(_attempt, row["executions"])
    if row["result"] is not None:
        lines.append(f"result    {json.dumps(row['result'], ensure_ascii=False)}")
    return lines


def _attempt(row: Mapping[str, Any]) -> str:
    kept = f"run {row['manifest']}; egress {row['egress']}"
    return f"attempt   {row['attempt']}: {row['ended']} after {row['elapsed_ms']} ms; {kept}"


@job.command("list")
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Only these; may be repeated.")
@click.option("--host", default="", help="Only jobs on this host.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@pass_store
def list_jobs(app: App, states: tuple[str, ...], host: str, limit: int) -> None:
    """List jobs, the newest first."""
    from trueup.domains.automation import jobqueries

    rows = jobqueries.listed(app.session.tenant, states=states, host=host, limit=limit)
    lines = [f"{'job':<36}  {'state':<10}  {'tier':<8}  {'type':<18}  {'created':<19}  url"]
    lines += [
        f"{r['id']:<36}  {r['state']:<10}  {r['strategy']:<8}  {r['job_type']:<18}  {when(r['created_at'])}  {r['url'][:80]}"
        for r in rows
    ]
    app.emit({"jobs": rows}, lines if rows else "no jobs")


@job.command()
@click.argument("id")
@pass_store
def show(app: App, id: str) -> None:
    """Show a job, its attempts and what happened to it."""
    from trueup.domains.automation import jobqueries

    row = jobqueries.job(app.session.tenant, identifier(id))
    events = [f"{when(one['at'])}  {one['what']:<9}  {one['words']}".rstrip() for one in row["events"]]
    app.emit(row, [*shown(row), *events])


@job.command()
@click.argument("id")
@pass_store
def egress(app: App, id: str) -> None:
    """Show every request of a job, and the rule that allowed or refused it."""
    from trueup.domains.automation import jobqueries

    rows = jobqueries.egress(app.session.context(), identifier(id))
    lines = [
        f"{'allowed' if r['allowed'] else 'REFUSED'}  {r['method']:<7} {r['status'] or '-'!s:<4} {r['url']!a}  {', '.join(r['rule_ids'])}"
        for r in rows
    ]
    app.emit({"hops": rows}, lines or "nothing left")


@job.command()
@click.argument("id")
@pass_store
def cancel(app: App, id: str) -> None:
    """Cancel a job; one that runs is ended within two seconds."""
    cancel_job(app, id)


@job.command()
@click.argument("id")
@pass_store
def retry(app: App, id: str) -> None:
    """Try a job again that failed, was refused or cancelled; look first whether what it changes was changed already."""
    replay_job(app, id)
