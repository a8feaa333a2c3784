"""``trueup user``: who may sign in, as what. Passwords are generated, or read from standard input; never arguments."""

import sys
from collections.abc import Mapping
from typing import Any

import click

from trueup.kernel.doors import App, pass_store
from trueup.kernel.errors import UsageError

STDIN = click.option("--password-stdin", is_flag=True, help="Read the one-time password from standard input; else one is made.")


@click.group()
def user() -> None:
    """People: who may sign in, as what; their passwords and sessions."""


def _password(*, from_stdin: bool) -> str:
    from trueup.kernel.identity.credentials import one_time_password

    if not from_stdin:
        return one_time_password()
    try:
        given = sys.stdin.buffer.readline().decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise UsageError("the password on standard input is not UTF-8 text") from None
    if not given:
        raise UsageError("no password on standard input", remedy="leave --password-stdin out, and one is made")
    return given


def _member(app: App, name: str) -> dict[str, Any]:
    from trueup.kernel.identity import queries

    return queries.user(app.session.tenant, name, now=app.session.context().now)


def _anybody(app: App, name: str) -> str:
    from trueup.kernel.identity import queries

    return str(queries.anybody(app.session, name))


def _shown(value: Mapping[str, Any], password: str, *, made: bool) -> tuple[dict[str, Any], list[str]]:
    if not made:
        return dict(value), []
    words = [f"one-time password {password}", "it is shown this once, and must be changed at the next login"]
    return {**value, "one_time_password": password}, words


@user.command()
@click.argument("email")
@click.option("--role", "roles", multiple=True, required=True, help="A role in the tenant; may be repeated.")
@click.option("--name", default="", help="The name for people.")
@STDIN
@pass_store
def add(app: App, email: str, roles: tuple[str, ...], name: str, password_stdin: bool) -> None:
    """Take a person into the tenant; an account is made if there is none of that address."""
    from trueup.kernel.identity.actions_users import AddUser

    password = _password(from_stdin=password_stdin)
    value = app.run(AddUser, {"email": email, "name": name, "roles": roles, "password": password})
    document, words = _shown(value, password, made=value["created"] and not password_stdin)
    app.emit(document, [f"user {email.lower()} {value['id']}: {', '.join(value['roles'])}", *words])


@user.command("list")
@pass_store
def list_users(app: App) -> None:
    """List the members of the tenant."""
    from trueup.kernel.identity import queries

    rows = queries.users(app.session.tenant, now=app.session.context().now)
    words = [
        f"{r['email']:<32} {r['state']:<9} {'code' if r['second_factor'] else '-':<5} {', '.join(r['roles'])}  {r['id']}"
        for r in rows
    ]
    app.emit({"users": rows}, words or "no users: add one with 'trueup user add'")


def _on_account(app: App, action: Any, email: str, done: str) -> None:
    value = app.run(action, {"user": _anybody(app, email)}, system=True)
    app.emit(value, f"{done} {email.lower()}")


@user.command()
@click.argument("email")
@pass_store
def disable(app: App, email: str) -> None:
    """Close an account: sessions end, keys stop working."""
    from trueup.kernel.identity.actions_users import DisableUser

    _on_account(app, DisableUser, email, "disabled")


@user.command()
@click.argument("email")
@pass_store
def enable(app: App, email: str) -> None:
    """Open a closed account again."""
    from trueup.kernel.identity.actions_users import EnableUser

    _on_account(app, EnableUser, email, "enabled")


@user.command()
@click.argument("email")
@pass_store
def unlock(app: App, email: str) -> None:
    """End a lock-out after too many wrong passwords before its time."""
    from trueup.kernel.identity.actions_users import UnlockUser

    _on_account(app, UnlockUser, email, "unlocked")


@user.command("reset-password")
@click.argument("email")
@click.option("--drop-second-factor", is_flag=True, help="Remove the authenticator app and recovery codes too.")
@STDIN
@pass_store
def reset_password(app: App, email: str, drop_second_factor: bool, password_stdin: bool) -> None:
    """Replace a password by a one-time password, which must be changed at the next login; sessions end."""
    from trueup.kernel.identity.actions_users import ResetPassword

    password = _password(from_stdin=password_stdin)
    input = {"user": _anybody(app, email), "password": password, "drop_second_factor": drop_second_factor}
    value = app.run(ResetPassword, input, system=True)
    document, words = _shown(value, password, made=not password_stdin)
    app.emit(document, [f"reset {email.lower()}, {value['sessions_ended']} sessions ended", *words])


@user.command()
@click.argument("email")
@click.argument("roles", nargs=-1, required=True)
@pass_store
def grant(app: App, email: str, roles: tuple[str, ...]) -> None:
    """Give a member roles in the tenant."""
    from trueup.kernel.identity.actions_members import GrantRoles

    value = app.run(GrantRoles, {"user": _member(app, email)["id"], "roles": roles})
    app.emit(value, f"{email.lower()}: {', '.join(value['roles'])}")


@user.command()
@click.argument("email")
@click.argument("roles", nargs=-1, required=True)
@pass_store
def revoke(app: App, email: str, roles: tuple[str, ...]) -> None:
    """Take roles from a member; without any left, they leave the tenant."""
    from trueup.kernel.identity.actions_members import RevokeRoles

    value = app.run(RevokeRoles, {"user": _member(app, email)["id"], "roles": roles})
    app.emit(value, f"{email.lower()}: {', '.join(value['roles']) or 'no longer a member'}")


@user.command()
@click.argument("email")
@pass_store
def sessions(app: App, email: str) -> None:
    """List a member's live sessions, the last seen first."""
    from uuid import UUID

    from trueup.kernel.identity import queries

    rows = queries.sessions(UUID(_member(app, email)["id"]), now=app.session.context().now)
    words = [f"{r['id']:>6}  seen {r['last_seen_at']}  since {r['created_at']}  {r['address']}  {r['user_agent']}" for r in rows]
    app.emit({"sessions": rows}, words or "no sessions")


@user.command("end-sessions")
@click.argument("email")
@click.option("--session", type=int, help="End this one alone, by its number in the list.")
@pass_store
def end_sessions(app: App, email: str, session: int | None) -> None:
    """End a person's sessions: their next request is refused, in every process."""
    from trueup.kernel.identity.actions_account import EndSession, EndSessions

    if session is None:
        value = app.run(EndSessions, {"user": _anybody(app, email)}, system=True)
        app.emit(value, f"{value['sessions_ended']} sessions of {email.lower()} ended")
        return
    mine = {row["id"] for row in _sessions_of(app, email)}
    if session not in mine:
        raise UsageError(f"{email} has no session {session}", remedy=f"list them with 'trueup user sessions {email}'")
    app.emit(app.run(EndSession, {"session": session}, system=True), f"session {session} ended")


def _sessions_of(app: App, email: str) -> list[dict[str, Any]]:
    from uuid import UUID

    from trueup.kernel.identity import queries

    return queries.sessions(UUID(_anybody(app, email)), now=app.session.context().now)
