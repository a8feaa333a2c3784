"""Tables made of tables: canonical names and units, and several runs as one."""

import numpy as np

from tests.domains.telemetry.engine.tables import column, table
from trueup.domains.telemetry.engine.numbers import numbers_of
from trueup.domains.telemetry.engine.table import Excluded
from trueup.domains.telemetry.engine.views import Mapped, Pooled, Source


def test_a_mapped_metric_is_its_raw_column_times_factor_plus_offset():
    view = Mapped(table(temp_f=[32.0, 212.0], other=[1.0, 2.0]), {"temp": Source("temp_f", "°C", 5 / 9, -160 / 9)})
    assert view.numeric == ("temp",)
    assert np.allclose(view.column("temp").values, [0.0, 100.0])


def test_a_mapped_table_keeps_the_order_of_the_file_and_names_what_it_leaves_out_canonically():
    view = Mapped(
        table([Excluded("ts", "time column")], b=[1.0], a=[2.0]), {"A": Source("a"), "B": Source("b"), "time": Source("ts")}
    )
    assert view.numeric == ("B", "A")
    assert [item.name for item in view.excluded] == ["time"]


def test_runs_are_pooled_one_after_the_other_with_their_gaps_and_cells_set_aside():
    first, second = table(x=column([1.0, 2.0, 3.0], missing=[1])), table(x=column([4.0, 5.0], text=1))
    pooled = Pooled([first, second])
    data = pooled.column("x")
    assert data.values.tolist() == [1.0, 3.0, 4.0, 5.0]
    assert data.rows.tolist() == [0, 2, 3, 4]
    assert (data.total, data.missing, data.quarantined) == (6, 1, {"text": 1})
    assert pooled.rows == 6


def test_runs_without_gaps_stay_without():
    pooled = Pooled([table(x=[1.0]), table(x=[2.0])])
    assert pooled.column("x").rows is None


def test_a_metric_that_is_not_in_every_run_is_left_out_and_named():
    pooled = Pooled([table(x=[1.0], y=[1.0]), table(x=[2.0])])
    assert list(pooled.numeric) == ["x"]
    assert [(item.name, item.reason) for item in pooled.excluded] == [("y", "not in every run of the baseline")]


def test_the_numbers_of_a_column_are_those_of_its_finite_values():
    found = numbers_of(column([1.0, 3.0, float("nan"), float("inf")]))
    assert (found.n, found.mean, found.low, found.high) == (2, 2.0, 1.0, 3.0)
    assert found.sd == np.std([1.0, 3.0], ddof=1)


def test_a_column_without_values_has_no_numbers():
    found = numbers_of(column([]))
    assert (found.n, found.mean, found.sd, found.low, found.high) == (0, None, None, None, None)


def test_numbers_beyond_every_double_are_not_given():
    assert numbers_of(column([1.7e308, 1.7e308])).mean is None
