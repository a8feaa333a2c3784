"""``trueup subject``: what things are called, and which of them are one."""

import click

from trueup.kernel.doors import App, pass_store


@click.group()
def subject() -> None:
    """Canonical ids of devices, people, applications, pages and models."""


def _aliases(given: tuple[str, ...]) -> list[dict[str, str]]:
    pairs = [item.partition("=") for item in given]
    bad = [space for space, equals, value in pairs if not (space and equals and value)]
    if bad:
        raise click.UsageError(f"--alias {bad[0]!r} is not NAMESPACE=VALUE (serial=C02XK1)")
    return [{"namespace": space, "value": value} for space, _, value in pairs]


@subject.command()
@click.argument("name")
@click.option("--label", default="", help="What people call it.")
@click.option("--alias", "given", multiple=True, metavar="NAMESPACE=VALUE", help="A name it goes by; may be repeated.")
@click.option("--source", default="", help="Who says so.")
@pass_store
def put(app: App, name: str, label: str, given: tuple[str, ...], source: str) -> None:
    """Make a subject known (KIND/ID), or add names to it."""
    from trueup.kernel.subjects.actions import PutSubject

    value = app.run(PutSubject, {"subject": name, "label": label, "aliases": _aliases(given), "source": source})
    app.emit(value, f"{value['subject']}: {'new, ' if value['made'] else ''}{value['aliases_added']} names added")


@subject.command("list")
@click.option("--kind", default="", help="Only of this kind (device, person, …).")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000))
@pass_store
def list_subjects(app: App, kind: str, limit: int) -> None:
    """List subjects by their canonical ids."""
    from trueup.kernel.subjects import queries

    rows = queries.listing(app.session.tenant, kind=kind, limit=limit)
    words = [f"{row['subject']:<40} {row['label']:<24} {', '.join(row['aliases'])}" for row in rows]
    app.emit({"subjects": rows}, words or "no subjects yet: make one known with 'trueup subject put device/ID --alias serial=…'")


@subject.command()
@click.argument("name")
@pass_store
def show(app: App, name: str) -> None:
    """Show what a subject goes by, its names, and its merges with their reasons."""
    from trueup.kernel.subjects import queries

    found = queries.one(app.session.tenant, name)
    words = [f"{found['subject']}  {found['label']}"]
    words += [f"  also {other}" for other in found["also"]]
    words += [f"  {a['namespace']} {a['value']}  ({a['source']})" for a in found["aliases"]]
    for merge in found["merges"]:
        words.append(f"  {merge['gone']} → {merge['into']}  {merge['likeness']}{', taken back' if merge['undone_at'] else ''}")
        words += [f"    {reason}" for reason in merge["reasons"]] + ([f"    {merge['comment']}"] if merge["comment"] else [])
    app.emit(found, words)


@subject.command()
@click.argument("namespace")
@click.argument("value")
@pass_store
def resolve(app: App, namespace: str, value: str) -> None:
    """Say which subject bears a name."""
    from trueup.kernel.errors import NotFound
    from trueup.kernel.subjects import queries

    found = queries.resolve(app.session.tenant, namespace, value)
    if not found:
        raise NotFound(f"no subject bears the {namespace} {value!r}", remedy="list them with 'trueup subject list'")
    app.emit({"subjects": found, "ambiguous": len(found) > 1}, found)


@subject.command()
@click.argument("one")
@click.argument("other")
@pass_store
def compare(app: App, one: str, other: str) -> None:
    """Say whether two subjects are the same thing, and why."""
    from trueup.kernel.subjects import queries

    match = queries.likeness(app.session.tenant, one, other)
    app.emit({"likeness": match.likeness, "reasons": match.reasons}, [str(match.likeness), *(f"  {r}" for r in match.reasons)])


@subject.command()
@click.argument("gone")
@click.argument("into")
@click.option("--comment", default="", help="How you know; needed where their names do not say it.")
@pass_store
def merge(app: App, gone: str, into: str, comment: str) -> None:
    """Write down that GONE is the same thing as INTO."""
    from trueup.kernel.subjects.actions import MergeSubjects

    value = app.run(MergeSubjects, {"gone": gone, "into": into, "comment": comment})
    app.emit(
        value,
        [f"{value['gone']} → {value['into']} ({value['likeness']})", f"  take it back: trueup subject split {value['merge']}"],
    )


@subject.command()
@click.argument("merge_id")
@click.option("--comment", required=True, help="Why it was wrong.")
@pass_store
def split(app: App, merge_id: str, comment: str) -> None:
    """Take a merge back."""
    from trueup.kernel.subjects.actions import SplitSubjects

    value = app.run(SplitSubjects, {"merge": merge_id, "comment": comment})
    app.emit(value, f"{value['split']} is its own again")
