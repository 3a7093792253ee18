"""Ratios worked out by hand: Fieller's limits as roots, ratios of quantiles on logarithms, and when there is no interval."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq

from simlab.studies.ratios import mean_ratio, quantile_ratio, share_ratio
from simlab.studies.statistics import MANY, RARE, Estimate, normal, quantile, quantile_errors, tails

G = np.random.default_rng(51)
Y = G.normal(4, 1, 64)
X = 2 * Y + G.lognormal(size=64)


def near(found: Estimate, *expected: float) -> None:
    assert found == pytest.approx(expected, rel=1e-8)


def root(x: np.ndarray, y: np.ndarray, t: float) -> float:
    """The ratio r at which mean(x - r y) is `t` standard errors from 0, by bisection."""

    def off(r: float) -> float:
        rest = x - r * y
        return float(rest.mean() - t * rest.std(ddof=1) / math.sqrt(len(x)))

    return float(brentq(off, -50, 50, xtol=1e-13))


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize(("turn_x", "turn_y"), [(1, 1), (-1, 1), (1, -1), (-1, -1)])
def test_fiellers_limits_are_where_the_difference_ceases_to_be_clear(turn_x, turn_y, level):
    """Fieller (1954): both limits are roots of one t, the upper tail of x - r y and the lower one."""
    x, y = turn_x * X, turn_y * Y
    value = x.mean() / y.mean()
    low, high = sorted(root(x, y, float(t)) for t in tails(x - value * y, level))
    near(mean_ratio(x, y, level), value, low, high, 64)


def test_of_many_replications_fiellers_tails_are_normal():
    y = G.normal(4, 1, MANY + 1)
    x = y + G.lognormal(size=MANY + 1)
    near(mean_ratio(x, y), x.mean() / y.mean(), root(x, y, normal(0.95)), root(x, y, -normal(0.95)), MANY + 1)
    few = mean_ratio(x[:MANY], y[:MANY])
    assert few.high > root(x[:MANY], y[:MANY], -normal(0.95)) + 1e-6  # resampled: the long side reaches further
    wide = mean_ratio(np.append(x, math.nan), np.append(y, 1.0), 0.99)
    near(wide, x.mean() / y.mean(), root(x, y, normal(0.99)), root(x, y, -normal(0.99)), MANY + 1)


def test_a_mean_ratio_that_rests_on_a_few_unusual_pairs_has_no_interval():
    """Ten unusual values on either side and ten pairs that differ are enough; a side that never varies is known."""
    for unusual, there in ((RARE - 1, False), (RARE, True)):
        rare = np.repeat([2.0, 1.0], [64 - unusual, unusual])
        assert (mean_ratio(rare, Y).interval is not None) == there
        assert (mean_ratio(Y, rare).interval is not None) == there
        moved = Y + np.repeat([0.0, 0.5], [64 - unusual, unusual])
        assert (mean_ratio(moved, Y).interval is not None) == there
    assert mean_ratio(Y, np.full(64, 2.0)).interval is not None
    assert mean_ratio(X[:29], Y[:29]).interval is None
    assert mean_ratio(X[:30], Y[:30]).interval is not None


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_alike_but_for_rounding_is_proportional(scale):
    """At any scale, and where both are 0."""
    y = scale * np.append(Y, 0.0)
    x = 3 * y * (1 + 1e-14 * G.normal(size=65))
    for found in (mean_ratio(x, y), quantile_ratio(x, y, 0.5)):
        assert found.value == pytest.approx(3, rel=1e-12)
        assert found.low == found.value == found.high
    apart = quantile_ratio(x * (1 + 1e-10 * G.normal(size=65)), y, 0.5)
    assert apart.low < apart.value < apart.high


def test_an_interval_shrinks_with_what_is_left_to_the_last_digits():
    """x = 3 y (1 + e z): off 3, over e, the limits do not depend on e. From the squares of x they would be noise from 1e-7 on."""
    z = G.normal(size=64)
    wide, *narrow = (mean_ratio(3 * Y * (1 + e * z), Y) for e in (1e-4, 1e-6, 1e-8, 1e-10))
    for e, found in zip((1e-6, 1e-8, 1e-10), narrow, strict=True):
        expected = [(one - 3) / 1e-4 for one in wide[:3]]
        assert [(one - 3) / e for one in found[:3]] == pytest.approx(expected, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize("turn", [1, -1])
def test_ratios_of_quantiles_are_differences_of_logarithms(turn, level):
    """Bonett & Price (2020): errors over their quantiles, as the logarithm's derivative has it."""
    x, y = turn * X, turn * Y
    of_x, of_y = np.median(x), np.median(y)
    at_x, at_y, together = quantile_errors(x, y, 0.5)
    a, b = at_x / of_x, at_y / of_y
    half = normal(level) * math.sqrt(a**2 + b**2 - 2 * together * a * b)
    value = of_x / of_y
    near(quantile_ratio(x, y, 0.5, level), value, value * math.exp(-half), value * math.exp(half), 64)
    near(quantile_ratio(np.append(x, math.inf), np.append(y, 1), 0.5, level), *quantile_ratio(x, y, 0.5, level))


def test_a_ratio_of_quantiles_is_known_only_where_both_are_on_one_side_of_0():
    middle = Y - np.median(Y[:63])
    for x, y in ((X, -Y), (-X, Y), (middle[:63], Y[:63])):
        found = quantile_ratio(x, y, 0.5)
        assert found[:3] == (quantile(x, 0.5).value / quantile(y, 0.5).value, -math.inf, math.inf)
    over = quantile_ratio(X[:63], middle[:63], 0.5)
    assert math.isnan(over.value)
    assert over[1:3] == (-math.inf, math.inf)
    assert quantile_ratio(X, Y, 0.95).interval is None  # three are beyond it
    assert quantile_ratio(X, Y, 0.95).value == pytest.approx(np.quantile(X, 0.95) / np.quantile(Y, 0.95))
    assert quantile_ratio(X[:29], Y[:29], 0.5).interval is None
    assert quantile_ratio(X[:30], Y[:30], 0.5).interval is not None


def test_a_share_over_one_that_was_never_seen_is_at_least_the_lower_limit_over_1():
    """Bonett & Price (2006), equation 6, by hand, with 40 of 64 and none: Wilson's intervals of 40 of 40 and 0 of 40."""
    x, zero = np.repeat([1.0, 0.0], [40, 24]), np.zeros(64)
    together = math.sqrt((40 + 2) / (41 * 1))
    alone = math.sqrt((1 - 41 / 42) / 41) + math.sqrt((1 - 1 / 42) / 1)
    z2 = (normal(0.95) * together / alone) ** 2
    low, high = 40 / (40 + z2), z2 / (40 + z2)
    found = share_ratio(x, zero)
    assert (found.value, found.high, found.n) == (math.inf, math.inf, 64)
    assert found.low == pytest.approx(low / high, rel=1e-9)
    near(share_ratio(zero, x), 0, 0, high / low, 64)
    wider = (z2 * (normal(0.99) / normal(0.95)) ** 2) / 40
    near(share_ratio(zero, x, 0.99), 0, 0, wider, 64)  # (z2 / (40 + z2)) / (40 / (40 + z2))


@pytest.mark.parametrize("power", [-531, -500, 498, 505])  # of 2: about 1e-160, 1e150 and 1e152
def test_a_ratio_of_means_does_not_depend_on_the_unit(power):
    scale = 2.0**power
    assert mean_ratio(X * scale, Y * scale) == mean_ratio(X, Y)
    assert mean_ratio(X, Y * 2.0**100) == Estimate(*(v * 2.0**-100 for v in mean_ratio(X, Y)[:3]), len(X))
