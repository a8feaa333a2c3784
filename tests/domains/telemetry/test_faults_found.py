"""Whatever ``inject`` puts into a file is found by a comparison with default numbers, or listed as what cannot be."""

from hashlib import sha256

import numpy as np
import pytest

from tests.conftest import ROOT
from trueup.domains.telemetry.engine.compare import CompareConfig, compare
from trueup.domains.telemetry.engine.inject import DEFAULTS, LIMITS, Change, Dose, Fault, hidden
from trueup.domains.telemetry.sources.faultfile import inject_file
from trueup.domains.telemetry.sources.tabular import open_table

ROWS, START = 1000, 500
SEEDS = (1, 2, 3)
# what each fault is found as; the onset is given where the fault has one
FOUND = {
    Fault.VALUE_CORRUPTION: {"spike", "scale", "shape"},
    Fault.SCHEMA_CHANGE: {"missing"},
    Fault.TIME_SKEW: {"clock"},
    Fault.STUCK_AT: {"stuck"},
    Fault.SPIKE: {"spike"},
    Fault.SENSOR_DRIFT: {"trend", "level"},
    Fault.DUPLICATION: {"duplication"},
    Fault.DROP_OUT: {"gap"},
    Fault.LATENCY_SPIKE: {"spike", "scale", "level", "shape"},
    Fault.PACKET_LOSS: {"gap"},
    Fault.VARIANCE: {"scale"},
    Fault.OSCILLATION: {"oscillation", "scale"},
    Fault.UNIT_SWAP: {"level"},
}


def written(path, seed):
    rng = np.random.default_rng(seed)
    volt, latency = 10 + rng.standard_normal(ROWS), 5 + 0.5 * rng.standard_normal(ROWS)
    lines = [f"{1_700_000_000_000 + 100 * i},{v:.6f},{ms:.6f}" for i, (v, ms) in enumerate(zip(volt, latency, strict=True))]
    path.write_text("\n".join(["ts,volt,latency_ms", *lines]) + "\n")
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    return folder, written(folder / "baseline.csv", 100), written(folder / "run.csv", 200)


def compared(folder, first, second):
    with open_table(first, workdir=folder) as baseline, open_table(second, workdir=folder) as run:
        return compare(baseline, run, config=CompareConfig())


def injected(files, fault, seed, **more):
    folder, baseline, run = files
    target = folder / f"{fault}-{seed}.csv"
    metrics = () if fault in {Fault.TIME_SKEW, Fault.DUPLICATION, Fault.PACKET_LOSS} else ("latency_ms",)
    dose = Dose(**{"start": START / ROWS, **DEFAULTS[fault], **more})
    inject_file(run, target, fault, metrics=metrics, seed=seed, dose=dose, workdir=folder)
    return target, compared(folder, baseline, target)


def test_without_a_fault_nothing_is_found(files):
    assert compared(*files).findings == ()


@pytest.mark.requirement("telemetry:S4.7", "telemetry:Q5")
@pytest.mark.parametrize("fault", list(Fault))
def test_every_fault_is_repeatable_and_found_under_its_name(files, fault):
    for seed in SEEDS:
        target, found = injected(files, fault, seed)
        first = sha256(target.read_bytes()).digest()
        assert sha256(injected(files, fault, seed)[0].read_bytes()).digest() == first if seed == SEEDS[0] else True
        kinds = {str(finding.kind) for finding in found.findings}
        assert kinds & FOUND[fault], (seed, kinds)
        whole = fault in {Fault.TIME_SKEW, Fault.DUPLICATION, Fault.PACKET_LOSS}
        assert {finding.metric for finding in found.findings} == {"(rows)" if whole else "latency_ms"}


@pytest.mark.requirement("telemetry:Q5")
@pytest.mark.parametrize("fault", [Fault.STUCK_AT, Fault.SPIKE, Fault.SENSOR_DRIFT, Fault.DUPLICATION, Fault.TIME_SKEW])
def test_stuck_spiking_drifting_and_repeated_signals_are_placed_within_one_window(files, fault):
    # a window is 5 % of the run; a spike is drawn somewhere behind the start, a ramp is seen once it has left the noise
    target, found = injected(files, fault, 1)
    finding = next(finding for finding in found.findings if str(finding.kind) in FOUND[fault])
    begins = START
    if fault is Fault.SPIKE:
        before, after = (np.loadtxt(path, delimiter=",", skiprows=1)[:, 2] for path in (files[2], target))
        begins = int(np.flatnonzero(before != after)[0])
    assert finding.onset_index == pytest.approx(begins, abs=0.05 * ROWS)


@pytest.mark.parametrize("change", list(Change))
def test_every_change_of_a_schema_is_found(files, change):
    _, found = injected(files, Fault.SCHEMA_CHANGE, 1, change=change)
    assert {str(finding.kind) for finding in found.findings} <= {"missing", "quarantine"}
    assert found.findings


@pytest.mark.requirement("telemetry:S4.7")
def test_a_constant_offset_of_the_clock_is_not_found_and_listed(files, trueup):
    _, found = injected(files, Fault.TIME_SKEW, 1, start=0.0)
    assert found.findings == ()
    page = (ROOT / "docs/reference/detection.md").read_text()
    assert all(f"| {fault} | {why} |" in page for fault, why in LIMITS.items())
    done = trueup("telemetry", "inject", "--fault", "time_skew", "--from", "0", "--input", files[2], "--output", "off.csv")
    assert (done.code, hidden(Fault.TIME_SKEW, 0) in done.out) == (0, True)


@pytest.mark.requirement("telemetry:S4.7")
def test_a_clock_set_back_is_found_too(files):
    _, found = injected(files, Fault.TIME_SKEW, 1, seconds=-5.0)
    assert [(finding.metric, str(finding.kind)) for finding in found.findings] == [("(rows)", "clock")]
