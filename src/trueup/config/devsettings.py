"""Settings as a module, for tools that want one (type checker, ``django-admin makemigrations``)."""

from pathlib import Path

from trueup.config.settings import settings

globals().update(settings(Path(":memory:")))
