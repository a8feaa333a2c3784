"""``trueup automation``: what may be touched, and why."""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trueup.domains.automation.cli_authorize import authorize
from trueup.domains.automation.cli_breakers import breaker
from trueup.domains.automation.cli_fetch import fetch
from trueup.domains.automation.cli_jobs import job, worker
from trueup.domains.automation.cli_policies import kill, policy
from trueup.domains.automation.cli_reliability import reliability
from trueup.kernel.doors import App, leave, pass_store
from trueup.kernel.words import ExitCode

if TYPE_CHECKING:
    from trueup.domains.automation.engine.decide import Decision
    from trueup.domains.automation.engine.hostpolicy import Snapshot

FILE = click.Path(exists=False, dir_okay=False, path_type=Path)
MAX_LINE = 65_536


@click.group()
def automation() -> None:
    """Work on web pages under policy: every hop decided, every job exactly once."""


@automation.command()
@click.argument("urls", nargs=-1)
@click.option("--stdin", "from_stdin", is_flag=True, help="Read URLs from standard input, one a line.")
@click.option("--strategy", default="vanilla", show_default=True, help="The tier that is asked for.")
@click.option("--job-type", default="", help="The type of job that is asked for.")
@click.option("--policy", "file", type=FILE, help="Ask a file of host policies instead of those in force: a dry run.")
@pass_store
def decide(app: App, urls: tuple[str, ...], from_stdin: bool, strategy: str, job_type: str, file: Path | None) -> None:
    """Say which URLs may be fetched, by which rule; nothing is fetched, and no name is resolved.

    Exit codes: 0 all may be, 5 one or more may not.
    """
    from trueup.domains.automation.engine.tiers import strategy_of

    if from_stdin == bool(urls):
        raise click.UsageError("give either URLs or --stdin")
    try:
        tier = strategy_of(strategy)
    except ValueError:
        raise click.UsageError(f"--strategy {strategy!r} is no tier (vanilla, stealth, matrix, assault, custom)") from None
    decided = _decided(app, _lines() if from_stdin else urls, str(tier), job_type, file)
    refused = False
    for found in decided:
        refused |= not found.allowed
        click.echo(json.dumps(document(found), ensure_ascii=False) if app.json else words(found))
    if refused:
        leave(ExitCode.REFUSED)


def _lines() -> Iterator[str]:
    for line in sys.stdin:
        text = line.rstrip("\r\n")
        if text:
            yield text[:MAX_LINE]


def _decided(app: App, urls: Iterable[str], tier: str, job_type: str, file: Path | None) -> "Iterator[Decision]":
    from trueup.domains.automation.engine.decide import Asked, decide
    from trueup.domains.automation.engine.tiers import Strategy, may_open

    context = app.session.context()
    asked = Asked(Strategy(tier), may_open(context.principal.roles), job_type=job_type)
    compiled = _snapshot(app, file)
    for url in urls:
        yield decide(compiled, url, asked, context.now)


def _snapshot(app: App, file: Path | None) -> "Snapshot":
    from trueup.domains.automation import policyfile, snapshots

    if file is None:
        return snapshots.snapshot(app.session.tenant)
    listing, hosts = policyfile.load(file)
    return snapshots.build(policyfile.compiled_policies(hosts), listing=listing)


def document(found: "Decision") -> dict[str, Any]:
    """Return a decision as JSON."""
    return {
        "url": found.url,
        "allowed": found.allowed,
        "reason": found.reason,
        "rule_ids": list(found.rule_ids),
        "mode": str(found.mode),
        "policy": {"host": found.policy[0], "version": found.policy[1]} if found.policy else None,
        "authorization": {"id": found.authorization[0], "version": found.authorization[1]} if found.authorization else None,
    }


def words(found: "Decision") -> str:
    """Return a decision as a line for people."""
    return f"{'allowed' if found.allowed else 'refused'}  {found.url!a}  {', '.join(found.rule_ids)}: {found.reason}"


automation.add_command(policy)
automation.add_command(kill)
automation.add_command(authorize)
automation.add_command(breaker)
automation.add_command(fetch)
automation.add_command(job)
automation.add_command(worker)
automation.add_command(reliability)
