"""One process's hold on a home: store, keys, policies and ports, shared by its threads."""

import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from trueup import __version__
from trueup.config.home import Home
from trueup.config.store import open_store, seal_with
from trueup.config.web import secret_key
from trueup.config.wiring import policy_folders, ports_above, wire
from trueup.kernel import tenancy
from trueup.kernel.errors import NotFound

if TYPE_CHECKING:
    from trueup.kernel.actions.base import Context, Principal
    from trueup.kernel.actions.ports import Fence


class Installation:
    """What every face of one process acts through.

    Args:
        home: which.
        say: told once when the home is made, and of a retired key.
    """

    def __init__(self, home: Home, *, say: Callable[[str], None] = lambda _: None) -> None:
        self.home = home
        home.make()
        open_store(home)
        seal_with(secret_key(home))
        wire()
        # Everything below touches models, which exist once the store is configured.
        from trueup.kernel.actions.attempts import OwnerLock
        from trueup.kernel.actions.base import Ports, utc_now
        from trueup.kernel.actions.registry import registered
        from trueup.kernel.evidence.artifacts import FolderStore
        from trueup.kernel.evidence.keys import KeyFolder
        from trueup.kernel.policy.load import load_policies

        self.clock = utc_now
        policies = load_policies(policy_folders(), actions=[action.spec() for action in registered()])
        self._lock = OwnerLock(home.run)
        self._spool: Path | None = None
        self.ports = Ports(
            policies=policies,
            keys=KeyFolder(home.keys),
            artifacts=FolderStore(home.artifacts),
            owner=self._lock.name,
            spool=self.spool,
            outbox=home.path / "outbox",
            data=home.path,
            **ports_above(),
        )
        try:
            tenancy.reach_every()
            self._begin(say)
            self._warn_of_retired_key(say)
        except BaseException:
            self.close()
            raise

    def tenant(self, slug: str) -> UUID:
        """Return the id of a tenant by its slug; ``system`` is the installation's own log.

        Raises:
            NotFound: there is none.
        """
        from trueup.kernel.evidence.ledger import SYSTEM
        from trueup.kernel.identity.models import Tenant

        if slug == "system":
            return SYSTEM
        row = Tenant.objects.filter(slug=slug).first()
        if row is None:
            raise NotFound(f"there is no tenant {slug!r}", remedy="list them with 'trueup tenant list'")
        return UUID(str(row.id))

    def context(self, principal: "Principal", tenant: UUID, *, key: str | None = None, job: "Fence | None" = None) -> "Context":
        """Return an action context for a principal in a tenant."""
        from trueup.kernel.actions.base import Context

        return Context(tenant, principal, self.ports, clock=self.clock, key=key, job=job)

    def os_principal(self) -> "Principal":
        """Return the operating-system user: owner where the key file can be read."""
        import getpass

        from trueup.kernel.actions.base import Principal

        return Principal(f"os:{getpass.getuser()}", frozenset({"owner"}) if self.ports.keys.readable() else frozenset())

    def principal(self, id: str, tenant: UUID) -> "Principal | None":
        """Return a principal with the roles that it holds in a tenant now; None for one that is gone or disabled.

        Held actions and jobs run long after somebody asked for them: they run with what that somebody may do *now*.
        """
        from trueup.kernel.identity import queries

        if id.startswith("os:"):
            mine = self.os_principal()
            return mine if mine.id == id and mine.roles else None
        return queries.principal(id, tenant, now=self.clock())

    def _begin(self, say: Callable[[str], None]) -> None:
        """Make what a new home lacks; a half-made one is completed."""
        from trueup.kernel.actions.models import Attempt
        from trueup.kernel.actions.runner import run
        from trueup.kernel.evidence import ledger
        from trueup.kernel.evidence.models import Install
        from trueup.kernel.identity import actions

        made = Attempt.objects.filter(tenant=ledger.SYSTEM, action=actions.Initialise.name, state="done").exists()
        if not made:
            with self.home.locked("init"):
                if not Attempt.objects.filter(tenant=ledger.SYSTEM, action=actions.Initialise.name, state="done").exists():
                    signer = self.ports.keys.create()
                    if not Install.objects.exists():
                        Install.objects.create(id=uuid4(), created_at=self.clock())
                    run(actions.Initialise, self._system(), {"fingerprint": signer.fingerprint, "version": __version__})
                    say(f"trueup: made a new home in {self.home.path} (store, signing key, tenant default)")
        self._note_policies()

    def _system(self) -> "Context":
        from trueup.kernel.evidence.ledger import SYSTEM

        return self.context(self.os_principal(), SYSTEM)

    def _note_policies(self) -> None:
        from trueup.kernel.actions.models import Attempt
        from trueup.kernel.actions.runner import run
        from trueup.kernel.evidence import ledger
        from trueup.kernel.identity import actions

        rows = Attempt.objects.filter(tenant=ledger.SYSTEM, action=actions.LoadPolicy.name, state="done")
        last = rows.order_by("-started_at").values_list("result", flat=True).first() or ""
        if self.ports.policies.digest not in last and self.ports.keys.readable():
            policies = self.ports.policies
            run(actions.LoadPolicy, self._system(), {"digest": policies.digest, "policies": len(policies.policies)})
            ledger.sequence(ledger.SYSTEM, self.ports.keys.signer())

    def recover(self, *tenants: UUID) -> None:
        """Close what dead processes left open in these tenants and in the system log: attempts, a rotation, scratch folders."""
        from trueup.kernel.actions.attempts import alive, recover
        from trueup.kernel.actions.models import Attempt
        from trueup.kernel.evidence.ledger import SYSTEM

        if not self.ports.keys.readable():
            return
        for tenant in (SYSTEM, *(t for t in tenants if t != SYSTEM)):
            recover(self.context(self.os_principal(), tenant), self.home.run)
        staged = self.ports.keys.staged()
        if staged is not None and not Attempt.objects.filter(action="evidence.key.rotate", state="running").exists():
            done = Attempt.objects.filter(action="evidence.key.rotate", state="done", result__contains=staged.fingerprint)
            if done.exists():
                self.sequence(*tenants)
                self.ports.keys.promote_next()
            else:
                self.ports.keys.discard_next()
        for folder in self.home.spool.iterdir():
            if not alive(self.home.run, folder.name.rsplit(".", 1)[0]):
                shutil.rmtree(folder, ignore_errors=True)

    def _warn_of_retired_key(self, say: Callable[[str], None]) -> None:
        """Tell of a key that a rotation retired and a back-up brought back."""
        from trueup.kernel.actions.models import Attempt
        from trueup.kernel.evidence.ledger import SYSTEM

        rows = Attempt.objects.filter(tenant=SYSTEM, action="evidence.key.rotate", state="done").order_by("-started_at")
        last = rows.values_list("result", flat=True).first()
        if last and self.ports.keys.readable() and self.ports.keys.signer().fingerprint not in last.partition('"retired"')[0]:
            say("trueup: the signing key in force was retired by a rotation: restore the newer back-up, or rotate again")

    def sequence(self, *tenants: UUID) -> None:
        """Give pending entries of the system log and of these tenants their index, where this process holds the key."""
        from trueup.kernel.evidence import ledger

        if self.ports.keys.readable():
            for tenant in (ledger.SYSTEM, *tenants):
                ledger.sequence(tenant, self.ports.keys.signer())

    def spool(self) -> Path:
        """Return a scratch folder that goes with this process, or with its death."""
        if self._spool is None:
            self._spool = Path(mkdtemp(prefix=f"{self._lock.name}.", dir=self.home.spool))
        return self._spool

    def close(self) -> None:
        """Release the home."""
        from django.db import connection

        if self._spool is not None:
            shutil.rmtree(self._spool, ignore_errors=True)
        connection.close()
        self._lock.release()
