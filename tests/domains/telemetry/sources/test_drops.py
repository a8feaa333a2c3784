"""What is lost or corrupt is reported as what it is, from the file to the verdict."""

import numpy as np
import pytest

from trueup.domains.telemetry.engine.compare import CompareConfig, compare
from trueup.domains.telemetry.sources.tabular import open_table
from trueup.kernel.errors import UnreadableInput
from trueup.kernel.words import Verdict

ROWS = 2_000
NAMES = ("volt", "amp", "temp")


def table(path, seed, *, rows=range(ROWS), names=NAMES, spoil=None):
    cells = np.random.default_rng(seed).normal(10.0, 0.5, (ROWS, len(NAMES)))
    lines = [",".join(["ts", *names])]
    for row in rows:
        said = [f"{cells[row, NAMES.index(name)]:.5f}" for name in names]
        lines.append(",".join([f"{1_700_000_000_000 + 100 * row}", *(spoil(row, said) if spoil else said)]))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def compared(tmp_path):
    base = table(tmp_path / "base.csv", 1)

    def call(critical=(), **how):
        run = table(tmp_path / "run.csv", 2, **how)
        with open_table(base, workdir=tmp_path / "w") as first, open_table(run, workdir=tmp_path / "w") as second:
            return compare(first, second, config=CompareConfig(critical=frozenset(critical)))

    return call


def test_a_run_that_lost_nothing_passes(compared):
    assert (compared().verdict, compared().coverage) == (Verdict.PASS, 1.0)


@pytest.mark.requirement("telemetry:Q1")
def test_rows_that_were_dropped_are_a_gap_of_their_number(compared):
    kept = np.sort(np.random.default_rng(3).choice(ROWS, int(0.7 * ROWS), replace=False))
    found = compared(rows=[0, *kept[(kept > 0) & (kept < ROWS - 1)].tolist(), ROWS - 1])
    lost = found.clock["run"]["lost_rows"]
    assert found.verdict is Verdict.PASS_WITH_DRIFT
    assert lost == pytest.approx(0.3 * ROWS, abs=0.01 * ROWS)
    assert {"gap"} <= {str(finding.kind) for finding in found.findings}


@pytest.mark.requirement("telemetry:Q1")
def test_a_metric_that_is_lost_is_missing_from_the_coverage_and_a_critical_one_fails(compared):
    found = compared(names=("volt", "amp"))
    assert found.coverage == pytest.approx(2 / 3, abs=0.01)
    assert found.verdict not in (Verdict.PASS, Verdict.NO_DATA)
    assert compared(names=("volt", "amp"), critical=("temp",)).verdict is Verdict.FAIL


@pytest.mark.requirement("telemetry:Q1")
def test_a_window_that_is_lost_whole_is_no_data(compared):
    assert compared(rows=[]).verdict is Verdict.NO_DATA


CORRUPT = {
    "text": "ERR",
    "NaN": "nan",
    "infinity": "-inf",
    "a decimal comma": '"1,5"',
    "a unit": "12 V",
    "nothing readable": "\ufffd",
}


@pytest.mark.requirement("telemetry:Q3")
@pytest.mark.parametrize("cell", CORRUPT.values(), ids=CORRUPT)
def test_a_corrupt_cell_is_set_aside_and_of_a_critical_metric_it_fails(compared, cell):
    def spoil(row, said):
        return [cell, *said[1:]] if row == 700 else said

    found = compared(spoil=spoil)
    (volt,) = (metric for metric in found.metrics if metric.metric == "volt")
    assert (found.verdict, volt.run["quarantined"]) == (Verdict.PASS, 1)
    assert compared(spoil=spoil, critical=("volt",)).verdict is Verdict.FAIL


@pytest.mark.requirement("telemetry:Q3")
def test_a_number_too_large_to_be_squared_does_not_let_a_shifted_run_pass(compared):
    def spoil(row, said):
        return ["1e308" if row == 700 else str(float(said[0]) + 5), *said[1:]]

    assert compared(spoil=spoil).verdict is not Verdict.PASS


@pytest.mark.requirement("telemetry:Q3")
@pytest.mark.parametrize("line", [b"1,2,\0", b"1,2," + b"9" * 10_000_000, b"1,2", b'1,2,"3'])
def test_a_file_that_is_no_table_any_more_is_refused_and_never_compared(tmp_path, line):
    path = tmp_path / "run.csv"
    path.write_bytes(b"a,b,c\n" + b"1,2,3\n" * 50 + line + b"\n" + b"1,2,3\n" * 50)
    with pytest.raises(UnreadableInput), open_table(path, workdir=tmp_path / "w"):
        pass
