"""Paired statistics over replications: intervals for means, quantiles, probabilities and their differences.

Means use the studentised bootstrap (Efron & Tibshirani 1993, ch. 12), never narrower than the normal interval: nominal 95%
intervals from Student's t cover 92% for skewed measures at 30 replications. Probabilities use Wilson (1927), their paired
differences Bonett & Price (2012), quantiles Nyblom (1992). Fewer than `FEW` replications give no interval at all, nor does
a mean that rests on fewer than `RARE` unusual ones. What these intervals cover on models whose truth is known is measured in
tests/studies/test_coverage.py.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from simlab.base.arrays import Floats, Ints

FEW = 30
RARE = 10  # with fewer values off the most frequent one, resamples say nothing about those not yet seen
MANY = 2000  # from here the normal interval's error, of order skewness / sqrt(n), is below what resampling adds
_RESAMPLES = 2000
_Z = 1.959963984540054


class Estimate(NamedTuple):
    """A point estimate from `n` replications and its 95% interval; NaN where there are too few."""

    value: float
    low: float
    high: float
    n: int

    @property
    def interval(self) -> list[float] | None:
        """[low, high], or None where there is none."""
        return None if np.isnan(self.low) else [self.low, self.high]


def mean(x: Floats, level: float = 0.95) -> Estimate:
    """The mean of `x` `(n,)`, or of paired differences, with its interval at `level`; undefined values are left out.

    Values that never varied give an interval of no width. It says what was seen, and nothing of what is rarer than one in n: where that is
    the question, ask for a probability (`share`, which leaves up to 3.8/n) or bound the values (`mean_share`). Pages say "did not vary".
    """
    x = x[np.isfinite(x)]
    n = len(x)
    if n < FEW:
        return Estimate(float(x.mean()) if n else np.nan, np.nan, np.nan, n)
    centre, spread = x.mean(), x.std(ddof=1)
    if spread <= 1e-12 * abs(centre):
        return Estimate(float(centre), float(centre), float(centre), n)
    if n - np.unique(x, return_counts=True)[1].max() < RARE:
        return Estimate(float(centre), np.nan, np.nan, n)
    if n > MANY:
        half = normal(level) * spread / np.sqrt(n)
        return Estimate(float(centre), float(centre - half), float(centre + half), n)
    upper, lower = tails(x, level)
    error = spread / np.sqrt(n)
    return Estimate(float(centre), float(centre - upper * error), float(centre - lower * error), n)


def tails(x: Floats, level: float) -> tuple[Floats, Floats]:
    """The upper and lower quantiles of the studentised mean of `x` `(n,)`, or of each column of `(n, k)`, by resampling.

    Neither is nearer to 0 than the normal one. Without that, 95% become 90% for differences of lognormal pairs at n = 64 and 92.5% at
    256: a sample seldom holds the outliers of heavy tails. Beyond what `_RESAMPLES` draws can tell, the tails go on like normal ones.
    """
    n, centre, weights = len(x), x.mean(axis=0), _weights(len(x))
    means = weights @ x / n
    squares = weights @ (x - centre) ** 2 / n
    spreads = np.sqrt(np.maximum(squares - (means - centre) ** 2, 0) * n / (n - 1))
    t = (means - centre) / np.where(spreads > 0, spreads / np.sqrt(n), np.nan)
    finest = 1 - 10 / _RESAMPLES
    upper, lower = np.nanquantile(t, [(1 + min(level, finest)) / 2, (1 - min(level, finest)) / 2], axis=0)
    z = normal(level)
    further = z / normal(finest) if level > finest else 1.0
    return np.maximum(upper * further, z), np.minimum(lower * further, -z)


def quantile(x: Floats, q: float, level: float = 0.95) -> Estimate:
    """The `q` quantile of `x` `(n,)` between two order statistics, each interpolated to its neighbour so that the level is met.

    Nyblom (1992), Statistics & Probability Letters 14, 129-131; for the median Hettmansperger & Sheather (1986). Between
    order statistics alone 95% become 97% at n = 256 and q = 0.95. Without an interval where the sample does not reach far enough.
    """
    x = np.sort(x[np.isfinite(x)])
    n = len(x)
    if n == 0:
        return Estimate(np.nan, np.nan, np.nan, 0)
    value = float(np.quantile(x, q))
    low, high = _rank(n, q, level), _rank(n, 1 - q, level)
    if n < FEW or low is None or high is None:
        return Estimate(value, np.nan, np.nan, n)
    return Estimate(value, min(value, _between(x, *low)), max(value, -_between(-x[::-1], *high)), n)


def quantile_difference(x: Floats, y: Floats, q: float, level: float = 0.95) -> Estimate:
    """The `q` quantile of `x` minus that of `y`, paired by replication.

    Standard errors come from the intervals of the two quantiles, their correlation from that of falling below them: Bonett &
    Price (2020), Br. J. Math. Stat. Psychol. 73, 333-346, for medians, with other quantiles in their place. Covers 94% to 97.5% on the
    models of the tests (97.5% in skewed tails), and 93% to 100% where arms nearly coincide. No interval with fewer than `RARE`
    replications beyond the quantile.
    """
    both = np.isfinite(x) & np.isfinite(y)
    x, y = x[both], y[both]
    n = len(x)
    if n == 0:
        return Estimate(np.nan, np.nan, np.nan, 0)
    value = float(np.quantile(x, q) - np.quantile(y, q))
    errors = quantile_errors(x, y, q)
    if errors is None:
        return Estimate(value, np.nan, np.nan, n)
    off = x - y - np.median(x - y)
    if (
        np.abs(off) <= 1e-12 * np.maximum(np.abs(x), np.abs(y))
    ).all():  # every pair differs by the same, but for rounding
        return Estimate(value, value, value, n)
    at_x, at_y, together = errors
    half = normal(level) * np.sqrt(max(at_x**2 + at_y**2 - 2 * together * at_x * at_y, 0.0))
    return Estimate(value, float(value - half), float(value + half), n)


def quantile_errors(x: Floats, y: Floats, q: float) -> tuple[float, float, float] | None:
    """The standard errors of the `q` quantiles of paired `x` and `y` `(n,)`, and their correlation; None for too few.

    The correlation is drawn in by 1 - 1/(4 (n + 1) q (1 - q)), which for medians is Bonett & Price's n / (n + 1): of arms that nearly
    coincide the same replications fall below both quantiles, and with a correlation of 1 what is nominally 95% would be 40 to 80%. The
    further out, the more one replication on the other side takes off a correlation.
    """
    n = len(x)
    if n < FEW or n * min(q, 1 - q) < RARE:
        return None
    errors, below = [], []
    for values in (x, y):
        found = quantile(values, q)
        errors.append((found.high - found.low) / (2 * normal(0.95)))
        below.append((values <= found.value).astype(float))
    spread = below[0].std() * below[1].std()
    together = float(((below[0] - below[0].mean()) * (below[1] - below[1].mean())).mean() / spread) if spread else 0.0
    return errors[0], errors[1], together * (1 - 0.25 / ((n + 1) * q * (1 - q)))


def share(hit: Floats, level: float = 0.95) -> Estimate:
    """A probability from `hit` `(n,)` of zeros and ones (NaN left out), with Wilson's interval.

    Next to 0 and 1 its inner limit is that of a Poisson count: Brown, Cai & DasGupta (2001), Statistical Science 16, section 4.1.1.
    Without that, 95% become 88% where one in 2,000 comes to harm. Nothing seen in n leaves up to 3.8/n.
    """
    from scipy.special import gammaincinv

    hit = hit[np.isfinite(hit)]
    n = len(hit)
    if n == 0:
        return Estimate(np.nan, np.nan, np.nan, 0)
    p = float(hit.mean())
    if n < FEW:
        return Estimate(p, np.nan, np.nan, n)
    low, high = wilson(p, n, normal(level))
    count, few = round(p * n), 2 if n <= 50 else 3
    if 1 <= count <= few:
        low = float(gammaincinv(count, 1 - level)) / n
    if 1 <= n - count <= few:
        high = 1 - float(gammaincinv(n - count, 1 - level)) / n
    return Estimate(p, low, high, n)


def wilson(p: float, n: float, z: float = _Z) -> tuple[float, float]:
    """Wilson's interval for a probability of which `p` was seen in `n` trials (an effective number, if they are not independent)."""
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    low, high = max(0.0, float(centre - half)), min(1.0, float(centre + half))
    return (low if p > 0 else 0.0), (high if p < 1 else 1.0)


def share_of(hits: Floats, tries: Floats) -> Estimate:
    """A probability from `hits` in `tries`, both `(n,)` counts per replication, of which several may share one luck.

    Wilson's interval at the effective number of trials p (1 - p) / V, with V the linearised variance of the ratio between
    replications (Korn & Graubard 1998, Survey Methodology 24); where all or none hit, one trial a replication. `n` counts trials.
    """
    total, here = float(tries.sum()), tries > 0
    if total == 0:
        return Estimate(np.nan, np.nan, np.nan, 0)
    p, clusters = float(hits.sum()) / total, int(here.sum())
    if clusters < FEW:
        return Estimate(p, np.nan, np.nan, int(total))
    apart = ((hits - p * tries)[here] ** 2).sum() * clusters / (clusters - 1) / total**2
    effective = p * (1 - p) / apart if 0 < p < 1 and apart > 0 else clusters
    return Estimate(p, *wilson(p, min(effective, total)), int(total))


def mean_share(x: Floats, level: float = 0.95) -> Estimate:
    """The mean of values within 0 to 1, `(n,)`, with the interval of `bounded_mean`; zeros and ones give `share`."""
    x = x[np.isfinite(x)]
    if ((x == 0) | (x == 1)).all():
        return share(x, level)
    found = bounded_mean(x - 0.5, 0.5, level)
    return Estimate(float(x.mean()), found.low + 0.5, found.high + 0.5, found.n)


def median_of(values: Floats, owner: Ints, n: int) -> Estimate:
    """The median of `values` `(k,)`, of which those with one `owner` `(k,)` below `n` share one luck: bootstrap of the owners."""
    if len(values) == 0:
        return Estimate(np.nan, np.nan, np.nan, 0)
    middle = float(np.median(values))
    if len(np.unique(owner)) < FEW:
        return Estimate(middle, np.nan, np.nan, len(values))
    order = np.argsort(values, kind="stable")
    heavy = np.cumsum(_weights(n)[:, owner[order]], axis=1)
    at = (heavy < heavy[:, -1:] / 2).sum(axis=1)
    low, high = np.quantile(values[order][np.minimum(at, len(values) - 1)], [0.025, 0.975])
    return Estimate(middle, float(low), float(high), len(values))


def share_difference(x: Floats, y: Floats, level: float = 0.95) -> Estimate:
    """P(x) - P(y) of paired zeros and ones `(n,)`: Wald after one pair is added on either side.

    Bonett & Price (2012), J. Educ. Behav. Stat. 37, 479-488. With half a pair (Agresti & Min 2005) 95% become 86% at n = 64, where
    3% of the pairs differ and all to one side. Exact coverage is 93.9% or more; it nears 100% where no pair is likely to differ.
    """
    both = np.isfinite(x) & np.isfinite(y)
    return bounded_mean(x[both] - y[both], 1.0, level)


def bounded_mean(x: Floats, reach: float, level: float = 0.95) -> Estimate:
    """The mean of values `(n,)` within [-reach, reach], for averages of paired differences of zeros and ones.

    One value at either end is added before the normal interval is taken: what is never seen is no proof that it never happens.
    """
    x = x[np.isfinite(x)]
    n = len(x)
    if n == 0:
        return Estimate(np.nan, np.nan, np.nan, 0)
    value = float(x.mean())
    if n < FEW:
        return Estimate(value, np.nan, np.nan, n)
    centre = x.sum() / (n + 2)
    half = normal(level) * np.sqrt(((x**2).sum() + 2 * reach**2) / (n + 2) - centre**2) / np.sqrt(n + 2)
    return Estimate(value, max(-reach, float(centre - half)), min(reach, float(centre + half)), n)


def normal(level: float) -> float:
    """Half the width of a normal interval, in standard errors."""
    from scipy.special import ndtri

    return float(ndtri((1 + level) / 2))


def exceeds(x: Floats, line: float) -> Floats:
    """1 where `x` exceeds `line`, 0 where not, NaN where undefined."""
    return np.where(np.isfinite(x), (x > line).astype(float), np.nan)


@lru_cache(maxsize=64)
def _rank(n: int, q: float, level: float) -> tuple[int, float] | None:
    """Where the lower limit of the `q` quantile lies among `n` order statistics: after how many of them, and how far to the next."""
    from scipy.stats import binom

    tail = (1 - level) / 2
    rank = int(binom.ppf(tail, n, q))
    if rank < 1 or rank >= n:
        return None
    below, above = binom.cdf([rank - 1, rank], n, q)
    return rank, float(1 / (1 + rank * (1 - q) * (above - tail) / ((n - rank) * q * (tail - below))))


def _between(x: Floats, rank: int, part: float) -> float:
    return float(x[rank - 1] + part * (x[rank] - x[rank - 1]))


@lru_cache(maxsize=4)
def _weights(n: int) -> Floats:
    """How often each of `n` replications is drawn, `(resamples, n)`; the same for every measure of that size."""
    return _generator().multinomial(n, np.full(n, 1 / n), size=_RESAMPLES).astype(float)


def _generator() -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(95))
