"""``trueup automation reliability``: in words and as JSON; without runs nothing is claimed."""

from datetime import UTC, datetime, timedelta

import pytest

from trueup.domains.automation import reliability
from trueup.domains.automation.api_reliability import place_of
from trueup.domains.automation.cli_reliability import shown
from trueup.domains.automation.engine.easing import Ease
from trueup.domains.automation.engine.reliability import Drift, Outcome
from trueup.kernel.errors import UsageError

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_without_runs_it_says_unknown_and_no_host_is_listed(trueup):
    done = trueup("automation", "reliability")
    assert (done.code, done.out) == (0, "unknown: no run of the last 30 days\n")
    assert trueup("automation", "reliability", "example.org", "--json").json == {"hosts": []}


def test_a_host_is_told_whole_with_everything_that_is_offered():
    codes = [""] * 6 + ["NAVIGATION_FAILED"] * 4
    told = [Outcome(NOW - timedelta(minutes=10 - n), code, 2_000) for n, code in enumerate(codes)]
    drift = Drift("nothing on the page is '#a'", 2, NOW, (("#a2", "its id resembles", 2),))
    one = reliability._host(
        "a.org:443", told, NOW, Ease(0.6, NOW, "4 of its last 10 runs failed"), waits="it costs", drifts=(drift,)
    )
    (first,) = shown(one, whole=False)
    assert " ".join(first.split()) == (
        "a.org:443 unreliable 6 of 10 (31 to 83 %) median 2000 ms, 95 % within 2000 ms limits at 60 %: 4 of its last 10 runs failed"
    )
    text = "\n".join(shown(one, whole=True))
    for words in (
        "4 x NAVIGATION_FAILED from 2026-01-31 11:56 to 11:59, not over",
        "give jobs 6 s",
        "it costs",
        "2 x \"nothing on the page is '#a'\"",
        "maybe  '#a2'",
    ):
        assert words in text, words


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("A.org", "a.org"),
        ("a.org:8443", "a.org:8443"),
        ("127.0.0.1:80", "127.0.0.1:80"),
        ("::1", "[::1]"),
        ("[::1]", "[::1]"),
        ("[::1]:80", "[::1]:80"),
    ],
)
def test_a_host_or_a_host_and_its_port_is_read_as_runs_name_it(text, place):
    assert place_of(text) == place


@pytest.mark.parametrize("text", ["a/b", "a.org:x", "", "http://a.org", "a b"])
def test_what_is_no_host_is_refused(text):
    with pytest.raises(UsageError):
        place_of(text)
