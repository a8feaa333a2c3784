"""What the doors of a server process act through: the installation that ``config`` opened, and who calls."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from trueup.kernel.actions.base import Context, Ports, Principal
from trueup.kernel.errors import ConfigurationError


class Host(Protocol):
    """A process's hold on a home."""

    home: Any
    ports: Ports
    clock: Callable[[], datetime]

    def context(self, principal: Principal, tenant: UUID, *, key: str | None = None) -> Context:
        """Return an action context for a principal in a tenant."""

    def principal(self, id: str, tenant: UUID) -> Principal | None:
        """Return a principal with its present rights."""

    def sequence(self, *tenants: UUID) -> None:
        """Give pending entries their index."""


_hosts: list[Host] = []


def serve_from(opened: Host) -> None:
    """Make an installation the one that this process serves."""
    _hosts[:] = [opened]


def host() -> Host:
    """Return the installation that this process serves.

    Raises:
        ConfigurationError: none was opened.
    """
    if not _hosts:
        raise ConfigurationError("no home is open in this process", remedy="start the server with 'trueup serve'")
    return _hosts[0]
