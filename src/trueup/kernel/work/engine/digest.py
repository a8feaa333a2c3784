"""What a batch of ended jobs is known by."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, order=True)
class Ending:
    """One ending of one job.

    Args:
        job: its id.
        fence: of the worker that ended it; tells a replayed job's endings apart.
        state: how it ended.
        digest: SHA-256 of its result, or of its error, hex.
    """

    job: UUID
    fence: int
    state: str
    digest: str


def batch_digest(endings: Iterable[Ending]) -> str:
    """Return the SHA-256, hex, over all endings in the order of their jobs; the order given does not matter."""
    lines = [f"{e.job} {e.fence} {e.state} {e.digest}\n" for e in sorted(endings)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def result_digest(text: str) -> str:
    """Return the SHA-256, hex, of a stored result or error."""
    return hashlib.sha256(text.encode()).hexdigest()


def canonical(value: object) -> str:
    """Return JSON text with sorted keys and no white space.

    Raises:
        TypeError, ValueError: a value that JSON does not have.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
