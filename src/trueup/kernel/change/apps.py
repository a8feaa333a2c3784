"""Django's name for this room."""

from django.apps import AppConfig


class ChangeConfig(AppConfig):
    """Requests, votes and rules of consent."""

    name = "trueup.kernel.change"
    label = "change"
