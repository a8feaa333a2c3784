"""A target that asks to be left alone is recognised, an ordinary page is not; and it is left alone as long as it asks."""

import mmap
import tempfile
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domains.automation.engine.authorizing import stale_at
from trueup.domains.automation.engine.blocked import LONGEST, blocked, retry_after
from trueup.domains.automation.engine.ceilings import over
from trueup.domains.automation.engine.hostpolicy import Ceilings
from trueup.domains.automation.engine.limits import Usage
from trueup.domains.automation.engine.moments import Moments

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HTML = {"content-type": "text/html; charset=utf-8"}


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (403, {}, b""),
        (429, {}, b""),
        (200, {"cf-mitigated": "challenge"}, b""),
        (202, {"x-amzn-waf-action": "challenge"}, b""),
        (503, {"retry-after": "10"}, b""),
        (200, HTML, b"<script>window._cf_chl_opt={}</script>"),
        (200, HTML, b"<form action='/?__cf_chl_tk=x'>"),
        (200, HTML, b"<head><title>Just a moment...</title>"),
        (200, HTML, "<html><head><TITLE lang=en>\n Just a moment… </TITLE>".encode()),
        (200, HTML, b"<title>Attention Required! | Cloudflare</title>"),
        (200, HTML, b"<title>Pardon Our Interruption</title>"),
        (200, HTML, b"<script src='/cdn-cgi/challenge-platform/h/b/orchestrate/chl_page/v1?ray=x'></script>"),
        (200, HTML, b'a.src = "/cdn-cgi/challenge-platform/h/g/orchestrate/jsch/v1"'),
        (200, HTML, b"<iframe src='/_Incapsula_Resource?CWUDNSAI=27'>"),
        (200, HTML, b"<div id='sec-if-cpt-container'>"),
        (200, HTML, b"The requested URL was rejected. Please consult with your administrator.<br>"),
    ],
)
def test_a_refusal_or_a_challenge_is_a_block(status, headers, body):
    assert blocked(status, headers, body)


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (200, HTML, b"<form><div class='g-recaptcha'></div></form>"),
        (200, HTML, b"<form><div class='cf-turnstile' data-sitekey='x'></div></form>"),
        (200, HTML, b"<title>Just a moment... in history</title>"),
        (200, HTML, b"<title>News</title><h1>Just a moment...</h1>"),
        (200, HTML, b"<svg><title></title></svg>"),
        (200, HTML, b"<script src='/cdn-cgi/challenge-platform/scripts/jsd/main.js'></script>"),
        (
            200,
            HTML,
            b"<script>u:'/cdn-cgi/challenge-platform/h/b'; d.src='/cdn-cgi/challenge-platform/h/b/scripts/jsd/x/main.js'</script>",
        ),
        (200, HTML, b"<script src='/_Incapsula_Resource?SWJIYLWA=719'></script>"),
        (200, {"content-type": "text/plain"}, b"_cf_chl_opt"),
        (404, HTML, b"nothing here"),
        (401, {}, b""),
        (503, {}, b""),
        (200, {"x-datadome": "protected"}, b""),
    ],
)
def test_an_ordinary_page_is_none(status, headers, body):
    assert blocked(status, headers, body) == ""


@pytest.mark.parametrize(("page", "expected"), [(b"<title>Just a moment...</title>", True), (b"<title>News</title>", False)])
def test_a_page_that_lies_on_disk_is_looked_at_alike(page, expected):
    with tempfile.TemporaryFile() as file:
        file.write(page + b" " * (1 << 19))
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as body:
            assert bool(blocked(200, HTML, body)) is expected


def test_a_time_to_wait_is_read_in_both_forms():
    assert retry_after("120", NOW) == NOW + timedelta(seconds=120)
    assert retry_after("Sun, 01 Mar 2026 00:05:00 GMT", NOW) == NOW + timedelta(minutes=5)
    assert retry_after("Sun, 01 Feb 2026 00:05:00 GMT", NOW) == NOW
    assert [retry_after(text, NOW) for text in ("", "soon", "-5", "1.5")] == [None] * 4


@given(st.text(max_size=40))
def test_no_text_breaks_the_reading_and_none_asks_for_more_than_a_year(text):
    found = retry_after(text, NOW)
    assert found is None or NOW <= found <= NOW + LONGEST


def used(*seconds, running=0):
    return Usage(Moments.of(NOW + timedelta(seconds=second) for second in seconds), running)


def test_a_ceiling_holds_at_its_number_and_not_below_it():
    assert over(used(), 9, Ceilings(requests=10), NOW) == ("", None)
    assert over(used(), 10, Ceilings(requests=10), NOW) == ("ceiling.requests", None)
    assert over(used(running=1), 0, Ceilings(concurrent=2), NOW)[0] == ""
    assert over(used(running=2), 0, Ceilings(concurrent=2), NOW)[0] == "ceiling.concurrent"


def test_a_rate_holds_in_its_window_also_below_one_a_second():
    assert over(used(0, 0), 0, Ceilings(rps=3), NOW)[0] == ""
    assert over(used(0, 0, 0), 0, Ceilings(rps=3), NOW) == ("ceiling.rps", NOW + timedelta(seconds=1))
    assert over(used(0), 0, Ceilings(rps=0.1), NOW + timedelta(seconds=9))[0] == "ceiling.rps"
    assert over(used(0), 0, Ceilings(rps=0.1), NOW + timedelta(seconds=10))[0] == ""


def test_evidence_that_can_be_looked_up_grows_old_and_a_letter_does_not():
    assert stale_at("dns_txt", NOW) == NOW + timedelta(hours=24)
    assert stale_at("dns_txt", None) < NOW
    assert stale_at("signed_letter", NOW) is None
