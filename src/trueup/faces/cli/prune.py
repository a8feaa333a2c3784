"""``trueup prune``: what may be forgotten, by the days that the settings say."""

from typing import Any

import click

from trueup.kernel.doors import App, pass_store

DAY = 86_400.0


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@pass_store
def prune(app: App, dry_run: bool) -> None:
    """Remove old ended jobs, ended sessions, dead API keys and files that no entry names, in every tenant.

    How old is set in settings.yaml (retention, see 'trueup config show'). Evidence (entries, facts, the files they name,
    packs' proofs) is never removed by this.
    """
    from trueup.config.options import number
    from trueup.kernel import tenancy
    from trueup.kernel.evidence.actions import CollectArtifacts
    from trueup.kernel.identity import queries
    from trueup.kernel.identity.actions_prune import PruneKeys, PruneSessions

    home = app.key_folder.parent
    days = {name: number(home, f"retention.{name}_days") for name in ("jobs", "signins", "keys", "orphans")}
    tenants = queries.tenants(app.session)
    tenancy.reach_every()
    found = app.run(PruneSessions, {"days": days["signins"], "dry_run": dry_run}, system=True)
    counts = {"sessions": found["sessions"], "failed sign-ins": found["failures"], "keys": 0, "jobs": 0, "files": 0}
    for tenant in tenants:
        app.progress(f"tenant {tenant['slug']}")
        call = _in(app, tenant["id"])
        counts["keys"] += len(call(PruneKeys, {"days": days["keys"], "dry_run": dry_run})["keys"])
        counts["jobs"] += _jobs(call, {"older_than_days": days["jobs"], "dry_run": dry_run})
        counts["files"] += len(call(CollectArtifacts, {"older_than": days["orphans"] * DAY, "dry_run": dry_run})["orphans"])
    app.progress("")
    verb = "would go" if dry_run else "removed"
    app.emit(
        {"removed": not dry_run, "counts": counts, "days": days}, [f"{count:>8} {what} {verb}" for what, count in counts.items()]
    )


def _jobs(call: Any, input: dict[str, Any]) -> int:
    """Prune jobs batch by batch; each batch is one short transaction."""
    from trueup.kernel.work.actions import PruneJobs

    total = int(call(PruneJobs, input)["jobs"])
    while not input["dry_run"] and (gone := int(call(PruneJobs, input)["jobs"])):
        total += gone
    return total


def _in(app: App, tenant: str) -> Any:
    """Return how to run an action in a tenant."""
    from uuid import UUID

    from trueup.kernel.actions.runner import run

    def call(action: Any, input: dict[str, Any]) -> Any:
        context = app.session.installation.context(app.session.context().principal, UUID(tenant))
        try:
            return run(action, context, input).value
        finally:
            app.session.installation.sequence(UUID(tenant))

    return call
