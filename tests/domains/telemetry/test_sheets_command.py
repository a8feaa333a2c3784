"""Sheets of one workbook from the installed command: compared, taken in, and read again under their own names."""

import numpy as np
import openpyxl
import pytest

from trueup.domains.telemetry.sources.sheetname import joined, parted
from trueup.kernel.errors import UsageError


@pytest.fixture
def workbook(tmp_path):
    book = openpyxl.Workbook(write_only=True)
    for title, seed, shift in (("accepted", 1, 0.0), ("same", 2, 0.0), ("moved", 3, 2.0)):
        sheet = book.create_sheet(title)
        sheet.append(["when", "volt"])
        for row, value in enumerate(np.random.default_rng(seed).normal(12.0 + shift, 0.3, 400)):
            sheet.append([row / 10, float(value)])
    path = tmp_path / "bench.xlsx"
    book.save(path)
    return path


def test_two_sheets_of_a_workbook_are_compared(trueup, workbook):
    done = trueup("--json", "telemetry", "compare", "--baseline", workbook, "--run", workbook, "--sheet", "moved")
    assert (done.code, [finding["metric"] for finding in done.json["findings"]]) == (10, ["volt"])
    assert [done.json["files"][side]["name"] for side in ("baseline", "run")] == ["bench.xlsx", "bench.xlsx#moved"]
    assert done.json["subject"].endswith("#moved")


def test_a_run_keeps_the_sheet_that_it_was_taken_from(trueup, workbook):
    for sheet in ("accepted", "moved"):
        taken = trueup("--json", "telemetry", "ingest", workbook, "--sheet", sheet, "--name", sheet).json
        assert (taken["file"], taken["rows"]) == (f"bench.xlsx#{sheet}", 400)
    assert trueup("telemetry", "ingest", workbook, "--sheet", "same", "--name", "moved").code == 7
    done = trueup("--json", "telemetry", "analyze", "moved", "--baseline", "accepted")
    assert (done.code, [finding["metric"] for finding in done.json["findings"]]) == (10, ["volt"])


@pytest.mark.parametrize("sheet", ["Run 2", "a.b", "ü"])
def test_a_sheets_name_is_told_from_its_files(tmp_path, sheet):
    assert parted(joined(tmp_path / "b.XLSX", sheet)) == ("b.XLSX", sheet)


@pytest.mark.parametrize(("name", "sheet"), [("b.xlsx#c", ""), ("b.dat", "c"), ("b.xlsx", "c#d")])
def test_a_name_that_could_be_both_is_refused(tmp_path, name, sheet):
    with pytest.raises(UsageError):
        joined(tmp_path / name, sheet)
