"""Django's name for this room."""

from django.apps import AppConfig


class IdentityConfig(AppConfig):
    """Tenants, users, memberships."""

    name = "trueup.kernel.identity"
    label = "identity"
