"""Read a tenant's whole log in the store and compare everything with what was recorded."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection

from trueup.kernel.errors import Damaged, NotFound
from trueup.kernel.evidence import facts as factstore
from trueup.kernel.evidence import ledger
from trueup.kernel.evidence.artifacts import ArtifactStore, check_artifact
from trueup.kernel.evidence.engine import notes
from trueup.kernel.evidence.engine.container import PackError
from trueup.kernel.evidence.engine.encode import raw
from trueup.kernel.evidence.engine.fact import Fact as FactRow
from trueup.kernel.evidence.engine.verifier import strict_json
from trueup.kernel.evidence.guards import missing
from trueup.kernel.evidence.keys import KeyFolder
from trueup.kernel.evidence.merkle import Frontier, leaf_hash
from trueup.kernel.evidence.models import Checkpoint, Entry, Fact, Leaf, Pending
from trueup.kernel.evidence.snapshot import snapshot


@dataclass(slots=True)
class StoreReport:
    """What a verification of a stored log found.

    Args:
        size: entries that have an index.
        pending: entries not yet covered by a checkpoint.
        findings: what is wrong, each with the sequence number (or id) it concerns.
        notes: what a reader should know and is not wrong.
    """

    origin: str
    size: int = 0
    pending: int = 0
    checkpoints: int = 0
    facts: int = 0
    artifacts: int = 0
    root: str = ""
    findings: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def bad(self, sequence: int | None, problem: str) -> None:
        """Add a finding."""
        self.findings.append({"sequence": sequence, "problem": problem})

    @property
    def verdict(self) -> str:
        """``PASS`` when there is something and nothing is wrong with it; an empty log proves nothing."""
        if self.findings:
            return "FAIL"
        return "PASS" if self.size else "NO_DATA"

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict document."""
        names = ("origin", "size", "pending", "checkpoints", "facts", "artifacts", "root", "notes")
        findings = sorted(self.findings, key=lambda f: (f["sequence"] is None, f["sequence"] or 0))
        return {"verdict": self.verdict, "findings": findings, **{name: getattr(self, name) for name in names}}


def verify_store(tenant: UUID, *, keys: KeyFolder, store: ArtifactStore, against: Iterable[notes.Checkpoint] = ()) -> StoreReport:
    """Verify entries, checkpoints, facts and artifacts of one tenant.

    Args:
        tenant: whose log.
        keys: whose trusted keys may have signed checkpoints.
        store: where the artifacts are.
        against: checkpoints known from elsewhere; only these reveal a log that was cut or replaced as a whole.
    """
    report = StoreReport(ledger.origin(tenant))
    with snapshot():
        try:
            report.root = _Walk(tenant, report, keys, list(against)).run().hex()
            _check_coverage(tenant, report)
            _check_bodies(tenant, report, store)
        except (ValueError, TypeError, AttributeError, OverflowError) as exc:
            report.bad(report.size, f"what is stored from entry {report.size} on cannot be read as a log: {exc}")
        lacking = missing()
    if lacking:
        report.bad(None, f"guards that keep records from being changed are gone: {', '.join(lacking)}")
    return report


class _Walk:
    """One pass over leaves, entries and checkpoints."""

    def __init__(self, tenant: UUID, report: StoreReport, keys: KeyFolder, against: list[notes.Checkpoint]) -> None:
        self.tenant = tenant
        self.report = report
        self.frontier = Frontier()
        self.proven = 0
        self.public = {mark: keys.public_key(mark) for mark in keys.trusted_fingerprints()}
        self.against = sorted(against, key=lambda c: c.size)
        self.checkpoints = self._signed()
        self.next = next(self.checkpoints, None)

    def run(self) -> bytes:
        self._meet()
        for index, hashed, stored, body in leaves(self.tenant):
            expected = self.frontier.size
            if index != expected:
                self.report.bad(expected, f"entry {expected} is missing: the next one is {index}")
                break
            if body is None:
                self.report.bad(index, f"entry {index}: its bytes are gone")
                break
            actual = leaf_hash(raw(body))
            if not actual == raw(hashed) == raw(stored):
                self.report.bad(index, f"entry {index}: its bytes are not those that were recorded")
            self.frontier.extend((raw(hashed),))
            self.report.size = self.frontier.size
            self._meet()
        self._leftover()
        return self.frontier.root()

    def _signed(self) -> Iterator[Checkpoint]:
        yield from Checkpoint.objects.filter(tenant=self.tenant).order_by("size", "id").iterator(chunk_size=1000)

    def _meet(self) -> None:
        size = self.frontier.size
        while self.next is not None and self.next.size <= size:
            self._check_signed(self.next)
            self.next = next(self.checkpoints, None)
        while self.against and self.against[0].size == size:
            known = self.against.pop(0)
            if known.origin != self.report.origin:
                self.report.bad(None, f"the given checkpoint is of another log: {known.origin}")
            elif known.root != self.frontier.root():
                self.report.bad(
                    0, f"the log was replaced: its first {size} entries are not those that the given checkpoint covers"
                )

    def _check_signed(self, row: Checkpoint) -> None:
        size, root = self.frontier.size, self.frontier.root()
        self.report.checkpoints += 1
        try:
            stated = notes.parse_checkpoint(self._verified(row.note))
        except ValueError as exc:
            self.report.bad(max(size - 1, 0), f"the checkpoint of size {row.size} is damaged: {exc}")
            return
        if (stated.origin, stated.size, stated.root) != (self.report.origin, row.size, raw(row.root)):
            self.report.bad(max(size - 1, 0), f"the checkpoint of size {row.size} states something else than its row")
        elif row.size == size and stated.root == root:
            self.proven = size
        elif not any(f["sequence"] is not None and self.proven <= f["sequence"] < size for f in self.report.findings):
            self.report.bad(
                self.proven,
                f"entries {self.proven} to {row.size - 1} are not those that the signed checkpoint of size {row.size} covers",
            )

    def _verified(self, note: str) -> str:
        for public in self.public.values():
            if any(notes.note_key_hash(name, public) == hashed for name, hashed, _ in notes.split_note(note)[1]):
                return notes.verify_note(note, self.report.origin, public)
        raise ValueError("it is signed by no key that this home trusts")

    def _leftover(self) -> None:
        size = self.frontier.size
        while self.next is not None:
            self.report.bad(size, f"the log ends at {size} entries, but a checkpoint covers {self.next.size}")
            self.next = next(self.checkpoints, None)
        for known in self.against:
            self.report.bad(
                size, f"the log ends at {size} entries, but the given checkpoint covers {known.size}: it is truncated"
            )
        if self.proven < size and not self.report.findings:
            self.report.bad(self.proven, f"entries {self.proven} to {size - 1} have an index, but no checkpoint covers them")


def leaves(tenant: UUID, size: int = 2**62) -> Iterator[tuple[int, bytes, bytes | None, bytes | None]]:
    """Yield the first ``size`` leaves in order: index, leaf's hash, entry's hash, entry's bytes (None: gone)."""
    sql = (
        'SELECT l."index", l.hash, e.hash, e.body FROM evidence_leaf l LEFT JOIN evidence_entry e '
        'ON e.id = l.entry AND e.tenant = l.tenant WHERE l.tenant = %s AND l."index" < %s ORDER BY l."index"'
    )
    with connection.chunked_cursor() as cursor:
        cursor.execute(sql, [tenant if connection.features.has_native_uuid_field else tenant.hex, size])
        while rows := cursor.fetchmany(2000):
            yield from rows


def _check_coverage(tenant: UUID, report: StoreReport) -> None:
    pending = set(Pending.objects.filter(tenant=tenant).values_list("entry", flat=True))
    report.pending = len(pending)
    if pending:
        report.notes.append(f"{len(pending)} entries are not yet covered by a checkpoint")
    indexed = Leaf.objects.filter(tenant=tenant).values("entry")
    for entry in Entry.objects.filter(tenant=tenant).exclude(id__in=indexed).values_list("id", flat=True):
        if entry not in pending:
            report.bad(None, f"entry with id {entry} has no index and is not waiting for one")


def _bodies(tenant: UUID) -> Iterator[tuple[int, dict[str, Any]]]:
    rows = Entry.objects.filter(tenant=tenant).order_by("id").values_list("id", "body")
    for entry, body in rows.iterator(chunk_size=2000):
        data = raw(body)
        if b'"facts":' in data or b'"artifacts":' in data or b'"erased":' in data:
            try:
                document = strict_json("entry", data)
            except PackError:
                continue  # changed bytes: the walk has found them
            if isinstance(document, dict):
                yield entry, document


def _check_bodies(tenant: UUID, report: StoreReport, store: ArtifactStore) -> None:
    places = dict(Leaf.objects.filter(tenant=tenant).values_list("entry", "index"))
    with_facts: set[int] = set()
    named: dict[str, tuple[int | None, str]] = {}
    erased: set[str] = set()
    for entry, body in _bodies(tenant):
        place = places.get(entry)
        if body.get("facts"):
            with_facts.add(entry)
            known = _facts(tenant, entry)
            report.facts += len(known)
            if _digest(known) != body["facts"]:
                report.bad(place, f"the facts of entry {place} are not those that were recorded with it")
        for artifact in body.get("artifacts", ()):
            named.setdefault(artifact["sha256"], (place, artifact["name"]))
        erased.add(str(body.get("note", {}).get("erased", "")))
    for entry in set(Fact.objects.filter(tenant=tenant).values_list("entry", flat=True).distinct()) - with_facts:
        report.bad(places.get(entry), f"facts claim entry {places.get(entry, 'that does not exist')}, which recorded none")
    for digest, (place, name) in named.items():
        _check_artifact(tenant, report, store, digest, place=place, name=name, erased=digest in erased)


def _facts(tenant: UUID, entry: int) -> list[FactRow]:
    try:
        return factstore.of_entry(tenant, entry)
    except Damaged:
        return []


def _digest(known: list[FactRow]) -> dict[str, str | int]:
    """Return the digest of facts that may have been changed into what no fact can be."""
    try:
        return factstore.digest(known)
    except (ValueError, TypeError, AttributeError):
        return {}


def _check_artifact(
    tenant: UUID, report: StoreReport, store: ArtifactStore, digest: str, *, place: int | None, name: str, erased: bool
) -> None:
    if erased:
        report.notes.append(f"{name} of entry {place} was erased on purpose")
        return
    report.artifacts += 1
    try:
        check_artifact(store, tenant, digest)
    except (Damaged, NotFound) as exc:
        report.bad(place, f"{name} of entry {place}: {exc.message}")
