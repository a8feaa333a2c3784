"""The recorded pairs that are shipped, through the installed command: the clean one passes, the drifted one is named."""

import json

import pytest

from trueup.domains.telemetry.sources.recorded import recorded

NAMED = {"tree_cpu_percent", "tree_rss_bytes"}


@pytest.fixture
def compare(trueup):
    def call(pair, *args):
        baseline, run = recorded(pair)
        return trueup("telemetry", "compare", "--baseline", baseline, "--run", run, "--json", *args)

    return call


def test_the_clean_pair_passes_without_a_finding(compare):
    done = compare("clean")
    assert (done.code, done.json["verdict"], done.json["findings"]) == (0, "PASS", [])
    assert {metric["verdict"] for metric in done.json["metrics"]} <= {"PASS", "INSUFFICIENT_DATA"}


def test_the_drifted_pair_is_drift_that_names_the_process_trees_cpu_and_memory(compare):
    done = compare("drifted")
    assert (done.code, done.json["verdict"]) == (10, "PASS_WITH_DRIFT")
    found = {}
    for finding in done.json["findings"]:
        found.setdefault(finding["metric"], finding)
    assert set(found) >= NAMED
    memory = found["tree_rss_bytes"]
    assert memory["run"]["median"] - memory["baseline"]["median"] > 512 << 20
    assert found["tree_cpu_percent"]["run"]["median"] > 80
    assert all(found[name]["explanation"] for name in NAMED)


def test_drift_is_a_failure_where_that_is_asked_for(compare):
    done = compare("drifted", "--drift-is-fail")
    assert (done.code, done.json["verdict"]) == (20, "FAIL")


def test_the_drifted_pair_turned_round_is_drift_too(trueup):
    baseline, run = recorded("drifted")
    done = trueup("telemetry", "compare", "--baseline", run, "--run", baseline, "--json")
    assert done.code == 10
    assert {finding["metric"] for finding in done.json["findings"]} >= NAMED


def test_the_verdict_of_the_drifted_pair_is_known_afterwards_and_packed(compare, trueup, tmp_path):
    done = compare("drifted", "--subject", "recorded:drifted", "--out", "out")
    facts = trueup("fact", "list", "--subject", "recorded:drifted", "--predicate", "telemetry.verdict@1", "--json").json["facts"]
    assert [fact["value"] for fact in facts] == ["PASS_WITH_DRIFT"]
    kept = json.loads((tmp_path / "out" / "comparison.json").read_bytes())
    assert kept["findings"] == done.json["findings"]
    assert trueup("evidence", "verify", "out/pack.zip").code == 0
