"""A pack of 1,000 files and 100 MB.  python -m benchmarks.kernel.pack"""

import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.harness import measure, references, report
from benchmarks.kernel.ledger import opened

FILES, SIZE = 1000, 100_000


def prepare(folder: str) -> None:
    """Record one entry that names 1,000 artifacts of 100 kB."""
    session = opened(folder)
    from trueup.kernel.actions.base import Action, Input, Outcome
    from trueup.kernel.actions.registry import register
    from trueup.kernel.actions.runner import run

    class Empty(Input):
        """Nothing."""

    class Store(Action):
        """Store the files."""

        name, summary, tags, input, prepares = "bench.files.store", "store", frozenset({"operate"}), Empty, True

        def prepare(self, ctx, input, loaded):  # noqa: ARG002
            put = ctx.ports.artifacts.put
            return [
                put(ctx.tenant, os.urandom(SIZE), name=f"{n}.bin", media_type="application/octet-stream") for n in range(FILES)
            ]

        def apply(self, ctx, input, loaded, prepared):  # noqa: ARG002
            return Outcome({}, artifacts=prepared, subjects=["bench"])

    register([Store])
    session.close()
    session = opened(folder)
    run(Store, session.context(), {})
    session.sequence()
    session.close()


def build(folder: str) -> dict[str, float]:
    """Build the pack."""
    session = opened(folder)
    from trueup.kernel.actions.runner import run
    from trueup.kernel.evidence.actions import CreatePack

    cpu, began = time.process_time(), time.perf_counter()
    run(CreatePack, session.context(), {"subject": "bench", "out": Path(folder) / "pack.zip"})
    figure = {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - began}
    session.close()
    return figure


def verify(folder: str) -> dict[str, float]:
    """Verify the pack."""
    from trueup.kernel.evidence.engine.verifier import verify_pack

    cpu, began = time.process_time(), time.perf_counter()
    found = verify_pack(Path(folder) / "pack.zip")
    if found.integrity != "ok" or found.artifacts != FILES:
        raise RuntimeError(f"the pack does not verify: {found}")
    return {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - began}


def main() -> int:
    figures = references()
    with tempfile.TemporaryDirectory() as folder:
        prepare(folder)
        figures["build a pack of 1,000 files, 100 MB"] = measure(build, folder)
        figures["verify it"] = measure(verify, folder)
    targets = {"build a pack of 1,000 files, 100 MB": ("cpu_s", "<=", 3.0), "verify it": ("cpu_s", "<=", 1.5)}
    return report("pack", figures, targets)


if __name__ == "__main__":
    sys.exit(main())
