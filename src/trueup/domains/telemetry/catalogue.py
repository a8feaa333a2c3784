"""All actions of this room, for ``config.wiring``."""

from trueup.domains.telemetry import actions, actions_baselines, actions_live, actions_runs, actions_uploads

ACTIONS = (*actions.ACTIONS, *actions_uploads.ACTIONS, *actions_runs.ACTIONS, *actions_baselines.ACTIONS, *actions_live.ACTIONS)
