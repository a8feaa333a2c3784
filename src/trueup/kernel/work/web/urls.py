"""Addresses of the pages of work."""

from django.urls import path

from trueup.kernel.http.navigation import Item
from trueup.kernel.work.web import views

NAVIGATION = (
    Item("Work", "Jobs", "/jobs/", "bolt", frozenset({"read"})),
    Item("Work", "Schedules", "/schedules/", "calendar-time", frozenset({"read"})),
)

urlpatterns = [
    path("jobs/", views.jobs, name="jobs"),
    path("jobs/<id>/", views.job, name="job"),
    path("schedules/", views.schedules, name="schedules"),
]
