"""``trueup policy``: who may do what, and why."""

from pathlib import Path

import click

from trueup.kernel.doors import App, leave, pass_app
from trueup.kernel.words import ExitCode

FOLDER = click.Path(path_type=Path, file_okay=False)


@click.group()
def policy() -> None:
    """Who may do what, and why."""


@policy.command()
@click.option(
    "--dir", "folders", type=FOLDER, multiple=True, help="Check these folders instead of the product's; may be repeated."
)
@pass_app
def check(app: App, folders: tuple[Path, ...]) -> None:
    """Validate policies and schema. Nothing starts on policies that fail this."""
    from trueup.kernel.policy.load import check as check_folders

    report = check_folders(folders or app.product.folders(), app.product.actions())
    problems = [{"place": p.place, "problem": str(p), "remedy": p.remedy} for p in report.problems]
    document = {
        "verdict": "PASS" if report.ok else "FAIL",
        "findings": problems,
        "digest": report.digest,
        "policies": [p.id for p in report.policies],
        "actions": report.actions,
    }
    words = [f"  BAD  {p}\n       remedy: {p.remedy}" for p in report.problems]
    words.append(
        f"{len(report.policies)} policies for {report.actions} actions, digest {report.digest[:16] or 'none'}, verdict {document['verdict']}"
    )
    app.emit(document, words)
    leave(ExitCode.OK if report.ok else ExitCode.CONFIGURATION)


@policy.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--dir", "folders", type=FOLDER, multiple=True, help="Test the policies of these folders; may be repeated.")
@pass_app
def test(app: App, file: Path | None, folders: tuple[Path, ...]) -> None:
    """Run policy tests (YAML): who asks for what, and what must be the answer. Default: the product's own."""
    from trueup.kernel.policy.load import ROLE_TESTS, load_policies, run_tests

    store = load_policies(folders or app.product.folders(), actions=app.product.actions())
    report = run_tests(store, file or ROLE_TESTS)
    failures = [{"case": r.case.name, "place": r.case.place, "problem": r.problem} for r in report.failures]
    verdict = "PASS" if report.ok else "FAIL"
    words = [f"  BAD  {f['place']}: {f['case']}: {f['problem']}" for f in failures]
    app.emit(
        {"verdict": verdict, "findings": failures, "cases": len(report.results), "digest": report.digest},
        [*words, f"{len(report.results)} cases, {len(failures)} failed, verdict {verdict}"],
    )
    leave(ExitCode.OK if report.ok else ExitCode.FAIL)


@policy.command()
@click.argument("action")
@click.option("--role", "roles", multiple=True, help="A role that the principal holds in the tenant; may be repeated.")
@click.option("--principal", default="user:somebody", show_default=True, help="user:ID, key:ID or os:NAME.")
@click.option("--agent", is_flag=True, help="An AI agent acts.")
@click.option("--other-tenant", is_flag=True, help="The resource belongs to another tenant.")
@click.option("--created-by", default="", help="The principal that made or asked for the resource.")
@pass_app
def explain(
    app: App, action: str, roles: tuple[str, ...], principal: str, agent: bool, other_tenant: bool, created_by: str
) -> None:
    """Say what would be decided for ACTION, by which policies, and which roles may. Exit 5 if it would be refused."""
    from trueup.kernel.policy.load import load_policies
    from trueup.kernel.policy.questions import question

    store = load_policies(app.product.folders(), actions=app.product.actions())
    answer = question(
        store, action, principal=principal, roles=frozenset(roles), agent=agent, other_tenant=other_tenant, created_by=created_by
    )
    decision = answer.decision
    document = {
        "allowed": decision.allowed,
        "policies": list(decision.policy_ids),
        "reasons": list(decision.reasons),
        "roles_that_may": list(answer.roles_that_may),
        "groups": list(answer.groups),
    }
    words = [
        f"{'allowed' if decision.allowed else 'refused'}: {'; '.join(decision.reasons)}",
        *(f"  {p.effect} {p.id}  ({p.file}:{p.line})" for p in answer.deciding),
        f"  roles that may: {', '.join(answer.roles_that_may) or 'none'}",
    ]
    app.emit(document, words)
    leave(ExitCode.OK if decision.allowed else ExitCode.REFUSED)
