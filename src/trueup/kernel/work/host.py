"""What a worker needs of the process it lives in."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Protocol
from uuid import UUID

from trueup.kernel.actions.base import Context, Ports, Principal
from trueup.kernel.actions.ports import Fence


class Folder(Protocol):
    """A home, as far as work knows it."""

    @property
    def path(self) -> Path:
        """Where it is."""

    @property
    def run(self) -> Path:
        """The folder of its processes' locks."""


class Host(Protocol):
    """One process's hold on an installation; ``trueup.config.installation.Installation`` is one."""

    @property
    def home(self) -> Folder:
        """The home."""

    @property
    def ports(self) -> Ports:
        """What actions reach beyond their own room."""

    @property
    def clock(self) -> Callable[[], datetime]:
        """The wall clock."""

    def context(self, principal: Principal, tenant: UUID, *, key: str | None = None, job: Fence | None = None) -> Context:
        """Return an action context for a principal in a tenant."""

    def principal(self, id: str, tenant: UUID) -> Principal | None:
        """Return a principal with the roles that it holds in a tenant now; None for one that is gone."""

    def os_principal(self) -> Principal:
        """Return the operating-system user."""

    def sequence(self, *tenants: UUID) -> None:
        """Give pending entries of these tenants their index."""
