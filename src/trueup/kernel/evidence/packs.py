"""Build a pack: all that is known of a subject, and the proof that it was recorded.

References:
    in-toto Statement v1, DSSE v1.0.2, RFC 8785 (JCS), RFC 9162 section 2.1.3.
"""

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import rfc8785

from trueup.kernel.errors import Damaged, NotFound, UsageError
from trueup.kernel.evidence import facts as factstore
from trueup.kernel.evidence import ledger
from trueup.kernel.evidence.artifacts import CHUNK, ArtifactStore
from trueup.kernel.evidence.engine import verifier
from trueup.kernel.evidence.engine.bundle import verifier_source
from trueup.kernel.evidence.engine.container import MANIFEST, central_header, end_record, local_header
from trueup.kernel.evidence.engine.encode import fact_bytes, raw
from trueup.kernel.evidence.engine.notes import pae
from trueup.kernel.evidence.keys import Signer
from trueup.kernel.evidence.models import ArtifactRef, Entry, EntrySubject, Erasure, Leaf
from trueup.kernel.files import replacing

LIMIT = (1 << 32) - (64 << 20)
README = """This is an evidence pack of Trueup.

It holds what was recorded about one subject, and proofs that the records stand in a tamper-evident log:
manifest.json lists every file with its SHA-256, statement.dsse.json is the signed statement over the manifest,
checkpoint is the signed state of the log, entries.jsonl and facts.jsonl are the records with their Merkle proofs,
artifacts/ holds the files that the records name.

To verify it you need the maker's public key (a file or its SHA-256 fingerprint) from a source you trust:

    trueup evidence verify PACK.zip --key KEY
    python verify.py PACK.zip --key KEY        (needs Python >= 3.12 and the package cryptography alone)
"""


@dataclass(frozen=True, slots=True)
class Source:
    """Where one member's bytes come from."""

    name: str
    size: int
    sha256: str
    data: bytes | None = None

    @classmethod
    def of(cls, name: str, data: bytes) -> "Source":
        """Return a member of given bytes."""
        return cls(name, len(data), hashlib.sha256(data).hexdigest(), data)


@dataclass(frozen=True, slots=True)
class Contents:
    """All members of a pack but manifest and statement, and what the statement says of them."""

    members: list[Source]
    predicate: dict[str, Any]


def collect(tenant: UUID, subject: str, *, at_size: int | None, store: ArtifactStore, signer: Signer) -> Contents:
    """Gather what is known of a subject.

    Args:
        tenant: whose log.
        subject: this subject and its parts.
        at_size: as of the first so many entries; None for the newest checkpoint.
        store: where the artifacts are.
        signer: signs the checkpoint of exactly that size.

    Raises:
        NotFound: nothing is recorded about the subject by then.
        UsageError: the log is shorter than that.
        Damaged: a stored fact or artifact is not what was recorded.
    """
    newest = ledger.newest(tenant)
    if newest is None:
        raise NotFound("nothing has been recorded in this tenant yet")
    size = newest.size if at_size is None else at_size
    if not 0 < size <= newest.size:
        raise UsageError(f"the log has {newest.size} entries; --at-size {size} is outside 1…{newest.size}")
    indexes = _entry_indexes(tenant, subject, size)
    if not indexes:
        raise NotFound(
            f"nothing is recorded about {subject!r} among the first {size} entries",
            remedy="list what is known with 'trueup fact list'",
        )
    tree = ledger.tree(tenant, size)
    name = ledger.origin(tenant)
    fact_lines = [line for index, entry in indexes.items() for line in _fact_lines(tenant, subject, index, entry)]
    artifacts, erased = _artifacts(tenant, list(indexes.values()), store)
    members = [
        Source.of(verifier.CHECKPOINT, ledger.checkpoint_note(name, size, tree.root(), signer).encode()),
        Source.of(verifier.ENTRIES, b"".join(_entry_lines(indexes, tree))),
        Source.of(verifier.FACTS, b"".join(fact_lines)),
        Source.of(verifier.SIGNER, (signer.vkey(name) + "\n").encode()),
        Source.of("README.txt", README.encode()),
        Source.of("verify.py", verifier_source()),
        *artifacts,
    ]
    predicate = {
        "format": verifier.FORMAT,
        "subject": subject,
        "tenant": str(tenant),
        "origin": name,
        "tree_size": size,
        "root": tree.root().hex(),
        "counts": {"entries": len(indexes), "facts": len(fact_lines), "artifacts": len(artifacts)},
        "erased": erased,
    }
    return Contents(sorted(members, key=lambda m: m.name), predicate)


def _entry_indexes(tenant: UUID, subject: str, size: int) -> dict[int, int]:
    named = EntrySubject.objects.filter(factstore.about(subject), tenant=tenant).values("entry")
    rows = Leaf.objects.filter(tenant=tenant, index__lt=size, entry__in=named).order_by("index").values_list("index", "entry")
    return dict(rows)


def _line(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _b64(values: Iterable[bytes]) -> list[str]:
    return [base64.b64encode(value).decode() for value in values]


def _entry_lines(indexes: Mapping[int, int], tree: Any) -> Iterator[bytes]:
    bodies = dict(Entry.objects.filter(id__in=list(indexes.values())).values_list("id", "body"))
    for index, entry in indexes.items():
        yield _line({"index": index, "entry": raw(bodies[entry]).decode(), "proof": _b64(tree.inclusion(index))})


def _fact_lines(tenant: UUID, subject: str, index: int, entry: int) -> Iterator[bytes]:
    known = factstore.of_entry(tenant, entry)
    if not known:
        return
    tree = factstore.fact_tree(known)
    for position, fact in enumerate(known):
        if fact.subject == subject or fact.subject.startswith(subject + "/"):
            proof = _b64(tree.inclusion(position))
            yield _line({"entry": index, "index": position, "fact": fact_bytes(fact).decode(), "proof": proof})


def _artifacts(tenant: UUID, entries: Sequence[int], store: ArtifactStore) -> tuple[list[Source], list[str]]:
    gone = set(Erasure.objects.filter(tenant=tenant).values_list("sha256", flat=True))
    found: dict[str, Source] = {}
    erased: set[str] = set()
    for ref in ArtifactRef.objects.filter(tenant=tenant, entry__in=entries).order_by("id"):
        if ref.sha256 in gone:
            erased.add(ref.sha256)
        elif ref.sha256 not in found:
            name = re.sub(r"[^A-Za-z0-9._-]", "_", ref.name).lstrip("._-")[:80] or "file"
            found[ref.sha256] = Source(f"artifacts/{ref.sha256}/{name}", store.size(tenant, ref.sha256), ref.sha256)
    return list(found.values()), sorted(erased)


def sealed(contents: Contents, signer: Signer) -> list[Source]:
    """Return all members in file order: manifest and signed statement first."""
    files: list[Any] = [{"path": m.name, "size": m.size, "sha256": m.sha256} for m in contents.members]
    manifest = Source.of(MANIFEST, rfc8785.dumps({"format": verifier.FORMAT, "files": files}))
    payload = rfc8785.dumps(
        {
            "_type": verifier.STATEMENT_TYPE,
            "subject": [{"name": MANIFEST, "digest": {"sha256": manifest.sha256}}],
            "predicateType": verifier.PREDICATE_TYPE,
            "predicate": contents.predicate,
        }
    )
    signature = signer.sign(pae(verifier.PAYLOAD_TYPE, payload))
    envelope: dict[str, Any] = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": verifier.PAYLOAD_TYPE,
        "signatures": [{"keyid": signer.fingerprint, "sig": base64.b64encode(signature).decode()}],
    }
    return [manifest, Source.of(verifier.STATEMENT, rfc8785.dumps(envelope)), *contents.members]


def write(path: Path, members: Sequence[Source], *, tenant: UUID, store: ArtifactStore) -> None:
    """Write a pack in one step; a reader never sees half of it.

    Raises:
        UsageError: more than the container holds (4 GiB or 65,535 members), or a place that cannot be written.
        Damaged: an artifact's bytes have changed.
        StorageFull: no room; nothing was written.
    """
    if sum(m.size + 400 for m in members) > LIMIT or len(members) > 0xFFFF:
        raise UsageError("the pack would be larger than 4 GiB or 65,535 files", remedy="pack a narrower subject")
    directory = b""
    offset = 0
    with replacing(path) as file:
        for member in members:
            name = member.name.encode()
            checksum = _checksum(member, tenant, store)
            header = local_header(name, member.size, checksum)
            file.write(header)
            for chunk in _chunks(member, tenant, store):
                file.write(chunk)
            directory += central_header(name, member.size, checksum, offset)
            offset += len(header) + member.size
        file.write(directory + end_record(len(members), len(directory), offset))


def _checksum(member: Source, tenant: UUID, store: ArtifactStore) -> int:
    checksum, digest = 0, hashlib.sha256()
    for chunk in _chunks(member, tenant, store):
        checksum = zlib.crc32(chunk, checksum)
        digest.update(chunk)
    if digest.hexdigest() != member.sha256:
        raise Damaged(f"artifact {member.sha256}: its bytes have changed since it was recorded")
    return checksum


def _chunks(member: Source, tenant: UUID, store: ArtifactStore) -> Iterator[bytes]:
    if member.data is not None:
        yield member.data
        return
    with store.open(tenant, member.sha256) as file:
        while chunk := file.read(CHUNK):
            yield chunk
