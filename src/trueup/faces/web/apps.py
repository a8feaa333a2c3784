"""Django's name for the pages."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    """The shell of all pages: templates, files, tags."""

    name = "trueup.faces.web"
    label = "web"
