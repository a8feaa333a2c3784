"""``trueup automation decide``, ``policy`` and ``kill``, through the installed command."""

import json

import pytest


@pytest.fixture
def policies(trueup):
    assert trueup("automation", "policy", "put", "example.org", "--per-minute", "9").code == 0
    return trueup


def test_one_object_a_line_says_what_may_be_fetched_and_by_which_rule(policies):
    done = policies("automation", "decide", "https://example.org/a", "https://other.net/", "--json")
    found = [json.loads(line) for line in done.out.splitlines()]
    assert done.code == 5
    assert [(one["url"], one["allowed"], one["rule_ids"]) for one in found] == [
        ("https://example.org/a", True, ["policy.example.org"]),
        ("https://other.net/", False, ["policy.allowlist"]),
    ]
    assert all(one["reason"] for one in found)


def test_when_all_may_be_fetched_the_exit_code_is_0(policies):
    assert policies("automation", "decide", "https://example.org/").code == 0


def test_urls_are_read_from_standard_input(policies):
    done = policies("automation", "decide", "--stdin", "--json", stdin="https://example.org/\n\nhttp://0x7f.1/\r\n")
    assert [json.loads(line)["allowed"] for line in done.out.splitlines()] == [True, False]


def test_a_tier_that_nothing_opens_is_refused(policies):
    done = policies("automation", "decide", "https://example.org/", "--strategy", "assault", "--json")
    assert (done.code, json.loads(done.out)["rule_ids"]) == (5, ["tier.mode"])


@pytest.mark.parametrize("args", [(), ("--stdin", "http://a/"), ("http://a/", "--strategy", "ninja")])
def test_what_cannot_be_understood_is_a_usage_error(trueup, args):
    assert trueup("automation", "decide", *args).code == 2


FILE = "version: 1\nlisting: denylist\nhosts:\n  - {host: example.org, per_minute: 2}\n  - {host: '*.bad.org', denied: true}\n"


def test_a_file_is_tried_out_before_it_is_set(policies, tmp_path):
    (tmp_path / "hosts.yaml").write_text(FILE)
    tried = policies("automation", "decide", "http://a.bad.org/", "http://any.net/", "--policy", "hosts.yaml", "--json")
    assert [json.loads(line)["allowed"] for line in tried.out.splitlines()] == [False, True]
    dry = policies("automation", "policy", "import", "hosts.yaml", "--dry-run").out.splitlines()
    assert dry == ["would change: example.org", "would change: *.bad.org (new)", "would change: every other host, to denylist"]
    assert policies("automation", "policy", "list", "--json").json["listing"] == "allowlist"
    assert policies("automation", "policy", "import", "hosts.yaml").code == 0
    assert policies("automation", "policy", "import", "hosts.yaml").out == "nothing to change\n"
    assert "denied" in policies("automation", "policy", "list").out


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("version: 1\nhosts:\n  - {host: a.org, evasion: 2}\n", "hosts.yaml:3: hosts[0]"),
        ("version: 1\nhosts:\n  - {host: a.org}\n  - {host: A.org}\n", "hosts.yaml:4: hosts[1].host: a.org is named before"),
        ("version: 1\nhosts:\n  - {host: 'http://a.org'}\n", "names no host"),
        ("hosts: []\n", "version"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_with_its_line(policies, tmp_path, text, says):
    (tmp_path / "hosts.yaml").write_text(text)
    done = policies("automation", "policy", "import", "hosts.yaml")
    assert (done.code, says in done.err) == (2, True), done.err


def test_a_policy_has_a_history_and_can_be_taken_out_of_force(policies):
    policies("automation", "policy", "put", "example.org", "--deny")
    assert policies("automation", "policy", "retire", "example.org").code == 0
    assert [one["version"] for one in policies("automation", "policy", "history", "example.org", "--json").json["versions"]] == [
        3,
        2,
        1,
    ]
    assert policies("automation", "policy", "history", "never.org").code == 4


def test_everything_is_switched_off_and_on_again(policies):
    assert policies("automation", "kill", "on", "--reason", "incident").code == 0
    refused = policies("automation", "decide", "https://example.org/", "--json")
    assert (refused.code, json.loads(refused.out)["rule_ids"]) == (5, ["kill_switch"])
    assert "incident" in policies("automation", "kill", "list").out
    assert policies("automation", "kill", "off", "--reason", "over").code == 0
    assert policies("automation", "decide", "https://example.org/").code == 0
