"""Which runs and versions can stand for a baseline, by how their verdicts came about.

A pass that somebody picked the comparison for, or loosened the numbers for, says nothing that others could build on. What
can be built on goes back, step by step, to a version that two people consented to.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from trueup.kernel.words import Verdict


@dataclass(frozen=True, slots=True)
class RunStanding:
    """How a run was found to be.

    Args:
        by_policy: whether the policy chose what it was held against, at numbers no looser than the usual.
        against: id of the run or version it was held against; empty where there was none.
    """

    id: str
    verdict: str
    by_policy: bool
    against: str = ""


@dataclass(frozen=True, slots=True)
class VersionStanding:
    """How a version came about.

    Args:
        runs: ids of what it is made of.
        vouched: whether it was ever given a tag, which takes two people.
        withdrawn: whether its tag was taken back since, and no tag given again.
    """

    id: str
    runs: tuple[str, ...]
    vouched: bool = False
    withdrawn: bool = False


def trusted(runs: Sequence[RunStanding], versions: Sequence[VersionStanding]) -> frozenset[str]:
    """Return the ids of all that can stand for a baseline.

    Those are: versions with consent that was not withdrawn, and the runs they are made of; runs that passed, by the policy,
    against something of this set; versions made of nothing but runs of this set and not withdrawn.

    Args:
        runs: of one tenant, in any order.
        versions: of the same tenant, in any order.
    """
    passed: dict[str, list[str]] = {}
    for run in runs:
        if run.by_policy and run.verdict == Verdict.PASS and run.against:
            passed.setdefault(run.against, []).append(run.id)
    parts = {version.id: version.runs for version in versions if not version.withdrawn}
    missing = {id: set(made_of) for id, made_of in parts.items() if made_of}
    holding: dict[str, list[str]] = {}
    for id, made_of in parts.items():
        for run_id in set(made_of):
            holding.setdefault(run_id, []).append(id)
    found: set[str] = set()
    to_do = [version.id for version in versions if version.vouched and not version.withdrawn]
    while to_do:
        one = to_do.pop()
        if one in found:
            continue
        found.add(one)
        to_do += [*passed.get(one, ()), *parts.get(one, ())]
        for id in holding.get(one, ()):
            missing[id].discard(one)
            to_do += [] if missing[id] else [id]
    return frozenset(found)
