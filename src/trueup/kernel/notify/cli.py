"""``trueup alert`` and ``trueup sink``."""

import json
from typing import Any

import click

from trueup.kernel.doors import App, pass_store


@click.group()
def alert() -> None:
    """What somebody should look at."""


@alert.command("list")
@click.option("--all", "everything", is_flag=True, help="Resolved ones too.")
@click.option("--subject", default="", help="Only of this subject.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000))
@pass_store
def list_alerts(app: App, everything: bool, subject: str, limit: int) -> None:
    """List alerts, the newest first."""
    from trueup.kernel.notify import queries

    rows = queries.listing(app.session.tenant, live=not everything, subject=subject, limit=limit)
    words = [f"{row['severity']:<8} {row['state']:<12} {row['subject']:<32} {row['title']}  ({row['alert']})" for row in rows]
    app.emit({"alerts": rows}, words or "no alerts")


@alert.command()
@click.argument("alert_id")
@pass_store
def show(app: App, alert_id: str) -> None:
    """Show one alert, and who was told of it."""
    from trueup.kernel.notify import queries

    found = queries.one(app.session.tenant, alert_id)
    words = [f"{found['title']}", f"  {found['severity']}, {found['state']}, {found['subject']}, by {found['rule']}"]
    words.append(f"  raised {found['count']} times, {found['opened_at']} to {found['last_at']}")
    words += [f"  {key}: {json.dumps(value)}" for key, value in found["detail"].items()]
    words += [f"  told {d['sink']} that it {d['told']}: {d['delivered_at'] or 'waits'}" for d in found["deliveries"]]
    app.emit(found, words)


@alert.command("raise")
@click.option("--rule", required=True, help="What noticed it, dotted (site.check).")
@click.option("--subject", required=True, help="What it is about.")
@click.option("--severity", default="warning", show_default=True, help="info, warning or critical.")
@click.option("--title", required=True, help="One sentence.")
@pass_store
def raise_alert(app: App, rule: str, subject: str, severity: str, title: str) -> None:
    """Raise an alert; one that is live already is counted."""
    from trueup.kernel.notify.actions import RaiseAlert

    value = app.run(RaiseAlert, {"rule": rule, "subject": subject, "severity": severity, "title": title})
    app.emit(value, f"alert {value['alert']} {value['state']} ({value['count']})")


def _change(app: App, action: Any, alert_id: str, comment: str) -> None:
    value = app.run(action, {"alert": alert_id, "comment": comment})
    app.emit(value, f"alert {value['alert']} {value['state']}")


@alert.command()
@click.argument("alert_id")
@click.option("--comment", default="", help="What you know.")
@pass_store
def acknowledge(app: App, alert_id: str, comment: str) -> None:
    """Say that somebody is looking at it."""
    from trueup.kernel.notify.actions import AcknowledgeAlert

    _change(app, AcknowledgeAlert, alert_id, comment)


@alert.command()
@click.argument("alert_id")
@click.option("--comment", default="", help="How it ended.")
@pass_store
def resolve(app: App, alert_id: str, comment: str) -> None:
    """Say that it is over."""
    from trueup.kernel.notify.actions import ResolveAlert

    _change(app, ResolveAlert, alert_id, comment)


@click.group()
def sink() -> None:
    """Where alerts are told."""


@sink.command("list")
@pass_store
def list_sinks(app: App) -> None:
    """List where alerts are told, and what waits."""
    from trueup.kernel.notify import queries

    rows = queries.sinks(app.session.tenant)
    words = [f"{r['name']:<20} {r['kind']:<8} {r['target']:<28} from {r['severity']}, {r['waiting']} waiting" for r in rows]
    app.emit({"sinks": rows}, words or "alerts are told nowhere: trueup sink put NAME --kind file --target alerts.jsonl")


@sink.command()
@click.argument("name")
@click.option("--kind", required=True, help="stdout (of the worker) or file.")
@click.option("--target", default="", help="For a file: its name (alerts.jsonl); it is kept in the home's outbox.")
@click.option("--severity", default="warning", show_default=True, help="From this severity upwards.")
@pass_store
def put(app: App, name: str, kind: str, target: str, severity: str) -> None:
    """Have alerts told somewhere."""
    from trueup.kernel.notify.actions import PutSink

    value = app.run(PutSink, {"name": name, "kind": kind, "target": target, "severity": severity})
    app.emit(value, f"sink {value['sink']}")


@sink.command()
@click.argument("name")
@pass_store
def remove(app: App, name: str) -> None:
    """Tell a place of alerts no more."""
    from trueup.kernel.notify.actions import RemoveSink

    value = app.run(RemoveSink, {"name": name})
    app.emit(value, f"sink {value['removed']} is gone")
