"""What the proxy asks the gate: each request as a hop, where a redirect leads, and whether an open connection may go on."""

import dataclasses
import re
from dataclasses import dataclass, field

import ada_url

from trueup.domains.automation.egress.gate import Gate, HopRefused, Way
from trueup.domains.automation.egress.proxy_wire import RequestHead, ResponseHead, WireRefused
from trueup.domains.automation.engine.decide import decide
from trueup.domains.automation.engine.urls import Target, UrlRefused, read

_MOVED = frozenset({301, 302, 303, 307, 308})
_PAGES = frozenset({"", "document", "iframe", "frame", "object", "embed", "fencedframe"})
"""What a page is fetched as; a browser that does not say is taken to fetch one."""
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


@dataclass(slots=True)
class Hops:
    """The hops of one browser.

    Args:
        agent: the product token that every request carries in its ``User-Agent``.
        inside: authorities that are no public places and were reached by an authorization.
        outside: the public place that was reached last.
    """

    gate: Gate
    agent: str
    inside: set[str] = field(default_factory=set)
    outside: Target | None = None

    async def open(self, url: str, head: RequestHead) -> Way:
        """Decide about a request.

        Raises:
            HopRefused: it is not allowed.
            WireRefused: its Host header names another place.
        """
        agrees(url, head)
        # what cannot be passed on is refused before it is decided about: an allowed hop of the record was made
        head.passed_on()
        head.one("user-agent")
        # the browser itself says what a request is for: scripts of pages cannot set these headers
        dest = head.one("sec-fetch-dest")
        dest = "" if dest in _PAGES else dest
        way = await self.gate.open(url, method=head.method, via="browser", came_from=self._came_from(head), dest=dest)
        if way.decision.private:
            self.inside.add(way.target.authority)
        else:
            self.outside = way.target
        return way

    def _came_from(self, head: RequestHead) -> Target | None:
        """Return the place whose page asks, where that is not one that an authorization opened: it may not lead inside."""
        for place in (head.one("origin"), head.one("referer")):
            if place and place != "null":
                try:
                    found = read(place)
                except UrlRefused:
                    continue
                return None if found.authority in self.inside else found
        # a page may hide its name from what it asks for, not that it is another site's
        return self.outside if head.one("sec-fetch-site") in ("cross-site", "same-site") else None

    def redirected(self, way: Way, answer: ResponseHead) -> HopRefused | None:
        """Return why a redirect is not handed to the browser; None where it is none, or may be followed.

        Whether it leads from a public place inside is known here alone: the browser's next request does not tell.
        """
        place = answer.one("location") if answer.status in _MOVED else ""
        if not place:
            return None
        url = _led_to(way.target, place.encode("latin-1").decode("utf-8", "replace"))
        now = self.gate.clock()
        asked = dataclasses.replace(self.gate.asked, came_from=way.target)
        decision = decide(self.gate.snapshots(), url, asked, now)
        down = way.target.scheme == "https" and decision.target is not None and decision.target.scheme == "http"
        if decision.allowed and not down:
            return None
        rule, reason = ("egress.redirect.downgrade", "a redirect leads from https to http") if decision.allowed else ("", "")
        hop = self.gate.record.note(decision, at=now, via="browser", method="GET", rule=rule, reason=reason)
        return HopRefused(decision.url, hop.reason, hop.rule_ids)

    def may_go_on(self, way: Way) -> bool:
        """Whether a connection that stays open would still be allowed now; where not, its line in the record says so."""
        decision = decide(self.gate.snapshots(), way.target.url, self.gate.asked, self.gate.clock())
        if not decision.allowed:
            self.gate.refuse(way, decision.rule_ids[0], decision.reason)
        return decision.allowed

    def sent(self, way: Way, head: RequestHead) -> list[tuple[str, str]]:
        """Return the headers that go to the target: its own host, and an honest name.

        Raises:
            WireRefused: they cannot be passed on.
        """
        told = self.gate.told(way)
        mine = {"host", "user-agent", "content-length", "expect", *(name.lower() for name in told)}
        headers = [("Host", host_of(way.target)), ("User-Agent", self._honest(head.one("user-agent"))), *told.items()]
        return headers + [(name, value) for name, value in head.passed_on() if name not in mine]

    def _honest(self, said: str) -> str:
        return said if self.agent in said else f"{said} {self.agent}".strip()


def _led_to(target: Target, place: str) -> str:
    """Return the URL that a Location means; one that names a host as it is, so that an odd way to write it is refused."""
    if _ABSOLUTE.match(place):
        return place
    if place.startswith("//"):
        return f"{target.scheme}:{place}"
    try:
        return ada_url.join_url(target.url, place)
    except ValueError:
        return place


def host_of(target: Target) -> str:
    """Return a Host header's value."""
    named = f"[{target.host}]" if ":" in target.host else target.host
    usual = 443 if target.scheme in ("https", "wss") else 80
    return named if target.port == usual else f"{named}:{target.port}"


def agrees(url: str, head: RequestHead) -> None:
    """Refuse a request whose Host header names another place than its URL.

    Raises:
        WireRefused: it does.
    """
    try:
        meant = read(url)
    except UrlRefused:
        return  # refused with its own rule, when it is decided about
    try:
        said = read(f"{meant.scheme}://{head.one('host')}/")
    except UrlRefused as exc:
        raise WireRefused("host", "its Host header is none") from exc
    if said.authority != meant.authority or said.path != "/":
        raise WireRefused("host", "its Host header names another place than its URL")
