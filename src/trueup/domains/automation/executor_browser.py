"""Runs in a browser: a context of its own behind the run's own proxy, once, or once for each profile of the tier matrix."""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from trueup.domains.automation import facts, sessions
from trueup.domains.automation.browser.launch import Launched
from trueup.domains.automation.browser.perform import perform
from trueup.domains.automation.browser.performed import Ended, Performed, StepResult
from trueup.domains.automation.browser.pictures import decoded
from trueup.domains.automation.browser.pool import Pool
from trueup.domains.automation.browser.room import Left, Limits, State
from trueup.domains.automation.egress.gate import HopRefused
from trueup.domains.automation.egress.proxy import Proxy
from trueup.domains.automation.engine.endings import VIOLATION, Ending
from trueup.domains.automation.engine.pacing import pacing_of
from trueup.domains.automation.engine.pixels import Picture, difference
from trueup.domains.automation.engine.profiles import profile as profile_of
from trueup.domains.automation.engine.steps import Script, walk
from trueup.domains.automation.engine.tiers import Strategy
from trueup.domains.automation.engine.urls import UrlRefused, read
from trueup.domains.automation.executors import Found, refused
from trueup.domains.automation.reach import Reach
from trueup.kernel.errors import NotFound
from trueup.kernel.evidence.artifacts import Artifact
from trueup.kernel.secrets.vault import Vault

MATRIX = ("desktop", "tablet", "phone", "desktop-dark")
"""Profiles of the tier matrix, where a job names none."""
_ENDINGS = {Ended.COMPLETED: Ending.COMPLETED, Ended.FAILED: Ending.FAILED, Ended.BLOCKED: Ending.BLOCKED}


class JobRoom:
    """What performing steps needs, for one run; fills ``browser.room.Room``."""

    def __init__(self, reach: Reach, script: Script) -> None:
        self._reach = reach
        self._steps = max(1, sum(1 for _ in walk(script.steps)))
        self._over = 0

    async def keep(self, data: bytes | Path, *, name: str, media_type: str) -> Artifact:
        """Keep bytes, or a file's content."""
        ctx = self._reach.ctx
        return await asyncio.to_thread(lambda: ctx.ports.artifacts.put(ctx.tenant, data, name=name, media_type=media_type))

    async def fetch_artifact(self, sha256: str) -> bytes:
        """Return what was kept in this tenant."""
        ctx = self._reach.ctx

        def read_whole() -> bytes:
            with ctx.ports.artifacts.open(ctx.tenant, sha256) as file:
                return file.read()

        data = await asyncio.to_thread(read_whole)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise NotFound(f"the artifact {sha256} is not what was stored")
        return data

    async def secret(self, name: str, at: str) -> SecretStr:
        """Return a secret, for the job's own host alone: a page elsewhere gets none, wherever it led."""
        self._require_home(at, f"the secret {name!r}")
        vault = Vault(self._reach.ctx.ports.keys.path / "secrets.key")
        return await self._reach.desk.put(lambda: vault.reveal(self._reach.ctx.tenant, name))

    def _require_home(self, at: str, what: str) -> None:
        frozen = self._reach.args.frozen
        try:
            here = read(at)
        except UrlRefused:
            here = None
        if here is None or here.authority != frozen.authority:
            raise NotFound(f"{what} is meant for {frozen.authority} alone")
        if read(self._reach.args.request.url).scheme == "https" and here.scheme != "https":
            raise NotFound(f"{what} is not typed where nothing is encrypted")

    async def session(self, name: str) -> Mapping[str, Any] | None:
        """Return what was kept under a name for the job's own host."""
        ctx = self._reach.ctx
        return await self._reach.desk.put(lambda: sessions.opened(ctx, name, self._reach.args.frozen.authority))

    async def keep_session(self, name: str, state: Mapping[str, Any], hours: int) -> None:
        """Seal and keep a session."""
        ctx, authority = self._reach.ctx, self._reach.args.frozen.authority
        await self._reach.desk.put(lambda: sessions.kept(ctx, name, authority, state, timedelta(hours=hours)))

    async def go_on(self) -> None:
        """Leave where the run has to end now."""
        await self._reach.go_on("")

    async def visit(self, url: str) -> None:
        """Wait for the turn of a page."""
        await self._reach.go_on("")
        await self._reach.visit(url)

    async def left(self, url: str) -> Left | None:
        """Return how the last request for a URL left."""
        try:
            wanted = read(url).url
        except UrlRefused:
            wanted = url
        for hop in reversed(self._reach.record.hops):
            if hop.url in (wanted, url):
                return Left(hop.status, () if hop.allowed else hop.rule_ids, hop.reason)
        return None

    async def told(self, path: str, step: Any, state: State, result: StepResult | None = None) -> None:
        """Show how far the job is."""
        self._over += result is not None
        fraction = min(0.99, self._over / self._steps)
        words = f"step {path}: {step.action} {state}"
        await self._reach.desk.put(lambda: self._reach.watch.tell(fraction, words))

    async def may_evaluate(self, script_sha256: str) -> bool:
        """Whether the tier is custom, and the host's policy names the script by its digest."""
        if self._reach.asked.strategy is not Strategy.CUSTOM:
            return False
        live = self._reach.snapshot()
        return any(script_sha256 in policy.scripts for policy in live.policies(self._reach.args.frozen.host)[:1])


async def browse(reach: Reach, pool: Pool, script: Script, profiles: tuple[str, ...]) -> Found:
    """Perform a job's steps, in a context for each profile."""
    if reach.asked.strategy is not Strategy.MATRIX:
        return await _once(reach, pool, script, reach.args.request.profile or profiles[0])
    found = Found(summary={"profiles": {}})
    pictures: dict[str, bytes] = {}
    for name in profiles:
        one = await _once(reach, pool, script, name)
        found.summary["profiles"][name] = {"ended": str(one.ending), "code": one.code, "status": one.status, **one.summary}
        found.kept += one.kept
        found.steps = [*found.steps, *({**step, "profile": name} for step in one.steps)]
        found.page, found.url, found.status, found.wait = one.page, one.url, one.status, one.wait
        found.document[name] = one.document
        if found.ending is Ending.COMPLETED and one.ending is not Ending.COMPLETED:
            found.ending, found.code, found.reason, found.rules = one.ending, one.code, f"{name}: {one.reason}", one.rules
        if one.ending in (Ending.BLOCKED, Ending.DENIED):
            break  # a target that asks to be left alone is not asked again in another dress
        picture = next((kept for kept in one.kept if kept.media_type == "image/png"), None)
        if picture is not None:
            pictures[name] = await JobRoom(reach, script).fetch_artifact(picture.sha256)
    found.summary["compared"] = await asyncio.to_thread(_compared, pictures)
    return found


def _compared(pictures: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """Compare the last pictures of profiles that are equally wide, each with the first of its width."""
    first: dict[int, tuple[str, Picture]] = {}
    found = []
    for name, data in pictures.items():
        picture = decoded(data)
        width = picture.shape[1]
        if width in first:
            other, before = first[width]
            changed = difference(before, picture)
            found.append({"profile": name, "with": other, "changed": round(changed.share, 6), "regions": changed.found})
        else:
            first[width] = (name, picture)
    return found


async def _once(reach: Reach, pool: Pool, script: Script, profile: str) -> Found:
    request = reach.args.request
    pacing = pacing_of(reach.asked.strategy, f"{request.seed}/{request.url}")  # the same for the same job, asked for again
    limits = Limits(seconds=float(request.timeout_seconds), pacing=pacing)
    room = JobRoom(reach, script)
    async with pool.lent(reach.ctx.tenant) as (browser, authority), Proxy(reach.gate, reach.agent, authority=authority) as proxy:
        context = await browser.context(through=proxy, **await _profile(reach, profile))
        try:
            done = await perform(context, script, room, limits=limits)
            if request.session and done.ended is Ended.COMPLETED:
                await room.keep_session(request.session, dict(await context.storage_state()), sessions.HOURS)
        except HopRefused as exc:
            return refused(exc)
        finally:
            await context.close()
        found = _found(done, browser, proxy, profile)
        found.document["pacing"] = {"seed": pacing.seed, "low_ms": pacing.low_ms, "high_ms": pacing.high_ms}
        return found


async def _profile(reach: Reach, name: str) -> dict[str, Any]:
    options: dict[str, Any] = profile_of(name).context()
    kept = reach.args.request.session
    if kept:
        ctx, authority = reach.ctx, reach.args.frozen.authority
        state = await reach.desk.put(lambda: sessions.opened(ctx, kept, authority))
        if state is not None:
            options["storage_state"] = state
    return options


def _found(done: Performed, browser: Launched, proxy: Proxy, profile: str) -> Found:
    code = str(done.code or "")
    ending = Ending.DENIED if code == VIOLATION else _ENDINGS.get(done.ended or Ended.FAILED, Ending.FAILED)
    kept = [*done.artifacts, *(one for step in done.steps for one in step.artifacts)]
    seen = browser.document()
    seen["turned_away"] = {"unknown": proxy.counts.unknown, "busy": proxy.counts.busy, "malformed": proxy.counts.malformed}
    found = Found(ending, code, done.reason, done.rules, done.url, done.status, done.retry_after)
    found.steps = [step.document() for step in done.steps]
    found.summary = {"status": done.status, "final_url": done.url, "stored": _short(done.stored)}
    found.kept = list({one.sha256: one for one in kept}.values())
    found.document = {"profile": profile, "browser": seen, "stored": done.stored}
    if done.url and done.status is not None:
        outcome = {Ending.COMPLETED: "fetched", Ending.BLOCKED: "blocked"}.get(ending, "failed")
        found.page = [(done.url, facts.OUTCOME.key, outcome, ""), (done.url, facts.STATUS.key, done.status, facts.STATUS.unit)]
    return found


def _short(stored: Mapping[str, Any]) -> Any:
    """Return what was stored where it is short; its size where it is not: the manifest holds it whole."""
    text = json.dumps(stored, ensure_ascii=False)
    return dict(stored) if len(text) <= 16_384 else {"bytes": len(text.encode()), "names": sorted(stored)[:100]}
