"""The addresses of the pages of policy."""

from django.urls import path

from trueup.kernel.http.navigation import Item
from trueup.kernel.policy.web import views

NAVIGATION = (Item("Administration", "Policy", "/policy/", "scale"),)

urlpatterns = [
    path("policy/", views.matrix, name="policy"),
    path("policy/why/", views.why, name="policy-why"),
]
