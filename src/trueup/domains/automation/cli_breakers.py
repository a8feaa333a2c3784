"""``trueup automation breaker``: which hosts are left alone after failures, and changing that."""

import click

from trueup.kernel.doors import App, pass_store


@click.group()
def breaker() -> None:
    """Which hosts are left alone after failures."""


@breaker.command("list")
@pass_store
def list_breakers(app: App) -> None:
    """List breakers that are open, or that count failures."""
    from trueup.domains.automation import breakers

    rows = [
        {
            "authority": row.authority,
            "phase": row.phase,
            "failures": row.failures,
            "until": row.until,
            "forced": row.forced,
            "reason": row.reason,
        }
        for row in breakers.listed(app.session.tenant)
    ]
    words = [
        f"{row['authority']:<32} {row['phase']:<10} {row['failures']} failures"
        f"{', until it is reset' if row['forced'] else f', until {row["until"]:%Y-%m-%dT%H:%M:%SZ}' if row['until'] else ''}"
        f"  {row['reason']}"
        for row in rows
    ]
    app.emit({"breakers": rows}, words or "every breaker is closed")


@breaker.command("open")
@click.argument("authority")
@click.option("--reason", required=True, help="Why; it is kept.")
@pass_store
def open_breaker(app: App, authority: str, reason: str) -> None:
    """Leave AUTHORITY (host:port; without a port that of https) alone until it is reset."""
    from trueup.domains.automation.actions_breakers import OpenBreaker

    value = app.run(OpenBreaker, {"authority": authority, "reason": reason})
    app.emit(value, f"{value['authority']} is left alone until its breaker is reset")


@breaker.command()
@click.argument("authority")
@click.option("--reason", required=True, help="Why; it is kept.")
@pass_store
def reset(app: App, authority: str, reason: str) -> None:
    """Let AUTHORITY be reached again."""
    from trueup.domains.automation.actions_breakers import ResetBreaker

    value = app.run(ResetBreaker, {"authority": authority, "reason": reason})
    app.emit(value, f"{value['authority']} is reached again")
