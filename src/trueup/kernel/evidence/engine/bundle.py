"""Put the verifier into one file that needs nothing of Trueup."""

import ast
from functools import cache
from importlib import resources

PARTS = ("merkle.py", "engine/notes.py", "engine/container.py", "engine/verifier.py", "engine/program.py")
HEAD = '''"""Verify a Trueup evidence pack. This one file needs Python >= 3.12 and the package cryptography, nothing of Trueup.

    python verify.py PACK.zip --key KEY      KEY: a public key file or a SHA-256 fingerprint that you trust

Exit codes: 0 sound and signed by that key, 20 damaged or forged, 30 sound but signed by nobody you named, 2 unreadable.
Use a copy of this file that you trust: the one inside a pack was put there by whoever made the pack.
Licence: Apache-2.0.
"""

'''


@cache
def verifier_source() -> bytes:
    """Return ``verify.py``: the verifier's modules one after the other, their imports of each other taken out."""
    imports: set[str] = set()
    bodies: list[str] = []
    package = resources.files("trueup.kernel.evidence")
    for part in PARTS:
        source = package.joinpath(part).read_text(encoding="utf-8")
        lines = source.splitlines(keepends=True)
        tree = ast.parse(source)
        for node in [n for n in tree.body if _is_doc(n) or isinstance(n, ast.Import | ast.ImportFrom)]:
            if isinstance(node, ast.Import | ast.ImportFrom) and "trueup" not in ast.unparse(node):
                imports.add(ast.unparse(node))
            for number in range(node.lineno - 1, node.end_lineno or node.lineno):
                lines[number] = ""
        bodies.append("".join(lines).strip() + "\n")
    text = (
        HEAD
        + "\n".join(sorted(imports))
        + "\n\n\n"
        + "\n\n".join(bodies)
        + "\n\nif __name__ == '__main__':\n    sys.exit(main())\n"
    )
    return text.encode()


def _is_doc(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
