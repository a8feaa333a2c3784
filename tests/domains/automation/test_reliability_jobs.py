"""A host that fails now and then is gone easy on, by the very jobs that failed; one that does well is not."""

import pytest
from aiohttp import web

from tests.domains.automation.egress.sites import answering
from tests.domains.automation.test_fetch_jobs import asked, drain, site_of  # noqa: F401 - fixtures
from trueup.domains.automation import meters, reliability
from trueup.kernel.evidence import queries


@pytest.mark.parametrize("fails", [True, False])
def test_jobs_that_fail_every_other_time_lower_the_limits_and_their_entry_says_so(session, asked, drain, site_of, fails):
    async def answer(request):
        return web.Response(status=503 if fails and request.path == "/bad" else 200, text="x")

    with answering(answer) as site:
        site_of(site, own=True, limits={"concurrent": 1})
        for n in range(3):
            for path in ("/good", "/bad"):
                asked(site.url(path), key=f"{path}{n}", priority=2 * n + (path == "/bad"))
                drain()
    now, authority = session.context().now, f"127.0.0.1:{site.port}"
    lowered = meters.eases(session.tenant, now, authorities=[authority])
    notes = [entry["note"] for entry in queries.entries(session.tenant, limit=40) if "perform" in entry["action"]]
    assert any("limits_lowered_to" in str(note) for note in notes) is fails
    (one,) = reliability.hosts(session.tenant, now)
    if fails:
        assert lowered[authority].why == "3 of its last 6 runs failed"
        assert reliability.document(one)["lowered"]["share"] < 1
        assert 0.5 <= one.share < 0.6
    else:
        assert (lowered, one.share) == ({}, 1.0)
