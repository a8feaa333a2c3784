"""Pages of the documentation, read as what a person would type from them."""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

PAGES = sorted(
    [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
    + list((ROOT / "docs").rglob("*.md"))
)
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_ENDS = re.compile(r"\s+# exit (\d+)$")
_STEPS = re.compile(r"^```(\w*)\n(.*?)^```$|^<!-- \$ (.+?) -->$", re.MULTILINE | re.DOTALL)
ANY = "…"
SERVED = "127.0.0.1:8471"
"""Where pages say that the server is; the tests put a free port in its place."""


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a page.

    Args:
        command: what is typed; further lines of a here-document are part of it.
        code: how it must end.
        expected: the lines that stand below it.
        line: of the page.
    """

    command: str
    code: int
    expected: tuple[str, ...]
    line: int

    @property
    def makes(self) -> str:
        """The target, where the command is a ``make``; else empty."""
        words = self.command.split()
        return words[1] if words[:1] == ["make"] else ""


def fences(page: Path) -> list[tuple[str, str, int]]:
    """Return every fenced block: language, text, line of its first line."""
    text = page.read_text(encoding="utf-8")
    return [(m[1], m[2], text.count("\n", 0, m.start(2)) + 1) for m in _FENCE.finditer(text)]


def code(page: Path) -> list[str]:
    """Return everything on a page that is set as code: blocks and spans."""
    text = page.read_text(encoding="utf-8")
    return [block for _, block, _ in fences(page)] + _CODE.findall(_FENCE.sub("", text))


def steps(page: Path) -> list[Step]:
    """Return the commands of a page in order: those of ``console`` blocks, each ``sh`` block as one, and hidden ones.

    A hidden one (``<!-- $ command -->``) does what the page tells in words: what a person does in a browser.
    """
    text = page.read_text(encoding="utf-8")
    found: list[Step] = []
    for block in _STEPS.finditer(text):
        line = text.count("\n", 0, block.start()) + 1
        if block[3]:
            found += _console([f"$ {block[3]}"], line)
        elif block[1] == "sh":
            found.append(Step(block[2].rstrip("\n"), 0, (ANY,), line + 1))
        elif block[1] == "console":
            found += _console(block[2].rstrip("\n").split("\n"), line + 1)
    return found


def typed(step: Step, port: int) -> str:
    """Return what a shell is given for a step.

    ``trueup serve &`` serves on a free port, and the next step waits until it answers; what runs behind the others writes to
    a file of its own (``serve.log``).
    """
    command = step.command.replace(SERVED, f"127.0.0.1:{port}")
    if not command.endswith(" &"):
        return command
    name = command.split()[1]
    started = f"TRUEUP_PORT={port} {command.removesuffix(' &')} >{name}.log 2>&1 &"
    if name != "serve":
        return started
    return (
        f"{started}\nfor n in $(seq 300); do curl -sf http://127.0.0.1:{port}/health/ready >/dev/null && break; sleep 0.1; done"
    )


def _console(lines: list[str], first: int) -> list[Step]:
    found: list[Step] = []
    for number, text in enumerate(lines, start=first):
        if text.startswith("$ "):
            ends = _ENDS.search(text)
            found.append(Step(text[2 : ends.start() if ends else None], int(ends[1]) if ends else 0, (), number))
            continue
        if not found:
            raise ValueError(f"line {number}: a console block begins with a command, after '$ '")
        step = found[-1]
        if text.startswith("> ") and not step.expected:
            found[-1] = Step(f"{step.command}\n{text[2:]}", step.code, (), step.line)
        else:
            found[-1] = Step(step.command, step.code, (*step.expected, text), step.line)
    return found


def differs(expected: tuple[str, ...], printed: list[str]) -> str:
    """Say in which line what was printed is not what is expected; empty when it is.

    ``…`` in a line stands for any text, a line of nothing else for any lines. A command with nothing below it may print
    what it likes.
    """
    if not expected:
        return ""
    pattern = "".join(r"(?:.*\n)*?" if line == ANY else ".*".join(map(re.escape, line.split(ANY))) + r"\n" for line in expected)
    text = "".join(f"{line}\n" for line in printed)
    return "" if re.fullmatch(pattern, text) else "expected\n  " + "\n  ".join(expected) + "\nprinted\n  " + "\n  ".join(printed)
