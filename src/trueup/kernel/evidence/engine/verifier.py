"""Check an evidence pack from its bytes alone, and say what was found.

References:
    DSSE protocol v1.0.2, in-toto Statement v1, RFC 9162 section 2.1.3.2, C2SP tlog-checkpoint.
"""

import base64
import binascii
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from trueup.kernel.evidence.engine.container import MANIFEST, Member, PackError, read_members, safe_name
from trueup.kernel.evidence.engine.notes import (
    Checkpoint,
    fingerprint,
    pae,
    parse_checkpoint,
    parse_vkey,
    verify_note,
    verify_signature,
)
from trueup.kernel.evidence.merkle import ProofError, leaf_hash, verify_inclusion

FORMAT = "trueup-pack/1"
PREDICATE_TYPE = "urn:trueup:evidence-pack:1"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT, CHECKPOINT, ENTRIES, FACTS, SIGNER = (
    "statement.dsse.json",
    "checkpoint",
    "entries.jsonl",
    "facts.jsonl",
    "signer.vkey",
)
REQUIRED = (CHECKPOINT, ENTRIES, FACTS, SIGNER)
OPTIONAL = ("README.txt", "verify.py")
MAX_IN_MEMORY = 64 << 20


@dataclass(slots=True)
class Report:
    """What a verification found.

    Args:
        integrity: ``ok``, or ``damaged`` (then ``member`` and ``problem`` say what and where).
        signer: ``TRUSTED`` when one of the given keys signed the pack, else ``UNKNOWN``.
        fingerprint: of the key that signed, once its signature was checked.
        checks: what was checked and held, in order.
    """

    integrity: str = "damaged"
    signer: str = "UNKNOWN"
    fingerprint: str = ""
    subject: str = ""
    origin: str = ""
    tree_size: int = 0
    entries: int = 0
    facts: int = 0
    artifacts: int = 0
    erased: int = 0
    member: str = ""
    problem: str = ""
    checks: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """``PASS`` only for a sound pack by a trusted key."""
        if self.integrity != "ok":
            return "FAIL"
        return "PASS" if self.signer == "TRUSTED" else "UNKNOWN"

    @property
    def exit_code(self) -> int:
        """0, 20 or 30."""
        return {"PASS": 0, "FAIL": 20, "UNKNOWN": 30}[self.verdict]

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict document."""
        findings = [{"member": self.member, "problem": self.problem}] if self.problem else []
        names = (
            "integrity",
            "signer",
            "fingerprint",
            "subject",
            "origin",
            "tree_size",
            "entries",
            "facts",
            "artifacts",
            "erased",
            "checks",
        )
        return {"verdict": self.verdict, "findings": findings, **{name: getattr(self, name) for name in names}}


def strict_json(member: str, data: bytes) -> Any:
    """Parse JSON that repeats no key and holds no NaN.

    Raises:
        PackError: it is not that.
    """

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) != len(items):
            raise ValueError("a key stands twice")
        return found

    def constant(text: str) -> Any:
        raise ValueError(f"{text} is not JSON")

    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=pairs, parse_constant=constant)
    except (ValueError, RecursionError) as exc:
        raise PackError(member, f"is not the JSON it should be ({exc})") from exc


def _decoded(member: str, text: object) -> bytes:
    if not isinstance(text, str):
        raise PackError(member, "expected base64 text")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise PackError(member, "holds broken base64") from exc


def _natural(value: Any) -> bool:
    return not isinstance(value, bool) and bool(value >= 0)


def _typed(member: str, document: Any, **kinds: type) -> list[Any]:
    if not isinstance(document, dict):
        raise PackError(member, "expected a JSON object")
    values = []
    for name, kind in kinds.items():
        value: Any = document.get(name)
        if not isinstance(value, kind) or (kind is int and not _natural(value)):
            raise PackError(member, f"field {name!r} is missing or not of type {kind.__name__}")
        values.append(value)
    return values


def manifest_files(data: bytes) -> dict[str, tuple[int, str]]:
    """Read a manifest into path → (size, SHA-256).

    Raises:
        PackError: another format, a path that is not allowed, or one listed twice.
    """
    form, files = _typed(MANIFEST, strict_json(MANIFEST, data), format=str, files=list)
    if form != FORMAT:
        raise PackError(MANIFEST, f"expected format {FORMAT}, got {form[:40]!r}")
    found: dict[str, tuple[int, str]] = {}
    for item in files:
        path, size, digest = _typed(MANIFEST, item, path=str, size=int, sha256=str)
        allowed = path in REQUIRED or path in OPTIONAL or re.fullmatch(r"artifacts/[0-9a-f]{64}/[^/]+", path)
        if not safe_name(path) or not allowed:
            raise PackError(MANIFEST, f"lists a path that a pack may not hold: {path[:80]!r}")
        if path in found:
            raise PackError(MANIFEST, f"lists {path} twice")
        found[path] = (size, digest)
    for name in REQUIRED:
        if name not in found:
            raise PackError(name, "is missing from the pack")
    return found


class _Pack:
    """An open pack whose container, manifest and digests have been checked."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        members = read_members(file, order=lambda data: [STATEMENT, *manifest_files(data)])
        self.members = {m.name: m for m in members}
        self.files = manifest_files(self.read(MANIFEST))
        for name in (STATEMENT, *self.files):
            if name not in self.members:
                raise PackError(name, "is listed in the manifest, but missing from the pack")
        for member in members:
            self._check_listed(member)

    def _check_listed(self, member: Member) -> None:
        if member.name in (MANIFEST, STATEMENT):
            return
        if member.name not in self.files:
            raise PackError(member.name, "is not listed in the manifest")
        size, digest = self.files[member.name]
        if member.size != size or member.sha256 != digest:
            raise PackError(member.name, f"expected SHA-256 {digest} over {size} bytes, got {member.sha256} over {member.size}")

    def read(self, name: str) -> bytes:
        member = self.members[name]
        if member.size > MAX_IN_MEMORY:
            raise PackError(name, f"is larger than {MAX_IN_MEMORY} bytes")
        self.file.seek(member.start)
        return self.file.read(member.size)

    def lines(self, name: str) -> Iterator[Any]:
        member = self.members[name]
        self.file.seek(member.start)
        left = member.size
        while left:
            line = self.file.readline(min(left, MAX_IN_MEMORY))
            left -= len(line)
            if not line.endswith(b"\n"):
                raise PackError(name, "holds a line that is cut or too long")
            position = self.file.tell()
            yield strict_json(name, line)
            self.file.seek(position)


def verify_pack(path: Path, trusted: Collection[str] = ()) -> Report:
    """Verify a pack.

    Args:
        path: the pack.
        trusted: SHA-256 fingerprints of the public keys that the caller trusts.

    Returns:
        The report; a damaged pack is reported, not raised.

    Raises:
        OSError: the file cannot be read at all.
    """
    report = Report()
    with path.open("rb") as file:
        try:
            _verify(_Pack(file), report)
        except PackError as exc:
            report.member, report.problem = exc.member, exc.message
            return report
    report.integrity = "ok"
    report.signer = "TRUSTED" if report.fingerprint in trusted else "UNKNOWN"
    return report


def _verify(pack: _Pack, report: Report) -> None:
    report.checks.append(f"container: {len(pack.members)} members, every byte as written, digests as in the manifest")
    key_name, key = _signer(pack)
    predicate = _statement(pack, key)
    report.fingerprint = fingerprint(key)
    report.checks.append("statement: DSSE signature fits, and covers the manifest")
    subject, origin, size, erased = _typed(STATEMENT, predicate, subject=str, origin=str, tree_size=int, erased=list)
    checkpoint = _checkpoint(pack, key_name, key)
    if (checkpoint.origin, checkpoint.size, checkpoint.root.hex()) != (origin, size, predicate.get("root")) or key_name != origin:
        raise PackError(CHECKPOINT, "is not the checkpoint that the statement names")
    report.subject, report.origin, report.tree_size, report.erased = subject, origin, size, len(erased)
    report.checks.append(f"checkpoint: signed, {size} entries, root {checkpoint.root.hex()[:16]}…")
    entries = _entries(pack, checkpoint)
    report.entries = len(entries)
    report.checks.append(f"entries: {len(entries)} proven to stand in the log")
    report.facts = _facts(pack, entries, subject)
    report.checks.append(f"facts: {report.facts} proven to belong to their entries")
    report.artifacts = _artifacts(pack, entries, erased)
    report.checks.append(f"artifacts: {report.artifacts} present and named by an entry, {len(erased)} erased")
    if predicate.get("counts") != {"entries": report.entries, "facts": report.facts, "artifacts": report.artifacts}:
        raise PackError(STATEMENT, "states other counts of entries, facts and artifacts than the pack holds")


def _signer(pack: _Pack) -> tuple[str, bytes]:
    try:
        return parse_vkey(pack.read(SIGNER).decode("ascii"))
    except ValueError as exc:
        raise PackError(SIGNER, str(exc)) from exc


def _statement(pack: _Pack, key: bytes) -> Mapping[str, Any]:
    envelope = strict_json(STATEMENT, pack.read(STATEMENT))
    kind, signatures = _typed(STATEMENT, envelope, payloadType=str, signatures=list)
    payload = _decoded(STATEMENT, envelope.get("payload"))
    if kind != PAYLOAD_TYPE or len(signatures) != 1:
        raise PackError(STATEMENT, "expected an in-toto payload with one signature")
    (keyid,) = _typed(STATEMENT, signatures[0], keyid=str)
    if keyid != fingerprint(key):
        raise PackError(STATEMENT, "is signed in the name of another key than the pack's")
    if not verify_signature(key, _decoded(STATEMENT, signatures[0].get("sig")), pae(kind, payload)):
        raise PackError(STATEMENT, "its signature does not fit")
    statement = strict_json(STATEMENT, payload)
    form, subjects, predicate_type, predicate = _typed(
        STATEMENT, statement, _type=str, subject=list, predicateType=str, predicate=dict
    )
    if form != STATEMENT_TYPE or predicate_type != PREDICATE_TYPE:
        raise PackError(STATEMENT, "is a statement of another kind")
    if subjects != [{"name": MANIFEST, "digest": {"sha256": pack.members[MANIFEST].sha256}}]:
        raise PackError(MANIFEST, "is not the manifest that was signed")
    return dict(predicate)


def _checkpoint(pack: _Pack, name: str, key: bytes) -> Checkpoint:
    try:
        return parse_checkpoint(verify_note(pack.read(CHECKPOINT).decode("utf-8"), name, key))
    except ValueError as exc:
        raise PackError(CHECKPOINT, str(exc)) from exc


def _proof(member: str, value: list[Any]) -> list[bytes]:
    return [_decoded(member, item) for item in value]


def _entries(pack: _Pack, checkpoint: Checkpoint) -> dict[int, dict[str, Any]]:
    entries: dict[int, dict[str, Any]] = {}
    for line in pack.lines(ENTRIES):
        index, entry, proof = _typed(ENTRIES, line, index=int, entry=str, proof=list)
        if entries and index <= max(entries):
            raise PackError(ENTRIES, f"entry {index} is out of order or stands twice")
        try:
            verify_inclusion(
                leaf_index=index,
                tree_size=checkpoint.size,
                leaf_hash=leaf_hash(entry.encode()),
                proof=_proof(ENTRIES, proof),
                root=checkpoint.root,
            )
        except ProofError as exc:
            raise PackError(ENTRIES, f"entry {index} is not in the log ({exc})") from exc
        body = strict_json(ENTRIES, entry.encode())
        if not isinstance(body, dict):
            raise PackError(ENTRIES, f"entry {index} is not an object")
        entries[index] = body
    return entries


def _facts(pack: _Pack, entries: Mapping[int, Mapping[str, Any]], subject: str) -> int:
    count = 0
    for line in pack.lines(FACTS):
        entry, index, fact, proof = _typed(FACTS, line, entry=int, index=int, fact=str, proof=list)
        if entry not in entries:
            raise PackError(FACTS, f"a fact names entry {entry}, which the pack does not hold")
        root, total = _typed(ENTRIES, entries[entry].get("facts"), root=str, count=int)
        try:
            verify_inclusion(
                leaf_index=index,
                tree_size=total,
                leaf_hash=leaf_hash(fact.encode()),
                proof=_proof(FACTS, proof),
                root=bytes.fromhex(root),
            )
        except ValueError as exc:
            raise PackError(FACTS, f"fact {index} of entry {entry} was not recorded there ({exc})") from exc
        (about,) = _typed(FACTS, strict_json(FACTS, fact.encode()), subject=str)
        if about != subject and not about.startswith(subject + "/"):
            raise PackError(FACTS, f"fact {index} of entry {entry} is about another subject")
        count += 1
    return count


def _artifacts(pack: _Pack, entries: Mapping[int, Mapping[str, Any]], erased: Collection[object]) -> int:
    named = {item["sha256"] for body in entries.values() for item in body.get("artifacts", ())}
    held = set()
    for path, (_, digest) in pack.files.items():
        if not path.startswith("artifacts/"):
            continue
        if path.split("/")[1] != digest:
            raise PackError(path, "does not hold what its name says")
        if digest not in named:
            raise PackError(path, "is named by no entry of the pack")
        if digest in held:
            raise PackError(path, "holds an artifact that stands in the pack twice")
        held.add(digest)
    for digest in sorted(named - held):
        if digest not in erased:
            raise PackError(f"artifacts/{digest}", "is named by an entry, but missing and not marked as erased")
    return len(held)
