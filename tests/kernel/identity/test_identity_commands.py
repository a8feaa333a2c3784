"""The commands of identity: the owner's one-time password, people, keys; nothing secret is an argument or is shown twice."""

import pytest


def test_init_makes_the_owner_and_prints_a_one_time_password_once(elsewhere):
    first = elsewhere("init", "--owner", "Boss@Example.org", "--json").json["owner"]
    assert (first["made"], first["email"]) == (True, "boss@example.org")
    assert len(first["one_time_password"]) == 29
    again = elsewhere("init", "--owner", "boss@example.org")
    assert (again.code, first["one_time_password"] in again.out + again.err) == (0, False)
    assert "trueup user reset-password" in again.out
    assert [user["roles"] for user in elsewhere("user", "list", "--json").json["users"]] == [["owner"]]


def test_a_command_on_an_empty_home_makes_no_user(elsewhere):
    assert elsewhere("user", "list", "--json").json["users"] == []
    assert elsewhere("init").code == 0
    assert [user["email"] for user in elsewhere("user", "list", "--json").json["users"]] == ["owner@localhost"]


@pytest.mark.sqlite
def test_the_password_that_init_printed_signs_the_owner_in(elsewhere):
    import os
    import subprocess
    import sys

    password = elsewhere("init", "--json").json["owner"]["one_time_password"]
    code = """
import sys
from trueup.config.home import find_home
from trueup.config.installation import Installation
made = Installation(find_home())
from trueup.kernel.identity import signin
passed = signin.password(made, email="owner@localhost", password=sys.stdin.read(), address="192.0.2.1")
print(passed.user.must_change_password)
"""
    env = {k: v for k, v in os.environ.items() if not k.startswith("TRUEUP_")} | {"TRUEUP_HOME": str(elsewhere.home)}
    done = subprocess.run([sys.executable, "-c", code], input=password, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


def test_people_are_added_listed_closed_and_opened(trueup):
    added = trueup("user", "add", "Ann@example.org", "--role", "viewer", "--role", "approver", "--json").json
    assert added["created"]
    assert len(added["one_time_password"]) == 29
    assert trueup("user", "grant", "ann@example.org", "auditor").out == "ann@example.org: approver, auditor, viewer\n"
    assert trueup("user", "revoke", "ann@example.org", "approver", "viewer").out == "ann@example.org: auditor\n"
    assert trueup("user", "disable", "ann@example.org").code == 0
    states = {user["email"]: user["state"] for user in trueup("user", "list", "--json").json["users"]}
    assert states["ann@example.org"] == "disabled"
    assert trueup("user", "enable", "ann@example.org").code == trueup("user", "unlock", "ann@example.org").code == 0
    assert trueup("user", "sessions", "ann@example.org").out == "no sessions\n"
    assert trueup("user", "end-sessions", "ann@example.org", "--session", "1").code == 2
    assert "ann@example.org" in trueup("user", "list").out


def test_a_password_from_standard_input_is_not_repeated(trueup):
    given = "a one-time password of this test"
    done = trueup("user", "add", "ann@example.org", "--role", "viewer", "--password-stdin", stdin=given)
    assert (done.code, given in done.out + done.err) == (0, False)
    assert "one-time password" not in done.out
    assert trueup("user", "reset-password", "ann@example.org", "--password-stdin", stdin=given).code == 0
    assert trueup("user", "reset-password", "ann@example.org", "--password-stdin").code == 2
    assert "one-time password" in trueup("user", "reset-password", "ann@example.org").out


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("user", "disable", "nobody@example.org"), 4),
        (("user", "grant", "nobody@example.org", "viewer"), 4),
        (("user", "disable", "owner@localhost"), 5),
        (("user", "add", "nonsense", "--role", "viewer"), 2),
        (("user", "add", "ann@example.org", "--role", "emperor"), 4),
        (("user", "add", "ann@example.org"), 2),
        (("apikey", "create", "--name", "x", "--role", "emperor"), 4),
        (("apikey", "revoke", "nobody"), 4),
    ],
)
def test_what_cannot_be_done_ends_with_the_code_of_the_table(trueup, command, code):
    assert trueup("init").code == 0
    assert trueup(*command).code == code


def test_a_key_is_shown_when_it_is_made_and_rotated_and_never_else(trueup):
    made = trueup("apikey", "create", "--name", "nightly", "--role", "operator", "--days", "0", "--json").json
    assert made["key"].startswith(f"tru_{made['prefix']}_")
    rotated = trueup("apikey", "rotate", "nightly", "--overlap", "1", "--json").json
    assert rotated["key"] != made["key"]
    listed = trueup("apikey", "list", "--json")
    assert rotated["key"] not in listed.out
    assert [(key["state"], key["expires_at"]) for key in listed.json["api_keys"]] == [("active", "")]
    assert "revoked" in trueup("apikey", "revoke", made["prefix"]).out
    assert "nightly" in trueup("apikey", "list").out
    assert trueup("apikey", "rotate", "nightly").code == 7
    assert trueup("evidence", "log", "verify").code == 0
