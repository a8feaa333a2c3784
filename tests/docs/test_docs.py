"""The documentation says what is so: commands run, outputs match, links lead somewhere, options exist."""

import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import click
import pytest

from tests.conftest import ROOT, TRUEUP
from tests.docs.pages import PAGES, SERVED, Step, code, differs, fences, steps, typed
from tests.support import postgres
from trueup.faces.cli.hb import VALUED
from trueup.faces.cli.main import GLOBALS, cli
from trueup.kernel.evidence.engine.bundle import verifier_source
from trueup.kernel.words import ExitCode

MARK = "\x1e"
NEW_HOME = "trueup: made a new home in "  # said once, to whom it is new: pages need not show it
IDS = [str(page.relative_to(ROOT)) for page in PAGES]
each_page = pytest.mark.parametrize("page", PAGES, ids=IDS)
# Options of other programs that pages name: scripts of ours, Python's packaging tools, and hb.
OTHERS = {"--check", "--write", "--idle", "--memory-mib", "--cpu", "--python", "--now", "--system", "--build", "--scale", *VALUED}
# Where the units in deploy/ put things: places of every machine that runs them, not of somebody's.
# Written in pieces, so that this file does not hold what it looks for.
HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("registry", "npmjs"),
        ("npmjs", "org"),
        ("yarnpkg", "com"),
        ("deb", "debian"),
        ("archive", "ubuntu"),
        ("proxy", "golang"),
        ("crates", "io"),
        ("rubygems", "org"),
        ("conda", "anaconda"),
        ("docker", "io"),
    )
]
PLACES = re.compile(r"(?<![\w.…>-])/(?!opt/trueup\b|var/lib/trueup\b)(?:home|root|work|tmp|Users|opt|srv|mnt|var|usr/local)/")
NOT_OURS = {"__pycache__", "htmlcov", "build", "dist", "node_modules"}


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def files() -> Iterator[Path]:
    """Yield every file that is the project's own, wherever it was cloned or unpacked."""
    for folder, folders, names in os.walk(ROOT):
        here = Path(folder)
        folders[:] = [
            name
            for name in folders
            if not (name.startswith(".") and name not in (".ci", ".github"))
            and name not in NOT_OURS
            and not name.endswith(".egg-info")
            and here / name != ROOT / "benchmarks" / "results"
        ]
        yield from (here / name for name in names if not name.startswith(".coverage"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def session(page_steps: list[Step], folder: Path, **more: str) -> list[tuple[int, list[str]]]:
    """Type commands into one shell; return how each ended and what it printed, errors among it."""
    port = free_port()
    script = f'browser() {{ python "{ROOT}/tests/docs/browser.py" "$@"; }}\n'
    script += "".join(
        f"printf '{MARK}'\n{{\n{typed(step, port)}\n}} 2>&1\nprintf '\\n{MARK}%d' \"$?\"\n"
        for step in page_steps
        if not step.makes
    )
    script += 'running=$(jobs -p); [ -z "$running" ] || { kill $running; wait; } 2>/dev/null\n'
    left_out = ("TRUEUP_", "PYTHONDONTWRITEBYTECODE")
    env = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    env |= {"TRUEUP_HOME": str(folder / "home"), "PATH": f"{TRUEUP.parent}{os.pathsep}{env['PATH']}", "LC_ALL": "C.UTF-8"}
    env |= {"PYTHONPYCACHEPREFIX": str(folder.parent / "bytecode")}  # compiled once for all pages, and never beside the sources
    env |= {"SERVER": f"http://127.0.0.1:{port}", **more}
    with subprocess.Popen(
        ["bash", "--noprofile", "--norc", "-s"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=env,
        start_new_session=True,
    ) as shell:
        try:
            out, err = shell.communicate(script, timeout=300)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)  # whatever the page started and a failure left behind
    assert not err, err
    parts = out.replace(f"127.0.0.1:{port}", SERVED).split(MARK)[1:]
    return [(int(ended), printed.rstrip("\n").split("\n")) for printed, ended in zip(parts[::2], parts[1::2], strict=True)]


@pytest.fixture(scope="module")
def database_server() -> Iterator[dict[str, str]]:
    """A PostgreSQL server as an administrator meets it, for the pages that need one: nothing of ours is in it."""
    with postgres.cluster() as folder:
        postgres.execute(folder, "postgres", f"DROP ROLE {postgres.ROLE}")
        yield {"PGHOST": str(folder), "PGUSER": "admin", "PGDATABASE": "postgres"}


@pytest.mark.requirement("automation:AR-21")
@each_page
def test_every_command_of_a_page_does_what_the_page_says(page, tmp_path, request):
    wanted = steps(page)
    needs_server = any(step.command.startswith("psql ") for step in wanted)
    more = request.getfixturevalue("database_server") if needs_server else {}
    for step in wanted:
        if step.makes:
            done = subprocess.run(["make", "-n", step.makes], cwd=ROOT, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{page.name}:{step.line}: {done.stderr}"
    commands = [step for step in wanted if not step.makes]
    if not commands:
        return
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    ended = session(commands, tmp_path, **more)
    assert len(ended) == len(commands), f"{page.name}: the shell ended after {len(ended)} of {len(commands)} commands"
    for step, (status, printed) in zip(commands, ended, strict=True):
        place = f"{page.name}:{step.line}: {step.command}"
        said = any(line.startswith(NEW_HOME) for line in step.expected)
        lines = [line for line in printed if said or not line.startswith(NEW_HOME)]
        assert status == step.code, f"{place}\nended with {status}\n" + "\n".join(lines)
        problem = differs(step.expected, lines)
        assert not problem, f"{place}\n{problem}"


def test_the_reader_of_pages_tells_a_wrong_output_from_a_right_one():
    assert not differs(("a … c", "…", "z"), ["a b c", "x", "y", "z"])
    assert not differs(("a", "…", "z"), ["a", "z"])
    assert not differs((), ["whatever"])
    assert differs(("a", "z"), ["a", "x", "z"])
    assert differs(("a",), ["a", "b"])
    assert differs(("PASS",), ["PASS_WITH_DRIFT"])


def test_a_session_reports_codes_outputs_and_errors_of_each_command(tmp_path):
    commands = [Step("x=1; echo one", 0, (), 1), Step("echo two >&2; false", 1, (), 2), Step("cat <<'E'\n$x\nE", 0, (), 3)]
    assert session(commands, tmp_path) == [(0, ["one"]), (1, ["two"]), (0, ["$x"])]


def test_what_people_do_in_a_browser_is_a_step_that_pages_do_not_show(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "```console\n$ first\nout\n```\n\n<!-- $ browser approve x@example.org -->\n<!-- a remark -->\n\n```sh\nlast\n```\n"
    )
    assert [(step.command, step.expected, step.line) for step in steps(page)] == [
        ("first", ("out",), 2),
        ("browser approve x@example.org", (), 6),
        ("last", ("…",), 10),
    ]


def test_a_page_s_server_listens_on_a_free_port_and_ends_with_the_page(tmp_path):
    commands = [
        Step("trueup serve &", 0, (), 1),
        Step(f"curl -s -o live.json -w '%{{url}}' http://{SERVED}/health/live", 0, (), 2),
    ]
    (_, started), (status, printed) = session(commands, tmp_path)
    assert (status, printed) == (0, [f"http://{SERVED}/health/live"])
    assert "ok" in (tmp_path / "live.json").read_text()
    port = int(re.search(r"on http://127\.0\.0\.1:(\d+)/", (tmp_path / "serve.log").read_text())[1])
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert started == [""]


def headings(page: Path) -> set[str]:
    """Return the anchors of a page, as renderers make them from its headings."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    names = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", name.lower()).replace(" ", "-") for name in names}


@each_page
def test_every_relative_link_leads_somewhere(page):
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", target):
            continue
        name, _, anchor = target.partition("#")
        found = (page.parent / name).resolve() if name else page
        assert found.exists(), f"{page.name}: {target}"
        assert found.is_relative_to(ROOT), f"{page.name}: {target}"
        assert not anchor or anchor in headings(found), f"{page.name}: {target}: no such heading"


def test_the_index_names_every_page():
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = [page.relative_to(ROOT / "docs") for page in PAGES if page.is_relative_to(ROOT / "docs") and page.name != "README.md"]
    assert [str(page) for page in pages if f"]({page})" not in index] == []


def known_options() -> dict[tuple[str, ...], set[str]]:
    """Return the options of every command, by its words."""
    reference = script("cli_reference")
    return {path: {opt for option in reference.options(command) for opt in option.opts} for path, command in reference.tree(cli)}


GLOBAL_OPTIONS = {*re.findall(r"--[a-z-]+", GLOBALS), "--help", "--version"}


def named_command(words: list[str], commands: dict[tuple[str, ...], set[str]]) -> tuple[str, ...] | None:
    """Return which command a command line names, with global options anywhere; None if it does not name a whole one."""
    path: tuple[str, ...] = ()
    rest = iter(words)
    for word in rest:
        if word in ("--home", "--tenant"):
            next(rest, None)
        elif not word.startswith("-"):
            path = (*path, word)
            if path in commands:
                return path
            if not any(known[: len(path)] == path for known in commands):
                return None
    return None


@each_page
def test_every_option_that_a_page_names_exists(page):
    commands = known_options()
    every = set().union(*commands.values(), GLOBAL_OPTIONS, OTHERS, re.findall(r'"(--[a-z-]+)"', verifier_source().decode()))
    for text in code(page):
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", text):
            assert option in every, f"{page.name}: {option} in {text[:80]!r}"
        for line in text.splitlines():
            for call in re.findall(r"(?:^|[$|;] )trueup ([^|;#>]*)", line):
                named = named_command(call.split(), commands)
                if named is not None:
                    wrong = {word.partition("=")[0] for word in call.split() if re.match(r"--[a-z]", word)}
                    assert wrong <= commands[named] | GLOBAL_OPTIONS, f"{page.name}: {line}"


@each_page
def test_every_command_that_a_page_names_exists(page):
    commands = known_options()
    starts = {path[:length] for path in commands for length in range(len(path) + 1)}
    for text in code(page):
        for call in re.findall(r"(?:^|[$|;] )trueup ((?:[a-z]+(?:-[a-z]+)* ?)+)", text, flags=re.MULTILINE):
            words = tuple(call.split())
            assert any(words[:length] in commands for length in range(1, len(words) + 1)) or words in starts, (
                f"{page.name}: {call}"
            )


def test_every_exit_code_stands_in_the_table():
    text = (ROOT / "docs" / "reference" / "exit-codes.md").read_text(encoding="utf-8")
    listed = {int(number) for number in re.findall(r"^\| (\d+) \|", text, flags=re.MULTILINE)}
    assert listed == {int(member) for member in ExitCode}


@each_page
def test_no_page_holds_a_place_on_somebodys_machine(page):
    assert PLACES.findall(page.read_text(encoding="utf-8")) == []


def test_a_place_on_a_machine_would_be_found():
    assert PLACES.search("see /home" + "/anna/trueup")
    assert not PLACES.search("…/home/x and docs/how-to/home/x")


def test_no_file_of_the_project_names_a_registry():
    found = []
    seen = 0
    for path in files():
        data = path.read_bytes()
        seen += 1
        found += [f"{path.relative_to(ROOT)}: {host}" for host in HOSTS if host.encode() in data]
    assert found == []
    assert seen > 200, "the search must look at the whole project"


def test_the_reference_of_the_command_line_is_up_to_date():
    reference = script("cli_reference")
    assert reference.PAGE.read_text(encoding="utf-8") == reference.page()


def test_the_reference_names_every_option_of_every_command():
    text = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    for path, known in known_options().items():
        section = text.partition(f"\n## {' '.join(path)}\n")[2].partition("\n## ")[0]
        assert section, path
        assert {opt for opt in known if f"`{opt}" not in section} == set(), path


def test_the_reference_of_the_settings_is_up_to_date():
    reference = script("settings_reference")
    assert reference.PAGE.read_text(encoding="utf-8") == reference.page()


def test_the_matrix_of_requirements_is_up_to_date():
    requirements = script("requirements_matrix")
    assert requirements.problems() == []
    assert requirements.MATRIX.read_text(encoding="utf-8") == requirements.matrix()


def test_no_requirement_stands_twice():
    text = (ROOT / "docs" / "requirements.toml").read_text(encoding="utf-8")
    ids = re.findall(r'^id = "(.+)"$', text, flags=re.MULTILINE)
    assert len(ids) == len(set(ids))


def test_the_example_runs_are_what_their_generator_makes(tmp_path):
    subprocess.run([sys.executable, str(ROOT / "examples" / "make_runs.py"), str(tmp_path)], check=True)
    shipped = ROOT / "examples" / "runs"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {p.name: p.read_bytes() for p in shipped.iterdir()}


def test_the_example_policy_in_the_guide_is_the_one_that_ships():
    page = ROOT / "docs" / "how-to" / "write-policies.md"
    shown = next(text for language, text, _ in fences(page) if language == "cedar")
    assert shown == (ROOT / "examples" / "policies" / "packs.cedar").read_text(encoding="utf-8")


def test_the_roles_page_names_every_policy_with_its_reason():
    page = (ROOT / "docs" / "reference" / "roles.md").read_text(encoding="utf-8")
    texts = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "src").rglob("*.cedar"))]
    found = [pair for text in texts for pair in re.findall(r'@id\("(.+?)"\)\s*@reason\("(.+?)"\)', text)]
    assert len(found) > 12, "the search must find the policies of rooms too"
    assert [
        id
        for id, reason in found
        if not re.search(rf"^\| `{re.escape(id)}` \| \w+ \| {re.escape(reason)} \|$", page, re.MULTILINE)
    ] == []


def test_pictures_are_small_and_ask_for_nothing():
    for path in (ROOT / "docs" / "img").iterdir():
        data = path.read_bytes()
        assert len(data) <= 200 << 10, path.name
        assert path.suffix != ".svg" or not re.search(rb"<script|href=|url\(['\"]?http|<foreignObject", data), path.name


def test_every_command_explains_itself():
    reference = script("cli_reference")
    for path, command in reference.tree(cli):
        assert (command.help or "").strip(), path
        unexplained = [opt.opts for opt in reference.options(command) if not opt.help and opt.opts != ["--limit"]]
        assert unexplained == [], path
        assert isinstance(command, click.Command)
