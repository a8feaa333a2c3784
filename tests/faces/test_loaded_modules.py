"""Nothing is loaded that is not needed."""

import subprocess
import sys

import pytest


def loaded(code):
    """Return the names of all modules that a piece of code loads in a fresh process."""
    script = f"import sys\n{code}\nsys.stderr.write(chr(10).join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stderr.splitlines()} | set(done.stderr.splitlines())


HEAVY = {"click", "django", "pydantic", "cryptography", "numpy", "duckdb", "cedarpy", "yaml", "psutil", "jsonschema"}


def test_version_loads_nothing_but_the_version():
    names = loaded("sys.argv = ['trueup', '--version']\nfrom trueup.__main__ import main\nmain()")
    assert names & HEAVY == set()
    assert {name for name in names if name.startswith("trueup.")} == {"trueup.__main__"}


def test_the_check_for_loaded_modules_would_see_one():
    assert "click" in loaded("import trueup.faces.cli.main")


@pytest.mark.parametrize(
    ("module", "kept_out"),
    [
        ("trueup.kernel.evidence.merkle", HEAVY),
        ("trueup.kernel.evidence.engine.verifier", HEAVY - {"cryptography"}),
        ("trueup.kernel.evidence.engine.container", HEAVY),
        ("trueup.kernel.words", HEAVY),
        ("trueup.kernel.errors", HEAVY),
        ("trueup.kernel.gates", HEAVY),
        ("trueup.kernel.gates.engine.evaluate", {"django", "duckdb", "cryptography", "numpy"}),
        ("trueup.kernel.policy.engine.decide", {"django", "duckdb", "numpy"}),
        ("trueup.kernel.stats", {"django", "duckdb", "scipy"}),
        ("trueup.domains.telemetry.engine.compare", {"django", "duckdb", "psutil", "scipy"}),
        ("trueup.faces.cli.main", HEAVY - {"click"}),
    ],
)
def test_a_module_loads_only_what_it_needs(module, kept_out):
    assert loaded(f"import {module}") & kept_out == set()


def test_knowing_every_action_loads_no_mathematics():
    script = "from trueup.config.store import configure; from trueup.config.wiring import wire; configure(None); wire()"
    script += "; import sys; print(sorted({'numpy', 'duckdb', 'pint', 'reportlab', 'aiohttp', 'ada_url', 'playwright', 'nats'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
