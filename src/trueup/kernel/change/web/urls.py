"""Addresses of the pages of consent."""

from django.urls import path

from trueup.kernel.change.web import views
from trueup.kernel.http.navigation import Item

NAVIGATION = (Item("Approvals", "Approvals", "/approvals/", "checklist", frozenset({"read"})),)

urlpatterns = [
    path("approvals/", views.inbox, name="approvals"),
    path("approvals/<id>/", views.one, name="approval"),
]
