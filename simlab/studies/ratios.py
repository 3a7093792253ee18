"""Ratios of paired statistics, with intervals. One whose denominator is not clear of 0 may be anything, and says so.

An estimate here may reach from -inf to inf (no bound at all), and a ratio over a share of 0 has no upper bound.
"""

from __future__ import annotations

import math

import numpy as np

from simlab.base.arrays import Floats
from simlab.studies.statistics import FEW, MANY, RARE, Estimate, normal, quantile, quantile_errors, tails, wilson


def mean_ratio(x: Floats, y: Floats, level: float = 0.95) -> Estimate:
    """The mean of `x` over that of `y`, paired `(n,)`.

    Fieller's (1954) interval: the ratios r for which mean(x - r y) is not clear of 0, with resampled tails in the place of
    Student's (Hwang 1995, Statistica Sinica 5, 161-171).
    """
    x, y = _pairs(x, y)
    n = len(x)
    if n == 0 or not y.mean():
        return Estimate(math.nan, math.nan, math.nan, n)
    value = float(x.mean() / y.mean())
    rest = x - value * y
    if n < FEW:
        return Estimate(value, math.nan, math.nan, n)
    if _proportional(x, y, value):
        return Estimate(value, value, value, n)
    if min(_usual(x), _usual(y), int((x != y).sum())) < RARE:
        return Estimate(value, math.nan, math.nan, n)
    powers = [int(np.frexp(np.abs(v).max())[1]) for v in (rest, y)]
    rest, y = (np.ldexp(v, -k) for v, k in zip((rest, y), powers, strict=True))  # lest their cubes vanish, or overflow
    unit = math.ldexp(1.0, powers[0] - powers[1])
    z = normal(level)
    upper, lower = (float(t) for t in tails(rest, level)) if n <= MANY else (z, -z)
    one, other = _until_clear(rest, y, upper), _until_clear(rest, y, lower)
    if one is None or other is None:
        return Estimate(value, -math.inf, math.inf, n)
    return Estimate(value, value + unit * min(one, other), value + unit * max(one, other), n)


def share_ratio(x: Floats, y: Floats, level: float = 0.95) -> Estimate:
    """P(x) / P(y) of paired zeros and ones `(n,)`; without an upper bound where y was never seen, undefined where neither was.

    Bonett & Price (2006), Statistics in Medicine 25, 3039-3047: Wilson's intervals of both, as much narrower as the pairs go together.
    """
    x, y = _pairs(x, y)
    n = len(x)
    either = int(((x > 0) | (y > 0)).sum())
    if either == 0:
        return Estimate(math.nan, math.nan, math.nan, n)
    of_x, of_y, apart = int(x.sum()), int(y.sum()), int((x != y).sum())
    value = of_x / of_y if of_y else math.inf
    if n < FEW:
        return Estimate(value, math.nan, math.nan, n)
    together = math.sqrt((apart + 2) / ((of_x + 1) * (of_y + 1)))
    alone = sum(math.sqrt((1 - (k + 1) / (either + 2)) / (k + 1)) for k in (of_x, of_y))
    z = normal(level) * together / alone
    (low_x, high_x), (low_y, high_y) = wilson(of_x / either, either, z), wilson(of_y / either, either, z)
    return Estimate(value, low_x / high_y, high_x / low_y if of_y else math.inf, n)


def quantile_ratio(x: Floats, y: Floats, q: float, level: float = 0.95) -> Estimate:
    """The `q` quantile of `x` over that of `y`, paired `(n,)`: as `quantile_difference`, on a scale of logarithms.

    Bonett & Price (2020). Undefined unless both quantiles are above 0 (or both below).
    """
    x, y = _pairs(x, y)
    n = len(x)
    if n == 0:
        return Estimate(math.nan, math.nan, math.nan, 0)
    of_x, of_y = quantile(x, q).value, quantile(y, q).value
    value = of_x / of_y if of_y else math.nan
    if n < FEW:
        return Estimate(value, math.nan, math.nan, n)
    if of_x * of_y <= 0:
        return Estimate(value, -math.inf, math.inf, n)
    errors = quantile_errors(x, y, q)
    if errors is None:
        return Estimate(value, math.nan, math.nan, n)
    if _proportional(x, y, value):
        return Estimate(value, value, value, n)
    a, b, together = errors[0] / of_x, errors[1] / of_y, errors[2]
    half = normal(level) * math.sqrt(max(a**2 + b**2 - 2 * together * a * b, 0.0))
    return Estimate(value, value * math.exp(-half), value * math.exp(half), n)


def _pairs(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    both = np.isfinite(x) & np.isfinite(y)
    return x[both], y[both]


def _proportional(x: Floats, y: Floats, ratio: float) -> bool:
    """Whether each is the same multiple of its pair, up to rounding."""
    return bool((np.abs(x - ratio * y) <= 1e-12 * np.maximum(np.abs(x), np.abs(ratio * y))).all())


def _usual(x: Floats) -> int:
    """How many values are off the most frequent one; all of them where there is but one, which is then known."""
    most = int(np.unique(x, return_counts=True)[1].max())
    return len(x) if most == len(x) else len(x) - most


def _until_clear(rest: Floats, y: Floats, t: float) -> float | None:
    """How far r goes from 0 until mean(rest - r y) is `t` standard errors from 0, where mean(rest) is 0.

    None where the mean of `y` is not clear of 0. Of `rest` and not of x, whose squares would leave no digits where x is nearly a multiple.
    """
    n, of_y = len(y), y.mean()
    xx, yy = (((v - v.mean()) ** 2).sum() / (n - 1) / n for v in (rest, y))
    xy = ((rest - rest.mean()) * (y - of_y)).sum() / (n - 1) / n
    a, b = of_y**2 - t**2 * yy, -(t**2) * xy
    if a <= 0:
        return None
    root = math.sqrt(b**2 + a * t**2 * xx)
    above = t * of_y < 0  # rest - r y falls as r rises where the mean of y is above 0
    return float((b + root if above else b - root) / a)
