"""Which rooms there are, and what each brings."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trueup.kernel.evidence.engine.fact import Predicate
    from trueup.kernel.policy.engine.model import ActionSpec


def wire() -> None:
    """Register every room's actions and predicates."""
    from trueup.domains.automation import catalogue as automation
    from trueup.domains.automation import jobs as visits  # noqa: F401 - registers the handler
    from trueup.domains.telemetry import catalogue as telemetry
    from trueup.domains.telemetry import jobs as comparisons  # noqa: F401 - registers the handler
    from trueup.kernel.actions.registry import register
    from trueup.kernel.backup import actions as backup
    from trueup.kernel.change import actions as change
    from trueup.kernel.evidence import actions as evidence
    from trueup.kernel.gates import actions as gates
    from trueup.kernel.identity import actions as identity
    from trueup.kernel.identity import actions_prune
    from trueup.kernel.notify import actions as notify
    from trueup.kernel.notify import jobs as deliveries  # noqa: F401 - registers the handler
    from trueup.kernel.secrets import actions as secrets
    from trueup.kernel.subjects import actions as subjects
    from trueup.kernel.work import actions as work
    from trueup.kernel.work import jobs  # noqa: F401 - registers the handlers

    for room in (
        identity,
        change,
        secrets,
        backup,
        actions_prune,
        subjects,
        notify,
        evidence,
        gates,
        work,
        telemetry,
        automation,
    ):
        register(room.ACTIONS)
    wire_predicates()


def wire_predicates() -> None:
    """Register every room's predicates."""
    from trueup.domains.automation.facts import PREDICATES as AUTOMATION
    from trueup.domains.telemetry.facts import PREDICATES as TELEMETRY
    from trueup.kernel.evidence.predicates import register
    from trueup.kernel.gates.facts import PREDICATES as GATES

    register((*TELEMETRY, *AUTOMATION, *GATES))


def policy_folders() -> list[Path]:
    """Return the folders that hold policies, the kernel's first."""
    kernel = Path(__file__).parent.parent / "kernel"
    return [kernel / room / "policies" for room in ("policy", "evidence", "identity", "change")]


def ports_above() -> dict[str, Any]:
    """Return the ports that rooms above the actions fill, by the names they have in ``Ports``."""
    from trueup.kernel.change.holds import Holds
    from trueup.kernel.work.port import WorkRoom

    return {"approvals": Holds(), "work": WorkRoom()}


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
