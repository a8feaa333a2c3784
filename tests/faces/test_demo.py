"""The demo: the main job on this machine ends well, twice on one home, and its proof is real."""

import json
import os
from pathlib import Path

import pytest

from trueup.kernel.evidence.engine.container import read_members
from trueup.kernel.evidence.engine.verifier import verify_pack

SHORT = ("demo", "--rest", "10", "--load", "5")


def pack_of(home):
    return home / "demo" / "pack.zip"


@pytest.mark.slow
@pytest.mark.requirement("kernel:demo")
def demo(trueup, *more):
    """Run the demo; again where its one fault is an alarm at rest, and other tests run beside this one: then there is no rest.

    Alone (``pytest -n 0``) the first answer counts.
    """
    neighbours = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) > 1
    for _ in range(4 if neighbours else 1):
        done = trueup(*SHORT, *more)
        if done.code != 20:
            break
        said = [str(one) for one in done.json["findings"]] if more else [x for x in done.out.splitlines() if x.startswith("BAD")]
        if not all("control 1" in one for one in said):
            break
    return done


def test_the_demo_ends_well_twice_on_one_home_and_names_what_it_burned(trueup, home):
    first = demo(trueup)
    assert first.code == 0, first.out + first.err
    lines = first.out.splitlines()
    assert [line for line in lines if line.startswith("pack: ")] == [f"pack: {pack_of(home)}"]
    assert lines[-2].startswith("pages: make serve")
    assert lines[-1].startswith("sign in: ")
    assert not [line for line in lines if line.startswith("BAD")]
    assert sum(line.startswith("ok ") for line in lines) >= 7
    assert verify_pack(pack_of(home), {p.stem for p in (home / "keys" / "trusted").iterdir()}).verdict == "PASS"

    again = demo(trueup, "--json")
    assert again.code == 0, again.out + again.err
    document = again.json
    assert (document["verdict"], document["findings"], document["pack"]) == ("PASS", [], str(pack_of(home)))
    assert [step["ok"] for step in document["steps"]] == [True] * len(document["steps"])
    main = document["steps"][0]
    assert "tree_cpu_percent and tree_rss_bytes" in main["found"]
    assert Path(document["report"]).read_text().rstrip().endswith("</html>")
    assert trueup("evidence", "log", "verify").code == 0
    assert not (home / "demo" / "flipped.zip").exists()


@pytest.mark.parametrize(("option", "value"), [("--rest", "9.9"), ("--load", "4.9"), ("--rest", "nan"), ("--load", "x")])
def test_a_demo_too_short_to_prove_anything_is_refused(trueup, option, value):
    done = trueup("demo", option, value, "--json")
    assert (done.code, done.json["error"]["code"]) == (2, "BAD_REQUEST")


def test_the_flipped_byte_is_one_bit_of_the_largest_member(session, run, tmp_path):
    from tests.support.actions import Observe
    from trueup.faces.cli.demo import flip_one_byte
    from trueup.kernel.evidence.actions import CreatePack

    run(Observe, subject="thing", files={"large.txt": "x" * 100_000})
    run(CreatePack, subject="thing", out=tmp_path / "pack.zip")
    name = flip_one_byte(tmp_path / "pack.zip", tmp_path / "flipped.zip")
    whole, flipped = (tmp_path / "pack.zip").read_bytes(), (tmp_path / "flipped.zip").read_bytes()
    assert sum((a ^ b).bit_count() for a, b in zip(whole, flipped, strict=True)) == 1
    with (tmp_path / "pack.zip").open("rb") as file:
        largest = max(read_members(file), key=lambda member: member.size)
    assert name == largest.name
    trusted = session.ports.keys.trusted_fingerprints()
    assert verify_pack(tmp_path / "pack.zip", trusted).verdict == "PASS"
    assert (verify_pack(tmp_path / "flipped.zip", trusted).verdict, verify_pack(tmp_path / "flipped.zip", trusted).member) == (
        "FAIL",
        name,
    )


def test_a_demo_whose_step_went_wrong_fails_and_says_what_was_expected():
    from trueup.faces.cli import demo

    good, bad = demo.Step("a", "PASS", "PASS", ok=True), demo.Step("longer", "PASS", "FAIL", ok=False)
    assert demo._table([good, bad]) == ["ok   a       PASS", "BAD  longer  FAIL   (expected PASS)"]


@pytest.mark.parametrize(
    ("names", "verdict", "ok"),
    [
        (("tree_cpu_percent", "tree_rss_bytes"), "PASS_WITH_DRIFT", True),
        (("tree_cpu_percent", "tree_rss_bytes", "load_1"), "PASS_WITH_DRIFT", True),
        (("tree_cpu_percent",), "PASS_WITH_DRIFT", False),
        (("tree_rss_bytes",), "PASS_WITH_DRIFT", False),
        ((), "PASS", False),
        (("tree_cpu_percent", "tree_rss_bytes"), "FAIL", False),
    ],
)
def test_the_main_step_wants_both_cpu_and_memory_of_the_process_tree(names, verdict, ok):
    from trueup.faces.cli.demo import _Demo

    value = {"verdict": verdict, "findings": [{"metric": name, "explanation": f"{name} changed"} for name in names]}
    assert _Demo(None, Path())._main(value).ok is ok


@pytest.mark.parametrize(
    ("verdict", "expected", "also", "ok"),
    [
        ("PASS", "PASS", (), True),
        ("PASS_WITH_DRIFT", "PASS", (), False),
        ("PASS_WITH_DRIFT", "PASS", ("PASS", "INSUFFICIENT_DATA"), False),
        ("INSUFFICIENT_DATA", "PASS", ("PASS", "INSUFFICIENT_DATA"), True),
        ("INSUFFICIENT_DATA", "PASS", (), False),
        ("PASS", "PASS_WITH_DRIFT", (), False),
    ],
)
def test_a_control_that_alarms_or_keeps_silent_wrongly_is_seen(verdict, expected, also, ok):
    from trueup.faces.cli.demo import _Demo

    value = json.loads(json.dumps({"verdict": verdict, "findings": [], "metrics": []}))
    assert _Demo._control("a control", value, expected, also).ok is ok
