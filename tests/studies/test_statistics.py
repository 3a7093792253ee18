"""Intervals: what they cover on models whose truth is known, and what they refuse to say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simlab.studies.statistics import FEW, exceeds, mean, quantile, quantile_difference, share, share_difference

TRIES = 2000
BUDGET = 4 * math.sqrt(0.95 * 0.05 / TRIES)  # 4 standard errors of a coverage


def coverage(draw, interval, truth):
    g = np.random.default_rng(20)
    hits = 0
    for _ in range(TRIES):
        found = interval(*draw(g))
        hits += found.low <= truth <= found.high
    return hits / TRIES


MODELS = {
    "normal": (lambda g: (g.normal(2, 3, 100),), mean, 2.0),
    "skewed": (lambda g: (g.exponential(1.0, 100),), mean, 1.0),
    "at a few": (lambda g: (g.exponential(1.0, FEW),), mean, 1.0),
    "quantile difference": (
        lambda g: (lambda z: (z + g.normal(0.3, 1, 100), z + g.normal(0, 1, 100)))(g.normal(0, 1, 100)),
        lambda x, y: quantile_difference(x, y, 0.5),
        0.3,
    ),
    "median": (lambda g: (g.normal(0, 1, 100),), lambda x: quantile(x, 0.5), 0.0),
    "share": (lambda g: ((g.random(200) < 0.1).astype(float),), share, 0.1),
    "share difference": (
        lambda g: (lambda u: ((u < 0.3).astype(float), (np.roll(u, 0) < 0.2).astype(float)))(g.random(200)),
        share_difference,
        0.1,
    ),
}


@pytest.mark.parametrize("model", MODELS)
def test_intervals_cover_what_they_say(model):
    draw, interval, truth = MODELS[model]
    assert coverage(draw, interval, truth) == pytest.approx(0.95, abs=BUDGET)


def test_few_replications_give_no_interval():
    x = np.arange(FEW - 1, dtype=float)
    for found in (
        mean(x),
        quantile(x, 0.5),
        quantile_difference(x, x + 1, 0.5),
        share(exceeds(x, 3)),
        share_difference(exceeds(x, 3), exceeds(x, 4)),
    ):
        assert found.interval is None
        assert found.n == FEW - 1


def test_arms_that_are_equal_differ_by_exactly_nothing():
    x = np.random.default_rng(1).normal(size=64)
    assert mean(x - x)[:3] == (0, 0, 0)


def test_undefined_values_are_left_out_and_counted():
    found = mean(np.r_[np.full(5, np.nan), np.ones(40)])
    assert found[:4] == (1, 1, 1, 40)
    assert math.isnan(mean(np.full(40, np.nan)).value)
    np.testing.assert_array_equal(exceeds(np.array([1.0, 3.0, np.nan]), 2.0), [0, 1, np.nan])


def test_wilson_at_nothing_seen():
    """Wilson (1927): with 0 of n the interval is [0, z^2 / (n + z^2)]."""
    z2 = 1.959963984540054**2
    assert share(np.zeros(256))[:3] == pytest.approx((0, 0, z2 / (256 + z2)))
