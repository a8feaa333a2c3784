"""A room's doors (its API and its pages) are imported by the faces and by other doors of the same room, by nobody else."""

import ast

from tests.faces.test_architecture import SOURCE

DOORS = ("api", "web")


def imports(text):
    """Return every module that a source file imports, by its whole name."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {
        name
        for name in found
        if name.startswith(("trueup.kernel.", "trueup.domains.")) and name.split(".")[3:4] and name.split(".")[3] in DOORS
    }


def test_nothing_below_the_doors_imports_them():
    wrong = []
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        if parts[0] == "faces":
            continue
        own = ".".join(("trueup", *parts[:2])) if len(parts) > 2 and parts[2] in DOORS else ""
        wrong += [(path.name, name) for name in imports(path.read_text()) if not (own and name.startswith(f"{own}."))]
    assert wrong == []


def test_the_check_would_see_such_an_import():
    assert imports("from trueup.kernel.evidence.api import router") == {
        "trueup.kernel.evidence.api",
        "trueup.kernel.evidence.api.router",
    }
    assert imports("from trueup.kernel.evidence import queries") == set()
