"""Gates: three-valued decisions over facts.

The names below are imported at first use: the start of the product needs neither YAML nor JSON Schema.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trueup.kernel.gates.engine.evaluate import evaluate, explain_lines
    from trueup.kernel.gates.engine.model import Decision, Gate, Outcome
    from trueup.kernel.gates.load import load_facts, load_gate

_HOME = {
    "Decision": "engine.model",
    "Gate": "engine.model",
    "Outcome": "engine.model",
    "evaluate": "engine.evaluate",
    "explain_lines": "engine.evaluate",
    "load_facts": "load",
    "load_gate": "load",
}

__all__ = ["Decision", "Gate", "Outcome", "evaluate", "explain_lines", "load_facts", "load_gate"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
