"""Tenants: whatever is done in one, and in whatever order, nothing of it can be read from another."""

import contextlib
import io
import json
from contextlib import contextmanager
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.actions import Break, Observe, Remove, Touch
from trueup.kernel.errors import NotFound, TrueupError

SUBJECT = "thing"  # the same name in every tenant: a query that forgets the tenant finds it
SHARED = "the same bytes in every tenant"
KINDS = ("observe", "observe unsequenced", "fail", "refused", "hold", "secret", "forget", "pack", "gate", "checkpoint", "export")


class Place:
    """One tenant of a home, and what a test did there."""

    def __init__(self, session, tenant, folder):
        self.session, self.tenant, self.folder = session, tenant, folder
        self.mark = f"mark-{uuid4().hex}"
        self.expected = {"facts": 0, "secrets": 0, "held": []}

    @contextmanager
    def inside(self):
        """Let the session work in this tenant, as ``--tenant`` does."""
        before, self.session.tenant = self.session.tenant, self.tenant
        try:
            yield self.session
        finally:
            self.session.tenant = before

    def run(self, action, **input):
        from trueup.kernel.actions.runner import run

        with self.inside() as session:
            return run(action, session.context(), input).value

    def do(self, kind, others):
        """Do one thing; the ways in which it may end badly are the tenant's own."""
        from trueup.kernel.evidence.actions import CreatePack, PublishCheckpoint
        from trueup.kernel.evidence.actions_log import ExportLog
        from trueup.kernel.secrets.actions import DeleteSecret, PutSecret

        out = self.folder / uuid4().hex
        with contextlib.suppress(TrueupError):
            match kind:
                case "observe" | "observe unsequenced":
                    self.run(Observe, subject=SUBJECT, state=self.mark, files={"own.txt": self.mark, "shared.txt": SHARED})
                    self.expected["facts"] += 1
                case "fail":
                    self.run(Break, how="prepare")
                case "refused":
                    self.run(Touch, tenant=str(others[0].tenant))
                case "hold":
                    self.hold()
                case "secret":
                    self.run(PutSecret, name="token", value=self.mark)
                    self.run(PutSecret, name=self.mark, value=self.mark)
                    self.expected["secrets"] = 2
                case "forget":
                    self.run(DeleteSecret, name="token")
                    self.expected["secrets"] -= 1
                case "pack":
                    self.run(CreatePack, subject=SUBJECT, out=out)
                case "gate":
                    self.decide()
                case "checkpoint":
                    self.run(PublishCheckpoint)
                case "export":
                    self.run(ExportLog, out=out)
        if kind != "observe unsequenced":
            with self.inside() as session:
                session.sequence()

    def hold(self):
        from trueup.kernel.actions.errors import Held

        with pytest.raises(Held) as caught:
            self.run(Remove, subject=self.mark)
        self.expected["held"].append(UUID(caught.value.details["attempt"]))

    def decide(self):
        from trueup.kernel.gates.actions import DecideGate

        gate = self.folder / "gate.yaml"
        gate.write_text(
            "gate: own\nrequires:\n  all:\n"
            f"    - {{id: mine, subject: {SUBJECT}, predicate: testing.state@1, equals: '{self.mark}'}}\n"
        )
        return self.run(DecideGate, gate=gate)

    def seen(self):
        """Return the bytes of everything that any reading of this tenant answers."""
        from trueup.kernel.evidence import facts as factstore
        from trueup.kernel.evidence import ledger, queries
        from trueup.kernel.evidence.actions import CreatePack, PublishCheckpoint, orphans
        from trueup.kernel.evidence.actions_log import ExportLog
        from trueup.kernel.evidence.proven import proven_facts
        from trueup.kernel.secrets import queries as secrets

        with self.inside() as session:
            ports = session.ports
            entries = queries.entries(self.tenant, limit=1000)
            facts = queries.facts(self.tenant, limit=1000)
            found = [
                entries,
                facts,
                queries.facts(self.tenant, subject=SUBJECT, limit=1000),
                queries.facts(self.tenant, predicate="testing.state@1", limit=1000),
                [queries.fact(self.tenant, fact["id"]) for fact in facts],
                [str(fact) for fact in factstore.listing(self.tenant)],
                [str(fact) for fact in proven_facts(self.tenant, keys=ports.keys)[0]],
                queries.coverage(self.tenant),
                queries.comparisons(self.tenant),
                queries.verify(session, []).as_dict(),
                secrets.secrets(self.tenant),
                orphans(self.tenant, ports.artifacts, older_than=0.0),
                ledger.origin(self.tenant),
            ]
            size = queries.coverage(self.tenant)["size"]
            found += [queries.prove(session, index, None) for index in range(size)]
            blobs = [json.dumps(found, default=str).encode()]
            for digest in {a["sha256"] for entry in entries for a in entry.get("artifacts", ())}:
                queries.copy_artifact(session, digest, self.folder / "copy")
                blobs.append((self.folder / "copy").read_bytes())
        for action, more in ((CreatePack, {"subject": SUBJECT}), (ExportLog, {}), (PublishCheckpoint, {})):
            with contextlib.suppress(NotFound):
                self.run(action, out=self.folder / "out", **more)
                blobs.append((self.folder / "out").read_bytes())
        with contextlib.suppress(NotFound):
            blobs.append(json.dumps(self.decide()).encode())
        return b"\n".join(blobs)

    def artifacts(self):
        from trueup.kernel.evidence.models import ArtifactRef

        return set(ArtifactRef.objects.filter(tenant=self.tenant).values_list("sha256", flat=True))


@pytest.fixture
def place(session, tmp_path):
    """Make a new tenant in the home."""
    from trueup.kernel.actions.runner import run
    from trueup.kernel.identity.actions import CreateTenant

    def make():
        value = run(CreateTenant, session.context(system=True), {"slug": f"t{uuid4().hex}"}).value
        folder = tmp_path / value["slug"]
        folder.mkdir()
        return Place(session, UUID(value["id"]), folder)

    return make


def refuses_the_ids_of(place, other):
    """Check that every id of one tenant is unknown in another."""
    from trueup.kernel.actions.runner import release
    from trueup.kernel.evidence import queries
    from trueup.kernel.evidence.actions import EraseArtifact
    from trueup.kernel.secrets.actions import DeleteSecret, vault

    with place.inside() as session:
        for fact in queries.facts(other.tenant, limit=1):
            with pytest.raises(NotFound):
                queries.fact(place.tenant, fact["id"])
        for digest in other.artifacts() - place.artifacts():
            for use in (
                lambda d=digest: queries.copy_artifact(session, d, place.folder / "stolen"),
                lambda d=digest: queries.read_artifact(session, d, media_type="text/plain"),
                lambda d=digest: place.run(EraseArtifact, sha256=d, reason="not mine"),
                lambda d=digest: session.ports.artifacts.open(place.tenant, d),
                lambda d=digest: session.ports.artifacts.size(place.tenant, d),
            ):
                with pytest.raises(NotFound):
                    use()
        for attempt in other.expected["held"]:
            with pytest.raises(NotFound):
                release(session.context(), attempt)
        with pytest.raises(NotFound):
            vault(session.context()).reveal(place.tenant, other.mark)
        with pytest.raises(NotFound):
            place.run(DeleteSecret, name=other.mark)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    count=st.integers(2, 3),
    steps=st.lists(st.tuples(st.integers(0, 2), st.sampled_from(KINDS)), min_size=3, max_size=9),
)
@pytest.mark.requirement("kernel:tenants.no-crossing")
def test_no_order_of_doings_shows_one_tenant_anything_of_another(place, count, steps):
    places = [place() for _ in range(count)]
    for number, kind in ((0, "observe"), (1, "secret"), *steps):
        here = places[number % count]
        here.do(kind, [other for other in places if other is not here])
    for here in places:
        seen = here.seen()
        assert seen.count(b'"value": "' + here.mark.encode()) >= here.expected["facts"]
        assert (b'"name": "' + here.mark.encode() in seen) == bool(here.expected["secrets"])
        for other in places:
            if other is not here:
                assert other.mark.encode() not in seen
                refuses_the_ids_of(here, other)


def test_the_search_would_see_a_mark_that_is_there(place):
    one, other = place(), place()
    one.do("observe", [other])
    one.run(Observe, subject=SUBJECT, state=other.mark)
    with one.inside() as session:
        session.sequence()
    assert other.mark.encode() in one.seen()


def test_a_gate_decides_on_the_facts_of_its_own_tenant(place):
    one, other = place(), place()
    one.do("observe", [other])
    assert (one.decide()["outcome"], other.decide()["outcome"]) == ("pass", "unknown")
    other.do("observe", [one])
    assert (one.decide()["outcome"], other.decide()["outcome"]) == ("pass", "pass")


@pytest.mark.sqlite
def test_a_tampered_tenant_stops_its_own_gates_alone(place, home):
    import sqlite3

    from django.db import connection

    from trueup.kernel.errors import Damaged

    one, other = place(), place()
    one.do("observe", [other])
    other.do("observe", [one])
    connection.close()
    with contextlib.closing(sqlite3.connect(home / "trueup.sqlite3", isolation_level=None)) as store:
        name, sql = store.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name = 'evidence_fact_no_update'"
        ).fetchone()
        store.execute(f"DROP TRIGGER {name}")
        store.execute("UPDATE evidence_fact SET value = '\"x\"' WHERE tenant = ?", (one.tenant.hex,))
        store.execute(sql)
    with pytest.raises(Damaged):
        one.decide()
    assert other.decide()["outcome"] == "pass"


def test_the_same_content_in_two_tenants_is_two_files_and_erasing_one_leaves_the_other(place):
    one, other = place(), place()
    for each in (one, other):
        each.run(Observe, subject=SUBJECT, files={"shared.txt": SHARED})
    (digest,) = one.artifacts() & other.artifacts()
    store = one.session.ports.artifacts
    store.remove(one.tenant, digest)
    with pytest.raises(NotFound):
        store.open(one.tenant, digest)
    with store.open(other.tenant, digest) as file:
        assert file.read() == SHARED.encode()


def listed(home, slug, *args):
    """Run a command in this process and return its exit code and what it printed."""
    from trueup.faces.cli.main import main

    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = main(["--home", str(home), "--tenant", slug, "--json", *map(str, args)])
    return code, out.getvalue()


def test_no_reading_command_shows_one_tenant_anything_of_another(session, place, home, tmp_path):
    from trueup.kernel.identity.models import Tenant

    one, other = place(), place()
    for each in (one, other):
        for kind in ("observe", "secret", "hold", "gate"):
            each.do(kind, [])
    slugs = {each: Tenant.objects.get(id=each.tenant).slug for each in (one, other)}
    (own,) = one.artifacts() - other.artifacts() - {d for d in one.artifacts() if not readable(one, d)}
    from trueup.kernel.evidence import queries

    fact = next(f for f in queries.facts(one.tenant, subject=SUBJECT) if f["value"] == one.mark)
    session.close()
    out = tmp_path / "cli-out"
    readings = [
        ("fact", "list"),
        ("fact", "list", "--subject", SUBJECT),
        ("fact", "show", fact["id"]),
        ("evidence", "log", "show"),
        ("evidence", "log", "prove", "0"),
        ("evidence", "log", "checkpoint"),
        ("evidence", "log", "verify"),
        ("evidence", "log", "export", "--out", out),
        ("evidence", "pack", "--subject", SUBJECT, "--out", out),
        ("evidence", "artifact", "get", own, "--out", out),
        ("evidence", "artifact", "collect", "--dry-run", "--older-than", "0"),
        ("secret", "list"),
        ("gate", "evaluate", other.folder / "gate.yaml"),
    ]
    shown = 0
    for args in readings:
        out.unlink(missing_ok=True)
        code, text = listed(home, slugs[one], *args)
        assert code in (0, 20), (args, text)
        text += out.read_text(errors="replace") if out.exists() else ""
        shown += one.mark in text
        out.unlink(missing_ok=True)
        code, text = listed(home, slugs[other], *args)
        assert one.mark not in text + (out.read_text(errors="replace") if out.exists() else ""), args
        assert code in (0, 4), (args, text)
    assert shown >= 7


def readable(place, digest):
    with place.session.ports.artifacts.open(place.tenant, digest) as file:
        return file.read() == place.mark.encode()


def test_an_unknown_tenant_is_not_found_and_is_not_made(home, session):
    session.close()
    code, text = listed(home, "nobody", "fact", "list")
    assert (code, json.loads(text)["error"]["code"]) == (4, "NOT_FOUND")
    assert "nobody" not in listed(home, "default", "tenant", "list")[1]


def test_a_tenant_cannot_be_called_system(run):
    from trueup.kernel.errors import Conflict
    from trueup.kernel.identity.actions import CreateTenant

    with pytest.raises(Conflict):
        run(CreateTenant, slug="system")
