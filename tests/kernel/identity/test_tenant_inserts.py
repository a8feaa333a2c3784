"""Every row that is written past the managers names its tenant, and so does every object of what tenants own; read from the source."""

import ast

import pytest

from tests.kernel.identity.test_tenant_queries import SOURCE, names_tenant, owned_by_tenants, sources

ROWS = "trueup.kernel.rows"
PORT = "trueup.kernel.work.port"
OBJECTS = {f"{ROWS}.insert_all", f"{PORT}.insert"}
DOORS = {f"{ROWS}.insert", *OBJECTS}

# Functions that hand on rows which others made, each with its reason. One that is gone must leave this list.
ALLOWED = {
    (
        "kernel/rows.py",
        "insert(type(objects[0]), names, [[getattr(one, name) for name in names] for one in objects], skip_taken=skip_taken)",
    ): ("the objects of its callers, whose calls are read"),
    ("kernel/work/port.py", "insert_all(rows, skip_taken=True)"): "the jobs of its callers, whose calls are read",
}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def is_tenant(node):
    """Tell whether a value is somebody's tenant."""
    return ast.unparse(node).split(".")[-1] in ("tenant", "SYSTEM")


class Module:
    """A module's source text, with what its names stand for.

    Args:
        text: the source.
        owned: the names of all models that tenants own.
        name: of the module.
    """

    def __init__(self, text, owned, name=""):
        self.tree, self.owned = ast.parse(text), owned
        self.parents = {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}
        self.functions = {node.name: node for node in self.tree.body if isinstance(node, FUNCTIONS)}
        self.names = {known: f"{name}.{known}" for known in self.functions}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom):
                self.names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}

    def full(self, node):
        """Return what a name, or an attribute of one, stands for; nothing, where it is neither."""
        if isinstance(node, ast.Attribute):
            above = self.full(node.value)
            return above and f"{above}.{node.attr}"
        return self.names.get(node.id, node.id) if isinstance(node, ast.Name) else ""

    def inserts(self):
        """Return every use of what writes rows past the managers, and whether each row names its tenant."""
        found = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Name | ast.Attribute) and self.full(node) in DOORS:
                above = self.parents[node]
                called = isinstance(above, ast.Call) and above.func is node
                found.append((ast.unparse(above), called and self.held(above, self.full(node))))
        return found

    def held(self, call, door):
        """Tell whether a call that inserts is given rows with a tenant, or is of what no tenant owns."""
        scope = self.scope(call)
        if door in OBJECTS:
            rows, at = self.rows(call.args[0], scope), None
        elif (model := self.full(call.args[0]).split(".")[-1]) not in self.owned:
            return bool(model)
        else:
            rows, at = self.rows(call.args[2], scope), self.place(call.args[1])
        return rows is not None and at != -1 and all(self.names_it(row, at, scope) for row in rows)

    def scope(self, node):
        """Return the function that a node is in, or the module."""
        while node in self.parents and not isinstance(node, FUNCTIONS):
            node = self.parents[node]
        return node

    def place(self, names):
        """Return where the tenant stands among the columns, -1 where that cannot be read."""
        if isinstance(names, ast.Name):
            (names,) = self.values(names.id, self.tree) or (names,)
        if isinstance(names, ast.Tuple):
            for at, name in enumerate(names.elts):
                if isinstance(name, ast.Starred):
                    break
                if isinstance(name, ast.Constant) and name.value == "tenant":
                    return at
        return -1

    def rows(self, rows, scope):
        """Return what makes each row, None where that cannot be read."""
        if isinstance(rows, ast.ListComp | ast.GeneratorExp):
            return [rows.elt]
        if isinstance(rows, ast.List | ast.Tuple):
            return rows.elts
        if isinstance(rows, ast.Call) and ast.unparse(rows.func) in ("list", "sorted"):
            return self.rows(rows.args[0], scope)
        if not isinstance(rows, ast.Name):
            return None
        calls = [n for n in ast.walk(scope) if isinstance(n, ast.Call) and ast.unparse(n.func).startswith(f"{rows.id}.")]
        grown = [n for n in ast.walk(scope) if isinstance(n, ast.AugAssign) and ast.unparse(n.target) == rows.id]
        made = [self.rows(value, scope) for value in self.values(rows.id, scope)]
        if not made or None in made or grown or any(ast.unparse(n.func) != f"{rows.id}.append" for n in calls):
            return None
        return [*(row for some in made for row in some), *(n.args[0] for n in calls)]

    def values(self, name, scope):
        """Return what is assigned to a name in a function or, outside of all functions, in the module."""
        return [
            node.value
            for node in ast.walk(scope)
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None and self.scope(node) is scope
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if ast.unparse(target) == name
        ]

    def names_it(self, row, at, scope):
        """Tell whether a row names its tenant: a tuple at the column's place, an object by ``tenant=``, or what is given one."""
        if isinstance(row, ast.Tuple) and at is not None:
            before = row.elts[: at + 1]
            return len(before) > at and not any(isinstance(one, ast.Starred) for one in before) and is_tenant(row.elts[at])
        if isinstance(row, ast.Name):
            values = self.values(row.id, scope)
            return bool(values) and all(self.names_it(value, at, scope) for value in values)
        if not isinstance(row, ast.Call):
            return False
        if self.full(row.func).split(".")[-1] in self.owned:
            return at is None and names_tenant(row)
        given = bool(row.args) and is_tenant(row.args[0])
        if at is None:
            return given
        made = self.functions.get(ast.unparse(row.func))
        returned = [node.value for node in ast.walk(made) if isinstance(node, ast.Return)] if made else []
        return given and bool(returned) and all(self.names_it(value, at, made) for value in returned)

    def objects(self):
        """Return every object that is made of a model of tenants, and whether it is given its tenant."""
        calls = [node for node in ast.walk(self.tree) if isinstance(node, ast.Call)]
        named = [(call, self.full(call.func).split(".")) for call in calls]
        return [
            (ast.unparse(call), names_tenant(call))
            for call, (*where, name) in named
            if name in self.owned and where and where[-1] == "models"
        ]


@pytest.fixture(scope="module")
def modules():
    owned = owned_by_tenants()
    texts = {path.relative_to(SOURCE).as_posix(): path.read_text() for path in sources()}
    return [
        (place, Module(text, owned, "trueup." + place.removesuffix(".py").replace("/", ".")))
        for place, text in texts.items()
        if "insert" in text or "models" in text  # the names that are looked for
    ]


@pytest.mark.requirement("kernel:tenants.no-crossing")
def test_every_row_that_is_written_past_the_managers_names_its_tenant(modules):
    found = [(place, *use) for place, module in modules for use in module.inserts()]
    assert len(found) >= 10, "the walk finds too little to prove anything"
    assert {(place, text) for place, text, held in found if not held} == set(ALLOWED)


@pytest.mark.requirement("kernel:tenants.no-crossing")
def test_every_object_of_what_tenants_own_is_made_with_its_tenant(modules):
    found = [(place, *made) for place, module in modules for made in module.objects()]
    assert len(found) >= 15, "the walk finds too little to prove anything"
    assert [(place, text) for place, text, held in found if not held] == []


IN = "from trueup.kernel.rows import insert, insert_all\nfrom x import port\nfrom x.models import Fact, Job, Scale\n"
ROW = "def _row(tenant, n):\n    return n, tenant\n"
FILLED = "def do():\n    rows = []\n    for n in some:\n        rows.append({})\n"


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("insert_all([Job(id=1)])", False),
        ("insert_all([Job(id=1, tenant=None)])", False),
        ("insert_all([Job(id=1, tenant=tenant), Job(id=2)])", False),
        ("insert_all(rows)", False),
        ("def do(rows):\n    insert_all(rows)", False),
        ("write = insert_all", False),
        ("from trueup.kernel import rows\nrows.insert_all([Job(id=1)])", False),
        ("import trueup.kernel.rows\ntrueup.kernel.rows.insert_all([Job(id=1)])", False),
        ("from trueup.kernel.work import port\nport.insert([port.row(request)])", False),
        (FILLED.format("Job(id=n)") + "    insert_all(rows)", False),
        (FILLED.format("Job(tenant=tenant)") + "    rows += more\n    insert_all(rows)", False),
        (FILLED.format("Job(tenant=tenant)") + "    rows.extend(more)\n    insert_all(rows)", False),
        ("insert(Fact, ('id', 'entry'), [(1, 2)])", False),
        ("insert(Fact, ('id', 'tenant'), [(1, 2)])", False),
        ("insert(Fact, ('id', 'tenant'), [(tenant, 1)])", False),
        ("insert(Fact, ('id', 'tenant'), [(*more, tenant)])", False),
        ("insert(Fact, (*names, 'tenant'), [(1, tenant)])", False),
        ("insert(Fact, names, [(1, tenant)])", False),
        ("insert(type(one), ('id', 'tenant'), [(1, tenant)])", False),
        (f"{ROW}insert(Fact, ('tenant', 'id'), [_row(tenant, 1)])", False),
        (f"{ROW}insert(Fact, ('id', 'tenant'), [_row(1, tenant)])", False),
        ("insert_all([Job(id=1, tenant=tenant) for _ in some])", True),
        ("from trueup.kernel.work import port\nport.insert([port.row(event.tenant, request)])", True),
        ("def do():\n    job = port.row(event.tenant, request)\n    insert_all([job])", True),
        ("def do():\n    made = [port.row(tenant, one) for one in some]\n    insert_all(sorted(made, key=key))", True),
        (FILLED.format("Job(tenant=tenant)") + "    insert_all(rows)", True),
        ("insert(Fact, ('id', 'tenant'), [(1, ctx.tenant)])", True),
        ("insert(Fact, ('tenant', *names), ((ctx.tenant, *row) for row in rows))", True),
        ("_NAMES = ('id', 'tenant')\ninsert(Fact, _NAMES, [(1, tenant)])", True),
        (f"{ROW}insert(Fact, ('id', 'tenant'), [_row(job.tenant, 1)])", True),
        ("insert(Scale, ('id',), [(1,)])", True),
    ],
)
def test_the_walk_tells_rows_with_a_tenant_from_those_without(text, held):
    assert [found for _, found in Module(IN + text, {"Fact", "Job"}).inserts()] == [held]


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("from x.models import Fact\nFact(id=1).save()", [False]),
        ("from x.models import Fact as Row\nRow(**given)", [False]),
        ("from x import models\nmodels.Fact(tenant=None)", [False]),
        ("from x.models import Fact\nFact(id=1, tenant=ctx.tenant).save()", [True]),
        ("from x import models\nmodels.Fact(id=1, tenant=tenant)", [True]),
        ("from x.engine.fact import Fact\nFact(id=1)", []),
    ],
)
def test_the_walk_tells_an_object_with_a_tenant_from_one_without(text, held):
    assert [found for _, found in Module(text, {"Fact"}).objects()] == held
