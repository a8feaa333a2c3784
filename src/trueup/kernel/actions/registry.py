"""All actions by name, as ``config`` wires them."""

from collections.abc import Iterable

from trueup.kernel.actions.base import AnyAction
from trueup.kernel.errors import ConfigurationError, NotFound

_actions: dict[str, type[AnyAction]] = {}


def register(actions: Iterable[type[AnyAction]]) -> None:
    """Make actions known; the same class twice is no error.

    Raises:
        ConfigurationError: two classes under one name.
    """
    for action in actions:
        if _actions.setdefault(action.name, action) is not action:
            raise ConfigurationError(f"two actions are called {action.name}")


def registered() -> list[type[AnyAction]]:
    """Return all actions, by name."""
    return [_actions[name] for name in sorted(_actions)]


def named(name: str) -> type[AnyAction]:
    """Return the action of a name.

    Raises:
        NotFound: there is none.
    """
    try:
        return _actions[name]
    except KeyError:
        raise NotFound(f"there is no action {name}") from None
