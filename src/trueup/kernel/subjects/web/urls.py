"""Addresses of the pages of subjects."""

from django.urls import path

from trueup.kernel.http.navigation import Item
from trueup.kernel.subjects.web import views

NAVIGATION = (Item("Evidence", "Subjects", "/subjects/", "id-badge", frozenset({"read"})),)

urlpatterns = [path("subjects/", views.subjects, name="subjects"), path("subjects/<kind>/<id>/", views.subject, name="subject")]
