"""Django's name for this room."""

from django.apps import AppConfig


class EvidenceConfig(AppConfig):
    """Facts, ledger, artifacts, packs."""

    name = "trueup.kernel.evidence"
    label = "evidence"
