"""Settings as a module, for tools that want one (type checker, ``django-admin makemigrations``)."""

from pathlib import Path

from trueup.config.settings import settings, sqlite

globals().update(settings(sqlite(Path(":memory:"))))
