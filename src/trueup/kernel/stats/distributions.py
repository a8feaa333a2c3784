"""Distribution functions of the test statistics, from the standard library's ``math`` alone."""

import math

_MAX_TERMS = 20_000
_TINY = 1e-300
_EPS = 1e-16


def normal_cdf(z: float) -> float:
    """Return the standard normal distribution function at ``z``.

    >>> normal_cdf(0.0)
    0.5

    References:
        Abramowitz & Stegun 26.2.29.
    """
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


def normal_sf(z: float) -> float:
    """Return the standard normal upper tail at ``z``, accurate far out (no ``1 - cdf`` cancellation).

    References:
        Abramowitz & Stegun 26.2.29.
    """
    return 0.5 * math.erfc(z / math.sqrt(2.0))


def _beta_fraction(a: float, b: float, x: float) -> float:
    """Evaluate the continued fraction of the incomplete beta function by Lentz's method (DLMF 8.17.22)."""
    c = 1.0
    d = 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d if abs(d) > _TINY else _TINY)
    value = d
    for m in range(1, _MAX_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        step = 1.0
        for term in (even, odd):
            d = 1.0 + term * d
            d = 1.0 / (d if abs(d) > _TINY else _TINY)
            c = 1.0 + term / c
            c = c if abs(c) > _TINY else _TINY
            step = c * d
            value *= step
        if abs(step - 1.0) < _EPS:
            break
    return value


def beta_regularised(a: float, b: float, x: float, *, complement: float | None = None) -> float:
    """Return the regularised incomplete beta function I_x(a, b).

    Args:
        a: first shape parameter, > 0.
        b: second shape parameter, > 0.
        x: upper limit, 0…1.
        complement: ``1 - x`` where the caller knows it more exactly than the subtraction would give.

    References:
        NIST Digital Library of Mathematical Functions, 8.17 (i, v).
    """
    y = 1.0 - x if complement is None else complement
    if x <= 0.0:
        return 0.0
    if y <= 0.0:
        return 1.0
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(y)
    front = math.exp(log_front)
    # the fraction converges fast only below the mean of the distribution: above it, the symmetric form is used
    if x < (a + 1.0) / (a + b + 2.0):
        return min(1.0, front * _beta_fraction(a, b, x) / a)
    return max(0.0, 1.0 - front * _beta_fraction(b, a, y) / b)


# beyond this many degrees of freedom lgamma(a + b) - lgamma(a) loses more digits than the correction below
_MANY_DF = 1e6


def t_sf(t: float, df: float) -> float:
    """Return Student's upper tail P(T > t) with ``df`` degrees of freedom (any real > 0, ``inf`` is the normal).

    References:
        Abramowitz & Stegun 26.7.1 with 26.5.27 (incomplete beta form); for more than 1e6 degrees of freedom
        Wallace (1959), "Bounds on normal approximations to Student's and the chi-square distributions".
    """
    if df > _MANY_DF:
        # Wallace's transform is within 1e-8 relative there, also thirty deviations out
        z = t if math.isinf(df) else math.copysign(math.sqrt(df * math.log1p(t * t / df)) * (1 - 0.25 / df), t)
        return normal_sf(z)
    square = t * t
    if math.isinf(square):
        tail = 0.0
    else:
        x = df / (df + square)
        tail = 0.5 * beta_regularised(0.5 * df, 0.5, x, complement=square / (df + square))
    return tail if t >= 0.0 else 1.0 - tail


def kolmogorov_sf(x: float) -> float:
    """Return P(sup |B(t)| > x) of the Brownian bridge, the limit law of the Kolmogorov-Smirnov statistic.

    References:
        Marsaglia, Tsang & Wang (2003), "Evaluating Kolmogorov's distribution", eq. 1 and its theta-function dual.
    """
    # below, the answer is 1 to the last bit, and the square of x could vanish
    if x < 0.04:
        return 1.0
    if x < 1.0:
        # the dual series needs two or three terms where the alternating one would need hundreds
        exponent = -(math.pi**2) / (8.0 * x * x)
        total = sum(math.exp(exponent * (2 * k - 1) ** 2) for k in range(1, 6))
        return max(0.0, 1.0 - math.sqrt(2.0 * math.pi) / x * total)
    total = 0.0
    for k in range(1, 8):
        total += (1 if k % 2 else -1) * math.exp(-2.0 * (k * x) ** 2)
    return min(1.0, 2.0 * total)
