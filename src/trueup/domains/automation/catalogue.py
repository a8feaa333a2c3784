"""All actions of this room, for ``config.wiring``."""

from trueup.domains.automation import actions_policies

ACTIONS = (*actions_policies.ACTIONS,)
