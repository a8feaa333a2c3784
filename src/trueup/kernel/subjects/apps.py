"""Django's name for this room."""

from django.apps import AppConfig


class SubjectsConfig(AppConfig):
    """Canonical ids, aliases and merges."""

    name = "trueup.kernel.subjects"
    label = "subjects"
