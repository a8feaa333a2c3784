"""Robots files are read through the gate, kept for a day, and obeyed; what cannot be read allows nothing."""

import asyncio
import socket
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from tests.domains.automation.egress.sites import answering, text
from trueup.domains.automation.egress.gate import Gate, HopRefused
from trueup.domains.automation.egress.http import Bounds, Fetcher
from trueup.domains.automation.egress.record import Record
from trueup.domains.automation.egress.robots import BOUNDS, KEPT, KEPT_UNREAD, KeptInMemory, Robots
from trueup.domains.automation.engine.decide import Asked
from trueup.domains.automation.engine.hostpolicy import Authorization, Listing, compiled
from trueup.domains.automation.engine.robots import MAX_BYTES
from trueup.domains.automation.engine.tiers import Granted, Strategy
from trueup.domains.automation.engine.urls import read

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def opened(port, path="/"):
    granted = Granted("loopback", frozenset(Strategy), own=False)
    return Authorization(f"a{port}", 1, "127.0.0.1", frozenset({port}), granted, NOW + timedelta(days=9), path, inside=True)


def ask(*urls, times=None, authorizations=(), killed=(), bounds=BOUNDS, copies=None):
    """Ask about URLs, one after the other, at given times; return the rules that refuse them and the record."""
    snapshot = compiled([], listing=Listing.ALLOWLIST, authorizations=authorizations, killed=killed)
    now = [NOW]
    gate = Gate(lambda: snapshot, Asked(), lambda: NOW, Record("d"))

    async def go():
        async with Fetcher(gate, agent="Trueup/0", bounds=bounds) as fetcher:
            robots = Robots(fetcher, copies or KeptInMemory(), lambda: now[0], token="Trueup")
            found = []
            for url, at in zip(urls, times or [NOW] * len(urls), strict=True):
                now[0] = at
                found.append((await robots.may_fetch(read(url))).rule)
            return found

    return asyncio.run(go()), gate.record


def asked_for(site):
    return [path for _, path, _ in site.asked]


def test_what_a_file_disallows_is_refused_and_the_file_is_read_once():
    with answering(text("User-agent: *\nDisallow: /private\n")) as site:
        urls = [site.url("/a"), site.url("/private/b"), site.url("/robots.txt")]
        assert ask(*urls, authorizations=[opened(site.port)])[0] == ["", "robots.disallowed", ""]
    assert asked_for(site) == ["/robots.txt"]


def test_the_group_that_names_us_holds_and_a_mark_of_byte_order_is_passed_over():
    body = "\ufeffUser-agent: Trueup\nDisallow: /\nUser-agent: *\nAllow: /\n"
    with answering(text(body)) as site:
        assert ask(site.url("/a"), authorizations=[opened(site.port)])[0] == ["robots.disallowed"]


@pytest.mark.parametrize(
    ("status", "rule"),
    [
        (404, ""),
        (403, ""),
        (401, ""),
        (410, ""),
        (500, "robots.unreachable"),
        (503, "robots.unreachable"),
        (429, "robots.unreachable"),
    ],
)
def test_a_file_that_is_not_there_allows_all_and_one_that_fails_allows_nothing(status, rule):
    with answering(text("User-agent: *\nDisallow: /", status)) as site:
        assert ask(site.url("/a"), authorizations=[opened(site.port)])[0] == [rule]


def test_a_host_that_does_not_answer_allows_nothing():
    with socket.socket() as held:  # bound, so that nobody else gets the port, and not listening
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        assert ask(f"http://127.0.0.1:{port}/a", authorizations=[opened(port)])[0] == ["robots.unreachable"]


def test_five_redirects_are_followed_and_a_sixth_is_not():
    def chain(length):
        async def handler(request):
            step = int(request.query.get("n", "0"))
            if step < length:
                return web.Response(status=302, headers={"Location": f"/robots.txt?n={step + 1}"})
            return web.Response(text="User-agent: *\nDisallow: /no")

        return handler

    for length, rules in ((5, ["", "robots.disallowed"]), (6, ["robots.unreachable"] * 2)):
        with answering(chain(length)) as site:
            assert ask(site.url("/yes"), site.url("/no"), authorizations=[opened(site.port)])[0] == rules


def test_a_redirect_to_what_is_not_allowed_is_not_followed_and_allows_nothing():
    with answering(text("User-agent: *\nAllow: /")) as other, answering(text("", 302, Location=other.url("/robots.txt"))) as site:
        assert ask(site.url("/a"), authorizations=[opened(site.port)])[0] == ["robots.unreachable"]
    assert other.asked == []


def test_a_file_is_read_again_after_a_day_and_one_that_failed_after_minutes():
    with answering(text("User-agent: *\nDisallow: /no")) as site:
        times = [NOW, NOW + KEPT - timedelta(seconds=1), NOW + KEPT]
        assert timedelta(hours=24) == KEPT
        assert ask(*[site.url("/no")] * 3, times=times, authorizations=[opened(site.port)])[0] == ["robots.disallowed"] * 3
    assert len(site.asked) == 2
    with answering(text("", 500)) as site:
        times = [NOW, NOW + KEPT_UNREAD - timedelta(seconds=1), NOW + KEPT_UNREAD]
        ask(*[site.url("/no")] * 3, times=times, authorizations=[opened(site.port)])
    assert len(site.asked) == 2


def test_each_port_of_a_host_has_a_file_of_its_own():
    with answering(text("User-agent: *\nDisallow: /")) as strict, answering(text("", 404)) as free:
        both = [opened(strict.port), opened(free.port)]
        assert ask(strict.url("/a"), free.url("/a"), authorizations=both)[0] == ["robots.disallowed", ""]


def test_half_a_million_octets_are_looked_at_and_what_never_ends_allows_nothing():
    body = "#" * (MAX_BYTES - 40) + "\nUser-agent: *\nDisallow: /in\n" + "#" * 200 + "\nDisallow: /beyond\n"
    with answering(text(body)) as site:
        assert ask(site.url("/in"), site.url("/beyond"), authorizations=[opened(site.port)])[0] == ["robots.disallowed", ""]
        assert ask(site.url("/x"), authorizations=[opened(site.port)], bounds=Bounds(wire=1000))[0] == ["robots.unreachable"]


def test_the_file_of_a_site_may_be_read_where_only_a_part_of_the_site_is_allowed():
    with answering(text("User-agent: *\nDisallow: /part/no")) as site:
        only = [opened(site.port, "/part")]
        assert ask(site.url("/part/a"), site.url("/part/no"), authorizations=only)[0] == ["", "robots.disallowed"]


def test_a_switch_is_no_answer_about_a_file_and_is_not_kept():
    copies = KeptInMemory()
    with answering(text("", 404)) as site:
        with pytest.raises(HopRefused) as refused:
            ask(site.url("/a"), authorizations=[opened(site.port)], killed=["*"], copies=copies)
        assert refused.value.rules == ("kill_switch",)
        assert ask(site.url("/a"), authorizations=[opened(site.port)], copies=copies)[0] == [""]


def test_reading_a_file_is_a_hop_of_the_record():
    with answering(text("", 404)) as site:
        _, record = ask(site.url("/a"), authorizations=[opened(site.port)])
    assert [(hop.url, hop.status) for hop in record.hops] == [(site.url("/robots.txt"), 404)]
