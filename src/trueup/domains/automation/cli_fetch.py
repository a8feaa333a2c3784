"""``trueup automation fetch``: one polite run over a few pages."""

from collections.abc import Mapping
from typing import Any

import click

from trueup.kernel.doors import App, leave, pass_store
from trueup.kernel.words import ExitCode


@click.command()
@click.argument("urls", nargs=-1, required=True, metavar="URL...")
@pass_store
def fetch(app: App, urls: tuple[str, ...]) -> None:
    """Fetch each URL once, under policy, and keep what came and what left as evidence.

    Robots files, limits and breakers are obeyed, and so is a target that asks to be left alone: this run sends it nothing
    more. Exit codes: 0 all were fetched, 5 a rule refused one, 30 one is not known (blocked, failed, or no page).
    """
    from trueup.domains.automation.actions_fetches import FetchPages

    if len(urls) > 100:
        raise click.UsageError("give at most 100 URLs")
    refresh(app, urls)
    value = app.run(FetchPages, {"urls": list(urls)})
    app.emit(value, [*map(line, value["pages"]), f"record  {value['record']}"])
    ended = {page["outcome"] for page in value["pages"]}
    if "refused" in ended:
        leave(ExitCode.REFUSED)
    if ended != {"fetched"}:
        leave(ExitCode.UNKNOWN)


def refresh(app: App, urls: tuple[str, ...]) -> None:
    """Verify authorizations again that these pages need and whose verification has grown old."""
    from trueup.domains.automation.actions_authorizations import VerifyAuthorization
    from trueup.domains.automation.engine.urls import UrlRefused, read
    from trueup.domains.automation.snapshots import snapshot
    from trueup.kernel.errors import TrueupError

    now = app.session.context().now
    given = snapshot(app.session.tenant).authorizations
    stale = [one for one in given if one.state(now) == "authorization.stale"]
    if not stale:
        return
    targets = []
    for url in urls:
        try:
            targets.append(read(url))
        except UrlRefused:  # the run refuses it, and says why
            continue
    for one in stale:
        if any(one.names(target.host, target.port, target.path) for target in targets):
            try:
                app.run(VerifyAuthorization, {"id": one.id})
            except TrueupError as exc:
                app.say(f"authorization {one.id} was not verified again: {exc.message}")


def line(page: Mapping[str, Any]) -> str:
    """Return what came of a page as a line for people."""
    if page["outcome"] == "fetched":
        return f"fetched  {page['url']!a}  {page['status']}  {page['size'] or 0} bytes  {page['sha256'] or '-'}"
    rules = f" ({', '.join(page['rule_ids'])})" if page["rule_ids"] else ""
    return f"{page['outcome']:<8} {page['url']!a}  {page['code']}: {page['reason']}{rules}"
