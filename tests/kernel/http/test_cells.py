"""CSV cells: shown by a spreadsheet as they are, and never run."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.kernel.http.engine.cells import cell, line


@pytest.mark.parametrize(
    "text", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "=cmd|' /C calc'!A0", "＝1", "-x", "--1", "+"]
)
def test_what_a_spreadsheet_would_run_begins_with_an_apostrophe(text):
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["-1", "+2.5", "-3.5e-7", -1, 2.5, "a=1", "x", "", "1-1"])
def test_numbers_and_plain_text_stay_as_they_are(value):
    assert cell(value) == str(value)


def test_nothing_is_an_empty_cell():
    assert cell(None) == ""


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_a_reader_of_csv_reads_one_record_of_as_many_cells(values):
    (found,) = csv.reader(io.StringIO(line(list(values)), newline=""))
    assert found == [cell(value) for value in values]
