"""Django's name for this room."""

from django.apps import AppConfig


class AutomationConfig(AppConfig):
    """Policies about targets, authorizations, and switches."""

    name = "trueup.domains.automation"
    label = "automation"
