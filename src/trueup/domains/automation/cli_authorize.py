"""``trueup automation authorize``: who allowed what, on what evidence, and until when."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from trueup.kernel.doors import App, leave, pass_store
from trueup.kernel.words import ExitCode

FILE = click.Path(exists=False, dir_okay=False, path_type=Path)
METHODS = ("dns_txt", "well_known_file", "html_meta", "signed_letter", "loopback")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


@click.group()
def authorize() -> None:
    """Who allowed what, on what evidence, and until when."""


def lasting(_ctx: click.Context, _param: click.Parameter, value: str) -> timedelta:
    """Read how long something lasts (``90m``, ``12h``, ``30d``)."""
    found = re.fullmatch(r"([1-9][0-9]{0,4})([mhd])", value)
    if not found:
        raise click.BadParameter(f"{value!r} is no time: write 90m, 12h or 30d")
    return int(found[1]) * _UNITS[found[2]]


def moment(_ctx: click.Context, _param: click.Parameter, value: str | None) -> datetime | None:
    """Read a moment; one without a zone is UTC."""
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is no moment: write 2026-01-31T12:00:00Z") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


@authorize.command()
@click.argument("host")
@click.option("--method", type=click.Choice(METHODS), required=True, help="How it is proved.")
@click.option("--contact", required=True, help="Who answers for it: a name, an address.")
@click.option("--for", "lasts", default="30d", show_default=True, callback=lasting, help="How long (90m, 12h, 30d).")
@click.option("--port", "ports", multiple=True, type=int, help="A port that it is for; may be repeated.")
@click.option("--path", default="/", show_default=True, help="What paths have to begin with.")
@click.option("--own", is_flag=True, help="The host is your own organisation's.")
@click.option("--inside", is_flag=True, help="The name leads to a private address.")
@click.option("--strategy", "strategies", multiple=True, default=("vanilla",), show_default=True, help="A tier; may be repeated.")
@click.option("--job-type", "job_types", multiple=True, help="A type of job; may be repeated. Default: any.")
@click.option("--max-rps", type=float, help="Requests a second, at most.")
@click.option("--max-concurrent", type=int, help="Requests at once, at most.")
@click.option("--max-requests", type=int, help="Requests in all, at most.")
@click.option("--opens", callback=moment, help="Not before this moment.")
@click.option("--closes", callback=moment, help="Not after this moment.")
@pass_store
def request(app: App, /, lasts: timedelta, **asked: Any) -> None:
    """Ask to be authorized for HOST; the answer says what to publish, and where.

    DNS, file and meta prove whose a host is; a signed letter proves that its owner consents, and no more. Assault and
    custom need proof that it is your own, end within 24 hours, and wait for another person's consent; assault names a
    window and all three ceilings, too.
    """
    from trueup.domains.automation.actions_authorizations import RequestAuthorization

    given = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in asked.items()}
    expires = app.session.context().now + lasts
    value = app.run(RequestAuthorization, {**given, "expires": expires.isoformat()})
    app.emit(value, [line(value), *_next_step(value)])


def _next_step(value: Mapping[str, Any]) -> list[str]:
    found = value["challenge"]
    if found and found["where"]:
        return [
            f"publish  {found['token']}",
            f"as       {found['where']}",
            f"then     trueup automation authorize evidence {value['id']}",
        ]
    letter = " --letter FILE" if value["method"] == "signed_letter" else ""
    return [f"then     trueup automation authorize evidence {value['id']}{letter}"]


def line(value: Mapping[str, Any]) -> str:
    """Return an authorization as a line for people."""
    ports = "".join(f":{port}" for port in value["ports"])
    until = value["expires"][:16].replace("T", " ")
    return f"{value['id']}  v{value['version']}  {value['state']:<18} {value['host']}{ports}  {', '.join(value['strategies'])}  until {until}Z"


@authorize.command()
@click.argument("id")
@click.option("--letter", type=FILE, help="The signed letter, where that is the evidence.")
@pass_store
def evidence(app: App, id: str, letter: Path | None) -> None:
    """Say that the challenge of ID is published, or hand in its letter."""
    from trueup.domains.automation.actions_authorizations import SubmitEvidence

    value = app.run(SubmitEvidence, {"id": id, "letter": str(letter.absolute()) if letter else None})
    app.emit(value, [line(value), f"then     trueup automation authorize verify {value['id']}"])


@authorize.command()
@click.argument("id")
@pass_store
def verify(app: App, id: str) -> None:
    """Look whether the evidence of ID is there, for the first time or again.

    Exit codes: 0 it is, 5 it is not (what was in force is suspended), 30 that could not be found out.
    """
    from trueup.domains.automation.actions_authorizations import VerifyAuthorization

    value = app.run(VerifyAuthorization, {"id": id})
    gone = [] if value["fresh"] else ["the evidence is gone"]
    app.emit(value, [line(value), *gone])
    if gone:
        leave(ExitCode.REFUSED)


@authorize.command()
@click.argument("id")
@pass_store
def activate(app: App, id: str) -> None:
    """Put ID into force; one that opens assault or custom is held until another person consents."""
    _activate(app, id)


def _activate(app: App, id: str) -> None:
    from trueup.domains.automation import authorizations
    from trueup.domains.automation.actions_force import Activate, ActivateLoad

    row = authorizations.found(app.session.tenant, uuid_of(id))
    load = authorizations.opens_load(row)
    value = app.run(ActivateLoad, {"id": id, "version": row.version}) if load else app.run(Activate, {"id": id})
    app.emit(value, line(value))


def uuid_of(text: str) -> Any:
    """Read an id.

    Raises:
        UsageError: it is none.
    """
    from uuid import UUID

    try:
        return UUID(text)
    except ValueError:
        raise click.UsageError(f"{text!r} is no id of an authorization") from None


@authorize.command()
@click.argument("id")
@click.option("--reason", required=True, help="Why; it is kept.")
@pass_store
def suspend(app: App, id: str, reason: str) -> None:
    """Take ID out of force for a while, at once."""
    from trueup.domains.automation.actions_force import Suspend

    value = app.run(Suspend, {"id": id, "reason": reason})
    app.emit(value, line(value))


@authorize.command()
@click.argument("id")
@click.option("--reason", required=True, help="Why; it is kept.")
@pass_store
def resume(app: App, id: str, reason: str) -> None:
    """Put ID, which was suspended, into force again; one that opens assault or custom needs consent again."""
    from trueup.domains.automation import authorizations
    from trueup.domains.automation.actions_force import Resume

    if authorizations.opens_load(authorizations.found(app.session.tenant, uuid_of(id))):
        _activate(app, id)
        return
    value = app.run(Resume, {"id": id, "reason": reason})
    app.emit(value, line(value))


@authorize.command()
@click.argument("id")
@click.option("--reason", required=True, help="Why; it is kept.")
@pass_store
def revoke(app: App, id: str, reason: str) -> None:
    """End ID for good, at once."""
    from trueup.domains.automation.actions_force import Revoke

    value = app.run(Revoke, {"id": id, "reason": reason})
    app.emit(value, line(value))


@authorize.command("list")
@pass_store
def list_authorizations(app: App) -> None:
    """List authorizations, the newest first."""
    from trueup.domains.automation import authorizations

    now = app.session.context().now
    found = [authorizations.document(row, now) for row in authorizations.listed(app.session.tenant)]
    app.emit({"authorizations": found}, list(map(line, found)) or "nothing was authorized")


@authorize.command()
@click.argument("id")
@pass_store
def show(app: App, id: str) -> None:
    """Show ID: its terms, its evidence, and where it stands."""
    from trueup.domains.automation import authorizations

    value = authorizations.document(authorizations.found(app.session.tenant, uuid_of(id)), app.session.context().now)
    left_out = ("id", "version", "state", "host", "ports", "strategies", "challenge")
    rest = [f"  {name:<15} {found}" for name, found in value.items() if name not in left_out and found not in ("", None, [])]
    app.emit(value, [line(value), *rest, *(_next_step(value) if value["challenge"] else [])])
