"""Every reading of evidence that more than one face needs."""

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from trueup.kernel.errors import NotFound, UsageError
from trueup.kernel.evidence import facts as factstore
from trueup.kernel.evidence import ledger, models
from trueup.kernel.evidence.artifacts import CHUNK, check_artifact
from trueup.kernel.evidence.engine import notes
from trueup.kernel.evidence.engine.encode import raw, stamp
from trueup.kernel.evidence.engine.fact import Fact
from trueup.kernel.evidence.storecheck import StoreReport, verify_store
from trueup.kernel.files import replacing

_DAMAGED = {"at": "", "action": "", "principal": "", "outcome": "damaged"}


def _document(body: object) -> dict[str, Any]:
    """Return an entry's content; of one whose bytes were changed, only that it is damaged."""
    try:
        found = json.loads(raw(body))
    except ValueError:
        return dict(_DAMAGED)
    return _DAMAGED | found if isinstance(found, dict) else dict(_DAMAGED)


def entries(tenant: UUID, *, limit: int) -> list[dict[str, Any]]:
    """Return the newest entries of a tenant's log, each with its index (None while pending)."""
    rows = list(models.Entry.objects.filter(tenant=tenant).order_by("-id")[:limit])
    places = dict(models.Leaf.objects.filter(tenant=tenant, entry__in=[r.id for r in rows]).values_list("entry", "index"))
    return [{"index": places.get(row.id), **_document(row.body)} for row in rows]


def coverage(tenant: UUID) -> dict[str, int]:
    """Return how many entries are covered by the newest checkpoint, and how many are not yet."""
    found = ledger.coverage(tenant)
    return {"size": found.size, "pending": found.pending}


def verify(session: Any, against: Sequence[notes.Checkpoint]) -> StoreReport:
    """Verify the stored log of the session's tenant."""
    ports = session.context().ports
    return verify_store(session.tenant, keys=ports.keys, store=ports.artifacts, against=against)


def prove(session: Any, index: int, at_size: int | None) -> dict[str, Any]:
    """Return an entry, its inclusion proof, and a checkpoint of the tree it is proven in.

    Raises:
        NotFound: there is no such entry under a checkpoint.
        UsageError: the tree of that size does not hold it, or does not exist.
    """
    tenant = session.tenant
    ledger.sequence(tenant, session.context().ports.keys.signer())
    last = ledger.newest(tenant)
    leaf = models.Leaf.objects.filter(tenant=tenant, index=index).first()
    if last is None or leaf is None:
        raise NotFound(f"there is no entry {index}; the log has {last.size if last else 0}")
    size = at_size or last.size
    if not index < size <= last.size:
        raise UsageError(f"--at-size {size} is outside {index + 1}…{last.size}")
    tree = ledger.tree(tenant, size)
    body = models.Entry.objects.get(id=leaf.entry, tenant=tenant).body
    signer = session.context().ports.keys.signer()
    return {
        "index": index,
        "tree_size": size,
        "entry": raw(body).decode(),
        "leaf_hash": raw(leaf.hash).hex(),
        "proof": [base64.b64encode(node).decode() for node in tree.inclusion(index)],
        "root": tree.root().hex(),
        "checkpoint": ledger.checkpoint_note(ledger.origin(tenant), size, tree.root(), signer),
    }


def fact_dict(fact: Fact) -> dict[str, Any]:
    """Return a fact as JSON-able data."""
    return {
        "id": fact.id,
        "subject": fact.subject,
        "predicate": fact.predicate,
        "value": fact.value,
        "unit": fact.unit,
        "valid_at": stamp(fact.valid_at),
        "recorded_at": stamp(fact.recorded_at),
        "source": fact.source,
        "supersedes": fact.supersedes,
    }


def facts(tenant: UUID, *, subject: str = "", predicate: str = "", limit: int = 50) -> list[dict[str, Any]]:
    """Return a tenant's newest facts."""
    return [fact_dict(fact) for fact in factstore.listing(tenant, subject=subject, predicate=predicate, limit=limit)]


def fact(tenant: UUID, fact_id: str) -> dict[str, Any]:
    """Return one fact and its place in the ledger.

    Raises:
        NotFound: this tenant has no such fact.
    """
    try:
        row = models.Fact.objects.filter(tenant=tenant, id=UUID(fact_id)).first()
    except ValueError:
        row = None
    if row is None:
        raise NotFound(f"there is no fact {fact_id}", remedy="list them with 'trueup fact list'")
    leaf = models.Leaf.objects.filter(tenant=tenant, entry=row.entry).first()
    return {**fact_dict(factstore.read(row)), "entry": leaf.index if leaf else None, "index": row.index}


def copy_artifact(session: Any, sha256: str, out: Path) -> int:
    """Copy an artifact of this tenant out and return its size.

    Raises:
        NotFound: no entry of this tenant names it, or it is gone.
        Damaged: its bytes have changed.
    """
    store = session.context().ports.artifacts
    if not models.ArtifactRef.objects.filter(tenant=session.tenant, sha256=sha256).exists():
        raise NotFound(f"no entry of this tenant names the artifact {sha256}")
    check_artifact(store, session.tenant, sha256)
    size = 0
    with store.open(session.tenant, sha256) as source, replacing(out) as target:
        while chunk := source.read(CHUNK):
            size += target.write(chunk)
    return size


def read_artifact(session: Any, sha256: str, *, media_type: str) -> bytes:
    """Return a small artifact of this tenant and kind, checked against its digest.

    Raises:
        NotFound: no entry of this tenant names such an artifact, or it is gone.
        Damaged: its bytes have changed.
    """
    store = session.context().ports.artifacts
    if not models.ArtifactRef.objects.filter(tenant=session.tenant, sha256=sha256, media_type=media_type).exists():
        raise NotFound("no entry of this tenant names such an artifact")
    check_artifact(store, session.tenant, sha256)
    with store.open(session.tenant, sha256) as file:
        data: bytes = file.read()
    return data


def comparisons(tenant: UUID, *, limit: int = 100) -> list[dict[str, Any]]:
    """Return the newest entries that name a report, with their verdicts."""
    refs = models.ArtifactRef.objects.filter(tenant=tenant, name="report.html").order_by("-id")[:limit]
    found = []
    for ref in refs:
        body = json.loads(raw(models.Entry.objects.get(id=ref.entry, tenant=tenant).body))
        note = body.get("note", {})
        found.append(
            {
                "at": body["at"],
                "subject": ", ".join(body.get("subjects", ())),
                "verdict": note.get("verdict", "UNKNOWN"),
                "findings": note.get("findings", 0),
                "report": ref.sha256,
            }
        )
    return found
