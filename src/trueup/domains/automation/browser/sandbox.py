"""The unprivileged user a browser runs as, and whether its sandbox is really on: looked at, never assumed.

References:
    namespaces(7), seccomp(2) and proc_pid_status(5) of Linux.
"""

import os
import pwd
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from trueup.domains.automation.browser.errors import SandboxMissing

USERS = ("trueup-browser", "nobody")
"""Whom root hands a browser over to: the first that exists."""
_FILTERED = "2"


@dataclass(frozen=True, slots=True)
class User:
    """Whom a browser runs as; ``drops`` where root hands it over."""

    name: str
    uid: int
    gid: int
    drops: bool


def user_for(names: Iterable[str] = USERS) -> User:
    """Return whom a browser runs as: this process's own user, or, for root, one without privileges.

    Raises:
        SandboxMissing: this process is root's, and there is no such user, or nothing to become that user with.
    """
    if os.geteuid() != 0:
        own = os.geteuid()
        try:
            name = pwd.getpwuid(own).pw_name
        except KeyError:
            name = str(own)
        return User(name, own, os.getegid(), drops=False)
    if shutil.which("setpriv") is None:
        raise SandboxMissing("setpriv (of util-linux), which takes root's privileges away, is not installed")
    for name in names:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        if found.pw_uid:
            return User(name, found.pw_uid, found.pw_gid, drops=True)
    raise SandboxMissing(f"root hands it over to another user, and there is none of {', '.join(names)}")


@dataclass(frozen=True, slots=True)
class Confinement:
    """What was seen of a running browser.

    Args:
        uids: of all its processes.
        renderers: processes that run pages.
        namespaced, filtered: how many of those are in namespaces of their own, and under a filter of system calls.
        privileged: processes that hold a capability outside any namespace of their own.
    """

    uids: tuple[int, ...]
    renderers: int
    namespaced: int
    filtered: int
    privileged: int

    @property
    def missing(self) -> str:
        """What is missing, in words; empty where nothing is."""
        if 0 in self.uids:
            return "a process of it is root's"
        if self.privileged:
            return "a process of it holds privileges"
        if not self.renderers:
            return "no process that runs pages was seen"
        if self.namespaced < self.renderers or self.filtered < self.renderers:
            return "a process that runs pages is not in its sandbox"
        return ""


def confinement(pid: int) -> Confinement:
    """Look at a browser's processes.

    Args:
        pid: of the browser itself.
    """
    try:
        root = psutil.Process(pid)
        processes = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        processes = []
    outside = _depth(_status(os.getpid()))
    uids: set[int] = set()
    renderers = namespaced = filtered = privileged = 0
    for process in processes:
        try:
            status, command = _status(process.pid), process.cmdline()
        except (OSError, psutil.Error):
            continue
        uids.update(int(uid) for uid in status["Uid"].split())
        apart = _depth(status) > outside
        privileged += not apart and int(status["CapEff"], 16) != 0
        if "--type=renderer" in command:
            renderers += 1
            namespaced += apart
            filtered += status["Seccomp"] == _FILTERED
    return Confinement(tuple(sorted(uids)), renderers, namespaced, filtered, privileged)


def _status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _depth(status: dict[str, str]) -> int:
    """Return how many namespaces of processes one lies in: the sandbox adds one, together with a user namespace."""
    return len(status["NSpid"].split())
