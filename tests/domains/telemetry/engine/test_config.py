import pytest

from trueup.domains.telemetry.engine.config import CompareConfig
from trueup.kernel.errors import UsageError


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("alpha", 0.0),
        ("alpha", 0.6),
        ("alpha", float("nan")),
        ("alpha", "0.01"),
        ("alpha", True),
        ("min_n", 7),
        ("min_effective", 2.0),
        ("min_effective", float("inf")),
        ("level_floor", 0.0),
        ("level_floor", -1.0),
        ("scale_floor", 1.0),
        ("shape_floor", 1.0),
        ("gap_floor", 0.0),
        ("quarantine_limit", -0.1),
        ("quarantine_limit", 1.0),
        ("slow_separation", 0.0),
        ("slow_material", float("inf")),
        ("slow_equal", -1.0),
    ],
)
def test_a_number_out_of_its_range_is_refused_by_its_name(name, value):
    with pytest.raises(UsageError, match=rf"^{name} must be .*got"):
        CompareConfig(**{name: value})


def test_the_name_of_one_metric_is_not_a_set_of_metrics():
    with pytest.raises(UsageError, match="set of metric names"):
        CompareConfig(critical="cpu")


@pytest.mark.parametrize(("name", "value"), [("alpha", 0.5), ("min_n", 8), ("quarantine_limit", 0.0), ("scale_floor", 1.01)])
def test_the_ends_of_a_range_are_allowed(name, value):
    assert getattr(CompareConfig(**{name: value}), name) == value
