"""Addresses of the pages of automation; hosts stand in the query, for patterns hold stars."""

from django.urls import path

from trueup.domains.automation.web import authorizations, hosts, jobs, policies, runs, safety
from trueup.kernel.http.navigation import Item

READ = frozenset({"read"})
NAVIGATION = (
    Item("Automation", "Page jobs", "/automation/jobs/", "device-desktop", READ),
    Item("Automation", "Dead letters", "/automation/dead/", "inbox", READ),
    Item("Automation", "Hosts", "/automation/hosts/", "activity", READ),
    Item("Automation", "Host policies", "/automation/policies/", "shield", READ),
    Item("Automation", "Dry run", "/automation/policies/check/", "eye", READ),
    Item("Automation", "Authorizations", "/automation/authorizations/", "id-badge", READ),
    Item("Automation", "Safety", "/automation/safety/", "ban", READ),
)

urlpatterns = [
    path("automation/jobs/", jobs.queue, name="page-jobs"),
    path("automation/jobs/new/", jobs.new, name="page-job-new"),
    path("automation/jobs/<id>/", runs.viewer, name="page-job"),
    path("automation/jobs/<id>/pictures/<sha256>/", runs.picture, name="page-job-picture"),
    path("automation/dead/", jobs.dead, name="dead-letters"),
    path("automation/hosts/", hosts.hosts, name="hosts"),
    path("automation/policies/", policies.policies, name="host-policies"),
    path("automation/policies/one/", policies.policy, name="host-policy"),
    path("automation/policies/edit/", policies.edit, name="host-policy-edit"),
    path("automation/policies/check/", policies.dry_run, name="dry-run"),
    path("automation/authorizations/", authorizations.authorizations_, name="authorizations"),
    path("automation/authorizations/new/", authorizations.request_form, name="authorization-new"),
    path("automation/authorizations/<id>/", authorizations.authorization, name="authorization"),
    path("automation/safety/", safety.safety, name="safety"),
]
