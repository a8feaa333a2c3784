"""All actions of this room, for ``config.wiring``."""

from trueup.domains.automation import (
    actions_authorizations,
    actions_batches,
    actions_breakers,
    actions_fetches,
    actions_force,
    actions_jobs,
    actions_policies,
)

ACTIONS = (
    *actions_policies.ACTIONS,
    *actions_authorizations.ACTIONS,
    *actions_force.ACTIONS,
    *actions_breakers.ACTIONS,
    *actions_fetches.ACTIONS,
    *actions_jobs.ACTIONS,
    *actions_batches.ACTIONS,
)
