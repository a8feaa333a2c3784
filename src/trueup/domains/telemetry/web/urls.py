"""The addresses of the pages of telemetry."""

from django.urls import path

from trueup.domains.telemetry.web import baselines, runs, upload, views
from trueup.kernel.http.navigation import Item

NAVIGATION = (
    Item("Telemetry", "Runs", "/telemetry/runs/", "activity", frozenset({"read"})),
    Item("Telemetry", "Baselines", "/telemetry/baselines/", "scale", frozenset({"read"})),
    Item("Telemetry", "Comparisons", "/telemetry/", "chart-line"),
)

urlpatterns = [
    path("telemetry/", views.comparisons, name="comparisons"),
    path("telemetry/runs/", runs.runs, name="runs"),
    path("telemetry/runs/<name>/", runs.run, name="run"),
    path("telemetry/baselines/", baselines.baselines, name="baselines"),
    path("telemetry/baselines/<name>/", baselines.baseline, name="baseline"),
    path("telemetry/compare/", upload.compare, name="compare"),
    path("telemetry/compare/<id>/", upload.progress, name="comparing"),
    path("telemetry/<sha256>/", views.comparison, name="comparison"),
    path("telemetry/<sha256>/report/", views.report, name="report"),
]
