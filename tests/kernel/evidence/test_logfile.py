"""An exported log: every change is found, and the first sequence that is not proven is named."""

import base64
import io
import random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from trueup.kernel.evidence.engine.encode import encode
from trueup.kernel.evidence.engine.logfile import (
    checkpoint_line,
    closing_line,
    entry_line,
    header_line,
    verify_log_file,
)
from trueup.kernel.evidence.engine.notes import Checkpoint, fingerprint
from trueup.kernel.evidence.keys import Signer
from trueup.kernel.evidence.merkle import Frontier, leaf_hash

ORIGIN = "trueup/11111111-1111-4111-8111-111111111111/22222222-2222-4222-8222-222222222222"
SIGNER = Signer.of(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
THIEF = Signer.of(Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))
SIZE, EVERY = 60, 10


def body(index, text="x"):
    return encode({"v": 1, "n": index, "text": text, "pad": "é" * 20})


def log(bodies, signer=SIGNER):
    """Return the lines of a log and its checkpoints."""
    frontier, lines, known = Frontier(), [header_line(ORIGIN, [signer.vkey(ORIGIN)])], []
    for index, data in enumerate(bodies):
        hashed = leaf_hash(data)
        frontier.extend((hashed,))
        lines.append(entry_line(index, hashed, data))
        if frontier.size % EVERY == 0 or frontier.size == len(bodies):
            root = base64.b64encode(frontier.root()).decode()
            lines.append(checkpoint_line(signer.sign_note(f"{ORIGIN}\n{frontier.size}\n{root}\n")))
            known.append(Checkpoint(ORIGIN, frontier.size, frontier.root()))
    lines.append(closing_line(frontier.size, frontier.root()))
    return lines, known


LINES, KNOWN = log([body(i) for i in range(SIZE)])
ENTRY_LINES = [number for number, line in enumerate(LINES) if line.startswith(b"E ")]


def verify(lines, *, against=(), trusted=(SIGNER.fingerprint,)):
    return verify_log_file(io.BytesIO(b"".join(lines)), trusted, against=against)


def test_a_whole_log_by_a_trusted_key_passes():
    report = verify(LINES, against=KNOWN)
    assert (report.verdict, report.size, report.checkpoints, report.first_bad) == ("PASS", SIZE, 6, None)


def test_a_whole_log_by_an_unknown_key_is_unknown():
    assert verify(LINES, trusted=()).verdict == "UNKNOWN"


def test_an_empty_log_passes_nowhere():
    assert verify([]).verdict == "FAIL"


def mutations(count):
    """Yield (kind, lines, first bad sequence, against)."""
    rng = random.Random(20260102)
    kinds = ("byte", "delete", "swap", "duplicate", "truncate", "fork", "tail")
    for _ in range(count):
        kind, lines = rng.choice(kinds), list(LINES)
        index = rng.randrange(SIZE)
        number = ENTRY_LINES[index]
        if kind == "byte":
            data = bytearray(lines[number])
            data[rng.randrange(len(data))] ^= rng.randrange(1, 256)
            lines[number] = bytes(data)
            yield kind, lines, index, ()
        elif kind == "delete":
            del lines[number]
            yield kind, lines, index, ()
        elif kind == "swap":
            other = rng.choice([i for i in range(SIZE) if i != index])
            lines[number], lines[ENTRY_LINES[other]] = lines[ENTRY_LINES[other]], lines[number]
            yield kind, lines, min(index, other), ()
        elif kind == "duplicate":
            lines.insert(number, lines[number])
            yield kind, lines, index + 1, ()
        elif kind == "truncate":
            lines[number] = lines[number][: rng.randrange(2, len(lines[number]) - 1)] + b"\n"
            yield kind, lines, index, ()
        elif kind == "fork":
            forked, _ = log([body(i) if i < index else body(i, "forked") for i in range(SIZE)])
            forked = [new if new.startswith((b"E ", b"Z ")) else old for old, new in zip(LINES, forked, strict=True)]
            yield kind, forked, index // EVERY * EVERY, KNOWN
        else:
            shorter, _ = log([body(i) for i in range(index + 1)])
            if index + 1 < SIZE:
                yield kind, shorter, index + 1, [KNOWN[-1]]


def test_ten_thousand_random_mutations_are_all_found_and_located():
    seen = set()
    for kind, lines, first_bad, against in mutations(10_000):
        report = verify(lines, against=against)
        assert (report.verdict, report.first_bad) == ("FAIL", first_bad), (kind, report)
        seen.add(kind)
    assert len(seen) == 7


def test_a_fork_signed_with_the_stolen_key_is_found_against_a_kept_checkpoint():
    forked, _ = log([body(i) if i < 25 else body(i, "forked") for i in range(SIZE)])
    assert verify(forked).verdict == "PASS", "without a kept checkpoint nobody can tell"
    report = verify(forked, against=[KNOWN[1], KNOWN[4]])
    assert (report.verdict, report.first_bad) == ("FAIL", KNOWN[1].size)


def test_a_fork_signed_with_another_key_is_never_a_pass():
    forked, _ = log([body(i, "forked") for i in range(SIZE)], THIEF)
    assert verify(forked).verdict == "UNKNOWN"
    assert verify(forked, against=KNOWN).verdict == "FAIL"


def test_the_header_cannot_bring_a_key_that_signed_nothing():
    header = header_line(ORIGIN, [SIGNER.vkey(ORIGIN), THIEF.vkey(ORIGIN)])
    assert verify([header, *LINES[1:]]).verdict == "FAIL"


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda lines: [lines[0].replace(b"{", b"{ "), *lines[1:]], 0),
        (lambda lines: [lines[0].replace(b"trueup/1", b"trueup/2"), *lines[1:]], 0),
        (lambda lines: [b"not json\n", *lines[1:]], 0),
        (lambda lines: lines[:-1], SIZE),
        (lambda lines: [*lines, b"more\n"], SIZE),
        (lambda lines: [*lines[:-1], lines[-1].replace(b"60", b"61")], SIZE),
        (lambda lines: [*lines[:-1], lines[-1][:-1]], SIZE),
        (lambda lines: [*lines[:-2], lines[-1]], 50),
        (lambda lines: [*lines[:11], lines[11].replace(b"C ", b"C  "), *lines[12:]], 10),
        (lambda lines: [*lines[:11], lines[22], *lines[12:]], 10),
    ],
    ids=[
        "header spacing",
        "origin",
        "no header",
        "no end",
        "more after the end",
        "size",
        "cut end",
        "uncovered",
        "note",
        "other note",
    ],
)
def test_changes_outside_the_entries_are_found(change, place):
    report = verify(change(list(LINES)))
    assert report.verdict == "FAIL"
    assert report.first_bad == place


def test_a_checkpoint_of_another_log_is_refused():
    assert verify(LINES, against=[Checkpoint("trueup/other/log", 10, KNOWN[0].root)]).verdict == "FAIL"


def test_the_report_is_one_document():
    document = verify(LINES).as_dict()
    assert document["verdict"] == "PASS"
    assert document["findings"] == []
    assert document["fingerprints"] == [fingerprint(SIGNER.public)]
