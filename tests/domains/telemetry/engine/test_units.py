"""Units: what a label means, and what becomes of a value."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domains.telemetry.engine.units import DimensionMismatch, UnknownUnit, known, line

PAIRS = [
    ("kW", "W", 2, 2000),
    ("degF", "degC", 212, 100),
    ("°C", "K", 0, 273.15),
    ("K", "degF", 273.15, 32),
    ("%", "1", 50, 0.5),
    ("ppm", "%", 5000, 0.5),
    ("km/h", "m/s", 36, 10),
    ("m/s²", "m/s^2", 3, 3),
    ("rpm", "turn/s", 60, 1),
    ("deg", "rad", 180, math.pi),
    ("MiB", "byte", 1, 1048576),
    ("kbit/s", "byte/s", 8, 1000),
    ("1/min", "Hz", 60, 1),
    ("psi", "kPa", 1, 6.894757293168361),
    ("A*h", "C", 1, 3600),
    ("dBm", "dBm", -40, -40),
    ("count", "", 3, 3),
    ("delta_degF", "delta_degC", 9, 5),
]


@pytest.mark.parametrize(("source", "target", "value", "expected"), PAIRS)
def test_a_value_becomes_what_the_tables_say(source, target, value, expected):
    assert line(source, target)(value) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("V", "W"),
        ("C", "degC"),  # coulomb
        ("rpm", "Hz"),  # a turn is no number
        ("MB", "count"),  # and neither is a bit
        ("dBm", "mW"),
        ("dB", "dBm"),
        ("degC", "delta_degC"),
        ("delta_degC", "degC"),
    ],
)
def test_units_of_different_things_never_become_each_other(source, target):
    with pytest.raises(DimensionMismatch):
        line(source, target)


@pytest.mark.parametrize(
    "label", ["kw", "2 kW", "9**9**9", "km^99999", "nan", "inf", "V; W", "__import__('os')", "(" * 60, "m" * 65, "\0", "é"]
)
def test_a_label_that_names_no_unit_is_said_to_be_unknown(label):
    with pytest.raises(UnknownUnit):
        line(label, "m")
    assert not known(label)


@pytest.mark.parametrize("label", ["", "1", "%", "dB", "W/(m²·K)", "nV/Hz^0.5", "degC/min", "m s^-1"])
def test_a_label_that_is_written_in_the_fields_own_way_is_known(label):
    assert known(label)


@given(st.text(max_size=80))
def test_any_text_is_either_a_unit_or_not(label):
    assert known(label) in (True, False)


@given(st.floats(-1e9, 1e9), st.sampled_from([(source, target) for source, target, *_ in PAIRS]))
def test_there_and_back_is_where_it_was(value, units):
    source, target = units
    assert line(target, source)(line(source, target)(value)) == pytest.approx(value, rel=1e-9, abs=1e-6)
