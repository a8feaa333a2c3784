"""An open home: store, keys, policies and the tenant of one command."""

import getpass
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from tempfile import mkdtemp
from uuid import UUID, uuid4

from trueup import __version__
from trueup.config.home import Home
from trueup.config.store import open_store
from trueup.config.wiring import policy_folders, wire
from trueup.kernel.errors import NotFound


class HomeSession:
    """One command's hold on a home.

    Args:
        home: which.
        tenant: slug of the tenant that the command works in.
        say: told once when the home is made.
    """

    def __init__(self, home: Home, *, tenant: str = "default", say: Callable[[str], None] = lambda _: None) -> None:
        self.home = home
        home.make()
        open_store(home)
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
        )
        try:
            self._begin(say)
            self.tenant = self._tenant(tenant)
            self._recover()
            self._warn_of_retired_key(say)
        except BaseException:
            self.close()
            raise

    def _tenant(self, slug: str) -> UUID:
        from trueup.kernel.evidence.ledger import SYSTEM
        from trueup.kernel.identity.models import Tenant

        if slug == "system":
            return SYSTEM
        row = Tenant.objects.filter(slug=slug).first()
        if row is None:
            raise NotFound(f"there is no tenant {slug!r}", remedy="list them with 'trueup tenant list'")
        return UUID(str(row.id))

    def context(self, *, system: bool = False, key: str | None = None):  # type: ignore[no-untyped-def]
        """Return an action context for the operating-system user: owner where the key file can be read."""
        from trueup.kernel.actions.base import Context, Principal
        from trueup.kernel.evidence.ledger import SYSTEM

        roles = frozenset({"owner"}) if self.ports.keys.readable() else frozenset()
        principal = Principal(f"os:{getpass.getuser()}", roles)
        return Context(SYSTEM if system else self.tenant, principal, self.ports, clock=self.clock, key=key)

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
                    run(
                        actions.Initialise, self.context(system=True), {"fingerprint": signer.fingerprint, "version": __version__}
                    )
                    say(f"trueup: made a new home in {self.home.path} (store, signing key, tenant default)")
        self._note_policies()

    def _note_policies(self) -> None:
        from trueup.kernel.actions.models import Attempt
        from trueup.kernel.actions.runner import run
        from trueup.kernel.evidence import ledger
        from trueup.kernel.identity import actions

        rows = Attempt.objects.filter(tenant=ledger.SYSTEM, action=actions.LoadPolicy.name, state="done")
        last = rows.order_by("-started_at").values_list("result", flat=True).first() or ""
        if self.ports.policies.digest not in last and self.ports.keys.readable():
            policies = self.ports.policies
            run(actions.LoadPolicy, self.context(system=True), {"digest": policies.digest, "policies": len(policies.policies)})
            ledger.sequence(ledger.SYSTEM, self.ports.keys.signer())

    def _recover(self) -> None:
        """Close what dead processes left open: attempts, a rotation, scratch folders."""
        from trueup.kernel.actions.attempts import alive, recover
        from trueup.kernel.actions.models import Attempt

        if not self.ports.keys.readable():
            return
        for system in (True, False):
            recover(self.context(system=system), self.home.run)
        staged = self.ports.keys.staged()
        if staged is not None and not Attempt.objects.filter(action="evidence.key.rotate", state="running").exists():
            done = Attempt.objects.filter(action="evidence.key.rotate", state="done", result__contains=staged.fingerprint)
            if done.exists():
                self.sequence()
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

    def sequence(self) -> None:
        """Give pending entries their index and publish checkpoints, where this user holds the key."""
        from trueup.kernel.evidence import ledger

        if self.ports.keys.readable():
            for tenant in (ledger.SYSTEM, self.tenant):
                ledger.sequence(tenant, self.ports.keys.signer())

    def spool(self) -> Path:
        """Return a scratch folder that goes with the session, or with its process's death."""
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

    def now(self) -> datetime:
        """The present moment."""
        return self.clock()
