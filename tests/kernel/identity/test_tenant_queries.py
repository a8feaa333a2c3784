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
        "config/session.py",
        "Attempt.objects.filter(action='evidence.key.rotate', state='running').exists()",
    ): "the signing key is the installation's: a rotation that still runs in any tenant keeps the staged key",
    (
        "config/session.py",
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
}
ALLOWED_SQL = {
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
    return isinstance(rows, ast.ListComp) and isinstance(rows.elt, ast.Call) and names_tenant(rows.elt)


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
        ("from x.models import Fact as Row\nRow.objects.count()", False),
        ("models.Fact.objects.count()", False),
        ("Fact._default_manager.count()", False),
        ("Fact.objects.filter(tenant=tenant)", True),
        ("Fact.objects.order_by('id').filter(id=1, tenant=ctx.tenant).first()", True),
        ("models.Fact.objects.get(id=1, tenant=ledger.SYSTEM).value", True),
        ("Fact.objects.bulk_create([Fact(tenant=tenant) for _ in rows])", True),
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
