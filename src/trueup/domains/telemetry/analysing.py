"""Holding a run against its baseline: choose, open, compare, draw. Changes nothing but the artifact store."""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueup.domains.telemetry import asserting, configuring, measured, queries, trust
from trueup.domains.telemetry.actions import reports
from trueup.domains.telemetry.engine.policy import BaselinePolicy
from trueup.domains.telemetry.engine.quality import decay
from trueup.domains.telemetry.engine.selection import Chosen, Form, Strategy, Wanted, choose
from trueup.domains.telemetry.models import Run
from trueup.domains.telemetry.progress import telling_columns
from trueup.kernel.actions.base import Context
from trueup.kernel.errors import NotFound
from trueup.kernel.evidence.artifacts import Artifact
from trueup.kernel.evidence.engine.encode import encode

if TYPE_CHECKING:
    from trueup.domains.telemetry.engine.asserts import Assert
    from trueup.domains.telemetry.engine.config import CompareConfig
    from trueup.domains.telemetry.engine.registry import Registry
    from trueup.domains.telemetry.engine.result import Comparison
    from trueup.domains.telemetry.sources.stored import StoredRun


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the caller asks of an analysis; an empty baseline leaves the choice to the policy."""

    baseline: str
    alpha: float
    critical: frozenset[str]
    drift_is_fail: bool
    pdf: bool = False
    asserts: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Analysed:
    """What an analysis hands to its transaction."""

    document: dict[str, Any]
    artifacts: tuple[Artifact, ...]


def analyse(ctx: Context, run: Run, wishes: Wishes) -> Analysed:
    """Hold a run against what is chosen for it.

    Raises:
        NotFound: there is no baseline of the name that was given, or data of the run or of its baseline is gone.
        Damaged: it is not what was recorded.
    """
    rules, rules_digest = configuring.policy(ctx)
    wanted = Wanted(
        run=str(run.id),
        circumstances=queries.circumstances(run),
        before=run.recorded_at,
        strategy=rules.strategy,
        tag=rules.tag,
        must_match=rules.context_match,
    )
    known = trust.candidates(ctx.tenant, None if wishes.baseline else wanted.circumstances.scope)
    own = choose(wanted, known)
    chosen = choose(replace(wanted, strategy=Strategy.EXPLICIT, name=wishes.baseline), known) if wishes.baseline else own
    if wishes.baseline and chosen.candidate is None:
        raise NotFound(
            f"there is no other run or baseline version {wishes.baseline!r}", remedy="see 'trueup telemetry runs list'"
        )
    loose = _loose(own, chosen, wishes)
    registry, registry_digest = configuring.registry(ctx)
    config = _config(run, wishes, registry)
    comparison = _compared(ctx, run, chosen, config, asserting.given(wishes.asserts))
    notes = [*loose, *chosen.notes, *_old(ctx, run, chosen, rules)]
    if rules.dual and not wishes.baseline:
        rolling = choose(replace(wanted, strategy=Strategy.ROLLING), known)
        notes += _early(ctx, run, rolling, chosen, config)
    digests = {"baseline_policy": rules_digest, "metric_registry": registry_digest}
    return _kept(ctx, run, chosen, comparison, notes, digests, pdf=wishes.pdf, by_policy=not loose)


def _loose(own: Chosen, chosen: Chosen, wishes: Wishes) -> list[str]:
    """Say why the verdict is not the policy's own, so that nothing can be built on it; nothing where it is."""
    from trueup.domains.telemetry.engine.config import CompareConfig

    found = []
    if chosen.candidate != own.candidate:
        theirs = own.candidate.name if own.candidate else f"nothing ({own.reason})"
        found.append(f"asked for: the policy would hold it against {theirs}; no baseline can be built on this verdict")
    usual = CompareConfig().alpha
    if wishes.alpha < usual:
        found.append(f"asked for: alpha {wishes.alpha:g} is below {usual:g}; no baseline can be built on this verdict")
    return found


def _config(run: Run, wishes: Wishes, registry: "Registry | None") -> "CompareConfig":
    """Join what the caller asks for with what the registry says of each metric in the run's program and mode."""
    from trueup.domains.telemetry.engine.config import CompareConfig

    asked: dict[str, Any] = {"alpha": wishes.alpha, "critical": wishes.critical, "drift_is_fail": wishes.drift_is_fail}
    if registry is None:
        return CompareConfig(**asked)
    return CompareConfig(**asked, **configuring.rules(registry, run.program, run.context.get("operating_mode", "")))


def _parts(ctx: Context, chosen: Chosen) -> list[Run]:
    """Return the runs that make up what was chosen."""
    if chosen.candidate is None:
        return []
    if chosen.candidate.form is Form.RUN:
        return [queries.run_of(ctx.tenant, chosen.candidate.id)]
    return queries.baseline_runs(ctx.tenant, queries.baseline_of(ctx.tenant, chosen.candidate.id))


def _stored(row: Run) -> "StoredRun":
    from trueup.domains.telemetry.sources.stored import StoredRun

    return StoredRun(row.name, row.sha256, row.file_name, row.mapping)


def _compared(ctx: Context, run: Run, chosen: Chosen, config: "CompareConfig", checks: "Sequence[Assert]" = ()) -> "Comparison":
    from trueup.domains.telemetry.engine.views import Watched
    from trueup.domains.telemetry.engine.whole import examine_run
    from trueup.domains.telemetry.sources.stored import open_runs

    store, spool = ctx.ports.artifacts, ctx.ports.spool()
    parts = _parts(ctx, chosen)
    with ExitStack() as stack:
        table = stack.enter_context(open_runs(store, ctx.tenant, [_stored(run)], spool=spool))
        watched = Watched(table, telling_columns(len(table.numeric)))
        if not parts:
            return examine_run(None, watched, config=config, checks=checks)
        against = stack.enter_context(open_runs(store, ctx.tenant, [_stored(part) for part in parts], spool=spool))
        return examine_run(against, watched, config=config, checks=checks)


def _old(ctx: Context, run: Run, chosen: Chosen, rules: BaselinePolicy) -> list[str]:
    """Say in what way the chosen version has grown old."""
    if chosen.candidate is None or chosen.candidate.form is not Form.VERSION:
        return []
    parts = measured.run_numbers(ctx.tenant, _parts(ctx, chosen))
    sums: dict[str, tuple[float, int]] = {}
    for part in parts:
        for name, numbers in part.metrics.items():
            total, n = sums.get(name, (0.0, 0))
            sums[name] = (total + numbers.mean * numbers.n, n + numbers.n)
    means = {name: total / n for name, (total, n) in sums.items() if n}
    present = {name: numbers.mean for name, numbers in measured.run_numbers(ctx.tenant, [run])[0].metrics.items()}
    return list(decay(chosen.candidate.at, ctx.now, means, present, rules.decay))


def _early(ctx: Context, run: Run, rolling: Chosen, chosen: Chosen, config: "CompareConfig") -> list[str]:
    """Hold the run against the rolling version too, and tell what that shows; it decides nothing."""
    if rolling.candidate is None or (chosen.candidate is not None and rolling.candidate.id == chosen.candidate.id):
        return []
    found = _compared(ctx, run, rolling, config)
    said = [f"early warning, against {rolling.candidate.name}: {finding.explanation}" for finding in found.findings]
    return said or [f"against the rolling version {rolling.candidate.name}: {found.verdict}"]


def _kept(
    ctx: Context,
    run: Run,
    chosen: Chosen,
    comparison: "Comparison",
    notes: Sequence[str],
    digests: Mapping[str, str],
    *,
    pdf: bool,
    by_policy: bool,
) -> Analysed:
    from trueup.domains.telemetry.engine.document import document

    about = _about(ctx, chosen)
    config = {"comparison": dict(comparison.config), **digests}
    body = document(comparison)
    body |= {
        "run": queries.run_document(run),
        "baseline": about,
        "by_policy": by_policy,
        "subject": queries.subject(run.name),
        "notes": [*notes, *body["notes"]],
        "config_digest": hashlib.sha256(encode(_plain(config))).hexdigest(),
        **digests,
    }
    sides = {
        "title": f"{run.name} held against {about['name'] or 'no baseline'}",
        "baseline_name": about["name"] or "no baseline",
        "run_name": run.name,
    }
    meta = {
        "Subject": body["subject"],
        "Baseline": f"{about['name']} ({about['strategy']}: {about['reason']})" if about["name"] else about["reason"],
        "Baseline digest": about["digest"] or "none",
        "Run SHA-256": run.sha256,
        "Config digest": body["config_digest"],
    }
    stored = (
        *reports(ctx, comparison, body, sides, meta, pdf=pdf),
        _data(ctx, "run", run),
        *(_data(ctx, "baseline", part) for part in _parts(ctx, chosen)),
    )
    return Analysed(body, stored)


def _data(ctx: Context, role: str, run: Run) -> Artifact:
    """Name a run's data as evidence of the analysis."""
    size = ctx.ports.artifacts.size(ctx.tenant, run.sha256)
    return Artifact(run.sha256, size, f"{role}-{Path(run.file_name).name}", "application/octet-stream")


def _plain(value: Any) -> Any:
    """Return configuration as the encoder takes it: sets in order."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(_plain(item) for item in value)
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _about(ctx: Context, chosen: Chosen) -> dict[str, Any]:
    found = chosen.candidate
    digest = ""
    if found is not None:
        row = queries.run_of(ctx.tenant, found.id) if found.form is Form.RUN else None
        digest = row.sha256 if row else queries.baseline_of(ctx.tenant, found.id).digest
    return {
        "kind": str(found.form) if found else None,
        "id": found.id if found else None,
        "name": found.name if found else None,
        "digest": digest,
        "reason": chosen.reason,
        "strategy": chosen.reason if found else None,
        "match_level": str(chosen.level),
        "matched": list(chosen.matched),
    }
