"""``trueup schedule``."""

import click

from trueup.kernel.doors import App, pass_store
from trueup.kernel.work.cli import document, when


@click.group()
def schedule() -> None:
    """Work that comes again: by cron line or interval, with a rule for runs that were missed."""


@schedule.command("list")
@pass_store
def list_schedules(app: App) -> None:
    """List schedules and when each fires next (UTC)."""
    from trueup.kernel.work import queries

    rows = queries.schedules(app.session.tenant)
    lines = [
        f"{r['name']:<24}  {r['kind']:<24}  {r['cron'] or 'every ' + str(r['every']) + ' s':<18}  "
        f"{'next ' + when(r['next_at']) if r['enabled'] else 'paused'}"
        for r in rows
    ]
    app.emit({"schedules": rows}, lines or "no schedules")


@schedule.command()
@click.argument("name")
@click.argument("kind")
@click.option("--cron", default="", help="Five fields: minute hour day month weekday.")
@click.option("--every", type=click.IntRange(0), default=0, help="Seconds between runs, instead of a cron line.")
@click.option("--jitter", type=click.IntRange(0), default=0, help="Put each run off by up to so many seconds.")
@click.option("--timezone", default="UTC", show_default=True, help="The zone of the cron line.")
@click.option(
    "--missed",
    type=click.Choice(["skip", "once", "all"]),
    default="once",
    show_default=True,
    help="What becomes of runs that nobody was there to fire (all: at most 100).",
)
@click.option("--args", "text", default="{}", help="JSON object, or @file.")
@click.option("--priority", type=click.IntRange(0, 9), default=5, show_default=True, help="0 is urgent.")
@click.option("--concurrency-key", default="", help="Jobs that share it run one at a time.")
@click.option("--paused", is_flag=True, help="Do not fire it until it is resumed.")
@pass_store
def put(
    app: App,
    name: str,
    kind: str,
    cron: str,
    every: int,
    jitter: int,
    timezone: str,
    missed: str,
    text: str,
    priority: int,
    concurrency_key: str,
    paused: bool,
) -> None:
    """Make a schedule, or replace it. Its jobs run with what you may do when they run."""
    from trueup.kernel.work.actions_schedules import PutSchedule

    value = app.run(
        PutSchedule,
        {
            "name": name,
            "kind": kind,
            "args": document(text, "--args"),
            "cron": cron,
            "every": every,
            "jitter": jitter,
            "timezone": timezone,
            "missed": missed,
            "enabled": not paused,
            "priority": priority,
            "concurrency_key": concurrency_key,
        },
    )
    app.emit(value, f"schedule {name} fires next at {when(value['next_at'])} UTC" if not paused else f"schedule {name} is paused")


@schedule.command()
@click.argument("name")
@pass_store
def pause(app: App, name: str) -> None:
    """Let a schedule fire no more until it is resumed."""
    from trueup.kernel.work.actions_schedules import PauseSchedule

    app.emit(app.run(PauseSchedule, {"name": name}), f"schedule {name} is paused")


@schedule.command()
@click.argument("name")
@pass_store
def resume(app: App, name: str) -> None:
    """Let a schedule fire again, from now on."""
    from trueup.kernel.work.actions_schedules import ResumeSchedule

    value = app.run(ResumeSchedule, {"name": name})
    app.emit(value, f"schedule {name} fires next at {when(value['next_at'])} UTC")


@schedule.command()
@click.argument("name")
@pass_store
def remove(app: App, name: str) -> None:
    """Remove a schedule; jobs that it made stay."""
    from trueup.kernel.work.actions_schedules import RemoveSchedule

    app.emit(app.run(RemoveSchedule, {"name": name}), f"schedule {name} is removed")
