"""``trueup approval``: consent to what others asked for."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import click

from trueup.kernel.doors import App, pass_store
from trueup.kernel.errors import UsageError

STATES = ("open", "approved", "rejected", "expired", "void", "done")


@click.group()
def approval() -> None:
    """Consent to what others asked for. What is approved runs once, exactly as it was asked for."""


@approval.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only those in this state; default all.")
@click.option("--mine", is_flag=True, help="Only those that wait for your vote.")
@pass_store
def list_requests(app: App, state: str | None, mine: bool) -> None:
    """List requests, the newest first."""
    from trueup.kernel.change import queries

    context = app.session.context()
    if mine:
        rows = queries.inbox(app.session.tenant, context.principal, now=context.now)
    else:
        rows = queries.requests(app.session.tenant, now=context.now, state=state or "")
    words = [f"{r['id']}  {r['state']:<8}  {_count(r)}  {r['action']}  {r['resource']}  asked by {r['asked_by']}" for r in rows]
    app.emit({"requests": rows}, words or "no requests")


def _count(row: Mapping[str, Any]) -> str:
    consents = sum(vote["choice"] == "approve" for vote in row["votes"])
    return f"{consents} of {row['votes_needed']} votes"


@approval.command()
@click.argument("request", type=click.UUID)
@pass_store
def show(app: App, request: UUID) -> None:
    """Show a request: what would run, who asked, who voted."""
    from trueup.kernel.change import queries

    found = queries.request(app.session.tenant, request, now=app.session.context().now)
    changed = found["unchanged"] is False
    words = [
        f"{found['action']} ({found['risk']}) on {found['resource']}",
        f"  state     {found['state']}{' (the input was changed: it cannot run)' if changed else ''}",
        f"  asked by  {found['asked_by']} at {found['created_at']}, expires {found['expires_at']}",
        f"  input     {json.dumps(found['input'], ensure_ascii=False)}",
        f"  digest    {found['digest']}",
        f"  consent   {_count(found)}",
        *(f"  {v['choice']:<9} {v['person']} at {v['at']} {v['comment']}".rstrip() for v in found["votes"]),
    ]
    app.emit(found, words)


@approval.command()
@click.argument("request", type=click.UUID)
@click.option("--comment", default="", help="Why; kept with the vote.")
@pass_store
def approve(app: App, request: UUID, comment: str) -> None:
    """Consent to a request. With the last needed vote the action runs."""
    _vote(app, {"request": request, "choice": "approve", "comment": comment})


@approval.command()
@click.argument("request", type=click.UUID)
@click.option("--comment", default="", help="Why; kept with the vote.")
@pass_store
def reject(app: App, request: UUID, comment: str) -> None:
    """Refuse a request, which ends it."""
    _vote(app, {"request": request, "choice": "reject", "comment": comment})


def _vote(app: App, input: Mapping[str, Any]) -> None:
    from trueup.kernel.change.execute import vote

    app.session.context().ports.keys.require_present()
    try:
        voted = vote(app.session.installation, app.session.context(), input)
    finally:
        app.session.sequence()
    if voted.problem is not None:
        app.say("the vote counts, but the action did not run well")
        raise voted.problem
    value = dict(voted.value)
    if voted.result is None:
        app.emit(value, f"request {value['state']}: {value['votes']} of {value['votes_needed']} votes")
        return
    document = {**value, "state": "done", "result": dict(voted.result.value)}
    app.emit(
        document, [f"approved by {value['votes']} of {value['votes_needed']} votes", f"done: {json.dumps(document['result'])}"]
    )


@approval.command()
@click.argument("request", type=click.UUID)
@pass_store
def run(app: App, request: UUID) -> None:
    """Run the action of a request that is approved and has not run, after a process died on the way."""
    from trueup.kernel.change.execute import carry_out

    app.session.context().ports.keys.require_present()
    try:
        result = carry_out(app.session.installation, app.session.tenant, request)
    finally:
        app.session.sequence()
    value = dict(result.value)
    app.emit({"request": str(request), "state": "done", "result": value}, f"done: {json.dumps(value)}")


@approval.command()
@click.argument("request", type=click.UUID)
@pass_store
def withdraw(app: App, request: UUID) -> None:
    """Take a request of yours back."""
    from trueup.kernel.change.actions import WithdrawRequest

    app.emit(app.run(WithdrawRequest, {"request": request}), f"withdrawn {request}")


@approval.group()
def rule() -> None:
    """How much consent an action needs. Without a rule: one vote, within three days."""


@rule.command("list")
@pass_store
def list_rules(app: App) -> None:
    """List the tenant's rules."""
    from trueup.kernel.change import queries

    rows = queries.rules(app.session.tenant)
    words = [
        f"{r['applies_to']:<32} {r['votes']} votes within {r['expires_after']} s  {', '.join(r['roles'])}".rstrip() for r in rows
    ]
    app.emit({"rules": rows}, words or "no rules: each held action needs one vote within three days")


@rule.command()
@click.argument("applies_to", metavar="ACTION|RISK|*")
@click.option("--votes", default=1, show_default=True, type=click.IntRange(1, 20), help="Of so many different people.")
@click.option("--hours", default=72.0, show_default=True, help="From the asking to the run.")
@click.option("--role", "roles", multiple=True, help="Voters hold one of these roles; default: whoever policy lets vote.")
@pass_store
def put(app: App, applies_to: str, votes: int, hours: float, roles: tuple[str, ...]) -> None:
    """Set a rule. The rule of an action's name counts before that of its risk, and that before '*'."""
    from trueup.kernel.change.actions import PutRule

    if not 0 < hours <= 24 * 90:
        raise UsageError("--hours is outside 0…2160")
    value = app.run(PutRule, {"applies_to": applies_to, "votes": votes, "expires_after": int(hours * 3600), "roles": roles})
    app.emit(value, f"{value['applies_to']}: {value['votes']} votes within {value['expires_after']} s")


@rule.command()
@click.argument("applies_to", metavar="ACTION|RISK|*")
@pass_store
def remove(app: App, applies_to: str) -> None:
    """Remove a rule."""
    from trueup.kernel.change.actions import RemoveRule

    app.emit(app.run(RemoveRule, {"applies_to": applies_to}), f"removed {applies_to}")
