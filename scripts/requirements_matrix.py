"""Hold docs/requirements.toml against the tests, both ways, and write the matrix.

python scripts/requirements_matrix.py --check     fail when they disagree
python scripts/requirements_matrix.py --write     write docs/reference/requirements.md
"""

import ast
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "docs" / "requirements.toml"
MATRIX = ROOT / "docs" / "reference" / "requirements.md"
STATES = ("planned", "done")


def requirements() -> dict[str, dict[str, str]]:
    """Return id → {text, state}."""
    with SOURCE.open("rb") as file:
        return {item["id"]: item for item in tomllib.load(file)["requirement"]}


def marked_tests() -> dict[str, list[str]]:
    """Return id → test names, from the marks in the test files."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.ClassDef):
                continue
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func).endswith("mark.requirement"):
                    for argument in mark.args:
                        found[ast.literal_eval(argument)].append(f"{path.relative_to(ROOT)}::{node.name}")
    return found


def problems() -> list[str]:
    """Return what does not agree."""
    known, tested = requirements(), marked_tests()
    found = [
        f"{key}: state {item['state']!r} is not one of {STATES}" for key, item in known.items() if item["state"] not in STATES
    ]
    found += [f"{key}: marked by {tests[0]}, but not in {SOURCE.name}" for key, tests in tested.items() if key not in known]
    found += [
        f"{key}: called done, but no test proves it"
        for key, item in known.items()
        if item["state"] == "done" and not tested.get(key)
    ]
    found += [f"{key}: an id needs its domain (domain:id)" for key in known if ":" not in key]
    return found


def matrix() -> str:
    """Return the matrix as Markdown."""
    known, tested = requirements(), marked_tests()
    lines = [
        "# Requirements",
        "",
        "Made by `scripts/requirements_matrix.py --write` from `docs/requirements.toml` and the marks of the tests.",
        "",
    ]
    done = sum(item["state"] == "done" for item in known.values())
    lines += [f"{done} of {len(known)} done.", "", "| id | requirement | state | tests |", "|---|---|---|---|"]
    for key, item in known.items():
        lines.append(f"| `{key}` | {item['text']} | {item['state']} | {len(tested.get(key, ()))} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Check, or write."""
    found = problems()
    if "--write" in sys.argv:
        MATRIX.write_text(matrix(), encoding="utf-8")
    elif not MATRIX.exists() or MATRIX.read_text(encoding="utf-8") != matrix():
        found.append(f"{MATRIX.relative_to(ROOT)} is out of date: run scripts/requirements_matrix.py --write")
    for problem in found:
        sys.stderr.write(f"requirements: {problem}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
