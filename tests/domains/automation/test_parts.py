"""Parts ride with their page: so many and no more, and a further page brings room for its own."""

import asyncio
from datetime import timedelta
from uuid import uuid4

from tests.domains.automation.test_meters import NOW, A, decision
from trueup.domains.automation import meters
from trueup.domains.automation.desk import Desk
from trueup.domains.automation.runtolls import PARTS, Held, Leases


def test_a_page_that_asks_for_more_parts_than_any_page_has_is_held_back(session):
    allowed, held = decision(), Held(session.tenant, uuid4(), timedelta(minutes=1), lambda: 0.0, lambda: None, "")

    async def go(leases):
        assert await leases.count(allowed, part=False) == ("", "")
        found = [(await leases.count(allowed, part=True))[0] for _ in range(PARTS + 2)]
        assert (set(found[:PARTS]), found[PARTS:]) == ({""}, ["limit.parts"] * 2)
        assert await leases.count(allowed, part=False) == ("", "")
        assert (await leases.count(allowed, part=True))[0] == ""

    with Desk(session.tenant) as desk:
        leases = Leases(desk, held, lambda: NOW)
        asyncio.run(go(leases))
        assert len(meters.usage(session.tenant, A, NOW).begun) == 2
        leases.end()
    assert meters.usage(session.tenant, A, NOW).running == 0
