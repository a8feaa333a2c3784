"""Django's name for this room."""

from django.apps import AppConfig


class SecretsConfig(AppConfig):
    """Secrets, encrypted at rest."""

    name = "trueup.kernel.secrets"
    label = "secrets"
