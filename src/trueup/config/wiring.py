"""Which rooms there are, and what each brings."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trueup.kernel.evidence.engine.fact import Predicate
    from trueup.kernel.policy.engine.model import ActionSpec


def wire() -> None:
    """Register every room's actions and predicates."""
    from trueup.domains.telemetry import actions as telemetry
    from trueup.kernel.actions.registry import register
    from trueup.kernel.evidence import actions as evidence
    from trueup.kernel.gates import actions as gates
    from trueup.kernel.identity import actions as identity
    from trueup.kernel.secrets import actions as secrets

    for room in (identity, secrets, evidence, gates, telemetry):
        register(room.ACTIONS)
    wire_predicates()


def wire_predicates() -> None:
    """Register every room's predicates."""
    from trueup.domains.telemetry.facts import PREDICATES as TELEMETRY
    from trueup.kernel.evidence.predicates import register
    from trueup.kernel.gates.facts import PREDICATES as GATES

    register((*TELEMETRY, *GATES))


def policy_folders() -> list[Path]:
    """Return the folders that hold policies, the kernel's first."""
    kernel = Path(__file__).parent.parent / "kernel"
    return [kernel / "policy" / "policies", kernel / "evidence" / "policies"]


class WholeProduct:
    """Policies, actions and predicates of the whole product, for commands that need no home."""

    def folders(self) -> list[Path]:
        """Return the folders that hold policies."""
        return policy_folders()

    def actions(self) -> "list[ActionSpec]":
        """Return what policy knows of every registered action."""
        from trueup.config.store import configure

        configure(None)
        wire()
        from trueup.kernel.actions.registry import registered

        return [action.spec() for action in registered()]

    def predicates(self) -> "Mapping[str, Predicate]":
        """Return the registered predicates by ``name@version``."""
        from trueup.kernel.evidence.predicates import registered

        wire_predicates()
        return registered()
