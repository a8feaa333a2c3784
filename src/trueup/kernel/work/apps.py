"""Django's name for this room."""

from django.apps import AppConfig


class WorkConfig(AppConfig):
    """Jobs, schedules, workers, events."""

    name = "trueup.kernel.work"
    label = "work"
