"""Which baseline a run is held against.

Only what can stand for a baseline (``standing``) and has the run's own program, subsystem and test can be chosen, and, of the
circumstances that the policy names, what shares all that the run states. Among those the closest in circumstances is taken,
and of equally close ones the newest. Nothing is ever chosen for want of something better: without an eligible baseline there is none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from trueup.domains.telemetry.engine.circumstances import Circumstances, Level, Likeness, likeness


class Strategy(StrEnum):
    """How a baseline is chosen."""

    GOLDEN = "golden"  # the version that bears a tag
    LAST_PASS = "last_pass"  # noqa: S105 - the newest run that passed
    ROLLING = "rolling"  # the newest version
    EXPLICIT = "explicit"  # the one that is named


class Form(StrEnum):
    """What a run can be held against."""

    VERSION = "version"
    RUN = "run"


@dataclass(frozen=True, slots=True)
class Candidate:
    """What could be chosen.

    Args:
        id, name: of the version or run.
        at: when it was made or recorded.
        tags: that a version bears now.
        trusted: whether it can stand for a baseline, by ``standing.trusted``.
    """

    form: Form
    id: str
    name: str
    circumstances: Circumstances
    at: datetime
    tags: frozenset[str] = frozenset()
    trusted: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to choose for.

    Args:
        run: its id; a run is never held against itself.
        before: when it was recorded; runs that came later are not its baseline.
        must_match: circumstances that have to be alike where the run states them.
        name: of the version or run that is asked for, for ``EXPLICIT``.
    """

    run: str
    circumstances: Circumstances
    before: datetime
    strategy: Strategy
    tag: str = "golden"
    must_match: tuple[str, ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The answer: a candidate or none, and why."""

    candidate: Candidate | None
    reason: str
    level: Level = Level.NONE
    matched: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def choose(wanted: Wanted, candidates: Sequence[Candidate]) -> Chosen:
    """Choose a baseline.

    Args:
        wanted: the run and the strategy.
        candidates: of the tenant, in any order.
    """
    if wanted.strategy is Strategy.EXPLICIT:
        return _named(wanted, candidates)
    eligible, missing = _eligible(wanted, candidates)
    if not eligible:
        return Chosen(None, missing)
    fitting = [item for item in eligible if not _differing(wanted, item)]
    if not fitting:
        differing = sorted({name for item in eligible for name in _differing(wanted, item)})
        return Chosen(None, f"context_mismatch: none shares the run's {', '.join(differing)}")
    best = max(fitting, key=lambda item: (len(_like(wanted, item).matched), item.at, item.id))
    return _answer(wanted, best, str(wanted.strategy))


def _eligible(wanted: Wanted, candidates: Sequence[Candidate]) -> tuple[list[Candidate], str]:
    """Return what the strategy allows in the run's scope, and what to say when that is nothing."""
    scope = wanted.circumstances.scope
    here = [item for item in candidates if item.circumstances.scope == scope and item.id != wanted.run]
    versions = [item for item in here if item.form is Form.VERSION]
    match wanted.strategy:
        case Strategy.GOLDEN:
            return [item for item in versions if wanted.tag in item.tags], f"tag_not_found: no version of {scope} is {wanted.tag}"
        case Strategy.ROLLING:
            fit = [item for item in versions if item.trusted]
            return (
                fit,
                f"no_versions: none of the {len(versions)} versions of {scope} has consent, or is made of runs that passed",
            )
        case _:
            runs = [item for item in here if item.form is Form.RUN and item.at < wanted.before]
            passed = [item for item in runs if item.trusted]
            return (
                passed,
                f"no_passed_runs: none of the {len(runs)} earlier runs of {scope} passed what the policy held it against",
            )


def _named(wanted: Wanted, candidates: Sequence[Candidate]) -> Chosen:
    found = next((item for item in candidates if wanted.name in (item.id, item.name) and item.id != wanted.run), None)
    if found is None:
        return Chosen(None, f"not_found: there is no other run or version {wanted.name}")
    answer = _answer(wanted, found, "explicit")
    if found.circumstances.scope != wanted.circumstances.scope:
        note = f"the baseline is of {found.circumstances.scope}, the run of {wanted.circumstances.scope}"
        return Chosen(answer.candidate, answer.reason, answer.level, answer.matched, (note, *answer.notes))
    return answer


def _like(wanted: Wanted, item: Candidate) -> Likeness:
    return likeness(wanted.circumstances.context, item.circumstances.context)


def _differing(wanted: Wanted, item: Candidate) -> tuple[str, ...]:
    return likeness(wanted.circumstances.context, item.circumstances.context, wanted.must_match).differing


def _answer(wanted: Wanted, item: Candidate, reason: str) -> Chosen:
    like = _like(wanted, item)
    notes = tuple(
        f"{name} of the baseline is {item.circumstances.context.get(name) or 'not said'}, "
        f"of the run {wanted.circumstances.context[name]}"
        for name in like.differing
    )
    return Chosen(item, reason, like.level, like.matched, notes)
