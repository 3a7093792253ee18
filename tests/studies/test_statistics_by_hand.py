"""Every interval worked out by hand, from its formula or one resample at a time, and the edges from which on there is one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom, binomtest, chi2

from simlab.studies.statistics import (
    MANY,
    RARE,
    Estimate,
    _weights,
    bounded_mean,
    exceeds,
    mean,
    mean_share,
    median_of,
    normal,
    quantile,
    quantile_difference,
    quantile_errors,
    share,
    share_difference,
    share_of,
    tails,
    wilson,
)

Z = 1.959963984540054
X = np.random.default_rng(41).lognormal(size=40)
Y = 0.5 * X + np.random.default_rng(42).lognormal(size=40)


def near(found: Estimate, value: float, low: float, high: float, n: int) -> None:
    assert found == pytest.approx((value, low, high, n), rel=1e-9, abs=1e-12)


def half_at_a_half(n: float) -> float:
    """Wilson's half-width where p is 1/2: z / (2 sqrt(n + z^2)) (algebra)."""
    return Z / (2 * math.sqrt(n + Z**2))


def none(found: Estimate) -> bool:
    return found.interval is None and math.isnan(found.low) and math.isnan(found.high)


def test_trials_that_share_their_luck_count_for_less():
    """40 replications of two trials: 10 hit twice, 10 never, 20 once. V = 20 (40/39) / 80^2, and 1/4 over that is 78 trials."""
    hits = np.repeat([2.0, 0.0, 1.0], [10, 10, 20])
    half = half_at_a_half(78)
    near(share_of(hits, np.full(40, 2.0)), 0.5, 0.5 - half, 0.5 + half, 80)


def test_residuals_are_those_of_the_ratio():
    """30 of one trial, of which 15 hit, and 10 of three, of which 5 hit always: p = 1/2, with squares 30/4 + 10 (3/2)^2."""
    hits, tries = np.repeat([1.0, 0.0, 3.0, 0.0], [15, 15, 5, 5]), np.repeat([1.0, 3.0], [30, 10])
    half = half_at_a_half(0.25 * 60**2 / (30 * 40 / 39))
    near(share_of(hits, tries), 0.5, 0.5 - half, 0.5 + half, 60)


def test_trials_are_never_worth_more_than_their_number():
    """One of two hits in all replications but one, in which both do: more even than chance would be."""
    hits = np.repeat([1.0, 2.0], [39, 1])
    low, high = binomtest(41, 80).proportion_ci(method="wilson")
    near(share_of(hits, np.full(40, 2.0)), 41 / 80, low, high, 80)


def test_where_nothing_varies_there_is_one_trial_a_replication():
    half, two = half_at_a_half(40), np.full(40, 2.0)
    near(share_of(np.ones(40), two), 0.5, 0.5 - half, 0.5 + half, 80)
    near(share_of(two, two), 1, 40 / (40 + Z**2), 1, 80)  # Wilson (1927): all of n
    near(share_of(0 * two, two), 0, 0, Z**2 / (40 + Z**2), 80)


def test_replications_without_a_trial_count_nowhere():
    """29 that tried tell nothing, 30 do; whoever never tried is not one of them."""
    hits = np.repeat([1.0, 0.0, 0.0], [15, 14, 40])
    tries = np.repeat([1.0, 0.0], [29, 40])
    found = share_of(hits, tries)
    assert (found.value, found.n) == (15 / 29, 29)
    assert none(found)
    assert share_of(0 * tries, 0 * tries).n == 0
    hits[29] = tries[29] = 1.0
    low, high = binomtest(16, 30).proportion_ci(method="wilson")
    p, apart = 16 / 30, (16 * 14 / 30) * (30 / 29) / 30**2  # the usual variance of a share, with n - 1
    near(share_of(hits, tries), p, *wilson(p, p * (1 - p) / apart), 30)
    assert share_of(hits, tries).low < low
    assert share_of(hits, tries).high > high


@pytest.mark.parametrize(("level", "z"), [(0.95, Z), (0.8, 1.2815515655446004)])
def test_a_mean_of_shares(level, z):
    """One 1 and one 0 are added on either side. All of 32 are 1/4: centre -8/34, squares (32/16 + 2/4) / 34."""
    half = z * math.sqrt(2.5 / 34 - (8 / 34) ** 2) / math.sqrt(34)
    near(mean_share(np.full(32, 0.25), level), 0.25, 0.5 - 8 / 34 - half, 0.5 - 8 / 34 + half, 32)
    evenly = z * math.sqrt(2.5) / 34
    near(mean_share(np.r_[np.tile([0.25, 0.75], 16), math.nan], level), 0.5, 0.5 - evenly, 0.5 + evenly, 32)


def test_a_mean_of_shares_stays_within_them():
    """31 times 1 and once 1/2: sum 15.5 and squares 7.75 off the middle."""
    x = np.r_[np.ones(31), 0.5]
    low = 0.5 + 15.5 / 34 - Z * math.sqrt(8.25 / 34 - (15.5 / 34) ** 2) / math.sqrt(34)
    near(mean_share(x), 63 / 64, low, 1, 32)
    near(mean_share(1 - x), 1 / 64, 0, 1 - low, 32)


def test_shares_that_are_all_or_nothing_are_a_probability():
    for hit in (np.repeat([0.0, 1.0], [20, 12]), np.zeros(32), np.ones(32)):
        for level in (0.8, 0.95):
            near(mean_share(np.r_[hit, math.nan], level), *share(hit, level))
    assert mean_share(np.repeat([0.0, 1.0], [20, 12])) != mean_share(np.repeat([0.0, 1 - 1e-9], [20, 12]))


@pytest.mark.parametrize(
    ("count", "n", "poisson"),
    [(1, 30, True), (2, 50, True), (3, 50, False), (3, 51, True), (4, 51, False), (1, 2000, True)],
)
def test_next_to_nothing_a_share_is_a_poisson_count(count, n, poisson):
    """Brown, Cai & DasGupta (2001), 4.1.1: the lower limit is chi2(2 x; alpha) / 2n for x of 1 and 2, and from n = 51 on for 3."""
    for level in (0.95, 0.9):
        found = share(np.repeat([1.0, 0.0], [count, n - count]), level)
        low, high = binomtest(count, n).proportion_ci(level, method="wilson")
        near(found, count / n, chi2.ppf(1 - level, 2 * count) / (2 * n) if poisson else low, high, n)
        mirror = share(np.repeat([0.0, 1.0], [count, n - count]), level)
        near(mirror, 1 - count / n, 1 - found.high, 1 - found.low, n)


def test_wilsons_interval_is_the_one_of_the_books():
    for k, n in ((1, 4), (13, 40), (39, 40)):
        low, high = binomtest(k, n).proportion_ci(method="wilson")
        assert wilson(k / n, n) == pytest.approx((low, high), rel=1e-9)
    assert wilson(0.0, 5)[0] == 0
    assert wilson(1.0, 5)[1] == 1


def test_a_line_is_exceeded_from_above_it():
    np.testing.assert_array_equal(exceeds(np.array([1.0, 2.0, 2.5, math.inf]), 2.0), [0, 0, 1, math.nan])


def test_paired_shares_and_values_of_a_known_reach():
    """Of 40 pairs 9 go up and 3 down: one pair is added on either side, so the sum of squares is 12 + 2 of 42."""
    x, y = np.repeat([1.0, 0.0, 1.0], [9, 3, 28]), np.repeat([0.0, 1.0, 1.0], [9, 3, 28])
    half = Z * math.sqrt((14 / 42 - (6 / 42) ** 2) / 42)
    near(share_difference(x, y), 6 / 40, 6 / 42 - half, 6 / 42 + half, 40)
    near(share_difference(np.r_[x, math.nan, 1], np.r_[y, 1, math.nan]), 6 / 40, 6 / 42 - half, 6 / 42 + half, 40)
    wide = Z * math.sqrt((12 + 2 * 4) / 42 - (6 / 42) ** 2) / math.sqrt(42)
    near(bounded_mean(np.r_[x - y, math.inf], 2.0), 6 / 40, 6 / 42 - wide, 6 / 42 + wide, 40)
    short = Z * math.sqrt((2.5 * 4) / 42 + 2.0 / 42 - (-10 / 42) ** 2) / math.sqrt(42)
    near(bounded_mean(np.repeat([-1.0, 0.0], [10, 30]), 1.0), -0.25, -10 / 42 - short, -10 / 42 + short, 40)
    assert bounded_mean(np.full(40, -1.0), 1.0).low == -1
    assert bounded_mean(np.full(40, 1.0), 1.0).high == 1
    assert none(bounded_mean(np.full(29, 1.0), 1.0))
    assert not none(bounded_mean(np.full(30, 1.0), 1.0))


def resampled(x: np.ndarray, level: float) -> tuple[float, float]:
    """The studentised bootstrap one resample at a time (Efron & Tibshirani 1993, algorithm 12.1): the quantiles of t*."""
    n, t = len(x), []
    for often in _weights(n).astype(int):
        drawn = np.repeat(x, often)
        t.append((drawn.mean() - x.mean()) / (drawn.std(ddof=1) / math.sqrt(n)))
    return float(np.quantile(t, (1 + level) / 2)), float(np.quantile(t, (1 - level) / 2))


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_tails_are_those_of_resampled_means_but_never_nearer_than_normal_ones(level):
    high, low = resampled(X, level)
    z = normal(level)
    assert low < -z < z  # the long tail of these numbers; of the other the normal one counts
    upper, lower = tails(X, level)
    assert (upper, lower) == pytest.approx((max(high, z), low), rel=1e-9)
    turned = tails(-X, level)
    assert turned == pytest.approx((-low, -max(high, z)), rel=1e-9)
    error = X.std(ddof=1) / math.sqrt(40)
    near(mean(X, level), X.mean(), X.mean() - upper * error, X.mean() - lower * error, 40)


def test_tails_of_columns_are_those_of_each():
    both = tails(np.column_stack([X, Y]), 0.95)
    for i, x in enumerate((X, Y)):
        assert (both[0][i], both[1][i]) == pytest.approx(tails(x, 0.95), rel=1e-9)


def test_beyond_what_the_resamples_can_tell_tails_go_on_like_normal_ones():
    """Ten of 2,000 resamples are left beyond 99.5%; of levels above, such as many rows ask for, tails grow as normal ones do."""
    high, low = resampled(X, 0.995)
    for level in (0.9951, 0.999, 0.99999):
        z, finest = normal(level), normal(0.995)
        assert tails(X, level) == pytest.approx((max(high * z / finest, z), low * z / finest), rel=1e-9)
    assert normal(0.95) == pytest.approx(Z, rel=1e-12)


def test_from_some_size_on_a_mean_has_the_normal_interval():
    x = np.random.default_rng(5).lognormal(size=MANY + 1)
    few, error = x[:-1], x.std(ddof=1) / math.sqrt(MANY + 1)
    near(mean(x), x.mean(), x.mean() - Z * error, x.mean() + Z * error, MANY + 1)
    near(mean(x, 0.8), x.mean(), x.mean() - normal(0.8) * error, x.mean() + normal(0.8) * error, MANY + 1)
    found = mean(few)
    assert found.high - found.value > found.value - found.low + 1e-6  # resampled: it leans to the long side


def test_a_mean_that_rests_on_a_few_unusual_values_has_no_interval():
    """With ten of them it has one; so it has where values are all the same, but for what rounding does."""
    for unusual, there in ((1, False), (RARE - 1, False), (RARE, True)):
        found = mean(np.repeat([0.0, 1.0], [64 - unusual, unusual]))
        assert (found.value, found.n, found.interval is not None) == (unusual / 64, 64, there)
    assert mean(np.full(30, 0.1)).interval == [mean(np.full(30, 0.1)).value] * 2
    dust = 3.0 + 1e-13 * np.arange(30)
    assert mean(dust).low == mean(dust).high == dust.mean()
    assert mean(3.0 + 1e-11 * np.arange(30)).low < mean(3.0 + 1e-11 * np.arange(30)).high


@pytest.mark.parametrize("n", [30, 40, 101])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_hettmansperger_and_sheathers_interval_of_a_median(n, level):
    """(1986), Statistics & Probability Letters 4, 75-79: between two order intervals, at (n - k) I / (k + (n - 2k) I)."""
    x = np.arange(1.0, n + 1) ** 2
    covers = [1 - 2 * binom.cdf(k - 1, n, 0.5) for k in range(n // 2)]
    k = max(k for k in range(n // 2) if covers[k] >= level)
    part = (covers[k] - level) / (covers[k] - covers[k + 1])
    along = (n - k) * part / (k + (n - 2 * k) * part)
    low = (1 - along) * x[k - 1] + along * x[k]
    high = (1 - along) * x[n - k] + along * x[n - k - 1]
    near(quantile(x[::-1], 0.5, level), np.median(x), low, high, n)


def test_nybloms_interval_of_an_outer_quantile():
    """The formula of (1992), equation 5, for the first decile of 1 to 100: r is 4 for the lower limit, and 16 for the upper."""

    def limit(r: int, q: float) -> float:
        """After r of 100, and a part of the way to the next."""
        here, then = binom.cdf([r - 1, r], 100, q)
        assert here <= 0.025 < then
        return r + 1 / (1 + r * (1 - q) * (then - 0.025) / ((100 - r) * q * (0.025 - here)))

    low, high = limit(5, 0.1), 101 - limit(84, 0.9)
    near(quantile(np.arange(1.0, 101.0), 0.1), 10.9, low, high, 100)
    near(quantile(-np.arange(1.0, 101.0), 0.9), -10.9, -high, -low, 100)


def test_an_outer_quantile_waits_until_the_sample_reaches_far_enough():
    """With .95^n above 2.5% nothing lies beyond: 72 are needed for the 95th percentile (algebra)."""
    assert 0.95**71 > 0.025 > 0.95**72
    for q in (0.95, 0.05):
        assert none(quantile(np.arange(71.0), q))
        assert not none(quantile(np.arange(72.0), q))
    assert none(quantile(np.arange(30.0), 0.9995))
    assert quantile(np.arange(71.0), 0.95)[:1] == (66.5,)
    assert quantile(np.r_[np.arange(72.0), math.nan], 0.95).n == 72


def test_standard_errors_of_two_quantiles_and_how_they_go_together():
    """Half an interval over z each; the correlation of falling below, as drawn in by n / (n + 1) for medians."""
    (low_x, high_x), (low_y, high_y) = quantile(X, 0.5)[1:3], quantile(Y, 0.5)[1:3]
    below = np.corrcoef(np.median(X) >= X, np.median(Y) >= Y)[0, 1]
    errors = (high_x - low_x) / (2 * Z), (high_y - low_y) / (2 * Z)
    assert quantile_errors(X, Y, 0.5) == pytest.approx((*errors, below * 40 / 41), rel=1e-9)
    half = Z * math.sqrt(errors[0] ** 2 + errors[1] ** 2 - 2 * below * 40 / 41 * errors[0] * errors[1])
    apart = np.median(X) - np.median(Y)
    near(quantile_difference(X, Y, 0.5), apart, apart - half, apart + half, 40)
    wide = half * normal(0.99) / Z
    near(quantile_difference(X, Y, 0.5, 0.99), apart, apart - wide, apart + wide, 40)
    x, y = X[:37], Y[:37]  # the tenth of 37 is the first quartile: a value at it falls below
    found = quantile_errors(x, y, 10 / 37)
    quarter = np.corrcoef(np.quantile(x, 10 / 37) >= x, np.quantile(y, 10 / 37) >= y)[0, 1]
    assert found[2] == pytest.approx(quarter * (1 - 1 / (4 * 38 * (10 / 37) * (27 / 37))), rel=1e-9)
    middle = np.corrcoef(np.median(x) >= x, np.median(y) >= y)[0, 1]
    assert quantile_errors(x, y, 0.5)[2] == pytest.approx(middle * 37 / 38, rel=1e-9)
    assert quantile_errors(X, 0 * Y, 0.5)[1:] == (0, 0)  # what never varies goes together with nothing


def test_a_difference_of_quantiles_needs_ten_beyond_each():
    apart = np.random.default_rng(3).normal(size=(2, 200))
    for enough, q in ((200, 0.95), (200, 0.05), (30, 0.5)):
        assert none(quantile_difference(*apart[:, : enough - 1], q)), q
        assert not none(quantile_difference(*apart[:, :enough], q)), q


def test_pairs_that_differ_by_the_same_differ_by_that():
    near(quantile_difference(X + 3.0, X, 0.5), 3, 3, 3, 40)
    assert quantile_difference(X + 3.0, X, 0.5).low == quantile_difference(X + 3.0, X, 0.5).high
    moved = X + 3.0
    moved[7] += 1e-9
    found = quantile_difference(moved, X, 0.5)
    assert found.low < found.value < found.high


def test_a_median_of_values_that_share_their_luck():
    """Resampled by owner, one resample at a time: the values of each as often as it is drawn; the lower one of two in the middle."""
    g = np.random.default_rng(12)
    owner = np.r_[np.arange(30), g.integers(0, 30, 25)]
    values = g.normal(size=55)
    drawn = [np.sort(np.repeat(values, often.astype(int)[owner])) for often in _weights(35)]
    middles = [each[(len(each) - 1) // 2] for each in drawn]
    found = median_of(values, owner, 35)
    assert found == pytest.approx((np.median(values), *np.quantile(middles, [0.025, 0.975]), 55), rel=1e-12)
    assert none(median_of(values[owner < 29], owner[owner < 29], 35))
