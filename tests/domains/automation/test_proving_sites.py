"""A site proves itself by a file or by its front page, from asking to a fetch of it: real site, real product, no rule switched off."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.domains.automation.island import PLACES

ROOT = Path(__file__).parents[3]
FILE = "/.well-known/trueup-challenge.txt"


@pytest.fixture
def proofs(home):
    environment = {**os.environ, "TRUEUP_CONTACT_URL": "https://example.org/bot"}
    command = [sys.executable, "-m", "tests.domains.automation.island", str(home)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.requirement("automation:AR-19")
def test_a_file_and_a_meta_element_prove_a_site_and_their_absence_or_another_place_prove_nothing(proofs):
    paths = {"well_known_file": FILE, "html_meta": "/"}
    for method, host in PLACES.items():
        found, path = proofs[method], paths[method]
        assert found["where"].startswith(f"http://{host}{path}")
        assert (found["missing"], found["wrong"], found["states"]) == ("NOT_PROVED", "NOT_PROVED", ["verified", "active"])
        assert (found["state"], found["mode"], found["error"]) == ("completed", "internal", None)
        assert [asked for at, asked in proofs["asked"] if at == host] == [path] * 3 + ["/there"]
    assert proofs["agents"] == ["Trueup"]
