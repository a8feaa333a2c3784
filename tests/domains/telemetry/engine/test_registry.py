"""The metric registry: what is refused, what a name means, what holds where."""

import pytest

from trueup.domains.telemetry.engine.registry import Persistence
from trueup.domains.telemetry.engine.registryread import read_registry
from trueup.domains.telemetry.sources.registryfile import form, load_registry
from trueup.kernel.documents import parse_yaml
from trueup.kernel.errors import UnreadableInput

SOUND = """\
version: 3
metrics:
  bus_voltage:
    aliases: [Bus Voltage, VBUS]
    source_columns: ["V (bus)"]
    unit: V
    invariant_min: 20
    invariant_max: 34
    critical: true
    persistence: {k: 3, n: 5}
  power: {unit: W, unit_map: {hp_vendor: 745.7}, drift_percent: 10, drift_threshold: 4, min_effect: 1, level_floor: 0.5}
  resets: {unit: count, fail_threshold: 0, critical: true, drift_is_fail: true}
  free_text:
programs:
  mars: {metrics: {power: {drift_percent: 5}}}
mode_overrides:
  test: {metrics: {power: {drift_percent: 50}, bus_voltage: {invariant_min: 10}}}
"""


def registry(text):
    return read_registry(parse_yaml(text, "r.yaml"), form("metric-registry"))


def refusal(text):
    with pytest.raises(UnreadableInput) as refused:
        registry(text)
    assert refused.value.remedy
    return refused.value


def one(fields):
    return f"version: 1\nmetrics:\n  m: {{{fields}}}\n"


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("bus_voltage", "bus_voltage"),
        ("BUS-VOLTAGE", "bus_voltage"),
        ("vbus", "bus_voltage"),
        ("V (bus)", "bus_voltage"),
        (" power ", "power"),
        ("Power!", "power"),
    ],
)
def test_a_raw_name_means_its_metric(raw, name):
    assert registry(SOUND).resolve(raw).name == name


@pytest.mark.parametrize("raw", ["", "volts", "vbus2", "%"])
def test_a_name_that_nobody_knows_means_nothing(raw):
    assert registry(SOUND).resolve(raw) is None


def test_rules_have_the_words_of_a_comparison():
    assert registry(SOUND).rules()["bus_voltage"] == {
        "critical": True,
        "unit": "V",
        "minimum": 20.0,
        "maximum": 34.0,
        "persistence": Persistence(3, 5),
        "drift_is_fail": False,
    }
    assert registry(SOUND).rules()["resets"]["fail_above"] == 0.0


@pytest.mark.parametrize(
    ("program", "mode", "percent"), [("", "", 10), ("mars", "", 5), ("venus", "", 10), ("", "test", 50), ("mars", "test", 50)]
)
def test_an_overlay_holds_in_its_program_and_a_mode_weighs_more(program, mode, percent):
    assert registry(SOUND).rules(program, mode)["power"]["drift_percent"] == percent


def test_an_overlay_leaves_the_other_fields_as_they_are():
    assert registry(SOUND).rules("mars")["power"]["drift_threshold"] == 4.0


def test_the_digest_does_not_depend_on_comments_or_order():
    turned = "metrics:\n  b: {unit: W}\n  a: {unit: V}\nversion: 1 # second\n"
    assert registry("version: 1\nmetrics:\n  a: {unit: V}\n  b: {unit: W}\n").digest == registry(turned).digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("V", "W"),
        ("drift_percent: 10", "drift_percent: 11"),
        ("drift_percent: 5", "drift_percent: 6"),
        ("version: 3", "version: 4"),
    ],
)
def test_the_digest_depends_on_everything_that_is_said(old, new):
    assert registry(SOUND).digest != registry(SOUND.replace(old, new, 1)).digest


@pytest.mark.parametrize(
    ("text", "place", "remedy"),
    [
        ("version: 1\nmetric: {}\n", "r.yaml:2: metric", "'metrics'"),
        (one("drift_treshold: 1"), "r.yaml:3: metrics.m.drift_treshold", "'drift_threshold'"),
        (
            "version: 1\nmetrics: {m: {}}\nprograms:\n  p:\n    metrics:\n      m: {critcal: true}\n",
            "r.yaml:6: programs.p.metrics.m.critcal",
            "'critical'",
        ),
        ("version: 1\nmetrics: {m: {}}\nmode_overrides: {x: {metric: {}}}\n", "r.yaml:3: mode_overrides.x.metric", "'metrics'"),
    ],
)
def test_an_unknown_key_is_refused_with_its_line_and_the_nearest_known_one(text, place, remedy):
    refused = refusal(text)
    assert refused.message.startswith(place)
    assert remedy in refused.remedy


@pytest.mark.parametrize(
    ("metrics", "names"),
    [
        ("  a: {aliases: [X y]}\n  b: {aliases: [x-Y]}\n", ("'b'", "'a'")),
        ("  a: {}\n  b: {aliases: [A]}\n", ("'b'", "'a'")),
        ("  a b: {}\n  ab: {}\n", ("'ab'", "'a b'")),
        ("  a: {source_columns: [T1]}\n  b: {source_columns: [T1]}\n", ("'b'", "'a'")),
        ("  a: {aliases: [T1]}\n  b: {source_columns: [T1]}\n", ("'b'", "'a'")),
    ],
)
def test_one_name_for_two_metrics_is_refused_with_both(metrics, names):
    refused = refusal(f"version: 1\nmetrics:\n{metrics}")
    assert all(name in refused.message for name in names)
    assert refused.message.startswith("r.yaml:")


def test_a_metric_may_repeat_its_own_name():
    assert registry(one("aliases: [M, m]")).resolve("M").name == "m"


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ("invariant_min: 2, invariant_max: 1", "invariant_min"),
        ("invariant_eq: 0, invariant_min: 1", "invariant_eq"),
        ("invariant_eq: 2, invariant_max: 1", "invariant_eq"),
        ("fail_threshold: 1, invariant_min: 2", "fail_threshold"),
        ("fail_threshold: 1, invariant_eq: 2", "fail_threshold"),
        ("critical: true", "critical"),
        ("persistence: {k: 4, n: 3}", "persistence"),
    ],
)
def test_what_cannot_hold_together_is_refused(fields, key):
    assert refusal(one(fields)).message.startswith(f"r.yaml:3: metrics.m.{key}: ")


def test_a_contradiction_that_an_overlay_makes_is_refused_with_where_it_holds():
    text = one("invariant_min: 1, invariant_max: 2") + "programs: {p: {metrics: {m: {invariant_max: 0}}}}\n"
    assert "programs.p.metrics.m.invariant_min" in refusal(text).message


def test_a_contradiction_of_program_and_mode_together_is_refused():
    text = (
        one("unit: V")
        + "programs: {p: {metrics: {m: {invariant_min: 5}}}}\nmode_overrides: {x: {metrics: {m: {invariant_max: 4}}}}\n"
    )
    assert "program p, mode x" in refusal(text).message


@pytest.mark.parametrize(
    "fields",
    [
        "unit: kw",
        "unit_map: {W: 3}, unit: V",
        "unit_map: {kW: 100}, unit: W",
        "unit_map: {degF: 2}, unit: degC",
        "unit_map: {x: 0}, unit: W",
        "invariant_min: high",
        "critical: 1",
        "drift_threshold: -1",
        "scale_floor: 1",
        "aliases: ['%']",
        "aliases: x",
    ],
)
def test_what_is_no_unit_factor_or_number_is_refused_with_its_line(fields):
    assert refusal(one(fields)).message.startswith("r.yaml:3: metrics.m")


@pytest.mark.parametrize(
    "text", ["version: 1\n", "version: 1\nmetrics: {}\n", "metrics: {m: {}}\n", "[]\n", "version: 1\nmetrics: [m]\n"]
)
def test_a_registry_without_metrics_or_version_is_refused(text):
    with pytest.raises(UnreadableInput):
        registry(text)


@pytest.mark.parametrize("key", ["unit: W", "aliases: [x]", "unit_map: {x: 1}", "source_columns: [x]"])
def test_an_overlay_cannot_change_names_or_units(key):
    text = f"version: 1\nmetrics: {{m: {{unit: V}}}}\nprograms: {{p: {{metrics: {{m: {{{key}}}}}}}}}\n"
    assert "hold for every program and mode" in refusal(text).message


def test_an_overlay_of_a_metric_that_is_not_there_is_refused_with_the_nearest():
    refused = refusal("version: 1\nmetrics: {power: {}}\nprograms: {p: {metrics: {powr: {critical: false}}}}\n")
    assert "'power'" in refused.remedy


def test_a_factor_that_is_the_generally_known_one_is_allowed():
    assert registry(one("unit: W, unit_map: {kW: 1000}")).metrics["m"].unit_map == {"kW": 1000.0}


def test_a_registry_may_be_json(tmp_path):
    path = tmp_path / "r.json"
    path.write_text('{"version": 1, "metrics": {"m": {"unit": "V"}}}')
    assert load_registry(path).metrics["m"].unit == "V"


@pytest.mark.parametrize("content", [b"\xff\xfe", b"version: [", b""])
def test_a_file_that_is_no_text_or_yaml_is_refused(tmp_path, content):
    path = tmp_path / "r.yaml"
    path.write_bytes(content)
    with pytest.raises(UnreadableInput, match=r"r\.yaml"):
        load_registry(path)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UnreadableInput):
        load_registry(tmp_path / "none.yaml")
