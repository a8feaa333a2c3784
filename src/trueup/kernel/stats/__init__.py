"""Pure mathematics: distribution functions, two-sample tests, multiplicity, memory of a series, change-points.

NumPy and the standard library only; every function names its reference and is held to SciPy by the tests.
"""

from trueup.kernel.stats.changepoint import cusum_p_value, cusum_statistic, locate_change, segment_bounds
from trueup.kernel.stats.distributions import beta_regularised, kolmogorov_sf, normal_cdf, normal_sf, t_sf
from trueup.kernel.stats.memory import autocorrelation_time, block_means, series_autocorrelation_time
from trueup.kernel.stats.moments import Moments, mad, moments, quantile_sorted
from trueup.kernel.stats.multiplicity import benjamini_hochberg, benjamini_yekutieli
from trueup.kernel.stats.shape import MidDistribution, shape_distance
from trueup.kernel.stats.twosample import TestResult, brown_forsythe, ks_distance, ks_p_value, share_test, welch_t

__all__ = [
    "MidDistribution",
    "Moments",
    "TestResult",
    "autocorrelation_time",
    "benjamini_hochberg",
    "benjamini_yekutieli",
    "beta_regularised",
    "block_means",
    "brown_forsythe",
    "cusum_p_value",
    "cusum_statistic",
    "kolmogorov_sf",
    "ks_distance",
    "ks_p_value",
    "locate_change",
    "mad",
    "moments",
    "normal_cdf",
    "normal_sf",
    "quantile_sorted",
    "segment_bounds",
    "series_autocorrelation_time",
    "shape_distance",
    "share_test",
    "t_sf",
    "welch_t",
]
