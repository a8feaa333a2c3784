"""``trueup fact``: what is known."""

import json

import click

from trueup.kernel.doors import App, pass_store


@click.group()
def fact() -> None:
    """What is known of a subject, since when, and from whom."""


@fact.command("list")
@click.option("--subject", default="", help="Only this subject and its parts.")
@click.option("--predicate", default="", help="Only this predicate, as name@version.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1))
@pass_store
def list_facts(app: App, subject: str, predicate: str, limit: int) -> None:
    """List facts, the newest first."""
    from trueup.kernel.evidence import queries

    rows = queries.facts(app.session.tenant, subject=subject, predicate=predicate, limit=limit)
    words = [
        f"{r['id']}  {r['valid_at']}  {r['subject']}  {r['predicate']} = {json.dumps(r['value'])} {r['unit']}".rstrip()
        for r in rows
    ]
    app.emit({"facts": rows}, words or "no facts: nothing is known yet")


@fact.command("show")
@click.argument("fact_id")
@pass_store
def show_fact(app: App, fact_id: str) -> None:
    """Show one fact and where it stands in the ledger."""
    from trueup.kernel.evidence import queries

    row = queries.fact(app.session.tenant, fact_id)
    app.emit(row, [f"{name:<12} {value}" for name, value in row.items()])
