"""What one attempt kept, as its page shows it: bounded, and each part standing for itself."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from trueup.domains.automation import jobqueries
from trueup.domains.automation.engine.loadchart import loadchart
from trueup.domains.automation.engine.waterfall import Waterfall, waterfall
from trueup.domains.automation.models import Run
from trueup.domains.automation.web.policies import rule_url
from trueup.kernel.actions.base import Context
from trueup.kernel.errors import Damaged, NotFound, TrueupError

PICTURES = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}
"""What is shown in the page, each with how its bytes begin."""
STEPS, HOPS, LINES, SHOWN_PICTURES, ARCHIVES = 300, 200, 200, 60, 4
_LONGEST = 32 << 20
_STORED = 20_000
_WIDE = 120
"""Units of the drawing of a step's time."""


def read(ctx: Context, sha256: str, longest: int = _LONGEST) -> bytes:
    """Return an artifact's bytes, once they are what they were.

    Raises:
        NotFound: it is gone, or too large to be shown.
        Damaged: it is not what was stored.
    """
    if ctx.ports.artifacts.size(ctx.tenant, sha256) > longest:
        raise NotFound(f"the artifact {sha256} is too large to be shown; save it instead")
    with ctx.ports.artifacts.open(ctx.tenant, sha256) as file:
        data = file.read()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise Damaged(f"the artifact {sha256} is not what was stored")
    return data


def attempt(ctx: Context, run: Run, *, refused: bool) -> dict[str, Any]:
    """Return one attempt as its page shows it; what is gone or damaged is said where it would stand.

    Args:
        ctx: whose.
        run: the attempt.
        refused: only requests that were refused.
    """
    found: dict[str, Any] = {"run": run, "gone": [], "ended": run.ended, "seconds": run.elapsed_ms / 1000}
    manifest: Mapping[str, Any] = _part(found, "what it did", lambda: jobqueries.manifest_of(ctx, run)) or {}
    kept = [one for one in manifest.get("artifacts", ()) if isinstance(one, Mapping)]
    steps = manifest.get("steps", [])
    found |= {
        "steps": timeline(steps[:STEPS], run.begun, max(1, run.elapsed_ms)),
        "more_steps": max(0, len(steps) - STEPS),
        "pictures": [one for one in kept if one["media_type"] in PICTURES][:SHOWN_PICTURES],
        "downloads": list(_downloads(steps)),
        "load": loadchart(run.summary.get("timeline")),
        "stored": _stored(manifest, run),
        "artifacts": _named(run, kept),
        "agent": manifest.get("user_agent", ""),
        "browser": manifest.get("browser"),
    }
    hops = _part(found, "what left", lambda: _hops(read(ctx, run.record), run.job, manifest.get("frozen", {}), refused=refused))
    found |= hops or {"hops": [], "all_hops": 0, "refused_hops": 0, "more_hops": 0}
    found["archives"] = [one for kept_as in _ending(kept, ".har")[:ARCHIVES] if (one := _archive(ctx, found, kept_as))]
    console = _ending(kept, ".console.jsonl")[:1]
    found["console"] = _part(found, "the console", lambda: _console(read(ctx, console[0]["sha256"]))) if console else None
    return found


def _part[T](found: dict[str, Any], what: str, work: Callable[[], T]) -> T | None:
    try:
        return work()
    except (TrueupError, ValueError) as exc:
        why = exc.message if isinstance(exc, TrueupError) else "it cannot be read"
        found["gone"].append({"what": what, "why": why})
        return None


def _ending(kept: Iterable[Mapping[str, Any]], ending: str) -> list[Mapping[str, Any]]:
    """Return what was kept under such a name, the whole run's before those of steps."""
    return sorted((one for one in kept if str(one["name"]).endswith(ending)), key=lambda one: not one["name"].startswith("final"))


def timeline(steps: Iterable[Mapping[str, Any]], begun: datetime, elapsed: int) -> list[dict[str, Any]]:
    """Return steps with a bar for each: when it began within the attempt, and how long it took.

    Args:
        steps: as a manifest holds them, in the order in which they ended.
        begun: when the attempt did.
        elapsed: milliseconds that it took.
    """
    found = []
    for step in steps:
        took = int(step["metrics"]["elapsed_ms"])
        start = max(0.0, (datetime.fromisoformat(step["at"]) - begun).total_seconds() * 1000)
        x = min(_WIDE - 1.0, start / elapsed * _WIDE)
        found.append(
            {
                **step,
                "depth": depth(str(step["path"])),
                "ms": took,
                "attempts": step["metrics"]["attempts"],
                "x": round(x, 2),
                "width": round(min(_WIDE - x, max(1.0, took / elapsed * _WIDE)), 2),
                "state": "ok" if step["success"] else "failed",
            }
        )
    return sorted(found, key=lambda one: (one["at"], str(one["path"])))


def depth(path: str) -> int:
    """Return how deep a step lies in others, 6 at most.

    >>> [depth(path) for path in ("2", "2.then.1", "3[4].1", "5.steps.1.else.2")]
    [1, 2, 2, 3]
    """
    return min(6, sum(part[:1].isdigit() for part in path.split(".")))


def _downloads(steps: Iterable[Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    for step in steps:
        data = step.get("data")
        if step["action"] == "file_download" and isinstance(data, Mapping) and data.get("sha256"):
            yield {**data, "path": step["path"]}


def _stored(manifest: Mapping[str, Any], run: Run) -> str:
    """Return what steps stored, or what the run amounts to, as a text of bounded length; a timeline is drawn instead."""
    stored = manifest.get("stored") or {
        name: value for name, value in run.summary.items() if name != "timeline" and value not in (None, {}, [])
    }
    text = json.dumps(stored, ensure_ascii=False, indent=2) if stored else ""
    return text if len(text) <= _STORED else f"{text[:_STORED]}\n… {len(text)} characters in all; the manifest holds it whole"


def _named(run: Run, kept: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    own = [
        {"name": "run.json", "sha256": run.manifest, "media_type": "application/json", "what": "the whole attempt"},
        {"name": "egress.jsonl", "sha256": run.record, "media_type": "application/x-ndjson", "what": "what left"},
    ]
    return [*own, *kept]


def _hops(data: bytes, job: UUID, frozen: Mapping[str, Any], *, refused: bool) -> dict[str, Any]:
    lines = data.splitlines()
    about = json.loads(lines[0]) if lines else {}
    if any(b'"job":"' in line for line in lines[1:]):  # the record of several jobs, each line of which names its own
        lines = [b"", *(line for line in lines[1:] if f'"job":"{job}"'.encode() in line)]
        about = {"hops": len(lines) - 1, "refused": [{"count": 1} for line in lines[1:] if b'"allowed":false' in line]}
    rows = [line for line in lines[1:] if not refused or b'"allowed":false' in line]
    shown = [json.loads(line) for line in rows[:HOPS]]
    for hop in shown:
        hop["rules"] = [{"id": rule, "url": rule_page(rule, frozen)} for rule in hop["rule_ids"]]
        hop["verdict"] = "allowed" if hop["allowed"] else "refused"
    count = sum(one["count"] for one in about.get("refused", ()))
    return {
        "hops": shown,
        "all_hops": about.get("hops", 0),
        "refused_hops": count,
        "more_hops": (count if refused else about.get("hops", 0)) - len(shown),
    }


def rule_page(rule: str, frozen: Mapping[str, Any]) -> str:
    """Return the page of a rule that decided about a request of a job; empty where there is none.

    Args:
        rule: its id.
        frozen: what was decided when the job was asked for.
    """
    kind, _, name = rule.partition(".")
    if kind == "policy":
        pattern = str(frozen.get("policy", "")) if name in ("path", "port") else "" if name == "allowlist" else name
        return rule_url(rule, pattern, "")
    return rule_url(rule, "", "")


def _archive(ctx: Context, found: dict[str, Any], kept: Mapping[str, Any]) -> dict[str, Any] | None:
    def drawn() -> Waterfall:
        return waterfall(json.loads(read(ctx, kept["sha256"])))

    one = _part(found, str(kept["name"]), drawn)
    return {"kept": kept, "fall": one} if one is not None else None


def _console(data: bytes) -> dict[str, Any]:
    lines = data.splitlines()
    return {"lines": [json.loads(line) for line in lines[:LINES]], "more": max(0, len(lines) - LINES)}
