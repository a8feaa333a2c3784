"""``trueup telemetry compare``: the kinds that need a clock, or a whole run, from the installed command on real files."""

import numpy as np
import pytest

ROWS = 1000
EPOCH_MS = 1_700_000_000_000


def written(path, rows, values):
    lines = [f"{EPOCH_MS + 100 * row},{value:.6f}" for row, value in zip(rows, values, strict=True)]
    path.write_text("\n".join(["ts,volts", *lines]) + "\n", encoding="utf-8")
    return path


def noise(seed, n=ROWS):
    return 12.0 + 0.1 * np.random.default_rng(seed).normal(size=n)


@pytest.fixture
def compared(trueup, tmp_path):
    base = written(tmp_path / "base.csv", range(ROWS), noise(1))

    def call(rows, values):
        run, out = written(tmp_path / "run.csv", rows, values), tmp_path / "out"
        done = trueup("telemetry", "compare", "--baseline", base, "--run", run, "--out", out, "--json")
        return done.code, done.json, (out / "report.html").read_text(encoding="utf-8")

    return call


def test_rows_that_are_missing_are_a_gap_in_document_and_report(compared):
    rows = np.delete(np.arange(ROWS), range(300, 600))
    code, document, page = compared(rows, noise(2, len(rows)))
    (finding,) = document["findings"]
    assert (code, finding["metric"], finding["kind"]) == (10, "(rows)", "gap")
    assert (finding["onset_index"], document["clock"]["run"]["lost_rows"]) == (300, 300)
    assert "rows are missing" in page


def test_a_trend_is_called_so_in_document_and_report(compared):
    code, document, page = compared(range(ROWS), noise(2) + np.linspace(0.0, 0.4, ROWS))
    assert (code, [(finding["metric"], finding["kind"]) for finding in document["findings"]]) == (10, [("volts", "trend")])
    assert "rises steadily" in page


def test_a_clock_without_a_gap_passes_and_is_told(compared):
    code, document, _ = compared(range(ROWS), noise(2))
    assert (code, document["clock"]["run"]["lost_rows"], document["coverage"]) == (0, 0, 1.0)
    assert document["clock"]["run"]["step"] == pytest.approx(0.1)
