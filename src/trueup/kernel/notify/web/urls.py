"""Addresses of the pages of alerts."""

from django.urls import path

from trueup.kernel.http.navigation import Item
from trueup.kernel.notify.web import views

NAVIGATION = (Item("Alerts", "Alerts", "/alerts/", "bell", frozenset({"read"})),)

urlpatterns = [path("alerts/", views.alerts, name="alerts"), path("alerts/<id>/", views.alert, name="alert")]
