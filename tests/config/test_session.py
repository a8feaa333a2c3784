"""An open home: who acts in it, in which tenant, and what it tidies when it opens and closes."""

import getpass
import subprocess
import sys

import pytest

from trueup.config.home import Home
from trueup.config.session import HomeSession
from trueup.kernel.errors import NotFound


def test_the_operating_system_user_acts_as_owner_where_the_key_is_readable(session):
    principal = session.context().principal
    assert (principal.id, principal.roles, principal.is_agent) == (f"os:{getpass.getuser()}", frozenset({"owner"}), False)


def test_without_the_key_the_same_user_has_no_role(session):
    session.ports.keys.private.unlink()
    assert session.context().principal.roles == frozenset()


def test_the_system_log_is_a_tenant_of_its_own(session):
    from trueup.kernel.evidence.ledger import SYSTEM

    assert session.tenant != SYSTEM
    assert session.context(system=True).tenant == SYSTEM
    assert session.context().tenant == session.tenant


def test_a_home_is_made_once_and_says_so_once(tmp_path):
    said = []
    for _ in range(2):
        HomeSession(Home(tmp_path / "new"), say=said.append).close()
    assert len(said) == 1
    assert "made a new home" in said[0]


def test_the_first_entries_of_a_home_say_which_key_and_which_policies(session):
    from trueup.kernel.evidence import queries
    from trueup.kernel.evidence.ledger import SYSTEM

    loaded, begun = queries.entries(SYSTEM, limit=5)
    assert (begun["action"], begun["note"]["fingerprint"]) == ("system.init", session.ports.keys.signer().fingerprint)
    assert (loaded["action"], loaded["note"]["policy_digest"]) == ("policy.load", session.ports.policies.digest)


def test_the_same_policies_are_not_recorded_again_and_others_are(session, home, tmp_path, monkeypatch):
    from trueup.config import wiring
    from trueup.kernel.evidence import queries
    from trueup.kernel.evidence.ledger import SYSTEM

    def loads():
        HomeSession(Home(home)).close()
        return [entry["note"]["policy_digest"] for entry in queries.entries(SYSTEM, limit=9) if entry["action"] == "policy.load"]

    before = loads()
    assert len(before) == 1
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "more.cedar").write_text(
        '@id("no-touch")\n@reason("for a test")\nforbid (principal, action == Action::"evidence.key.backup", resource);\n'
    )
    monkeypatch.setattr("trueup.config.installation.policy_folders", lambda: [*wiring.policy_folders(), folder])
    after = loads()
    assert (len(after), after[1]) == (2, before[0])
    assert len(loads()) == 2


def test_a_session_for_an_unknown_tenant_holds_nothing(home):
    with pytest.raises(NotFound, match="'nobody'"):
        HomeSession(Home(home), tenant="nobody")
    assert list((home / "run").glob("*.owner")) == []


def test_a_closed_session_leaves_no_lock_and_no_scratch(home):
    session = HomeSession(Home(home))
    scratch = session.spool()
    (scratch / "half").write_bytes(b"x")
    assert session.spool() == scratch
    assert len(list((home / "run").glob("*.owner"))) == 1
    session.close()
    assert list((home / "run").glob("*.owner")) == []
    assert list((home / "spool").iterdir()) == []


def test_the_scratch_of_a_dead_process_goes_and_that_of_a_living_one_stays(home):
    living = HomeSession(Home(home))
    kept = living.spool()
    dead = home / "spool" / "1-dead.abc"
    dead.mkdir()
    (dead / "half").write_bytes(b"x")
    HomeSession(Home(home)).close()
    assert kept.exists()
    assert not dead.exists()
    living.close()


def test_a_rotation_that_was_never_recorded_is_forgotten(session, home):
    before = session.ports.keys.signer().fingerprint
    session.ports.keys.stage_next()
    session.close()
    again = HomeSession(Home(home))
    assert (again.ports.keys.staged(), again.ports.keys.signer().fingerprint) == (None, before)
    again.close()


def test_a_rotation_that_was_recorded_and_not_put_in_force_is_completed(session, home, run):

    from trueup.kernel.actions.runner import run as run_action
    from trueup.kernel.evidence.actions import RotateKey

    class Cut(RotateKey):
        """A rotation whose process dies right after its commit."""

        def settled(self, ctx, outcome):  # noqa: ARG002 - the contract's signature
            raise SystemExit

    with pytest.raises(SystemExit):
        run_action(Cut, session.context(system=True), {})
    staged = session.ports.keys.staged().fingerprint
    session.close()
    again = HomeSession(Home(home))
    assert (again.ports.keys.staged(), again.ports.keys.signer().fingerprint) == (None, staged)
    assert staged in again.ports.keys.trusted_fingerprints()
    again.close()


def test_the_context_reads_the_sessions_clock_and_time_has_a_zone(session):
    assert session.context().now.tzinfo is not None
    assert session.now() <= session.context().now


def test_wiring_registers_every_action_once_and_a_predicate_for_every_room_that_publishes():
    code = (
        "from trueup.config.wiring import WholeProduct; w = WholeProduct(); a = [s.name for s in w.actions()]; "
        "assert len(a) == len(set(a)) > 12, a; p = w.predicates(); "
        "assert {k.partition('.')[0] for k in p} == {'automation', 'telemetry', 'gates'}, p; assert all(f.is_dir() for f in w.folders())"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
