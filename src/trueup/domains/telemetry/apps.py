"""Django's name for this room."""

from django.apps import AppConfig


class TelemetryConfig(AppConfig):
    """Runs, their analyses, and baselines."""

    name = "trueup.domains.telemetry"
    label = "telemetry"
