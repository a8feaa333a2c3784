"""Starting a browser: whom it runs as, whether its sandbox is on, and what is left of it."""

import asyncio
import os
import shutil
import tempfile
from pathlib import Path

import psutil
import pytest

from tests.conftest import ROOT
from tests.domains.automation.egress.test_http import AGENT, gate_for
from trueup.domains.automation.browser.errors import BrowserMissing, SandboxMissing
from trueup.domains.automation.browser.launch import Options, executable, launched, trusting
from trueup.domains.automation.browser.sandbox import Confinement, confinement, user_for
from trueup.domains.automation.egress.proxy import Proxy

# what no sandbox is left by: a switch, which only a look at the processes finds, and a system without user namespaces
SWITCHED_OFF = 'exec {chromium} --no-sandbox "$@"'
NO_NAMESPACES = (
    "exec unshare -U --map-current-user --keep-caps sh -c "
    '\'echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --inh-caps=-all --ambient-caps=-all {chromium} "$@"\' sh "$@"'
)


@pytest.fixture
def program():
    """Return a program that starts the browser in a way of its own, where the unprivileged user may read it."""
    folder = Path(tempfile.mkdtemp(prefix="trueup-tests-"))
    folder.chmod(0o755)

    def make(text):
        path = folder / "program"
        path.write_text(f"#!/bin/sh\n{text.format(chromium=executable())}\n")
        path.chmod(0o755)
        return path

    yield make
    shutil.rmtree(folder)


def during(look, options=None, **more):
    """Start a browser, and return what a look at it gives."""

    async def go():
        async with Proxy(gate_for(), AGENT, **more) as proxy, launched(proxy, options) as run:
            return await look(run)

    return asyncio.run(go())


async def document(run):
    return run.document()


async def closely(run):
    pid = int((run.home / "pid").read_text())
    return {
        "uids": confinement(pid).uids,
        "user": run.user,
        "environment": Path(f"/proc/{pid}/environ").read_bytes(),
        "arguments": Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0"),
        "home": run.home,
        "document": run.document(),
        "pid": pid,
    }


def test_a_browser_runs_without_privileges_in_its_sandbox_with_nothing_of_ours_and_leaves_nothing(monkeypatch):
    monkeypatch.setenv("TRUEUP_PLANTED", "planted-secret")
    seen = during(closely)
    assert seen["uids"] == (seen["user"].uid,)
    assert 0 not in seen["uids"]
    assert b"planted-secret" not in seen["environment"]
    said = seen["document"]
    assert (said["sandbox"], said["unsandboxed_allowed"], said["decided_by"]) == ("on", False, "url")
    assert said["user_agent"].endswith(AGENT)
    assert not any("AutomationControlled" in one or one == "--no-sandbox" for one in seen["arguments"])
    assert {"--disable-quic", "--remote-debugging-pipe"} <= set(seen["arguments"])
    assert not any(one.startswith("--remote-debugging-port") for one in seen["arguments"])
    profile = next(one.partition("=")[2] for one in seen["arguments"] if one.startswith("--user-data-dir="))
    assert not Path(profile).exists()
    assert not seen["home"].exists()
    assert not psutil.pid_exists(seen["pid"])


def test_no_code_of_the_domain_touches_the_mark_of_automation_or_the_drivers_own_switches():
    folder = ROOT / "src" / "trueup" / "domains" / "automation"
    text = "".join(path.read_text() for path in folder.rglob("*.py"))
    assert len(text) > 100_000
    assert [
        word
        for word in ("AutomationControlled", "ignore_default_args", "navigator.webdriver", "enable-automation")
        if word in text
    ] == []


@pytest.mark.parametrize("text", [SWITCHED_OFF, NO_NAMESPACES])
def test_a_browser_without_its_sandbox_is_not_used(program, text):
    with pytest.raises(SandboxMissing) as refused:
        during(document, Options(executable=program(text)))
    assert "--allow-unsandboxed" in refused.value.remedy


def test_one_that_is_allowed_without_says_so_in_evidence(program):
    said = during(document, Options(executable=program(NO_NAMESPACES), allow_unsandboxed=True))
    assert (said["sandbox"], said["unsandboxed_allowed"]) == ("off", True)
    assert said["sandbox_missing"] == "a process that runs pages is not in its sandbox"


def test_where_leave_is_given_and_the_sandbox_works_it_is_on_all_the_same():
    said = during(document, Options(allow_unsandboxed=True))
    assert (said["sandbox"], said["unsandboxed_allowed"]) == ("on", True)


@pytest.mark.parametrize("text", ["exit 1", "exec sleep 60"])
def test_a_program_that_is_no_browser_is_reported(program, text):
    with pytest.raises(BrowserMissing):
        during(document, Options(executable=program(text), seconds=1))


def test_a_browser_that_is_not_where_it_is_said_to_be_is_named_with_its_setting(tmp_path):
    with pytest.raises(BrowserMissing, match="chromium: is no program that can be started") as refused:
        during(document, Options(executable=tmp_path / "chromium"))
    assert "TRUEUP_CHROMIUM" in refused.value.remedy


def test_a_browser_behind_tunnels_trusts_no_authority_of_ours():
    async def go():
        async with Proxy(gate_for(), AGENT) as ends, Proxy(gate_for(), AGENT, tunnel_only=True) as relays:
            return trusting(ends), trusting(relays)

    (trusted,), nothing = asyncio.run(go())
    assert trusted.startswith("--ignore-certificate-errors-spki-list=")
    assert nothing == []


def test_root_hands_a_browser_over_or_starts_none():
    found = user_for()
    assert found.uid
    assert found.drops == (os.geteuid() == 0)
    if found.drops:
        with pytest.raises(SandboxMissing):
            user_for(["no-such-user", "root"])
    else:
        assert user_for(["no-such-user"]) == found


@pytest.mark.parametrize(
    ("uids", "renderers", "namespaced", "filtered", "privileged", "whole"),
    [
        ((7,), 2, 2, 2, 0, True),
        ((0, 7), 2, 2, 2, 0, False),
        ((7,), 2, 2, 2, 1, False),
        ((7,), 0, 0, 0, 0, False),
        ((7,), 2, 1, 2, 0, False),
        ((7,), 2, 2, 1, 0, False),
        ((), 0, 0, 0, 0, False),
    ],
)
def test_confinement_is_whole_or_says_what_is_missing(uids, renderers, namespaced, filtered, privileged, whole):
    assert (Confinement(uids, renderers, namespaced, filtered, privileged).missing == "") == whole


def test_a_browser_that_is_gone_is_not_taken_for_a_confined_one():
    assert confinement(2**22 + 1).missing == "no process that runs pages was seen"
