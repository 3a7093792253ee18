"""Intervals: what they refuse to say, and their values where these are known. What they cover: test_coverage.py."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom

from simlab.studies.ratios import mean_ratio, quantile_ratio, share_ratio
from simlab.studies.statistics import (
    FEW,
    bounded_mean,
    exceeds,
    mean,
    mean_share,
    median_of,
    quantile,
    quantile_difference,
    share,
    share_difference,
    share_of,
)


def test_few_replications_give_no_interval():
    x = np.arange(FEW - 1, dtype=float)
    for found in (
        mean(x),
        quantile(x, 0.5),
        quantile_difference(x, x + 1, 0.5),
        share(exceeds(x, 3)),
        share_difference(exceeds(x, 3), exceeds(x, 4)),
        mean_ratio(x + 2, x + 1),
        quantile_ratio(x + 2, x + 1, 0.5),
        share_ratio(exceeds(x, 3), exceeds(x, 4)),
    ):
        assert found.interval is None
        assert found.n == FEW - 1


def test_arms_that_are_equal_differ_by_exactly_nothing():
    x = 9 + np.random.default_rng(1).normal(size=64)
    assert mean(x - x)[:3] == (0, 0, 0)
    assert quantile_difference(x, x, 0.5)[:3] == (0, 0, 0)
    assert mean_ratio(x, x)[:3] == (1, 1, 1)
    assert quantile_ratio(x, x, 0.5)[:3] == (1, 1, 1)


def test_fieller_without_noise_and_with_a_known_denominator():
    """x = 2 y exactly gives 2; where y is a constant c, the ratio's interval is that of the mean of x, over c."""
    x = np.random.default_rng(2).normal(5, 1, 256)
    assert mean_ratio(2 * x, x)[:3] == (2, 2, 2)
    four = np.full(256, 4.0)
    assert mean_ratio(x, four)[:3] == pytest.approx(np.array(mean(x)[:3]) / 4)
    assert mean_ratio(x, -four)[:3] == pytest.approx(-np.array([mean(x)[i] for i in (0, 2, 1)]) / 4)


def test_a_denominator_that_may_be_0_bounds_nothing():
    g = np.random.default_rng(3)
    x, y = g.normal(5, 1, 256), g.normal(0, 1, 256)
    found = mean_ratio(x, y)
    assert found[1:3] == (-math.inf, math.inf)
    assert math.isnan(mean_ratio(x, 0 * y).value)
    crossing = quantile_ratio(x, y - np.median(y), 0.5)
    assert crossing[1:3] == (-math.inf, math.inf)


def test_a_ratio_over_harm_that_was_never_seen():
    """No upper bound; the lower one is Wilson's for all that was seen, over 1. Where neither was seen the ratio is undefined."""
    x, zero = np.r_[np.ones(40), np.zeros(216)], np.zeros(256)
    found = share_ratio(x, zero)
    assert (found.value, found.high) == (math.inf, math.inf)
    assert 3 < found.low < 40
    assert share_ratio(zero, x)[:2] == (0, 0)
    assert share_ratio(zero, x).high == pytest.approx(1 / found.low)
    assert math.isnan(share_ratio(zero, zero).value)


def test_nyblom_at_an_exact_level():
    """Where two order statistics meet the level exactly nothing is interpolated: 1 - 2 P(B < 41 of 100) = 0.943 for the median."""
    x = np.arange(1.0, 101.0)
    level = 1 - 2 * binom.cdf(40, 100, 0.5)
    assert quantile(x, 0.5, level)[1:3] == pytest.approx((41, 60), abs=1e-6)


def test_undefined_values_are_left_out_and_counted():
    found = mean(np.r_[np.full(5, np.nan), np.ones(40)])
    assert found[:4] == (1, 1, 1, 40)
    assert math.isnan(mean(np.full(40, np.nan)).value)
    np.testing.assert_array_equal(exceeds(np.array([1.0, 3.0, np.nan]), 2.0), [0, 1, np.nan])


def test_wilson_at_nothing_seen():
    """Wilson (1927): with 0 of n the interval is [0, z^2 / (n + z^2)]."""
    z2 = 1.959963984540054**2
    assert share(np.zeros(256))[:3] == pytest.approx((0, 0, z2 / (256 + z2)))


def test_a_published_ratio_of_paired_shares():
    """Bonett & Price (2006) as in the R package statpsych, ci.ratio.prop.ps(.05, 12, 4, 26, 6): 3.2, from 1.766544 to 5.796628."""
    x, y = np.repeat([0.0, 0, 1, 1], (12, 4, 26, 6)), np.repeat([0.0, 1, 0, 1], (12, 4, 26, 6))
    found = share_ratio(x, y)
    assert found[:3] == pytest.approx((3.2, 1.766544, 5.796628), abs=1e-6)
    assert share_ratio(y, x)[:3] == pytest.approx((1 / 3.2, 1 / 5.796628, 1 / 1.766544), abs=1e-6)
    assert found.n == 48
    assert share_ratio(x[:30], y[:30]).interval is not None  # 30 are enough


def test_an_estimate_without_an_interval_still_says_how_many_there_were():
    zero, few = np.zeros(40), np.r_[np.ones(9), np.zeros(20)]
    assert share_ratio(zero, zero).n == 40
    assert np.isnan(share_ratio(zero, zero)[1:3]).all()
    assert share_ratio(few, few)[0] == 1
    assert np.isnan(share_ratio(few, few)[1:3]).all()


@pytest.mark.parametrize(
    ("of", "one"),
    [
        (lambda x: mean(x), 1),
        (lambda x: quantile(x, 0.5), 1),
        (lambda x: quantile_difference(x, x, 0.5), 0),
        (lambda x: share(x), 1),
        (lambda x: mean_share(x), 1),
        (lambda x: bounded_mean(x, 1.0), 1),
        (lambda x: share_difference(x, x), 0),
        (lambda x: mean_ratio(x, x), 1),
        (lambda x: share_ratio(x, x), 1),
        (lambda x: quantile_ratio(x, x, 0.5), 1),
        (lambda x: share_of(x, np.ones(len(x))), 1),
        (lambda x: median_of(x, np.arange(len(x)), len(x)), 1),
    ],
)
def test_of_nothing_nothing_is_said_and_of_one_its_value(of, one):
    none, single = of(np.empty(0)), of(np.ones(1))
    assert none.n == 0
    assert np.isnan(none[:3]).all()
    assert (single.n, single.value, single.interval) == (1, one, None)


def test_the_interval_of_a_skewed_mean_reaches_further_to_its_long_side():
    """Efron & Tibshirani (1993), chapter 12: the studentised bootstrap leans to the tail, and is never inside the normal interval."""
    x = np.random.default_rng(28).lognormal(size=128)
    for values, turned in ((x, 1), (-x, -1)):
        found = mean(values)
        left, right = found.value - found.low, found.high - found.value
        long, short = (right, left) if turned > 0 else (left, right)
        assert long > 1.2 * short
        assert short >= 1.9599 * values.std(ddof=1) / np.sqrt(128)
