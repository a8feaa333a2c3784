"""Pure mathematics: distribution functions, two-sample tests, multiplicity, memory of a series, change-points.

NumPy and the standard library only; every function names its reference and is held to SciPy by the tests.
"""

from trueup.kernel.stats.blockmoments import NO_BLOCKS, BlockMoments, block_moments, followed
from trueup.kernel.stats.changepoint import cusum_p_value, cusum_statistic, locate_change, segment_bounds
from trueup.kernel.stats.distributions import beta_regularised, kolmogorov_sf, normal_cdf, normal_sf, t_sf
from trueup.kernel.stats.memory import autocorrelation_time, block_means, series_autocorrelation_time
from trueup.kernel.stats.moments import Moments, mad, moments, quantile_sorted
from trueup.kernel.stats.multiplicity import benjamini_hochberg, benjamini_yekutieli
from trueup.kernel.stats.rankgrid import NOTHING, RankGrid, merged_grids, rank_grid
from trueup.kernel.stats.repeats import Repeats, repeats, run_p_value, upper_share
from trueup.kernel.stats.shape import MidDistribution, shape_distance
from trueup.kernel.stats.spectrum import Peak, amplitude_at, periodogram, strongest_line
from trueup.kernel.stats.streaks import NO_STREAKS, Streaks, streaks
from trueup.kernel.stats.tails import Tail, poisson_sf, tail_of
from trueup.kernel.stats.trends import best_ramp, ramp, slope_test
from trueup.kernel.stats.twosample import TestResult, brown_forsythe, ks_distance, ks_p_value, share_test, welch_t

__all__ = [
    "NOTHING",
    "NO_BLOCKS",
    "NO_STREAKS",
    "BlockMoments",
    "MidDistribution",
    "Moments",
    "Peak",
    "RankGrid",
    "Repeats",
    "Streaks",
    "Tail",
    "TestResult",
    "amplitude_at",
    "autocorrelation_time",
    "benjamini_hochberg",
    "benjamini_yekutieli",
    "best_ramp",
    "beta_regularised",
    "block_means",
    "block_moments",
    "brown_forsythe",
    "cusum_p_value",
    "cusum_statistic",
    "followed",
    "kolmogorov_sf",
    "ks_distance",
    "ks_p_value",
    "locate_change",
    "mad",
    "merged_grids",
    "moments",
    "normal_cdf",
    "normal_sf",
    "periodogram",
    "poisson_sf",
    "quantile_sorted",
    "ramp",
    "rank_grid",
    "repeats",
    "run_p_value",
    "segment_bounds",
    "series_autocorrelation_time",
    "shape_distance",
    "share_test",
    "slope_test",
    "streaks",
    "strongest_line",
    "t_sf",
    "tail_of",
    "upper_share",
    "welch_t",
]
