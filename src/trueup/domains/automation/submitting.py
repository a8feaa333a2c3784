"""Deciding about jobs that are asked for: by their own URLs, on compiled policies, before anything is written."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from trueup.domains.automation import snapshots
from trueup.domains.automation.actions_jobs import tier_of, violation
from trueup.domains.automation.engine import jobtypes
from trueup.domains.automation.engine.decide import Asked, Decision, decide
from trueup.domains.automation.engine.hostpolicy import Snapshot
from trueup.domains.automation.engine.profiles import PROFILES
from trueup.domains.automation.engine.stepkinds import Evaluate, FileDownload, Navigate
from trueup.domains.automation.engine.steps import Script, walk
from trueup.domains.automation.engine.tiers import Strategy, may_open
from trueup.domains.automation.engine.urls import UrlRefused, read
from trueup.domains.automation.jobspec import Frozen, JobArgs, JobRequestIn
from trueup.kernel.actions.base import Context
from trueup.kernel.errors import UsageError

if TYPE_CHECKING:
    from trueup.domains.automation.engine.loading import Load

_MARGIN = 5
"""Seconds that a job has beyond its load: for what is asked last, and for its evidence."""


def decided(ctx: Context, requests: Sequence[JobRequestIn]) -> list[tuple[JobArgs, int]]:
    """Return each job as it is stored, and how many may run at its authority at once.

    Raises:
        UsageError: one cannot be understood; says which.
        PolicyViolation: a rule refuses one.
    """
    compiled = snapshots.current(ctx.tenant)
    found = []
    for number, request in enumerate(requests):
        try:
            found.append(_one(ctx, compiled, request))
        except UsageError as exc:
            where = f"jobs.{number}: " if len(requests) > 1 else ""
            raise UsageError(f"{where}{exc.message}", remedy=exc.remedy, details={**exc.details, "job": number}) from None
    return found


def _one(ctx: Context, compiled: Snapshot, request: JobRequestIn) -> tuple[JobArgs, int]:
    tier, job_type = tier_of(request.strategy), jobtypes.type_of(request.job_type)
    if request.profile and request.profile not in PROFILES:
        raise UsageError(f"profile: there is no {request.profile!r}", remedy=f"use one of {', '.join(sorted(PROFILES))}")
    plain = request.model_copy(update={"strategy": str(tier), "job_type": job_type})
    asked = Asked(tier, may_open(ctx.principal.roles), job_type=job_type)
    decision = _allowed(compiled, request.url, asked, ctx)
    require_domain(request.domain, request.url)
    script = script_for(plain)
    for url in urls_of(script):
        _allowed(compiled, url, asked, ctx)
    _require_open(compiled, decision, plain, script)
    target = decision.target
    if target is None:
        raise TypeError("an allowed decision has a target")
    frozen = Frozen(
        snapshot=compiled.digest,
        host=target.host,
        authority=target.authority,
        mode=str(decision.mode),
        authorization=decision.authorization[0] if decision.authorization else "",
        authorization_version=decision.authorization[1] if decision.authorization else 0,
        policy=decision.policy[0] if decision.policy else "",
        policy_version=decision.policy[1] if decision.policy else 0,
    )
    return JobArgs(request=plain, frozen=frozen), decision.limits.concurrent


def _allowed(compiled: Snapshot, url: str, asked: Asked, ctx: Context) -> Decision:
    decision = decide(compiled, url, asked, ctx.now)
    if not decision.allowed:
        raise violation(decision)
    return decision


def _require_open(compiled: Snapshot, decision: Decision, request: JobRequestIn, script: Script | None) -> None:
    """Check that no more is asked for than the target's authorization could ever allow, and no script that nobody reviewed.

    Raises:
        PolicyViolation: so it is.
    """
    most = decision.ceilings.requests
    load = request.payload.get("load")
    if isinstance(load, dict) and most is not None and load_of(load).requests > most:
        reason = f"its authorization allows {most} requests in all, and the load asks for more"
        raise violation(replace(decision, allowed=False, reason=reason, rule_ids=("ceiling.requests",)))
    scripts = [step.script for step, _ in walk(script.steps) if isinstance(step, Evaluate)] if script else []
    host = decision.target.host if decision.target else ""
    reviewed = frozenset[str]().union(*(policy.scripts for policy in compiled.policies(host)[:1]))
    for text in scripts:
        digest = hashlib.sha256(text.encode()).hexdigest()
        if request.strategy != Strategy.CUSTOM or digest not in reviewed:
            reason = f"the policy of {host} names no script with SHA-256 {digest}, for the tier custom"
            raise violation(replace(decision, allowed=False, reason=reason, rule_ids=("tier.script",)))


def require_domain(domain: str, url: str) -> None:
    """Check that a domain that a caller says is the URL's host.

    Raises:
        UsageError: it is not.
    """
    if not domain:
        return
    host = read(url).host
    try:
        said = read(f"http://{f'[{domain}]' if domain.count(':') > 1 else domain}/").host
    except UrlRefused:
        said = ""
    if said != host:
        raise UsageError(
            f"domain: the URL's host is {host}, not {domain}",
            remedy="leave domain out: the host is read from the URL",
            details={"field": "domain"},
        )


def script_for(request: JobRequestIn) -> Script | None:
    """Return the steps of a job, within what its tier may do.

    Raises:
        UsageError: the payload does not fit, or the tier does not do this.
    """
    payload = dict(request.payload)
    load, matrix = payload.pop("load", None), payload.pop("profiles", None)
    if load is not None:
        _require_load(request, load)
    if matrix is not None and (request.strategy != Strategy.MATRIX or not _known(matrix)):
        raise UsageError("payload.profiles: names of profiles, for the tier matrix alone", remedy=", ".join(sorted(PROFILES)))
    script = jobtypes.script_of(request.job_type, request.url, payload)
    if request.job_type == "custom_script" and request.strategy != Strategy.CUSTOM:
        raise UsageError("a custom_script runs in the tier custom alone", remedy="ask for the strategy custom")
    return script


def _require_load(request: JobRequestIn, load: object) -> None:
    """Check that load is what the job may make, and has the time to.

    Raises:
        UsageError: it is not.
    """
    if request.strategy != Strategy.ASSAULT:
        raise UsageError("payload.load: only the tier assault loads a target", remedy="leave it out, or ask for assault")
    if request.job_type != jobtypes.FETCH:
        raise UsageError(f"payload.load: a {request.job_type} makes no load", remedy=f"ask for the type {jobtypes.FETCH}")
    if load_of(load).seconds + _MARGIN > request.timeout_seconds:
        raise UsageError(
            f"payload.load.seconds: the job may take {request.timeout_seconds} s in all",
            remedy=f"give it {_MARGIN} seconds more than the load takes",
            details={"field": "payload.load.seconds"},
        )


def load_of(said: object) -> "Load":
    """Return what a payload says about load.

    Raises:
        UsageError: it makes no sense.
    """
    from trueup.domains.automation.engine.loading import Load

    return Load.read(said)


def _known(profiles: object) -> bool:
    return isinstance(profiles, list) and 0 < len(profiles) <= 20 and all(name in PROFILES for name in profiles)


def urls_of(script: Script | None) -> list[str]:
    """Return the addresses that steps name outright; those made of stored values are decided about when they are known."""
    steps = [step for step, _ in walk(script.steps)] if script else []
    found = [step.url for step in steps if isinstance(step, Navigate | FileDownload) and step.url]
    return [url for url in dict.fromkeys(found) if "{{" not in url]
