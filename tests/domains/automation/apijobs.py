"""What tests of jobs over the API share."""

import pytest

from tests.domains.automation.egress.sites import answering, text
from trueup.domains.automation.actions_policies import PutPolicy
from trueup.kernel.work.models import Job

API = "/api/v1/automation"
OLD = "/api/v1"
FETCH = {"url": "https://a.org/news", "job_type": "fetch"}


@pytest.fixture
def operator(doors, run):
    """A key of somebody who operates, where a policy allows a host."""
    run(PutPolicy, host="a.org", paths=["/news"], concurrent=4)
    return doors.key("operator")


def rows(session):
    return Job.objects.filter(tenant=session.tenant, kind="automation.job")


def queued(doors, by, **more):
    """Ask for a job; return its id."""
    answer = doors.post(f"{API}/jobs", {**FETCH, **more}, key=by)
    assert answer.status == 201, answer.text
    return answer.json["jobs"][0]


@pytest.fixture
def done(session, asked, drain, site_of):
    """A job that was done, and one whose page leads where nothing may go."""
    from aiohttp import web

    async def answer(request):
        if request.path == "/away":
            return web.Response(status=302, headers={"Location": "http://10.1.2.3/"})
        return await text("<h1>hi</h1>")(request)

    with answering(answer) as site:
        site_of(site, own=True)
        ids = asked(site.url("/a")), asked(site.url("/away"))
        drain()
    return ids
