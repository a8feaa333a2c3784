"""Merkle trees and exported logs of a million entries.  python -m benchmarks.kernel.merkle"""

import base64
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.harness import measure, references, report

SIZE = 1_000_000
ORIGIN = "trueup/bench/log"


def root() -> dict[str, float]:
    """Root of a million leaves of 64 bytes, made before the clock starts."""
    from trueup.kernel.evidence.merkle import root_of

    leaves = [b"%064d" % i for i in range(SIZE)]
    began = time.process_time()
    root_of(leaves)
    return {"cpu_s": time.process_time() - began}


def write_log(path: str) -> None:
    """Write a log of a million entries with a checkpoint every 1,000."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from trueup.kernel.evidence.engine import logfile
    from trueup.kernel.evidence.engine.encode import encode
    from trueup.kernel.evidence.keys import Signer
    from trueup.kernel.evidence.merkle import Frontier, leaf_hash

    signer, frontier = Signer.of(Ed25519PrivateKey.from_private_bytes(bytes(range(32)))), Frontier()
    with Path(path).open("wb") as file:
        file.write(logfile.header_line(ORIGIN, [signer.vkey(ORIGIN)]))
        for index in range(SIZE):
            body = encode(
                {"v": 1, "action": "a.b.c", "at": "2026-01-01T00:00:00.000000Z", "n": index, "input": "0" * 64, "outcome": "done"}
            )
            hashed = leaf_hash(body)
            frontier.extend((hashed,))
            file.write(logfile.entry_line(index, hashed, body))
            if index % 1000 == 999:
                root = base64.b64encode(frontier.root()).decode()
                file.write(logfile.checkpoint_line(signer.sign_note(f"{ORIGIN}\n{index + 1}\n{root}\n")))
        file.write(logfile.closing_line(SIZE, frontier.root()))


def verify_log(path: str) -> dict[str, Any]:
    """Verify it."""
    from trueup.kernel.evidence.engine.logfile import verify_log_file

    with Path(path).open("rb", buffering=1 << 20) as file:
        found = verify_log_file(file, ())
    if found.size != SIZE or found.problem:
        raise RuntimeError(f"the log does not verify: {found}")
    return {}


def main() -> int:
    figures = references()
    figures["Merkle root of 1,000,000 leaves"] = measure(root)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "log")
        write_log(path)
        figures["verify an exported log of 1,000,000 entries"] = measure(verify_log, path)
    targets = {
        "Merkle root of 1,000,000 leaves": ("cpu_s", "<=", 1.5),
        "verify an exported log of 1,000,000 entries": ("cpu_s", "<=", 6.0),
    }
    return report("merkle", figures, targets)


if __name__ == "__main__":
    sys.exit(main())
