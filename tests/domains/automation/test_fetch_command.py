"""``trueup automation authorize``, ``fetch`` and ``breaker``, through the installed command."""

from tests.domains.automation.egress.sites import answering, text


def test_a_port_of_this_machine_is_authorized_fetched_and_given_back(trueup):
    with answering(text("hello")) as site:
        asked = trueup(
            *("automation", "authorize", "request", "127.0.0.1", "--port", site.port, "--method", "loopback"),
            *("--contact", "tests", "--own", "--for", "12h", "--json"),
        )
        assert (asked.code, asked.json["state"], asked.json["inside"]) == (0, "draft", True)
        id = asked.json["id"]
        assert trueup("automation", "fetch", site.url()).code == 5
        for step in ("evidence", "verify", "activate"):
            assert trueup("automation", "authorize", step, id).code == 0
        fetched = trueup("automation", "fetch", site.url(), "--json")
        assert (fetched.code, fetched.json["pages"][0]["outcome"]) == (0, "fetched")
        assert trueup("automation", "breaker", "open", f"127.0.0.1:{site.port}", "--reason", "x").code == 0
        held = trueup("automation", "fetch", site.url())
        assert (held.code, "breaker.open" in held.out) == (5, True)
        assert f"127.0.0.1:{site.port}" in trueup("automation", "breaker", "list").out
        assert trueup("automation", "breaker", "reset", f"127.0.0.1:{site.port}", "--reason", "x").code == 0
        assert trueup("automation", "authorize", "revoke", id, "--reason", "over").code == 0
        assert trueup("automation", "authorize", "list").out.split()[2] == "revoked"
        assert "tests" in trueup("automation", "authorize", "show", id).out
    assert len(site.asked) == 1


def test_a_page_that_is_not_known_ends_with_30(trueup, tmp_path):
    with answering(text("gone", 410)) as site:
        asked = trueup(
            *("automation", "authorize", "request", "127.0.0.1", "--port", site.port, "--method", "loopback"),
            *("--contact", "tests", "--own", "--json"),
        ).json
        for step in ("evidence", "verify", "activate"):
            assert trueup("automation", "authorize", step, asked["id"]).code == 0
        done = trueup("automation", "fetch", site.url())
    assert (done.code, "HTTP_STATUS" in done.out) == (30, True)


def test_load_is_held_for_another_person(trueup):
    asked = trueup(
        *("automation", "authorize", "request", "127.0.0.1", "--port", 9, "--method", "loopback", "--contact", "x"),
        *("--own", "--for", "2h", "--strategy", "assault", "--opens", "2020-01-01", "--closes", "2090-01-01T00:00:00Z", "--json"),
        *("--max-rps", 5, "--max-concurrent", 2, "--max-requests", 100),
    ).json
    for step in ("evidence", "verify"):
        assert trueup("automation", "authorize", step, asked["id"]).code == 0
    held = trueup("automation", "authorize", "activate", asked["id"])
    assert (held.code, "another person" in held.err) == (6, True)


def test_what_makes_no_sense_is_a_usage_error(trueup):
    ask = ("automation", "authorize", "request", "a.org", "--method", "dns_txt", "--contact", "x")
    for more in (("--for", "soon"), ("--opens", "later"), ("--port", "0")):
        assert trueup(*ask, *more).code == 2
    assert trueup("automation", "authorize", "show", "x").code == 2
    assert trueup("automation", "fetch").code == 2
