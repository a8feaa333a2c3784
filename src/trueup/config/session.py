"""One command's hold on a home: the installation, and the tenant that the command works in."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from trueup.config.home import Home
from trueup.config.installation import Installation
from trueup.kernel import tenancy

if TYPE_CHECKING:
    from trueup.kernel.actions.base import Context, Ports


class HomeSession:
    """One command's hold on a home.

    Args:
        home: which.
        tenant: slug of the tenant that the command works in.
        say: told once when the home is made.
    """

    def __init__(self, home: Home, *, tenant: str = "default", say: Callable[[str], None] = lambda _: None) -> None:
        self.home = home
        self.installation = Installation(home, say=say)
        try:
            self.tenant = self.installation.tenant(tenant)
            self.installation.recover(self.tenant)
            from trueup.kernel.evidence.ledger import SYSTEM

            tenancy.reach(SYSTEM, self.tenant)
        except BaseException:
            self.close()
            raise

    @property
    def ports(self) -> "Ports":
        """What actions reach beyond their own room."""
        return self.installation.ports

    def context(self, *, system: bool = False, key: str | None = None) -> "Context":
        """Return an action context for the operating-system user, in the command's tenant or in the system log."""
        from trueup.kernel.evidence.ledger import SYSTEM

        return self.installation.context(self.installation.os_principal(), SYSTEM if system else self.tenant, key=key)

    def sequence(self) -> None:
        """Give pending entries their index and publish checkpoints, where this user holds the key."""
        self.installation.sequence(self.tenant)

    def spool(self) -> Path:
        """Return a scratch folder that goes with the session, or with its process's death."""
        return self.installation.spool()

    def close(self) -> None:
        """Release the home."""
        self.installation.close()

    def now(self) -> datetime:
        """The present moment."""
        return self.installation.clock()
