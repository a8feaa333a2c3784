"""Trend, oscillation, held values and spikes: each found, named alone, placed and told; and each not found where it is not."""

import numpy as np
import pytest

from tests.domains.telemetry.engine.tables import autoregression, column, judged, kinds, only
from trueup.domains.telemetry.engine.result import Kind

N = 1000


def rng(seed=0):
    return np.random.default_rng(seed)


def noise(seed, n=N):
    return rng(seed).normal(size=n)


def line(n, rise, start=0.0):
    times = np.linspace(0.0, 1.0, n)
    return rise * np.maximum(times - start, 0.0) / (1.0 - start)


# ── trend ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.requirement("telemetry:W8.1.7")
@pytest.mark.parametrize(("rise", "verb"), [(3.0, "rises"), (-3.0, "falls")])
def test_a_trend_is_told_in_its_direction_and_unit(rise, verb):
    finding = only(judged(20.0 + 0.5 * noise(1), 20.0 + 0.5 * (noise(2) + line(N, rise))))
    assert finding.kind is Kind.TREND
    assert finding.effect == pytest.approx(3.0, abs=0.3)
    assert finding.explanation.startswith(f"x {verb} steadily from ")
    assert finding.run["trend_end"] - finding.run["trend_start"] == pytest.approx(0.5 * rise, rel=0.12)


def test_a_trend_from_the_start_has_its_onset_at_the_first_row():
    assert only(judged(noise(1), noise(2) + line(N, 3.0))).onset_index == 0


def test_a_trend_that_begins_late_has_its_onset_there():
    finding = only(judged(noise(1, 20_000), noise(2, 20_000) + line(20_000, 4.0, start=0.6)))
    assert finding.kind is Kind.TREND
    assert finding.onset_fraction == pytest.approx(0.6, abs=0.06)


def test_a_trend_that_starts_at_another_level_is_a_trend_and_a_level():
    assert kinds(judged(noise(1), 5.0 + noise(2) + line(N, 3.0))) == ["level", "trend"]


def test_a_step_is_no_trend():
    assert kinds(judged(noise(1), noise(2) + 2.0 * (np.arange(N) > 500))) == ["level"]


def test_a_trend_below_the_floor_passes():
    assert judged(noise(1, 50_000), noise(2, 50_000) + line(50_000, 0.3)).findings == ()


def test_the_same_trend_on_both_sides_is_no_trend():
    assert "trend" not in kinds(judged(noise(1) + line(N, 1.0), noise(2) + line(N, 1.0)))


def test_a_wander_that_both_sides_have_is_no_trend():
    generate = autoregression(0.9)
    found = [kinds(judged(generate(rng(seed), 500), generate(rng(99 + seed), 500))) for seed in range(40)]
    assert sum("trend" in found_kinds for found_kinds in found) <= 1


# ── oscillation ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("period", [2.7, 11.0, 50.3, 250.0])
def test_an_oscillation_is_told_with_its_period_and_amplitude(period):
    swing = 2.0 * np.sin(2 * np.pi * np.arange(N) / period)
    finding = only(judged(7.0 + 0.1 * noise(1), 7.0 + 0.1 * (noise(2) + swing)))
    assert finding.kind is Kind.OSCILLATION
    assert finding.run["period"] == pytest.approx(period, rel=0.02)
    assert finding.run["amplitude"] == pytest.approx(0.2, rel=0.1)
    assert finding.effect == pytest.approx(2.0, abs=0.2)
    assert finding.explanation.startswith("x swings by ±0.")


@pytest.mark.parametrize("period", [5.3, 300.0, 9_000.0])
def test_fast_and_slow_oscillations_of_a_long_run_are_found(period):
    n = 100_000
    finding = only(judged(noise(1, n), noise(2, n) + 2.0 * np.sin(2 * np.pi * np.arange(n) / period)))
    assert finding.kind is Kind.OSCILLATION
    assert finding.run["period"] == pytest.approx(period, rel=0.02)


def test_an_oscillation_that_begins_late_has_its_onset_there():
    n = 4000
    swing = 2.0 * np.sin(np.arange(n) / 5.0) * (np.arange(n) >= 2600)
    finding = only(judged(noise(1, n), noise(2, n) + swing))
    assert finding.kind is Kind.OSCILLATION
    assert finding.onset_fraction == pytest.approx(0.65, abs=0.07)


def test_the_same_oscillation_on_both_sides_is_none():
    swing = 2.0 * np.sin(np.arange(N) / 8.0)
    assert judged(noise(1) + swing, noise(2) + np.roll(swing, 20)).findings == ()


def test_a_wider_scatter_is_no_oscillation():
    assert kinds(judged(noise(1), 3.0 * noise(2))) == ["scale"]


def test_an_oscillation_with_a_trend_is_both():
    run = noise(2) + 2.0 * np.sin(np.arange(N) / 8.0) + line(N, 6.0)
    assert kinds(judged(noise(1), run)) == ["oscillation", "trend"]


# ── held values ─────────────────────────────────────────────────────────────────────────────────────────────────────


def held(values, start, stop):
    values[start:stop] = values[start]
    return values


def test_a_half_that_hangs_is_told_with_its_value_and_onset():
    run = held(5.0 + noise(2), 500, N)
    finding = only(judged(5.0 + noise(1), run))
    assert (finding.kind, finding.onset_index, finding.run["held_longest"]) == (Kind.STUCK, 500, 500)
    assert finding.effect == pytest.approx(0.5)
    assert finding.run["held_value"] == run[500]
    assert "for 500 values in a row" in finding.explanation
    assert "from row 500 of 1,000 on" in finding.explanation


@pytest.mark.requirement("telemetry:W8.1.7")
def test_a_sensor_that_hangs_and_comes_back_is_stuck():
    finding = only(judged(noise(1), held(noise(2), 200, 400)))
    assert (finding.kind, finding.onset_index) == (Kind.STUCK, 200)
    assert "the longest at row 200 of 1,000" in finding.explanation


def test_a_sensor_that_repeats_every_reading_is_stuck():
    finding = only(judged(noise(1), np.repeat(noise(2, 100), 10)))
    assert (finding.kind, finding.effect) == (Kind.STUCK, pytest.approx(1.0))


def test_a_metric_that_rests_in_its_baseline_may_rest():
    bursts = [np.where(rng(seed).random(N) < 0.1, rng(seed).exponential(size=N), 0.0) for seed in (1, 2)]
    assert judged(*bursts).findings == ()


def test_a_lattice_of_few_values_may_repeat():
    for seed in range(20):
        first, second = (rng(seed + shift).poisson(1.0, N).astype(float) for shift in (0, 500))
        assert "stuck" not in kinds(judged(first, second))


def test_a_short_hang_is_below_the_floor():
    assert judged(noise(1), held(noise(2), 200, 230)).findings == ()


def test_what_changes_beside_the_held_values_is_found_too():
    assert kinds(judged(noise(1), held(2.0 + noise(2), 500, N))) == ["level", "stuck"]


# ── spikes ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def spiked(values, places, height):
    values[list(places)] += height
    return values


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_five_spikes_are_counted_placed_and_told(sign):
    finding = only(judged(noise(1), spiked(noise(2), (30, 200, 444, 700, 901), sign * 30.0)))
    assert (finding.kind, finding.run["spikes"], finding.onset_index) == (Kind.SPIKE, 5, 30)
    assert finding.effect == pytest.approx(30.0, rel=0.1)
    assert finding.explanation.startswith("x has 5 isolated spikes, the farthest ")
    assert "the first at row 30 of 1,000" in finding.explanation


def test_spikes_are_counted_in_rows_where_cells_are_missing():
    run = column(spiked(noise(2), (200, 444, 700, 901), 30.0), missing=range(20))
    assert only(judged(noise(1), run)).onset_index == 200


def test_a_wider_scatter_is_no_spikes():
    for seed in range(20):
        assert "spike" not in kinds(judged(noise(seed), 3.0 * noise(seed + 500)))


def test_heavy_tails_that_both_sides_have_are_no_spikes():
    found = [judged(rng(s).standard_cauchy(N), rng(s + 999).standard_cauchy(N)) for s in range(60)]
    assert sum("spike" in kinds(one) for one in found) <= 1


def test_a_late_stretch_far_out_is_a_level_and_no_spikes():
    assert kinds(judged(noise(1), noise(2) + 20.0 * (np.arange(N) >= 950))) == ["level"]


def test_spikes_do_not_hide_a_change_of_level():
    assert kinds(judged(noise(1), spiked(1.0 + noise(2), (30, 200, 444, 700, 901), 30.0))) == ["level", "spike"]


# ── any unit ────────────────────────────────────────────────────────────────────────────────────────────────────────

RUNS = {
    "trend": lambda: noise(2) + line(N, 3.0),
    "oscillation": lambda: noise(2) + 2.0 * np.sin(np.arange(N) / 8.0),
    "stuck": lambda: held(noise(2), 500, N),
    "spike": lambda: spiked(noise(2), (30, 200, 444, 700, 901), 30.0),
}


@pytest.mark.parametrize("scale", [1e-300, 1e-3, 1e6, -1.0])
@pytest.mark.parametrize("kind", RUNS)
def test_the_unit_of_a_metric_makes_no_difference(kind, scale):
    plain, scaled = judged(noise(1), RUNS[kind]()), judged(scale * noise(1), scale * RUNS[kind]())
    assert kinds(plain) == kinds(scaled) == [kind]
    assert only(scaled).effect == pytest.approx(only(plain).effect, rel=1e-6)
    assert only(scaled).onset_index == only(plain).onset_index
