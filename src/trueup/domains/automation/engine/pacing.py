"""Pauses between steps, and tries of a step, by tier: the same for the same seed.

Pauses spare a target. They imitate nobody, and nothing here knows how a target counts visitors.
"""

import hashlib
from dataclasses import dataclass

from trueup.domains.automation.engine.codes import NETWORK, NOT_AGAIN, Code
from trueup.domains.automation.engine.tiers import Strategy

LONGEST_MS = 60_000
"""Between two tries."""
REPEATABLE = frozenset({"navigate", "file_download"})
"""Actions that ask for something and change nothing: the only ones that a tier repeats by itself."""


@dataclass(frozen=True, slots=True)
class Pacing:
    """How a tier goes about it.

    Args:
        seed: of all jitter; the job's own.
        low_ms, high_ms: between which a pause before a step lies.
        retries: of steps that change nothing.
        network_only: whether what is retried is what the network may have done, alone.
        wait_ms: before the first retry; each is twice the one before.
    """

    seed: str = ""
    low_ms: int = 0
    high_ms: int = 0
    retries: int = 1
    network_only: bool = True
    wait_ms: int = 500

    def pause(self, turn: int) -> int:
        """Return the pause before a step, in milliseconds; ``turn`` counts the steps."""
        return self.low_ms + round((self.high_ms - self.low_ms) * self._share(f"pause {turn}"))

    def backoff(self, path: str, attempt: int, wait_ms: int) -> int:
        """Return the wait after a try that failed, in milliseconds: doubled, and up to a quarter more by jitter.

        Args:
            path: of the step.
            attempt: that failed, counted from one.
            wait_ms: before the first retry.
        """
        doubled = wait_ms << (attempt - 1)
        return min(LONGEST_MS, doubled + round(doubled / 4 * self._share(f"retry {path} {attempt}")))

    def attempts(self, action: str, own: int, code: Code) -> int:
        """Return how often a step is tried that failed with a code.

        Args:
            action: of the step.
            own: tries that the step asks for itself.
            code: of the last failure.
        """
        if code in NOT_AGAIN:
            return 1
        if action not in REPEATABLE:
            return own
        if self.network_only and code not in NETWORK:
            return 1
        most = 1 + self.retries
        return min(own, most) if own > 1 else most

    def _share(self, what: str) -> float:
        digest = hashlib.sha256(f"{self.seed}\0{what}".encode()).digest()
        return int.from_bytes(digest[:6]) / (1 << 48)


def pacing_of(strategy: Strategy, seed: str) -> Pacing:
    """Return how a tier goes about it."""
    match strategy:
        case Strategy.STEALTH | Strategy.MATRIX:
            return Pacing(seed, low_ms=400, high_ms=2_000, retries=3, network_only=False, wait_ms=1_000)
        case Strategy.ASSAULT:
            return Pacing(seed, retries=3, network_only=False, wait_ms=50)
        case _:
            return Pacing(seed)
