"""Django's name for this room."""

from django.apps import AppConfig


class ActionsConfig(AppConfig):
    """Actions and their attempts."""

    name = "trueup.kernel.actions"
    label = "actions"
