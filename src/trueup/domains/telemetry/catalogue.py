"""All actions of this room, for ``config.wiring``."""

from trueup.domains.telemetry import (
    actions,
    actions_asserts,
    actions_baselines,
    actions_config,
    actions_data,
    actions_live,
    actions_runs,
    actions_sketch,
    actions_uploads,
    actions_warn,
    actions_window,
)

ACTIONS = (
    *actions.ACTIONS,
    *actions_uploads.ACTIONS,
    *actions_runs.ACTIONS,
    *actions_sketch.ACTIONS,
    *actions_baselines.ACTIONS,
    *actions_config.ACTIONS,
    *actions_live.ACTIONS,
    *actions_data.ACTIONS,
    *actions_asserts.ACTIONS,
    *actions_warn.ACTIONS,
    *actions_window.ACTIONS,
)
