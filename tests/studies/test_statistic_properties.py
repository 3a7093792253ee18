"""What holds of every interval, whatever the numbers: it holds its estimate, and moves, turns and narrows as its numbers do.

Samples are 64ths, so that shifts and powers of two lose nothing and equality is that of bits. What intervals cover: test_coverage.py.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlab.scenario.scenario import Factorial
from simlab.studies.effects import effects
from simlab.studies.ratios import mean_ratio, quantile_ratio, share_ratio
from simlab.studies.statistics import (
    FEW,
    bounded_mean,
    mean,
    mean_share,
    median_of,
    quantile,
    quantile_difference,
    share,
    share_difference,
    share_of,
)
from tests.examples import examples

SOME = examples(25)
SIZES = st.sampled_from([30, 31, 64])  # resamples are made anew for each size
LAWS = {
    "normal": lambda g, n: g.normal(size=n),
    "skewed": lambda g, n: g.lognormal(size=n),
    "wild": lambda g, n: np.clip(g.standard_cauchy(n), -1e6, 1e6),
    "ties": lambda g, n: g.integers(-2, 3, n),
    "rare": lambda g, n: g.random(n) < 0.1,
    "constant": lambda g, n: np.full(n, g.integers(-3, 4)),
}
Q = st.sampled_from([0.05, 0.1, 0.5, 0.9, 0.95]) | st.floats(0.02, 0.98)
LEVEL = st.sampled_from([0.8, 0.95, 0.999])


def fine(x):
    return np.round(np.asarray(x, dtype=float) * 64) / 64


@st.composite
def samples(draw, count=1, above=False):
    """So many paired samples of one size, each of a law of its own and part of it what they share; with `above`, of numbers over 0."""
    g = np.random.default_rng(draw(st.integers(0, 2**32)))
    n = draw(SIZES)
    common = g.normal(size=n) * draw(st.sampled_from([0, 1]))
    found = [fine(LAWS[draw(st.sampled_from(sorted(LAWS)))](g, n) + common) for _ in range(count)]
    return [np.abs(x) + 1 / 64 if above else x for x in found]


@st.composite
def hits(draw):
    """Two paired samples of zeros and ones, from never to always."""
    g, n = np.random.default_rng(draw(st.integers(0, 2**32))), draw(SIZES)
    p = st.sampled_from([0, 0.03, 0.3, 0.97, 1])
    common = g.random(n)
    return [(np.where(g.random(n) < 0.5, common, g.random(n)) < draw(p)).astype(float) for _ in "xy"]


def numbers(found):
    return np.array(found[:3])


def holds(found, slack=1e-12):
    """An interval holds its estimate, to rounding; both ends are there or neither."""
    assert not math.isnan(found.value)
    assert math.isnan(found.low) == math.isnan(found.high)
    slack *= abs(found.value) if math.isfinite(found.value) else 0
    assert not found.low > found.value + slack  # no interval is no violation
    assert not found.high < found.value - slack


def mirrored(found, back, scale=1.0):
    """One is the other with its sign turned."""
    turned = -numbers(back)[[0, 2, 1]]
    np.testing.assert_allclose(numbers(found), turned, rtol=1e-9, atol=1e-9 * max(scale, 1e-3))


def inverted(found, back):
    """One is the other's inverse, where both have bounds."""
    if np.isfinite(numbers(found)).all() and np.isfinite(numbers(back)).all() and back.low > 0:
        np.testing.assert_allclose(numbers(found), 1 / numbers(back)[[0, 2, 1]], rtol=1e-6)


@SOME
@given(samples(2), Q, LEVEL)
def test_intervals_of_numbers_hold_their_estimates(xy, q, level):
    x, y = xy
    n = len(x)
    for found in (mean(x, level), quantile(x, q, level), mean(x - y, level), quantile_difference(x, y, q, level)):
        holds(found)
        assert found.n == n
    holds(median_of(x, np.arange(n) * 35 // n, 35))
    few = slice(0, FEW - 1)
    for none in (mean(x[few]), quantile(x[few], q), quantile_ratio(x[few], y[few], q), mean_ratio(x[few], y[few])):
        assert none.interval is None


@SOME
@given(hits(), LEVEL)
def test_intervals_of_shares_hold_them_and_stay_within_bounds(xy, level):
    x, y = xy
    for found in (share(x, level), mean_share(x, level), mean_share((x + y) / 2, level)):
        holds(found)
        assert 0 <= found.low < found.high <= 1
    holds(bounded_mean(x - y, 1.0, level))
    difference = share_difference(x, y, level)
    assert -1 <= difference.low < difference.high <= 1
    tries = np.arange(len(x)) % 3 + 1.0
    some = share_of(x * tries, tries)
    holds(some)
    assert 0 <= some.low < some.high <= 1
    ratio = share_ratio(x, y, level)
    if (x + y).any():
        holds(ratio)
        assert 0 <= ratio.low < ratio.high
    else:
        assert np.isnan(numbers(ratio)).all()


@SOME
@given(samples(2, above=True), Q, LEVEL)
def test_ratios_hold_their_estimates_and_turn_with_their_sides(xy, q, level):
    x, y = xy
    holds(mean_ratio(x, y, level))
    holds(quantile_ratio(x, y, q, level))
    inverted(mean_ratio(x, y, level), mean_ratio(y, x, level))
    inverted(quantile_ratio(x, y, q, level), quantile_ratio(y, x, q, level))
    for ratio in (mean_ratio, lambda a, b, level: quantile_ratio(a, b, q, level)):
        np.testing.assert_allclose(numbers(ratio(4 * x, 4 * y, level)), numbers(ratio(x, y, level)), rtol=1e-12)
        found, more = numbers(ratio(x, y, level)), numbers(ratio(4 * x, y, level))
        there = ~np.isnan(
            found
        )  # pairs that are equal but for a few have no interval; those that are alike but for a factor may
        np.testing.assert_allclose(more[there], 4 * found[there], rtol=1e-12)


@SOME
@given(samples(2), Q, st.integers(-100, 100), st.sampled_from([0.25, 8.0]))
def test_estimates_move_and_stretch_with_their_numbers(xy, q, by, times):
    x, y = xy
    scale = float(np.abs(x).max() + np.abs(y).max() + abs(by))
    for of in (mean, lambda x: quantile(x, q)):
        np.testing.assert_array_equal(numbers(of(times * x)), times * numbers(of(x)))
        np.testing.assert_allclose(numbers(of(x + by)), numbers(of(x)) + by, rtol=1e-9, atol=1e-9 * scale)
    difference = quantile_difference(x, y, q)
    np.testing.assert_allclose(numbers(quantile_difference(x + by, y + by, q)), numbers(difference), atol=1e-9 * scale)
    mirrored(mean(-x), mean(x), scale)
    mirrored(quantile(-x, 1 - q), quantile(x, q), scale)
    mirrored(quantile_difference(y, x, q), difference, scale)
    mirrored(mean(y - x), mean(x - y), scale)


@SOME
@given(hits(), samples(2), Q, st.integers(0, 2**32))
def test_the_order_of_replications_says_nothing(xy, zw, q, seed):
    """Means are resampled by position, so of their intervals this holds only of the estimate."""
    (x, y), (z, _) = xy, zw
    one, other = (np.random.default_rng(seed).permutation(len(a)) for a in (x, z))
    for of, both, order in (
        (lambda x, _: share(x), xy, one),
        (share_difference, xy, one),
        (share_ratio, xy, one),
        (lambda z, _: quantile(z, q), zw, other),
        (lambda z, w: quantile_difference(z, w, q), zw, other),
        (lambda x, y: share_of(x * y, y), xy, one),
    ):
        found, shuffled = numbers(of(*both)), numbers(of(*(a[order] for a in both)))
        np.testing.assert_allclose(shuffled, found, rtol=1e-12)
    assert mean(z[other]).value == pytest.approx(mean(z).value, rel=1e-12, abs=1e-12)
    mirrored(share_difference(y, x), share_difference(x, y))
    inverted(share_ratio(y, x), share_ratio(x, y))


@SOME
@given(samples(1, above=True), hits(), Q, st.data())
def test_equal_arms_differ_by_nothing_and_what_is_undefined_is_left_out(x, xy, q, data):
    (x,), (hit, _) = x, xy
    assert mean(x - x)[:3] == (0, 0, 0)
    assert quantile_difference(x, x, q).value == share_difference(hit, hit).value == 0
    found = quantile_difference(x, x, q)
    assert found.interval in (None, [0, 0])
    assert mean_ratio(x, x)[:3] == (1, 1, 1)
    assert quantile_ratio(x, x, q).interval in (None, [1, 1])
    for moved, by in ((quantile_difference(x + 1, x, q), 1), (quantile_ratio(4 * x, x, q), 4)):
        assert moved.interval in (None, [moved.value] * 2)
        assert moved.value == pytest.approx(by, rel=1e-12)
    assert share_ratio(hit, hit).value == 1 or not hit.any()
    odd = data.draw(st.sampled_from([math.nan, math.inf, -math.inf]))
    at = data.draw(st.integers(0, len(x)))
    more, fewer = np.insert(x, at, odd), np.insert(x, at, 5.0)
    for of in (mean, lambda x: quantile(x, q)):
        assert numbers(of(more)).tolist() == pytest.approx(numbers(of(x)).tolist(), nan_ok=True, rel=0, abs=0)
        assert of(more).n == len(x)
    for of in (mean_ratio, lambda a, b: quantile_difference(a, b, q)):
        np.testing.assert_array_equal(numbers(of(more, fewer)), numbers(of(x, x)))
        np.testing.assert_array_equal(numbers(of(fewer, more)), numbers(of(x, x)))


@SOME
@given(samples(2), hits(), Q)
def test_four_times_the_same_is_told_at_least_as_closely(zw, xy, q):
    """Not of differences of quantiles, whose correlation is that of falling below a value between two others, which then moves."""
    for of, given_arms in (
        (lambda z, _: mean(z), zw),
        (lambda z, w: mean(z - w), zw),
        (lambda z, _: quantile(z, q), zw),
        (lambda x, _: share(x), xy),
        (share_difference, xy),
    ):
        once, four = of(*given_arms), of(*(np.tile(a, 4) for a in given_arms))
        if once.interval:
            assert four.high - four.low <= (once.high - once.low) * (1 + 1e-9)


@SOME
@given(st.integers(0, 2**32), st.integers(2, 3), st.integers(2, 3))
def test_effects_turn_with_the_levels_and_know_nothing_of_common_luck(seed, brains, stores):
    """Over a whole table; all arms alike give effects of exactly 0, of their interactions too."""
    g, n = np.random.default_rng(seed), 40
    seams = {"brain": tuple("abc"[:brains]), "features": tuple("xyz"[:stores])}
    levels = {f"{b}{f}": {"brain": b, "features": f} for b in seams["brain"] for f in seams["features"]}
    design, x = Factorial(seams, levels), {arm: fine(g.normal(size=n)) for arm in levels}
    found = effects(design, x)
    luck = fine(g.normal(10, 5, n))
    for alike in effects(design, dict.fromkeys(levels, luck)):
        assert alike.estimate[:3] == (0, 0, 0)
        assert not alike.clear
    for one, moved in zip(found, effects(design, {arm: x[arm] + luck for arm in levels}), strict=True):
        assert moved.estimate == pytest.approx(one.estimate, rel=1e-9, abs=1e-12)
    for one in found:
        (b, *f), (after, *then) = one.before, one.after
        if not f and one.seams == ("brain",):
            step = np.mean([x[after + at] - x[b + at] for at in seams["features"]])
        elif f:
            step = np.mean(x[after + then[0]] - x[b + then[0]] - x[after + f[0]] + x[b + f[0]])
        else:
            step = np.mean([x[at + after] - x[at + b] for at in seams["brain"]])
        assert one.estimate.value == pytest.approx(step, abs=1e-12)
    back = Factorial(seams | {"brain": seams["brain"][::-1]}, levels)
    turned = {(e.seams, e.before, e.after): e for e in effects(back, x)}
    first = found[brains - 2]  # from the first level of brain to the last
    mirrored(turned[("brain",), first.after, first.before].estimate, first.estimate)
