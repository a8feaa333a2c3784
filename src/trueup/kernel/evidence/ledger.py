"""The tenant's log: entries are appended in the transaction of their change, then sequenced and signed.

References:
    RFC 6962 section 2.1, C2SP tlog-checkpoint.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from trueup.kernel.errors import Damaged
from trueup.kernel.evidence.engine.encode import encode, raw
from trueup.kernel.evidence.keys import Signer
from trueup.kernel.evidence.merkle import Frontier, ProofError, Tree, leaf_hash
from trueup.kernel.evidence.models import Checkpoint, Entry, Install, Leaf, Pending

SYSTEM = UUID(int=0)
BATCH = 10_000
_SEQUENCING = 0x5E9  # the class of advisory locks that sequencers take


def origin(tenant: UUID) -> str:
    """Return the name of a tenant's log: ``trueup/<install>/<tenant>``, ``…/system`` for the system log."""
    return f"trueup/{Install.objects.get().id}/{'system' if tenant == SYSTEM else tenant}"


def _uuid(value: UUID) -> Any:
    return value if connection.features.has_native_uuid_field else value.hex


def append(tenant: UUID, body: Mapping[str, Any]) -> int:
    """Append one entry inside the caller's transaction; return its id.

    The entry has no index yet: the sequencer gives it one.
    """
    data = encode(body)
    entry = Entry.objects.create(tenant=tenant, body=data, hash=leaf_hash(data))
    Pending.objects.create(entry=entry.id, tenant=tenant)
    return entry.id


def append_many(tenant: UUID, bodies: Sequence[Mapping[str, Any]]) -> None:
    """Append entries in order, in one transaction of their own."""
    key = _uuid(tenant)
    rows = [(key, data, leaf_hash(data)) for data in map(encode, bodies)]
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Others may insert between two of these rows: the ids are taken as they are given.
            entries = Entry.objects.bulk_create([Entry(tenant=tenant, body=data, hash=hashed) for _, data, hashed in rows])
            Pending.objects.bulk_create([Pending(tenant=tenant, entry=entry.id) for entry in entries])
            return
        cursor.execute("SELECT COALESCE(MAX(id), 0) FROM evidence_entry")
        before = cursor.fetchone()[0]
        cursor.executemany("INSERT INTO evidence_entry (tenant, body, hash) VALUES (%s, %s, %s)", rows)
        cursor.execute(
            "INSERT INTO evidence_pending (entry, tenant) SELECT id, tenant FROM evidence_entry WHERE id > %s AND tenant = %s",
            [before, key],
        )


def newest(tenant: UUID) -> Checkpoint | None:
    """Return the newest checkpoint of a tenant's log."""
    return Checkpoint.objects.filter(tenant=tenant).order_by("-size", "-id").first()


def sequence(tenant: UUID, signer: Signer) -> Checkpoint | None:
    """Give every pending entry its index and publish a checkpoint; return the newest one."""
    while _sequence_batch(tenant, signer):
        pass
    return newest(tenant)


def _sequence_batch(tenant: UUID, signer: Signer) -> bool:
    if not Pending.objects.filter(tenant=tenant).exists():
        return False
    key = _uuid(tenant)
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":  # one sequencer a tenant; SQLite's transaction is alone from its start
            cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_SEQUENCING, str(tenant)])
        last = newest(tenant)
        frontier = _frontier(last)
        _require_whole(tenant, frontier.size)
        cursor.execute(
            "SELECT p.entry, e.hash FROM evidence_pending p JOIN evidence_entry e ON e.id = p.entry "
            "WHERE p.tenant = %s ORDER BY p.entry LIMIT %s",
            [key, BATCH],
        )
        rows = cursor.fetchall()
        if not rows:
            return False
        leaves = [(key, index, entry, hashed) for index, (entry, hashed) in enumerate(rows, start=frontier.size)]
        cursor.executemany('INSERT INTO evidence_leaf (tenant, "index", entry, hash) VALUES (%s, %s, %s, %s)', leaves)
        # Exactly these: a transaction that began earlier may commit a lower id at this moment.
        cursor.executemany("DELETE FROM evidence_pending WHERE entry = %s AND tenant = %s", [(entry, key) for entry, _ in rows])
        frontier.extend(hashed for _, hashed in rows)
        Checkpoint.objects.create(
            tenant=tenant,
            size=frontier.size,
            root=frontier.root(),
            frontier=frontier.to_bytes(),
            note=checkpoint_note(origin(tenant), frontier.size, frontier.root(), signer),
        )
    return True


def _frontier(last: Checkpoint | None) -> Frontier:
    if last is None:
        return Frontier()
    try:
        return Frontier.from_bytes(last.size, raw(last.frontier))
    except ProofError as exc:
        raise Damaged(f"the checkpoint of size {last.size} is damaged: {exc}", remedy="trueup evidence log verify") from exc


def _require_whole(tenant: UUID, covered: int) -> None:
    """Refuse to go on over a log whose newest checkpoint does not cover exactly the entries that have an index."""
    last = Leaf.objects.filter(tenant=tenant).order_by("-index").values_list("index", flat=True).first()
    size = 0 if last is None else last + 1
    if size != covered:
        raise Damaged(
            f"the newest checkpoint covers {covered} entries, but {size} have an index",
            remedy="see what was changed with 'trueup evidence log verify'",
        )


def checkpoint_note(name: str, size: int, root: bytes, signer: Signer) -> str:
    """Return the signed note of a checkpoint."""
    return signer.sign_note(f"{name}\n{size}\n{base64.b64encode(root).decode()}\n")


def hashes(tenant: UUID, size: int) -> list[bytes]:
    """Return the first ``size`` leaf hashes of a tenant's log, in order."""
    rows = Leaf.objects.filter(tenant=tenant, index__lt=size).order_by("index").values_list("hash", flat=True)
    return [raw(value) for value in rows.iterator(chunk_size=BATCH)]


def tree(tenant: UUID, size: int) -> Tree:
    """Return the tree of the first ``size`` entries, for proofs."""
    return Tree(hashes(tenant, size))


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a log is signed for.

    Args:
        size: entries under the newest checkpoint.
        pending: entries not yet covered.
    """

    size: int
    pending: int


def coverage(tenant: UUID) -> Coverage:
    """Count covered and pending entries."""
    last = newest(tenant)
    return Coverage(last.size if last else 0, Pending.objects.filter(tenant=tenant).count())
