"""Every query on a table that tenants own names the tenant; read from the source, so that no path is overlooked."""

import ast
import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

SOURCE = ROOT / "src" / "trueup"

# Queries on purpose of the whole installation, each with its reason. One that is gone must leave this list.
ALLOWED = {
    (
        "config/doctor.py",
        "Job.objects.filter(state='queued', not_before__lt=now - LATE).exists()",
    ): "the doctor examines the installation: it asks whether any tenant's jobs wait, and shows counts alone",
    (
        "config/doctor.py",
        "Job.objects.filter(state=state).count()",
    ): "the same",
    (
        "kernel/backup/actions.py",
        "Checkpoint.objects.order_by('tenant').values_list('tenant', flat=True).distinct()",
    ): "a back-up is of all tenants: it asks which logs there are",
    (
        "config/background.py",
        "Pending.objects.order_by().values_list('tenant', flat=True).distinct()",
    ): "the sequencer works for all tenants: it asks which of them have something pending",
    (
        "kernel/identity/accounts.py",
        "Membership.objects.filter(user=user).exclude(tenant=ctx.tenant).exists()",
    ): "asks whether an account reaches into any other tenant, to refuse its change; answers yes or no",
    (
        "kernel/identity/accounts.py",
        "Membership.objects.filter(user=user).values_list('tenant', flat=True)",
    ): "all tenants of an account that is closed: each of them keeps an owner",
    (
        "kernel/identity/actions_keys.py",
        "ApiKey.objects.filter(prefix=input.prefix).exists()",
    ): "prefixes are unique over the installation, since a key is found before its tenant is known; answers yes or no",
    (
        "kernel/identity/authenticate.py",
        "ApiKey.objects.select_related('tenant').filter(prefix=given.prefix)",
    ): "a key says by itself which tenant it belongs to",
    (
        "kernel/identity/authenticate.py",
        "Membership.objects.select_related('tenant', 'user').filter(user=user.id, user__is_active=True).order_by('tenant__slug')",
    ): "the tenants of the signed-in user, among which the session's tenant is chosen",
    (
        "kernel/identity/queries.py",
        "Membership.objects.select_related('tenant').filter(user=user, user__is_active=True).order_by('tenant__slug')",
    ): "the tenants of one user, shown to that user alone",
    (
        "config/installation.py",
        "Attempt.objects.filter(action='evidence.key.rotate', state='running').exists()",
    ): "the signing key is the installation's: a rotation that still runs in any tenant keeps the staged key",
    (
        "config/installation.py",
        "Attempt.objects.filter(action='evidence.key.rotate', state='done', result__contains=staged.fingerprint)",
    ): "the same: a rotation that was recorded in any tenant is completed",
    (
        "kernel/secrets/vault.py",
        "Secret.objects.exists()",
    ): "one key seals the secrets of all tenants: a secret of any tenant forbids a new key",
    (
        "kernel/actions/runner.py",
        "Attempt.objects.filter(id=self.attempt.id).exists()",
    ): "asks whether the row that this very run wrote survived its rollback; answers yes or no",
    (
        "kernel/evidence/packs.py",
        "Entry.objects.filter(id__in=list(indexes.values())).values_list('id', 'body')",
    ): "the ids come from the tenant's own leaves, and each body must hash to its leaf, or the pack does not verify",
    (
        "kernel/work/child.py",
        "Job.objects.filter(id=id, fence=fence, state=State.RUNNING).first()",
    ): "the one job that this process was started for, by id and fence; its tenant is read from the row",
    (
        "kernel/work/claims.py",
        "TenantLimit.objects.values_list('tenant', 'running')",
    ): "a worker does the jobs of every tenant: rows are claimed, watched and noted by id, each in its own tenant",
    (
        "kernel/work/claims.py",
        "Job.objects.filter(id__in=[job.id for job in jobs]).values_list('id', 'fence', 'state', 'cancel_asked')",
    ): "a worker does the jobs of every tenant: rows are claimed, watched and noted by id, each in its own tenant",
    (
        "kernel/work/outbox.py",
        "Delivery.objects.filter(id__in=over).update(open=False)",
    ): "the dispatcher hands on the events of every tenant; each becomes a job of the event's own tenant",
    (
        "kernel/work/outbox.py",
        "OutboxEvent.objects.filter(id__in=[d.event for d in waiting])",
    ): "the dispatcher hands on the events of every tenant; each becomes a job of the event's own tenant",
    (
        "kernel/work/outbox.py",
        "OutboxEvent.objects.filter(id__in=[event.id for event in events]).update(dispatched=True)",
    ): "the dispatcher hands on the events of every tenant; each becomes a job of the event's own tenant",
    (
        "kernel/work/outbox.py",
        "Job.objects.filter(id__in=[job for _, job in sent], state__in=sorted(ENDED)).values_list('id', flat=True)",
    ): "the dispatcher hands on the events of every tenant; each becomes a job of the event's own tenant",
    (
        "kernel/work/outbox.py",
        "Job.objects.filter(id__in=[job for _, job in sent]).values_list('id', flat=True)",
    ): "the dispatcher hands on the events of every tenant; each becomes a job of the event's own tenant",
    (
        "kernel/work/outbox.py",
        "OutboxEvent.objects.filter(dispatched=False).order_by('id')",
    ): "the dispatcher hands on the events of every tenant; each becomes a job of the event's own tenant",
    (
        "kernel/work/outbox.py",
        "Delivery.objects.filter(open=True, job__isnull=False).values_list('id', 'job')",
    ): "the dispatcher hands on the events of every tenant; each becomes a job of the event's own tenant",
    (
        "kernel/work/outbox.py",
        "Delivery.objects.filter(id__in=list(heads), job__isnull=True).order_by('id')",
    ): "the dispatcher hands on the events of every tenant; each becomes a job of the event's own tenant",
    (
        "kernel/work/outbox.py",
        "Delivery.objects.filter(open=True).values('tenant', 'subscriber', 'subject').annotate(head=Min('id')).values_list('head', flat=True)",
    ): "the dispatcher hands on the events of every tenant; each becomes a job of the event's own tenant",
    (
        "kernel/work/scheduler.py",
        "Schedule.objects.filter(enabled=True, next_at__lte=now).order_by('next_at')",
    ): "the scheduler fires the schedules of every tenant; each makes jobs of its own tenant",
}
ALLOWED_SQL = {
    "UPDATE work_job SET lease_until = 0 WHERE state = 'running' AND worker = %s": "a dead worker's leases, of every tenant it served",
    (
        "UPDATE work_job SET state = 'running', fence = fence + 1, attempts = attempts + 1, lease_until = %s, worker = %s, "
        "started_at = %s WHERE id IN ("
    ): "a worker's claim: the ids were read, and locked, in the same transaction, within every tenant's limit",
    "DELETE FROM work_tally": "counts of all tenants' jobs are made anew, where their triggers are gone",
    "SELECT COALESCE(MAX(id), 0) FROM evidence_entry": "a number that only bounds the insert that follows",
}
FILTERS = {"filter", "get", "create", "get_or_create", "update_or_create"}


def owned_by_tenants() -> set[str]:
    """Return the names of all models with a field ``tenant``."""
    found = set()
    for path in SOURCE.rglob("models.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                fields = {t.id for s in node.body if isinstance(s, ast.Assign) for t in s.targets if isinstance(t, ast.Name)}
                found |= {node.name} if "tenant" in fields else set()
    return found


def tables() -> str:
    """Return a pattern of the tables that tenants own."""
    rooms = {
        f"{path.parent.name}_{node.name.lower()}"
        for path in SOURCE.rglob("models.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and node.name in owned_by_tenants()
    }
    return "|".join(sorted(rooms))


def names_tenant(call: ast.Call) -> bool:
    """Tell whether a call fixes the tenant to somebody's tenant."""
    return any(
        keyword.arg in ("tenant", "tenant_id") and re.search(r"(^|\.)(tenant|SYSTEM)$", ast.unparse(keyword.value))
        for keyword in call.keywords
    )


def chain_of(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> tuple[ast.AST, list[tuple[str, ast.Call]]]:
    """Climb from ``Model.objects`` to the end of its chain of calls; return the end and the calls by name."""
    calls = []
    while True:
        above = parents.get(node)
        if isinstance(above, ast.Attribute) and above.value is node:
            node = above
        elif isinstance(above, ast.Call) and above.func is node:
            calls.append((node.attr if isinstance(node, ast.Attribute) else "", above))
            node = above
        else:
            return node, calls


def makes_rows_of_a_tenant(call: ast.Call) -> bool:
    """Tell whether a ``bulk_create`` builds every row with a tenant."""
    rows = call.args[0] if call.args else None
    made = [rows.elt] if isinstance(rows, ast.ListComp) else rows.elts if isinstance(rows, ast.List) else []
    return bool(made) and all(isinstance(one, ast.Call) and names_tenant(one) for one in made)


def queries(text: str, owned: set[str]) -> list[tuple[str, bool]]:
    """Return every chain on a tenant-owned model in a source text, and whether it names the tenant."""
    tree = ast.parse(text)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    aliases = {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or node.attr not in ("objects", "_default_manager", "_base_manager"):
            continue
        name = (
            node.value.id
            if isinstance(node.value, ast.Name)
            else node.value.attr
            if isinstance(node.value, ast.Attribute)
            else ""
        )
        if aliases.get(name, name) in owned:
            end, calls = chain_of(node, parents)
            held = any(
                (called in FILTERS and names_tenant(call)) or (called == "bulk_create" and makes_rows_of_a_tenant(call))
                for called, call in calls
            )
            found.append((ast.unparse(end), held))
    return found


def sources() -> list[Path]:
    return [path for path in sorted(SOURCE.rglob("*.py")) if "migrations" not in path.parts]


@pytest.mark.requirement("kernel:tenants.no-crossing")
def test_every_query_on_what_tenants_own_names_the_tenant():
    owned, unheld, count = owned_by_tenants(), [], 0
    for path in sources():
        for text, held in queries(path.read_text(), owned):
            count += 1
            if not held:
                unheld.append((path.relative_to(SOURCE).as_posix(), text))
    assert count > 40, "the walk finds too little to prove anything"
    assert [item for item in unheld if item not in ALLOWED] == []


def test_no_allowed_exception_is_out_of_date():
    owned = owned_by_tenants()
    there = {
        (p.relative_to(SOURCE).as_posix(), text) for p in sources() for text, held in queries(p.read_text(), owned) if not held
    }
    assert set(ALLOWED) - there == set()


def test_what_tenants_own_is_known():
    assert owned_by_tenants() >= {
        "Attempt",
        "Entry",
        "Pending",
        "Leaf",
        "Checkpoint",
        "EntrySubject",
        "Fact",
        "ArtifactRef",
        "Erasure",
        "Secret",
        "Membership",
    }


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("Fact.objects.all()", False),
        ("Fact.objects.filter(id=1).first()", False),
        ("Fact.objects.exclude(tenant=tenant)", False),
        ("Fact.objects.filter(tenant=None)", False),
        ("Fact.objects.bulk_create([Fact(id=1) for _ in rows])", False),
        ("Fact.objects.bulk_create([Fact(tenant=tenant), Fact(id=1)])", False),
        ("Fact.objects.bulk_create(rows)", False),
        ("from x.models import Fact as Row\nRow.objects.count()", False),
        ("models.Fact.objects.count()", False),
        ("Fact._default_manager.count()", False),
        ("Fact.objects.filter(tenant=tenant)", True),
        ("Fact.objects.order_by('id').filter(id=1, tenant=ctx.tenant).first()", True),
        ("models.Fact.objects.get(id=1, tenant=ledger.SYSTEM).value", True),
        ("Fact.objects.bulk_create([Fact(tenant=tenant) for _ in rows])", True),
        ("Fact.objects.bulk_create([Fact(tenant=tenant)])", True),
    ],
)
def test_the_walk_tells_a_query_with_a_tenant_from_one_without(text, held):
    assert [found for _, found in queries(text, {"Fact"})] == [held]


def test_every_statement_of_sql_on_what_tenants_own_names_the_tenant():
    pattern = re.compile(rf"\b(FROM|INTO|UPDATE|JOIN)\s+\"?({tables()})\b")
    found = [
        (path.name, node.value)
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and pattern.search(node.value)
    ]
    assert len(found) >= 6
    assert [(name, sql) for name, sql in found if "tenant" not in sql and sql not in ALLOWED_SQL] == []


def test_no_query_leaves_the_managers_that_the_walk_reads():
    left = re.compile(r"\.raw\(|\.extra\(|RawSQL\(|apps\.get_model\(")
    assert [p.name for p in sources() if left.search(p.read_text())] == []
