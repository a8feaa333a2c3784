"""A log in a file: written for an auditor, verified in constant memory.

One header line, then ``E index hash body`` for an entry and ``C base64`` for a checkpoint that covers all entries before
it, at last ``Z size root``. Each entry's line can be checked alone, so the first bad one is known by its number.

References:
    RFC 6962 section 2.1, C2SP signed-note and tlog-checkpoint.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from trueup.kernel.evidence.engine.notes import (
    Checkpoint,
    fingerprint,
    note_key_hash,
    parse_checkpoint,
    parse_vkey,
    split_note,
    verify_note,
)
from trueup.kernel.evidence.merkle import Frontier

FORMAT = "trueup-log/1"
MAX_LINE = 64 << 20


@dataclass(slots=True)
class LogReport:
    """What a verification of a log found.

    Args:
        size: entries that were read and hold.
        first_bad: the first sequence number that is not proven, None when all are.
        problem: what is wrong with it.
        fingerprints: keys whose signatures were checked.
        last: the newest checkpoint.
    """

    origin: str = ""
    size: int = 0
    root: str = ""
    first_bad: int | None = None
    problem: str = ""
    fingerprints: list[str] = field(default_factory=list)
    signer: str = "UNKNOWN"
    checkpoints: int = 0

    @property
    def verdict(self) -> str:
        """``PASS`` only for a whole log by trusted keys."""
        if self.problem:
            return "FAIL"
        return "PASS" if self.signer == "TRUSTED" else "UNKNOWN"

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict document."""
        findings = [{"sequence": self.first_bad, "problem": self.problem}] if self.problem else []
        names = ("origin", "size", "root", "checkpoints", "fingerprints", "signer")
        return {"verdict": self.verdict, "findings": findings, **{name: getattr(self, name) for name in names}}


class _Bad(Exception):
    def __init__(self, sequence: int, problem: str) -> None:
        super().__init__(problem)
        self.sequence = sequence
        self.problem = problem


def header_line(origin: str, vkeys: Collection[str]) -> bytes:
    """Return the first line of a log file."""
    document = {"format": FORMAT, "origin": origin, "vkeys": sorted(vkeys)}
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def entry_line(index: int, hashed: bytes, body: bytes) -> bytes:
    """Return an entry's line."""
    return b"E %d %b %b\n" % (index, hashed.hex().encode(), body)


def checkpoint_line(note: str) -> bytes:
    """Return a checkpoint's line."""
    return b"C " + base64.b64encode(note.encode()) + b"\n"


def closing_line(size: int, root: bytes) -> bytes:
    """Return the last line."""
    return b"Z %d %b\n" % (size, root.hex().encode())


def verify_log_file(file: BinaryIO, trusted: Collection[str], *, against: Iterable[Checkpoint] = ()) -> LogReport:
    """Verify a log file from its first to its last byte.

    Args:
        file: the log file, read once.
        trusted: fingerprints of keys that the caller trusts.
        against: checkpoints known from elsewhere; the log must contain each.
    """
    report = LogReport()
    try:
        _Reader(file, report, sorted(against, key=lambda c: c.size)).run()
    except _Bad as exc:
        report.first_bad, report.problem = exc.sequence, exc.problem
    if report.fingerprints and set(report.fingerprints) <= set(trusted):
        report.signer = "TRUSTED"
    return report


class _Reader:
    def __init__(self, file: BinaryIO, report: LogReport, against: list[Checkpoint]) -> None:
        self.file = file
        self.report = report
        self.against = against
        self.frontier = Frontier()
        self.proven = 0
        self.agreed = 0  # size of the last given checkpoint that the log contains
        self.forked: Checkpoint | None = None
        self.keys: dict[bytes, bytes] = {}

    def run(self) -> None:
        origin = self._header()
        for known in self.against:
            if known.origin != origin:
                raise _Bad(0, f"the given checkpoint is of another log: {known.origin}")
        self._meet_known()
        for line in self._lines():
            if line[:2] == b"E ":
                self._entry(line)
            elif line[:2] == b"C ":
                self._checkpoint(line)
            elif line[:2] == b"Z ":
                self._close(line)
                return
            else:
                raise _Bad(self.frontier.size, "a line is neither an entry nor a checkpoint")
        raise _Bad(self.frontier.size, f"the log is cut off after {self.frontier.size} entries")

    def _lines(self) -> Iterator[bytes]:
        while line := self.file.readline(MAX_LINE):
            if line[-1:] != b"\n":
                raise _Bad(self.frontier.size, "the last line is cut off")
            yield line

    def _header(self) -> str:
        line = self.file.readline(1 << 20)
        try:
            document = json.loads(line)
            origin, vkeys = document["origin"], document["vkeys"]
            if header_line(origin, vkeys) != line:
                raise ValueError("the header is not written as it should be")
            for text in vkeys:
                name, raw = parse_vkey(text)
                if name != origin:
                    raise ValueError("the header names a key of another log")
                self.keys[note_key_hash(name, raw)] = raw
        except (ValueError, KeyError, TypeError) as exc:
            raise _Bad(0, f"header: {exc}") from exc
        self.report.origin = origin
        return str(origin)

    def _entry(self, line: bytes) -> None:
        index = self.frontier.size
        parts = line[:-1].split(b" ", 3)
        if len(parts) != 4 or parts[1] != b"%d" % index:
            raise _Bad(
                index, f"expected entry {index}, got {parts[1][:20].decode('ascii', 'replace') if len(parts) > 1 else 'nothing'}"
            )
        hashed = hashlib.sha256(b"\x00" + parts[3]).digest()
        if hashed.hex().encode() != parts[2]:
            raise _Bad(index, f"entry {index} does not fit its hash")
        self.frontier.extend((hashed,))
        self.report.size = self.frontier.size
        if self.against:
            self._meet_known()

    def _meet_known(self) -> None:
        while self.against and self.against[0].size == self.frontier.size:
            known = self.against.pop(0)
            if known.root == self.frontier.root():
                self.agreed = known.size
            elif self.forked is None:
                self.forked = known

    def _refuse_fork(self) -> None:
        """Report a fork whose own checkpoints are signed well: then nothing after the last agreement is proven."""
        if self.forked is not None:
            size = self.forked.size
            raise _Bad(
                self.agreed, f"entries {self.agreed} to {size - 1} are not those that the given checkpoint of size {size} covers"
            )

    def _checkpoint(self, line: bytes) -> None:
        size = self.frontier.size
        try:
            note = base64.b64decode(line[2:-1], validate=True)
            if checkpoint_line(note.decode()) != line:
                raise ValueError("not in canonical base64")
            raw = self._key_of(note.decode())
            found = parse_checkpoint(verify_note(note.decode(), self.report.origin, raw))
        except (ValueError, binascii.Error) as exc:
            raise _Bad(size, f"the checkpoint after {size} entries is damaged: {exc}") from exc
        if found.origin != self.report.origin or found.size != size:
            raise _Bad(size, f"expected a checkpoint of size {size}, got one of {found.size}")
        if found.root != self.frontier.root():
            raise _Bad(
                self.proven,
                f"entries from {self.proven} to {size - 1} are not those that the signed checkpoint of size {size} covers",
            )
        self._refuse_fork()
        self.proven = size
        self.report.checkpoints += 1
        mark = fingerprint(raw)
        if mark not in self.report.fingerprints:
            self.report.fingerprints.append(mark)

    def _key_of(self, note: str) -> bytes:
        for name, hashed, _ in split_note(note)[1]:
            if name == self.report.origin and hashed in self.keys:
                return self.keys[hashed]
        raise ValueError("it is signed by no key that the header names")

    def _close(self, line: bytes) -> None:
        self._refuse_fork()
        size = self.frontier.size
        if line != closing_line(size, self.frontier.root()):
            raise _Bad(self.proven, "the closing line states another size or root than the entries have")
        if self.file.read(1):
            raise _Bad(size, "something follows the closing line")
        if self.proven != size:
            raise _Bad(self.proven, f"entries from {self.proven} on are covered by no checkpoint")
        if self.against:
            raise _Bad(
                size, f"the log ends at {size}, but the given checkpoint covers {self.against[0].size} entries: it is truncated"
            )
        if len(self.report.fingerprints) != len(self.keys):
            raise _Bad(0, "header: it names a key that signed nothing")
        self.report.root = self.frontier.root().hex()
