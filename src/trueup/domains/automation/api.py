"""The API of automation: jobs, how hosts serve, policies, authorizations, what stops work, and the audit trail."""

from ninja import Router

from trueup.domains.automation import api_audit, api_authorizations, api_jobs, api_policies, api_reliability, api_safety

router = Router()
for part in (api_jobs, api_reliability, api_policies, api_authorizations, api_safety, api_audit):
    router.add_router("", part.router)
