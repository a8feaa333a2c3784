"""Starting a browser: one way out, an unprivileged user, its sandbox on, a home of its own that is gone afterwards.

Nothing here makes a browser look like anything else than the automated browser that it is.

References:
    Chromium's ``net/docs/proxy.md`` (bypass rules), ``docs/linux/sandboxing.md``, and its command-line switches.
"""

import asyncio
import contextlib
import os
import shlex
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueup.domains.automation.browser.errors import BrowserMissing, SandboxMissing
from trueup.domains.automation.browser.sandbox import Confinement, User, confinement, user_for
from trueup.domains.automation.egress.proxy import Proxy
from trueup.kernel.errors import UsageError

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, BrowserType, ProxySettings

PLACES = (
    "/usr/lib/chromium/chromium-headless-shell",
    "/usr/bin/chromium-headless-shell",
    "/usr/lib/chromium/chromium",
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome-stable",
)
"""Where systems put the browser."""

_SWITCHES = (
    "--disable-quic",
    # each of the two is read by one kind of build
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--dns-prefetch-disable",
    # the proxy resolves names; what would be resolved here would be looked up around it
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-client-side-phishing-detection",
    "--no-pings",
)
_CLOSING = 10.0
# who the browser is and where it goes out is not for a job to say
_NOT_FOR_JOBS = frozenset({"user_agent", "proxy", "ignore_https_errors", "bypass_csp", "base_url", "http_credentials"})


@dataclass(frozen=True, slots=True)
class Options:
    """How to start one.

    Args:
        executable: of Chromium; looked for where it is None.
        allow_unsandboxed: start it without its sandbox where there is none; recorded.
        seconds: that it may take to start.
    """

    executable: Path | None = None
    allow_unsandboxed: bool = False
    seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Launched:
    """A running browser, and what was seen of it."""

    browser: "Browser"
    agent: str
    user: User
    confined: Confinement
    options: Options
    proxy: Proxy
    home: Path

    async def context(self, *, through: Proxy | None = None, **profile: Any) -> "BrowserContext":
        """Open an isolated context with a declared profile: viewport, locale, time zone and the like.

        Args:
            through: a proxy of its own, as its only way out; that of the browser where it is None.
            profile: keyword arguments of Playwright's ``new_context``.

        Raises:
            UsageError: the profile sets what is not a job's to say.
        """
        wrong = sorted(_NOT_FOR_JOBS & set(profile))
        if wrong:
            raise UsageError(f"{', '.join(wrong)} is not for a profile to set", remedy="leave it out")
        way = None if through is None else way_out(through)
        return await self.browser.new_context(user_agent=self.agent, proxy=way, **profile)

    def document(self) -> dict[str, Any]:
        """Return what evidence says about it."""
        return {
            "browser": f"Chromium {self.browser.version}",
            "user_agent": self.agent,
            "user": self.user.name,
            "sandbox": "off" if self.confined.missing else "on",
            "unsandboxed_allowed": self.options.allow_unsandboxed,
            "sandbox_missing": self.confined.missing,
            "renderers_seen": self.confined.renderers,
            "decided_by": "host" if self.proxy.tunnel_only else "url",
            "turned_away": {
                "unknown": self.proxy.counts.unknown,
                "busy": self.proxy.counts.busy,
                "malformed": self.proxy.counts.malformed,
            },
        }


def executable() -> Path:
    """Return where the browser is.

    Raises:
        BrowserMissing: it is nowhere.
    """
    for place in PLACES:
        if os.access(place, os.X_OK):
            return Path(place)
    raise BrowserMissing("no Chromium was found", remedy="install it: apt-get install chromium-headless-shell")


@contextlib.asynccontextmanager
async def launched(proxy: Proxy, options: Options | None = None) -> AsyncIterator[Launched]:
    """Run a browser whose only way out is a proxy.

    Args:
        proxy: that listens already.
        options: how to start it.

    Raises:
        BrowserMissing: there is none, or it did not start.
        SandboxMissing: it would run without its sandbox, and that was not allowed.
    """
    options = options or Options()
    try:
        from playwright.async_api import Error, async_playwright
    except ImportError as exc:
        raise BrowserMissing("what drives browsers is not installed", remedy="pip install 'trueup[automation]'") from exc
    path = options.executable or executable()
    if not os.access(path, os.X_OK):
        raise BrowserMissing(
            f"{path}: is no program that can be started",
            remedy="set TRUEUP_CHROMIUM (automation.chromium) to a Chromium, or leave it out",
        )
    user = user_for()
    home = Path(tempfile.mkdtemp(prefix="trueup-browser-"))
    try:
        wrapper = _prepared(home, path, user)
        async with async_playwright() as playwright:
            start = _Start(playwright.chromium, proxy, options, user, home, wrapper)
            try:
                run = await start.seen(sandbox=True)
            except SandboxMissing:
                if not options.allow_unsandboxed:
                    raise
                run = await start.seen(sandbox=False)
            try:
                yield run
            finally:
                # the end of the driver ends one that does not close
                with contextlib.suppress(Error, TimeoutError):
                    async with asyncio.timeout(_CLOSING):
                        await run.browser.close()
    finally:
        await asyncio.to_thread(shutil.rmtree, home, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class _Start:
    """All that starting needs."""

    chromium: "BrowserType"
    proxy: Proxy
    options: Options
    user: User
    home: Path
    wrapper: Path

    async def seen(self, *, sandbox: bool) -> Launched:
        """Start a browser and look at it.

        Raises:
            BrowserMissing: it did not start.
            SandboxMissing: its sandbox was asked for, and is not there.
        """
        browser = await self._started(sandbox=sandbox)
        try:
            name, confined = await _seen(browser, int((self.home / "pid").read_text()))
            if sandbox and confined.missing:
                raise SandboxMissing(confined.missing)
        except BaseException:
            await browser.close()
            raise
        return Launched(browser, f"{name} {self.proxy.agent}", self.user, confined, self.options, self.proxy, self.home)

    async def _started(self, *, sandbox: bool) -> "Browser":
        from playwright.async_api import Error

        try:
            return await self.chromium.launch(
                executable_path=self.wrapper,
                chromium_sandbox=sandbox,
                args=[*_SWITCHES, *trusting(self.proxy)],
                proxy=way_out(self.proxy),
                env=_environment(self.home),
                downloads_path=self.home / "downloads",
                timeout=self.options.seconds * 1000,
            )
        except Error as exc:
            raise _why_not(exc) from exc


def way_out(proxy: Proxy) -> "ProxySettings":
    """Return the settings by which everything goes through a proxy: with "<-loopback>" this machine's own addresses too."""
    return {"server": proxy.address, "username": proxy.user, "password": proxy.password, "bypass": "<-loopback>"}


def trusting(proxy: Proxy) -> list[str]:
    """Return the switch by which this browser alone trusts the run's authority; none where TLS does not end at the proxy."""
    return [] if proxy.tunnel_only else [f"--ignore-certificate-errors-spki-list={proxy.authority.spki}"]


def _prepared(home: Path, path: Path, user: User) -> Path:
    """Make a browser's home, and the program that starts it there as its user; return that program."""
    home.chmod(0o711)
    for name in ("home", "downloads", "tmp"):
        (home / name).mkdir(mode=0o700)
        if user.drops:
            os.chown(home / name, user.uid, user.gid)
    lines = ["#!/bin/sh", "set -e", f"echo $$ > {shlex.quote(str(home / 'pid'))}"]
    start = shlex.quote(str(path))
    if user.drops:
        # the driver, which is root's here, made the profile's folder
        chown = f"chown -R {user.uid}:{user.gid}"
        lines.append(f'for one; do case "$one" in --user-data-dir=*) {chown} "${{one#*=}}" ;; esac; done')
        drop = f"--reuid={user.uid} --regid={user.gid} --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs"
        start = f"setpriv {drop} -- {start}"
    lines.append(f'exec {start} "$@"')
    wrapper = home / "browser"
    wrapper.write_text("\n".join(lines) + "\n")
    wrapper.chmod(0o700)
    return wrapper


def _environment(home: Path) -> dict[str, str | float | bool]:
    """Return the browser's environment: none of ours, in which credentials may be."""
    return {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(home / "home"),
        "XDG_CONFIG_HOME": str(home / "home"),
        "XDG_CACHE_HOME": str(home / "home"),
        "TMPDIR": str(home / "tmp"),
        "LANG": "C.UTF-8",
    }


async def _seen(browser: "Browser", pid: int) -> tuple[str, Confinement]:
    """Return what a browser calls itself, and what is seen of it while it shows a page."""
    context = await browser.new_context()
    try:
        page = await context.new_page()
        return str(await page.evaluate("navigator.userAgent")), await asyncio.to_thread(confinement, pid)
    finally:
        await context.close()


def _why_not(exc: Exception) -> BrowserMissing | SandboxMissing:
    words = str(exc)
    if "sandbox" in words.lower() and ("No usable sandbox" in words or "namespace" in words.lower()):
        return SandboxMissing("this machine gives it no sandbox")
    lines = words.strip().splitlines() or [""]
    return BrowserMissing(
        f"the browser did not start: {lines[0]}", remedy="start it by hand to see why: chromium-headless-shell --version"
    )
