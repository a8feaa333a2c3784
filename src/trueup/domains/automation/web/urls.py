"""Addresses of the pages of automation; hosts stand in the query, for patterns hold stars."""

from django.urls import path

from trueup.domains.automation.web import authorizations, policies, safety
from trueup.kernel.http.navigation import Item

READ = frozenset({"read"})
NAVIGATION = (
    Item("Automation", "Host policies", "/automation/policies/", "shield", READ),
    Item("Automation", "Dry run", "/automation/policies/check/", "eye", READ),
    Item("Automation", "Authorizations", "/automation/authorizations/", "id-badge", READ),
    Item("Automation", "Safety", "/automation/safety/", "ban", READ),
)

urlpatterns = [
    path("automation/policies/", policies.policies, name="host-policies"),
    path("automation/policies/one/", policies.policy, name="host-policy"),
    path("automation/policies/edit/", policies.edit, name="host-policy-edit"),
    path("automation/policies/check/", policies.dry_run, name="dry-run"),
    path("automation/authorizations/", authorizations.authorizations_, name="authorizations"),
    path("automation/authorizations/new/", authorizations.request_form, name="authorization-new"),
    path("automation/authorizations/<id>/", authorizations.authorization, name="authorization"),
    path("automation/safety/", safety.safety, name="safety"),
]
