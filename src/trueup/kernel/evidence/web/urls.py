"""The addresses of the pages of evidence."""

from django.urls import path

from trueup.kernel.evidence.web import views
from trueup.kernel.http.navigation import Item

NAVIGATION = (
    Item("Evidence", "Facts", "/facts/", "database"),
    Item("Evidence", "Log", "/log/", "list-details"),
    Item("Evidence", "Packs", "/packs/", "package"),
)

urlpatterns = [
    path("facts/", views.facts, name="facts"),
    path("facts/<id>/", views.fact, name="fact"),
    path("log/", views.log, name="log"),
    path("log/verify/", views.verify, name="log-verify"),
    path("log/checkpoint/", views.checkpoint, name="log-checkpoint"),
    path("log/<index>/", views.entry, name="entry"),
    path("packs/", views.packs, name="packs"),
    path("artifacts/<sha256>/", views.artifact, name="artifact"),
]
