"""Every reading of runs, analyses and baselines."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from trueup.domains.telemetry import measured
from trueup.domains.telemetry.engine.circumstances import Circumstances, Scope
from trueup.domains.telemetry.engine.rollup import Judged
from trueup.domains.telemetry.models import Analysis, Baseline, BaselineTag, Configuration, Run
from trueup.kernel.errors import Damaged, NotFound
from trueup.kernel.evidence.engine.encode import encode, stamp
from trueup.kernel.words import Verdict

POLICY = "baseline_policy"
REGISTRY = "metric_registry"


def subject(name: str) -> str:
    """Return the subject under which facts and packs know a run."""
    return f"run/{name}"


def circumstances(row: Run | Baseline) -> Circumstances:
    """Return what was said of a run or version."""
    return Circumstances(Scope(row.program, row.subsystem, row.test_name), dict(row.context))


def scope_key(of: Circumstances) -> str:
    """Return the key under which tags of a scope and its circumstances are kept."""
    scope = of.scope
    return hashlib.sha256(
        encode({"scope": [scope.program, scope.subsystem, scope.test_name], "context": dict(of.context)})
    ).hexdigest()


def _named_or_id(rows: Any, text: str) -> Any:
    """Return the row of a name, else of an id, else None."""
    found = rows.filter(name=text).first()
    if found is None:
        with suppress(ValueError):
            found = rows.filter(id=UUID(text)).first()
    return found


def find_run(tenant: UUID, text: str) -> Run:
    """Return a run by its name or id.

    Raises:
        NotFound: this tenant has none.
    """
    found: Run | None = _named_or_id(Run.objects.filter(tenant=tenant), text)
    if found is None:
        raise NotFound(f"there is no run {text!r}", remedy="list them with 'trueup telemetry runs list'")
    return found


def run_of(tenant: UUID, id: str) -> Run:
    """Return the run of an id, and of nothing but an id: a name may look like one.

    Raises:
        NotFound: it is gone.
    """
    found = Run.objects.filter(tenant=tenant, id=UUID(id)).first()
    if found is None:
        raise NotFound(f"the run {id} is gone")
    return found


def baseline_of(tenant: UUID, id: str) -> Baseline:
    """Return the version of an id.

    Raises:
        NotFound: it is gone.
    """
    found = Baseline.objects.filter(tenant=tenant, id=UUID(id)).first()
    if found is None:
        raise NotFound(f"the baseline version {id} is gone")
    return found


def find_baseline(tenant: UUID, text: str) -> Baseline:
    """Return a baseline version by its name or id.

    Raises:
        NotFound: this tenant has none.
    """
    found: Baseline | None = _named_or_id(Baseline.objects.filter(tenant=tenant), text)
    if found is None:
        raise NotFound(f"there is no baseline version {text!r}", remedy="list them with 'trueup telemetry baseline list'")
    return found


def run_document(row: Run) -> dict[str, Any]:
    """Return a run as lists and commands show it."""
    return {
        "run": row.name,
        "id": str(row.id),
        "verdict": row.verdict or None,
        "by_policy": row.by_policy,
        "program": row.program,
        "subsystem": row.subsystem,
        "test_name": row.test_name,
        "context": dict(row.context),
        "build": dict(row.build),
        "source": row.source,
        "file": row.file_name,
        "sha256": row.sha256,
        "rows": row.rows,
        "metrics": len(row.mapping),
        "started_at": stamp(row.started_at) if row.started_at else None,
        "ended_at": stamp(row.ended_at) if row.ended_at else None,
        "recorded_at": stamp(row.recorded_at),
        "recorded_by": row.recorded_by,
        "analysed_at": stamp(row.analysed_at) if row.analysed_at else None,
    }


def runs(tenant: UUID, *, program: str = "", test_name: str = "", verdict: str = "", limit: int = 20) -> list[Run]:
    """Return runs, the newest first."""
    rows = Run.objects.filter(tenant=tenant).order_by("-recorded_at", "name")
    for field, value in (("program", program), ("test_name", test_name), ("verdict", verdict)):
        rows = rows.filter(**{field: value}) if value else rows
    return list(rows[:limit])


def standing(row: Run) -> str:
    """Return what a run counts as: a pass that somebody picked the comparison for is no pass of the test."""
    return str(Verdict.NO_BASELINE) if row.verdict == Verdict.PASS and not row.by_policy else row.verdict


def trend(tenant: UUID, run: Run, metric: str, *, limit: int = 50) -> list[dict[str, Any]]:
    """Return a metric of the run's scope over its latest runs, the oldest first: mean, deviation and verdict.

    Raises:
        Damaged: the numbers of a run are not those that were recorded.
    """
    same = Run.objects.filter(tenant=tenant, program=run.program, subsystem=run.subsystem, test_name=run.test_name)
    rows = list(same.order_by("-recorded_at", "-id")[:limit])[::-1]
    found = {m.run: m for numbers in measured.by_run(tenant, rows).values() for m in numbers if m.metric == metric}
    return [
        {"run": row.name, "verdict": standing(row), "mean": m.mean, "sd": m.sd, "unit": m.unit, "this": row.id == run.id}
        for row in rows
        if (m := found.get(row.id)) is not None and m.mean is not None and m.sd is not None
    ]


def analyses(tenant: UUID, run: UUID) -> list[dict[str, Any]]:
    """Return what a run was found to be, the newest first."""
    rows = Analysis.objects.filter(tenant=tenant, run=run).order_by("-at", "id")
    return [
        {
            "analysis": str(row.id),
            "at": stamp(row.at),
            "verdict": row.verdict,
            "by_policy": row.by_policy,
            "findings": row.findings,
            "baseline": row.baseline,
            "config_digest": row.config_digest,
            "comparison": row.comparison,
            "report": row.report,
        }
        for row in rows
    ]


def tags(tenant: UUID) -> dict[UUID, set[str]]:
    """Return the tags that each version bears now."""
    newest: dict[tuple[str, str], UUID] = {}
    for row in BaselineTag.objects.filter(tenant=tenant).order_by("id"):
        newest[row.tag, row.scope] = row.baseline
    found: dict[UUID, set[str]] = {}
    for (tag, _), baseline in newest.items():
        found.setdefault(baseline, set()).add(tag)
    return found


def tag_history(tenant: UUID, *, tag: str = "", scope: str = "", limit: int = 50) -> list[BaselineTag]:
    """Return how tags moved, the newest first."""
    rows = BaselineTag.objects.filter(tenant=tenant).order_by("-id")
    rows = rows.filter(tag=tag) if tag else rows
    rows = rows.filter(scope=scope) if scope else rows
    return list(rows[:limit])


def manifest(rows: Iterable[Run]) -> list[dict[str, str]]:
    """Return what a version is made of, in its order."""
    return [
        {
            "run": row.name,
            "id": str(row.id),
            "sha256": row.sha256,
            "mapping": hashlib.sha256(encode(row.mapping)).hexdigest(),
            "numbers": row.numbers,
        }
        for row in rows
    ]


def baseline_digest(of: Circumstances, parts: Sequence[dict[str, str]]) -> str:
    """Return the digest that binds a version to its circumstances and its runs' data."""
    return hashlib.sha256(encode({"scope": scope_key(of), "runs": list(parts)})).hexdigest()


def same_baseline(tenant: UUID, digest: str, quality: dict[str, Any]) -> Baseline | None:
    """Return the version that was made of the same runs and judged alike; None where there is none."""
    plain = json.loads(encode(quality))
    return next(
        (row for row in Baseline.objects.filter(tenant=tenant, digest=digest).order_by("id") if row.quality == plain), None
    )


def baseline_runs(tenant: UUID, row: Baseline) -> list[Run]:
    """Return the runs of a version, after holding them against what the version was bound to.

    Raises:
        NotFound: a run is gone.
        Damaged: a run, or the version itself, is no longer what it was.
    """
    found = [run_of(tenant, part["id"]) for part in row.manifest]
    if manifest(found) != row.manifest or baseline_digest(circumstances(row), row.manifest) != row.digest:
        raise Damaged(
            f"baseline {row.name} is no longer what it was made of",
            remedy="make a new version, and look for who changed the store: trueup evidence log verify",
        )
    return found


def baseline_document(row: Baseline, bearing: Iterable[str] = ()) -> dict[str, Any]:
    """Return a version as lists and commands show it."""
    return {
        "version": row.name,
        "id": str(row.id),
        "digest": row.digest,
        "tags": sorted(bearing),
        "program": row.program,
        "subsystem": row.subsystem,
        "test_name": row.test_name,
        "context": dict(row.context),
        "runs": [part["run"] for part in row.manifest],
        "founding": list(row.founding),
        "quality": row.quality,
        "created_at": stamp(row.created_at),
        "created_by": row.created_by,
    }


def baselines(tenant: UUID, *, limit: int = 20) -> list[dict[str, Any]]:
    """Return versions, the newest first, with the tags they bear."""
    bearing = tags(tenant)
    rows = Baseline.objects.filter(tenant=tenant).order_by("-created_at", "name")[:limit]
    return [baseline_document(row, bearing.get(row.id, ())) for row in rows]


def configuration(tenant: UUID, kind: str) -> Configuration | None:
    """Return the newest version of a configuration; None where there is none."""
    return Configuration.objects.filter(tenant=tenant, kind=kind).order_by("-id").first()


def configuration_digest(body: Any) -> str:
    """Return the SHA-256 by which analyses name a configuration."""
    return hashlib.sha256(encode(body)).hexdigest()


def judged(tenant: UUID, *, program: str = "", test_name: str = "", limit: int = 200) -> list[Judged]:
    """Return the newest runs as they were last found to be, with the findings of that analysis."""
    rows = runs(tenant, program=program, test_name=test_name, limit=limit)
    latest: dict[UUID, Analysis] = {}
    for made in Analysis.objects.filter(tenant=tenant, run__in=[row.id for row in rows]).order_by("at", "id"):
        latest[made.run] = made
    return [
        Judged(
            row.name,
            row.recorded_at,
            standing(row),
            tuple((item["metric"], item["kind"]) for item in latest[row.id].found) if row.id in latest else (),
        )
        for row in rows
    ]
