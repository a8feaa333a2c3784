"""Facts in the store: recorded with their entry, read back as they were."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid4

from django.db import connection
from django.db.models import Q, QuerySet

from trueup.kernel.errors import Damaged
from trueup.kernel.evidence import models
from trueup.kernel.evidence.engine.encode import fact_bytes, value_text
from trueup.kernel.evidence.engine.fact import Fact
from trueup.kernel.evidence.merkle import Tree, leaf_hash
from trueup.kernel.evidence.predicates import check
from trueup.kernel.rows import insert


def prepared(facts: Sequence[Fact]) -> list[Fact]:
    """Check facts and give each its id.

    Raises:
        UsageError: a fact that its predicate does not allow.
    """
    for fact in facts:
        check(fact)
    return [fact if fact.id else replace(fact, id=str(uuid4())) for fact in facts]


def digest(facts: Sequence[Fact]) -> dict[str, str | int]:
    """Return what the ledger says of a batch of facts: the root of their Merkle tree, and their count."""
    return {"root": fact_tree(facts).root().hex(), "count": len(facts)}


def fact_tree(facts: Sequence[Fact]) -> Tree:
    """Return the Merkle tree over a batch of facts."""
    return Tree([leaf_hash(fact_bytes(fact)) for fact in facts])


def store(tenant: UUID, entry: int, facts: Sequence[Fact]) -> None:
    """Write a batch of facts beside its entry, inside the caller's transaction."""
    insert(
        models.Fact,
        _COLUMNS,
        (
            (
                fact.id,
                tenant,
                fact.subject,
                fact.predicate,
                value_text(fact.value),
                fact.unit,
                fact.valid_at,
                fact.recorded_at,
                fact.source,
                fact.supersedes,
                entry,
                index,
            )
            for index, fact in enumerate(facts)
        ),
    )


_COLUMNS = (
    "id",
    "tenant",
    "subject",
    "predicate",
    "value",
    "unit",
    "valid_at",
    "recorded_at",
    "source",
    "supersedes",
    "entry",
    "index",
)


def read(row: models.Fact, signers: tuple[str, ...] = ()) -> Fact:
    """Return a stored row as the fact it was."""
    return Fact(
        id=str(row.id),
        subject=row.subject,
        predicate=row.predicate,
        value=json.loads(row.value),
        unit=row.unit,
        valid_at=row.valid_at,
        recorded_at=row.recorded_at,
        source=row.source,
        supersedes=row.supersedes,
        signers=signers,
    )


def of_entry(tenant: UUID, entry: int) -> list[Fact]:
    """Return the facts of one entry, in their order.

    Raises:
        Damaged: a column does not hold what a fact has there.
    """
    try:
        return [read(row) for row in models.Fact.objects.filter(tenant=tenant, entry=entry).order_by("index")]
    except (ValueError, TypeError, AttributeError) as exc:
        raise Damaged(f"the facts of the entry with id {entry} cannot be read: {exc}") from exc


def about(subject: str) -> Q:
    """Return the filter for a subject and its parts (``subject/part``).

    SQLite's LIKE would not tell capitals apart, and PostgreSQL's order of text is the database's language's: each store
    is asked in the way that is exact there.
    """
    if connection.vendor == "postgresql":
        return Q(subject=subject) | Q(subject__startswith=subject + "/")
    return Q(subject=subject) | Q(subject__gte=subject + "/", subject__lt=subject + "0")  # "0" follows "/"


def listing(
    tenant: UUID, *, subject: str = "", predicate: str = "", until: datetime | None = None, limit: int | None = None
) -> Iterator[Fact]:
    """Yield a tenant's facts, the newest first.

    Args:
        tenant: whose.
        subject: this subject and its parts; all when empty.
        predicate: ``name@version``; all when empty.
        until: only facts recorded by then.
        limit: at most so many.
    """
    rows: QuerySet[models.Fact] = models.Fact.objects.filter(tenant=tenant).order_by("-recorded_at", "entry", "index")
    if subject:
        rows = rows.filter(about(subject))
    if predicate:
        rows = rows.filter(predicate=predicate)
    if until is not None:
        rows = rows.filter(recorded_at__lte=until)
    for row in rows[:limit] if limit else rows.iterator(chunk_size=2000):
        yield read(row)
