"""Deciding about jobs that are asked for: by their own URLs, on compiled policies, before anything is written."""

from collections.abc import Sequence

from trueup.domains.automation import snapshots
from trueup.domains.automation.actions_jobs import tier_of, violation
from trueup.domains.automation.engine import jobtypes
from trueup.domains.automation.engine.decide import Asked, Decision, decide
from trueup.domains.automation.engine.hostpolicy import Snapshot
from trueup.domains.automation.engine.profiles import PROFILES
from trueup.domains.automation.engine.stepkinds import FileDownload, Navigate
from trueup.domains.automation.engine.steps import Script, walk
from trueup.domains.automation.engine.tiers import Strategy, may_open
from trueup.domains.automation.engine.urls import UrlRefused, read
from trueup.domains.automation.jobspec import Frozen, JobArgs, JobRequestIn
from trueup.kernel.actions.base import Context
from trueup.kernel.errors import UsageError


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
        if request.strategy != Strategy.ASSAULT:
            raise UsageError("payload.load: only the tier assault loads a target", remedy="leave it out, or ask for assault")
        from trueup.domains.automation.engine.loading import Load

        Load.read(load)
    if matrix is not None and (request.strategy != Strategy.MATRIX or not _known(matrix)):
        raise UsageError("payload.profiles: names of profiles, for the tier matrix alone", remedy=", ".join(sorted(PROFILES)))
    script = jobtypes.script_of(request.job_type, request.url, payload)
    if request.job_type == "custom_script" and request.strategy != Strategy.CUSTOM:
        raise UsageError("a custom_script runs in the tier custom alone", remedy="ask for the strategy custom")
    return script


def _known(profiles: object) -> bool:
    return isinstance(profiles, list) and 0 < len(profiles) <= 20 and all(name in PROFILES for name in profiles)


def urls_of(script: Script | None) -> list[str]:
    """Return the addresses that steps name outright; those made of stored values are decided about when they are known."""
    steps = [step for step, _ in walk(script.steps)] if script else []
    found = [step.url for step in steps if isinstance(step, Navigate | FileDownload) and step.url]
    return [url for url in dict.fromkeys(found) if "{{" not in url]
