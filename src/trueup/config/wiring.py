"""Which rooms there are, and what each brings."""

from pathlib import Path

ROOMS_WITH_POLICIES = ("trueup.kernel.policy",)


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
    return [Path(__file__).parent.parent / "kernel" / "policy" / "policies"]
