"""Django's name for this room."""

from django.apps import AppConfig


class NotifyConfig(AppConfig):
    """Alerts, sinks and deliveries."""

    name = "trueup.kernel.notify"
    label = "notify"
