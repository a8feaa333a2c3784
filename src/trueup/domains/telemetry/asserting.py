"""What actions share about asserts and outlooks: reading the first, and what both make known."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from trueup.domains.telemetry import facts as known
from trueup.kernel.documents import Document
from trueup.kernel.evidence.engine.encode import encode
from trueup.kernel.evidence.engine.fact import Fact, FactValue, Predicate

if TYPE_CHECKING:
    from trueup.domains.telemetry.engine.asserts import Assert


def given(document: Mapping[str, Any] | None) -> "tuple[Assert, ...]":
    """Read asserts that came as data; none where nothing came.

    Raises:
        UnreadableInput: they are none.
    """
    if document is None:
        return ()
    from trueup.domains.telemetry.sources.assertfile import read_asserts

    return read_asserts(Document("asserts", document))


def facts(subject: str, document: Mapping[str, Any], at: datetime, source: str) -> Sequence[Fact]:
    """Return what a verdict document makes known of its asserts, and of how long its metrics have.

    Args:
        subject: of the run.
        document: of the comparison.
        at: when it was found.
        source: who found it.
    """

    def fact(predicate: Predicate, value: FactValue, part: str = "") -> Fact:
        return Fact(f"{subject}{part}", predicate.key, value, valid_at=at, recorded_at=at, source=source, unit=predicate.unit)

    found = [fact(known.ASSERT, item["result"], f"/assert/{item['id']}") for item in document["asserts"]]
    if found:
        found += [fact(known.ASSERTS, document["asserts_verdict"]), fact(known.ASSERTS_SHA256, digest(document["asserts"]))]
    left: dict[str, float] = {}
    for item in document["outlook"]:
        seconds = item["time_to_limit"]["seconds"]
        if seconds is not None:
            left[item["metric"]] = min(float(seconds), left.get(item["metric"], float("inf")))
    return [*found, *(fact(known.TIME_TO_LIMIT, seconds, f"/{metric}") for metric, seconds in left.items())]


def digest(answers: Sequence[Mapping[str, Any]]) -> str:
    """Return the SHA-256 of the asserts that were answered, whatever the answers are."""
    fields = ("id", "metric", "op", "value", "severity", "persistence")
    return hashlib.sha256(encode({"asserts": [{name: item[name] for name in fields} for item in answers]})).hexdigest()
