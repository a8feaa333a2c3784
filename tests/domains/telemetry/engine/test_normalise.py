"""Normalising: names, units, provenance, and what is refused."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domains.telemetry.engine.normalise import REASONS, NormalEvent, Normaliser, RawEvent, Refusal, Rule
from trueup.domains.telemetry.engine.normalise_schema import matched, read_schema
from trueup.domains.telemetry.engine.registryread import read_registry
from trueup.domains.telemetry.sources.registryfile import form
from trueup.kernel.documents import parse_yaml
from trueup.kernel.errors import UnreadableInput, UsageError

REGISTRY = """\
version: 1
metrics:
  power: {unit: W, aliases: [Pwr], unit_map: {hp_vendor: 745.7}}
  latency: {unit: ms}
  cpu_temp: {unit: degC, source_columns: [T1]}
  resets: {unit: count}
  level: {unit: dBm}
  unitless: {}
"""
SCHEMA = """\
version: 1
unit_aliases: {Celsius: degC, msecs: ms}
field_mapping:
  P_KW: {canonical: power, unit: kW}
  ADC7: {canonical: cpu_temp, unit: "1", canonical_unit: degC, factor: 0.5, offset: -40}
  strange: {canonical: new_metric, unit: kPa, canonical_unit: Pa}
"""


def registry(text=REGISTRY):
    return read_registry(parse_yaml(text, "r.yaml"), form("metric-registry"))


def schema(text=SCHEMA):
    return read_schema(parse_yaml(text, "s.yaml"), form("telemetry-schema"))


NORMALISER = Normaliser(registry(), schema())
STRICT = Normaliser(registry(), schema(), strict=True)


def apply(metric, value, unit="", normaliser=NORMALISER):
    return normaliser.apply(RawEvent(metric, value, unit))


@pytest.mark.requirement("telemetry:S4.2")
@pytest.mark.parametrize(
    ("metric", "value", "unit", "name", "expected", "label"),
    [
        ("power", 2.0, "kW", "power", 2000.0, "W"),
        ("PWR", 2.0, "mW", "power", 0.002, "W"),
        ("latency", 2.0, "s", "latency", 2000.0, "ms"),
        ("latency", 2.0, "msecs", "latency", 2.0, "ms"),
        ("T1", 212.0, "degF", "cpu_temp", 100.0, "degC"),
        ("T1", 300.0, "K", "cpu_temp", 26.85, "degC"),
        ("T1", 20.0, "Celsius", "cpu_temp", 20.0, "degC"),
        ("power", 2.0, "hp_vendor", "power", 1491.4, "W"),
        ("P_KW", 2.0, "", "power", 2000.0, "W"),
        ("P_KW", 2.0, "W", "power", 2.0, "W"),
        ("ADC7", 100.0, "", "cpu_temp", 10.0, "degC"),
        ("ADC7", 50.0, "degF", "cpu_temp", 10.0, "degC"),
        ("strange", 2.0, "", "new_metric", 2000.0, "Pa"),
        ("level", -40.0, "dBm", "level", -40.0, "dBm"),
    ],
)
def test_factor_and_label_agree(metric, value, unit, name, expected, label):
    event = apply(metric, value, unit)
    assert (event.metric, event.unit) == (name, label)
    assert event.value == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("metric", "value", "unit", "reason"),
    [
        ("power", 2.0, "V", "dimension_mismatch"),
        ("power", 2.0, "kw", "unknown_unit"),
        ("level", -40.0, "mW", "dimension_mismatch"),
        ("resets", 1.0, "V", "dimension_mismatch"),
        ("power", math.nan, "W", "not_finite"),
        ("power", math.inf, "W", "not_finite"),
        ("power", 1e308, "W", "out_of_range"),
        ("power", 1e149, "kW", "out_of_range"),
        ("", 1.0, "", "no_name"),
        ("a\0b", 1.0, "", "no_name"),
        ("x" * 201, 1.0, "", "no_name"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_reason(metric, value, unit, reason):
    refused = apply(metric, value, unit)
    assert isinstance(refused, Refusal)
    assert refused.reason == reason
    assert refused.reason in REASONS


@pytest.mark.requirement("telemetry:S4.2")
@pytest.mark.parametrize(
    ("metric", "unit", "mapped_by", "unit_from"),
    [
        ("power", "W", "name", "event"),
        ("PWR", "kW", "alias", "event"),
        ("T1", "degC", "source_column", "event"),
        ("P_KW", "", "schema", "schema"),
        ("power", "", "name", "assumed"),
        ("resets", "", "name", "none"),
        ("other", "", "none", "none"),
    ],
)
def test_where_name_and_unit_came_from_is_kept(metric, unit, mapped_by, unit_from):
    rule = apply(metric, 1.0, unit).rule
    assert (rule.mapped_by, rule.unit_from, rule.unit_assumed) == (mapped_by, unit_from, unit_from == "assumed")


def test_an_unregistered_metric_is_kept_under_its_own_name_and_marked():
    event = apply("Strange Thing", 5.0, "kW")
    assert (event.metric, event.value, event.unit, event.rule.registered) == ("Strange Thing", 5.0, "kW", False)


def test_strict_refuses_what_is_not_registered():
    assert apply("Strange Thing", 5.0, "kW", STRICT).reason == "unregistered"


def test_strict_assumes_no_unit():
    assert apply("power", 5.0, "", STRICT).reason == "no_unit"


def test_strict_takes_what_is_registered_and_has_its_unit():
    assert apply("power", 5.0, "W", STRICT).value == 5.0


@pytest.mark.parametrize("order", [("kW", "W"), ("W", "kW")])
def test_the_values_of_a_metric_without_a_unit_of_its_own_end_in_one_unit(order):
    rules = NORMALISER.settle([("unitless", unit) for unit in order])
    assert {rule.unit for rule in rules.values()} == {"W"}
    assert rules["unitless", "kW"].line(2.0) == 2000.0


def test_a_unit_that_does_not_become_that_of_the_other_values_is_refused():
    assert NORMALISER.settle([("x", "V"), ("x", "W")])["x", "W"].reason == "units_differ"


def test_an_unknown_unit_of_an_unregistered_metric_is_kept_as_it_is():
    assert apply("x", 1.0, "furlongs_odd").unit == "furlongs_odd"


NAMES = st.sampled_from(
    ["power", "PWR", "P_KW", "ADC7", "T1", "latency", "resets", "level", "unitless", "strange", "other thing"]
) | st.text(max_size=20)
UNITS = st.sampled_from(
    ["", "W", "kW", "mW", "s", "ms", "degC", "degF", "K", "Celsius", "count", "1", "dBm", "V", "kw", "hp_vendor", "Pa"]
) | st.text(max_size=8)


@pytest.mark.requirement("telemetry:S4.2")
@given(st.sampled_from([NORMALISER, STRICT, Normaliser()]), NAMES, UNITS, st.floats())
def test_normalising_what_was_normalised_changes_nothing(normaliser, name, unit, value):
    once = normaliser.apply(RawEvent(name, value, unit))
    if isinstance(once, NormalEvent):
        assert normaliser.apply(RawEvent(once.metric, once.value, once.unit))[:3] == once[:3]


@given(st.lists(st.tuples(NAMES, UNITS), max_size=12))
def test_every_metric_of_a_file_ends_in_one_unit(pairs):
    units = {}
    for rule in NORMALISER.settle(pairs).values():
        if isinstance(rule, Rule):
            assert units.setdefault(rule.metric, rule.unit) == rule.unit


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("field_mapping: {p: {canonical: power, unit: kW, canonical_unit: W, factor: 100}}", "kW becomes W"),
        ("field_mapping: {p: {canonical: power, unit: W, canonical_unit: W, factor: 1.02}}", "W becomes W"),
        ("field_mapping: {p: {canonical: power, unit: V, canonical_unit: W}}", "does not measure"),
        ("field_mapping: {p: {canonical: power, factor: 3}}", "is missing"),
        ("field_mapping: {p: {canonical: power, unit: kw}}", "no known unit"),
        ("field_mapping: {p: {cannonical: power}}", "unknown key"),
        ("field_mapping: {a: {canonical: b}, b: {canonical: c}}", "is itself mapped"),
        ("unit_aliases: {C: Cellsius}", "no known unit"),
        ("unit_aliases: {Cels: C, C: degC}", "is an alias itself"),
        ("field_mapping: {p: {canonical: power, canonical_unit: kw}}", "no known unit"),
        ("sources: {mqtt: {topic_map: {'a': 'x{'}}}", "stands alone"),
        ("sources: {mqtt: {topic_map: {'a/#/b': x}}}", "no topic filter"),
        ("sources: {mqtt: {topic_map: {'a/+': 'x{2}'}}}", "stands for nothing"),
        ("sources: {syslog: {patterns: [{pattern: 'x='}]}}", "named group"),
        ("sources: {syslog: {patterns: [{pattern: '(?P<v>[0-9', metric: m}]}}", "no pattern"),
        ("sources: {syslog: {patterns: [{pattern: '(?P<v>[0-9]+)', metric: m}]}}", "value"),
        ("surces: {}", "unknown key"),
    ],
)
def test_a_schema_that_cannot_be_right_is_refused_with_file_and_line(text, words):
    with pytest.raises(UnreadableInput) as refused:
        schema(f"version: 1\n{text}\n")
    assert refused.value.message.startswith("s.yaml:2: ")
    assert words in refused.value.message
    assert refused.value.remedy


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("field_mapping: {p: {canonical: power, unit: kPa, canonical_unit: Pa}}", "kept in W"),
        ("field_mapping: {power: {canonical: latency}}", "is a metric of the registry"),
    ],
)
def test_a_schema_that_contradicts_the_registry_is_refused(text, words):
    with pytest.raises(UsageError, match=words) as refused:
        Normaliser(registry(), schema(f"version: 1\n{text}\n"))
    assert "s.yaml:2" in refused.value.message


def test_a_mapping_in_a_unit_that_stands_for_another_is_refused():
    with pytest.raises(UnreadableInput, match="stands for 'degC'"):
        schema("version: 1\nunit_aliases: {C: degC}\nfield_mapping: {q: {canonical: charge, unit: C}}\n")


def test_an_alias_of_the_unit_that_a_metric_is_kept_in_is_refused():
    with pytest.raises(UsageError, match="'power' is kept in it"):
        Normaliser(registry(), schema("version: 1\nunit_aliases: {W: kW}\n"))


@pytest.mark.parametrize(
    ("pattern", "topic", "found"),
    [
        ("a/b", "a/b", {}),
        ("a/+/c", "a/b/c", {"1": "b"}),
        ("a/+", "a/b/c", None),
        ("a/#", "a/b/c", {"#": "b.c"}),
        ("a/#", "a", {"#": ""}),
        ("#", "a/b", {"#": "a.b"}),
        ("#", "$SYS/x", None),
        ("+/+", "a", None),
        ("a/b", "a/c", None),
    ],
)
def test_topic_filters_match_as_the_standard_says(pattern, topic, found):
    assert matched(pattern, topic) == found


def test_a_topic_names_its_metric_by_the_first_filter_that_matches():
    made = schema(
        "version: 1\nsources:\n  mqtt:\n    topic_map:\n      'rig/+/+': 'rig{1}.{2}'\n      'rig/#': 'rest.{#}.{metric}'\n"
    )
    assert made.name_of("rig/7/temp", "t") == "rig7.temp"
    assert made.name_of("rig/7/a/b", "t") == "rest.7.a.b.t"
    assert made.name_of("lab/1", "t") == "t"


def test_the_digest_of_a_schema_depends_on_what_it_says():
    assert schema().digest == schema().digest != schema(SCHEMA.replace("0.5", "0.25")).digest
