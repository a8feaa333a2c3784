"""The addresses of the pages of telemetry."""

from django.urls import path

from trueup.domains.telemetry.web import views
from trueup.kernel.http.navigation import Item

NAVIGATION = (Item("Telemetry", "Comparisons", "/telemetry/", "chart-line"),)

urlpatterns = [
    path("telemetry/", views.comparisons, name="comparisons"),
    path("telemetry/<sha256>/", views.comparison, name="comparison"),
    path("telemetry/<sha256>/report/", views.report, name="report"),
]
