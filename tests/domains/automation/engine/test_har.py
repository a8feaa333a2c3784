"""Exchanges as an HTTP Archive: paired, without secrets, honest about what is left out."""

import json
from datetime import UTC, datetime

import pytest

from trueup.domains.automation.engine.har import BODY, Exchange, PageSeen, Timings, archive, matcher, text_of
from trueup.domains.automation.engine.redact import Redactor

AT = datetime(2026, 3, 1, tzinfo=UTC)


def log(*exchanges, secrets=(), more=0):
    redactor = Redactor()
    for secret in secrets:
        redactor.learn(secret)
    return archive(exchanges, [PageSeen(1, "http://x.example/", AT)], browser="Chromium 1.2", redactor=redactor, more=more)["log"]


def test_an_exchange_is_written_as_the_format_has_it():
    one = Exchange(
        "POST", "http://x.example/a?b=c&d=", AT, kind="fetch", sent={"content-type": "application/json", "cookie": "k=v"},
        posted='{"p": 1}', posted_bytes=8, status=201, status_text="Created",
        received={"content-type": "application/json", "set-cookie": "k=v"}, body="{}", size=2, over=True, timings=Timings(12.34567, 1),
    )  # fmt: skip
    found = log(one)
    (entry,) = found["entries"]
    assert (found["version"], found["browser"], found["pages"][0]["id"]) == (
        "1.2",
        {"name": "Chromium", "version": "1.2"},
        "page_1",
    )
    assert {"startedDateTime", "time", "request", "response", "cache", "timings", "pageref"} <= entry.keys()
    assert entry["request"]["queryString"] == [{"name": "b", "value": "c"}, {"name": "d", "value": ""}]
    assert entry["request"]["postData"]["text"] == '{"p": 1}'
    assert (entry["response"]["status"], entry["response"]["content"]["text"]) == (201, "{}")
    assert (entry["time"], entry["timings"]) == (13.346, {"send": 0, "wait": 12.346, "receive": 1})
    assert "k=v" not in json.dumps(found)


def test_what_is_not_there_is_said_to_be_left_out_or_not_over():
    found = log(
        Exchange("POST", "http://x/", AT, posted_bytes=9),
        Exchange("GET", "http://x/", AT, over=True, failure="net::ERR_X"),
        more=4,
    )
    first, second = found["entries"]
    assert first["request"]["postData"]["comment"] == "left out"
    assert first["response"]["comment"].startswith("it was not over")
    assert (second["comment"], second["response"]["status"]) == ("net::ERR_X", 0)
    assert found["comment"].startswith("4 later")


def test_secrets_are_in_no_part():
    one = Exchange(
        "POST", "http://x/?p=pl%40nted", AT, sent={"x-a": "pl@nted"}, posted="p=pl%40nted", posted_bytes=9, status=302,
        received={"location": "/?p=pl@nted"}, body="<b>pl@nted", over=True,
    )  # fmt: skip
    text = json.dumps(log(one, secrets=["pl@nted"]))
    assert "nted" not in text
    assert text.count("[redacted]") >= 5


@pytest.mark.parametrize(
    ("content", "kind", "text"),
    [
        (b"x", "text/html; charset=utf-8", "x"),
        (b"{}", "application/problem+json", "{}"),
        (b"x", "image/png", None),
        (b"x" * (BODY + 1), "text/plain", None),
        (b"\xff", "text/plain", "�"),
    ],
)
def test_only_short_texts_are_bodies(content, kind, text):
    assert text_of(content, kind) == text


@pytest.mark.parametrize(
    ("pattern", "url", "fits"),
    [("*", "http://x/", True), ("*/api/*", "http://x/api/a?b", True), ("*/api/*", "http://x/apis", False), ("http://x/a.b", "http://x/axb", False)],
)  # fmt: skip
def test_a_pattern_means_itself_and_a_star_anything(pattern, url, fits):
    assert bool(matcher(pattern).fullmatch(url)) == fits
