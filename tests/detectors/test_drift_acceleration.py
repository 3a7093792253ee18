"""Run lengths, null distributions and false alarms of the drift detectors, against published tables and independent sums."""

from __future__ import annotations

import numpy as np
import pytest

from simlab.base.errors import InputError
from simlab.detectors import DriftAcceleration, cusum_limit, distances, moving, run_length
from simlab.detectors.drift_acceleration import cusum, normal_from_student
from tests.detectors.recordings import frames, played


def seen(x, rows=1):
    """Frames of features `(t, r, s, f)`."""
    return frames(np.zeros((*x.shape[:2], 1)), features=x, rows=rows)


def persistent(coefficient, t, r, f=1, seed=0):
    """AR(1) of variance 1, `(t, r, 1, f)`."""
    g = np.random.default_rng(seed)
    x = np.empty((t, r, 1, f))
    x[0] = g.normal(size=x.shape[1:])
    for i in range(1, t):
        x[i] = coefficient * x[i - 1] + np.sqrt(1 - coefficient**2) * g.normal(size=x.shape[1:])
    return x


@pytest.mark.parametrize(
    ("shift", "four", "five"),
    [(0, 168, 465), (0.25, 74.2, 139), (0.5, 26.6, 38.0), (0.75, 13.3, 17.0), (1, 8.38, 10.4), (2, 3.34, 4.01)],
)
def test_run_lengths_are_those_of_the_table(shift, four, five):
    """Montgomery, Introduction to Statistical Quality Control, table of two-sided CUSUM ARLs with k = .5 and h = 4 or 5."""
    assert run_length(4, 0.5, shift) == pytest.approx(four, rel=0.006)
    assert run_length(5, 0.5, shift) == pytest.approx(five, rel=0.006)


@pytest.mark.parametrize(("shift", "published"), [(0.0, 465), (1.0, 10.4)])
def test_the_recursion_has_those_run_lengths(shift, published):
    """ARL0 465 and ARL1 10.4 at h = 5, k = .5, of the very step that `read` takes, in 2,000 walks; run lengths spread like their mean."""
    g = np.random.default_rng(1)
    walk, ends = np.zeros((2000, 1, 2)), np.full(2000, np.nan)
    for t in range(1, 5001):
        high = cusum(walk, g.normal(shift, 1, size=(2000, 1)), 0.5)[:, 0]
        ends[np.isnan(ends) & (high > 5)] = t
    assert not np.isnan(ends).any()
    assert abs(ends.mean() - published) < 4 * ends.std() / np.sqrt(2000)


def test_the_limit_has_the_run_length_that_was_asked_for():
    """Siegmund's formula against the Markov chain, within 2%."""
    for every in (100, 465, 10_000, 1e6):
        assert run_length(cusum_limit(every, 0.5), 0.5) == pytest.approx(every, rel=0.02)
    assert DriftAcceleration(false_alarm_every=465).limit == pytest.approx(5, abs=0.02)


@pytest.mark.parametrize(("coefficient", "f", "times"), [(0.0, 1, 1), (0.0, 4, 1), (0.6, 1, 1), (0.9, 1, 3)])
def test_false_alarms_after_a_short_reference(coefficient, f, times):
    """No more than were asked for, though mean, spread and persistence come from 60 scrapes and features may persist or be many.

    Expected: an exact CUSUM of independent normals, with limit 6, over the same 300 scrapes, in 10,000 walks. Nor far fewer.
    """
    g = np.random.default_rng(2)
    walk, ever = np.zeros((10_000, 1, 2)), np.zeros(10_000, dtype=bool)
    for _ in range(300):
        ever |= cusum(walk, g.normal(size=(10_000, 1)), 0.5)[:, 0] > 6
    detector = DriftAcceleration(false_alarm_every=run_length(6, 0.5))
    value, _, _ = played(detector, seen(persistent(coefficient, 360, 1000, f, seed=3)))
    found = (value[60:] > detector.limit).any(axis=0).mean()
    assert ever.mean() / 3 < found < times * ever.mean() + 4 * np.sqrt(ever.mean() / 1000)
    assert np.isnan(value[:60]).all()


@pytest.mark.parametrize("coefficient", [0.0, 0.6])
def test_the_persistence_of_a_short_reference(coefficient):
    """The coefficient and its standard error sqrt((1 - f^2) / 59): least squares alone would be (1 + 3 f) / 59 lower (Marriott & Pope)."""
    _, _, state = played(DriftAcceleration(), seen(persistent(coefficient, 60, 3000, seed=15)))
    found = state.persistence[:, 0]
    expected = coefficient + np.sqrt((1 - coefficient**2) / 59)
    assert abs(found.mean() - expected) < 4 * found.std() / np.sqrt(3000) + 0.005


def test_a_variance_taken_as_known_would_alarm_falsely():
    """The same persistent features in a plain CUSUM, standardised by the mean and spread of the reference."""
    x = persistent(0.6, 360, 500, seed=4)[:, :, 0]
    z = (x - x[:60].mean(axis=0)) / x[:60].std(axis=0)
    walk, ever = np.zeros((500, 1, 2)), np.zeros(500, dtype=bool)
    for i in range(60, 360):
        ever |= cusum(walk, z[i], 0.5)[:, 0] > 8
    plain = DriftAcceleration()
    found = (played(plain, seen(x[:, :, None]))[0] > plain.limit).any(axis=0)
    assert ever.mean() > 0.9
    assert found.mean() < 0.1


def test_a_shift_is_found_soon():
    """One standard deviation, at a limit of about 8: 16.4 scrapes by the Markov chain, where all is known; here under 30, mostly."""
    x = persistent(0.0, 260, 300, f=2, seed=5)
    x[160:, :, :, 1] += 1.0
    detector = DriftAcceleration()
    value, _, _ = played(detector, seen(x))
    first = np.argmax(value > detector.limit, axis=0) - 159
    assert run_length(detector.limit, 0.5, 1.0) == pytest.approx(16.4, abs=0.3)
    assert (first > 0).mean() > 0.75
    assert 14 < np.median(first) < 30


def test_an_outlier_is_not_a_drift():
    x = persistent(0.0, 200, 50, seed=6)
    x[100] = 1e6
    detector = DriftAcceleration()
    assert not (played(detector, seen(x))[0] > detector.limit).any()


def test_a_standstill_that_ends_is_seen():
    """A feature that was constant in the reference and then moves."""
    x = np.concatenate([np.full((80, 1, 1, 1), 3.0), 3.0 + np.cumsum(np.ones((60, 1, 1, 1)), axis=0)])
    detector = DriftAcceleration()
    value, _, _ = played(detector, seen(x))
    assert (value[60:80] == 0).all()
    assert (value[80:] > 0).all()


def test_residuals_are_standard_normal():
    """Wallace 1959 against Student's quantiles: 95% and 99% of t with 4, 10 and 60 degrees of freedom (tables)."""
    for freedom, t95, t99 in ((4, 2.132, 3.747), (10, 1.812, 2.764), (60, 1.671, 2.390)):
        assert normal_from_student(np.array(t95), np.array(float(freedom))) == pytest.approx(1.645, abs=0.02)
        assert normal_from_student(np.array(-t99), np.array(float(freedom))) == pytest.approx(-2.326, abs=0.02)


@pytest.mark.parametrize(("samples", "published"), [(200, 0.37), (1000, 0.0)])
def test_the_popular_threshold_by_sample_size(samples, published):
    """The stability index exceeds .1 in 37% of cases with 200 samples in 10 bins when nothing changed (its chi-squared null says 35%)."""
    g = np.random.default_rng(7)
    found = [distances(g.normal(size=samples), g.normal(size=samples)).psi for _ in range(1500)]
    assert abs((np.array(found) > 0.1).mean() - published) < 4 * np.sqrt(0.25 / 1500)


def test_null_distributions():
    """Chances of both distances are uniform when nothing changed (by their mean, 1/2, and 5% point); D is scipy's."""
    from scipy.stats import ks_2samp

    g = np.random.default_rng(8)
    pairs = [(g.exponential(size=800), g.exponential(size=500)) for _ in range(1000)]
    found = [distances(a, b) for a, b in pairs]
    for chances in ([x.psi_chance for x in found], [x.ks_chance for x in found]):
        assert (
            abs(np.mean(chances) - 0.5) < 4 * np.sqrt(1 / 12 / 1000) + 0.015
        )  # the large-sample law is a little cautious
        assert abs(np.mean(np.array(chances) < 0.05) - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 1000)
    assert found[0].ks == pytest.approx(ks_2samp(*pairs[0]).statistic, rel=1e-12)
    scaled = np.array([x.psi for x in found]) / (1 / 800 + 1 / 500)
    assert abs(scaled.mean() - 9) < 4 * np.sqrt(18 / 1000)
    with pytest.raises(InputError, match="too few for 10 bins"):
        distances(np.ones(5), np.ones(50))


@pytest.mark.parametrize("method", ["psi", "ks"])
def test_false_alarms_of_distances(method):
    """At a scrape each alarms with chance 1 / `false_alarm_every` x features when samples are independent; never more."""
    x = np.random.default_rng(9).normal(size=(80, 2000, 16, 2))
    detector = DriftAcceleration(method=method, false_alarm_every=20)
    value, _, _ = played(detector, seen(x))
    found = (value[79] > detector.limit).mean()
    assert 0.02 < found < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 2000)
    assert np.isnan(value[:79]).all()


@pytest.mark.parametrize("method", ["psi", "ks", "adwin"])
def test_every_method_finds_a_shift_and_nothing_else(method):
    x = np.random.default_rng(10).normal(size=(250, 8, 8, 2))
    detector = DriftAcceleration(method=method)
    quiet = played(detector, seen(x))[0]
    assert not (quiet > detector.limit).any()
    x[150:, :, :, 1] += 1.0
    alarm = played(detector, seen(x))[0] > detector.limit
    assert (np.argmax(alarm, axis=0) >= 150).all()
    assert (np.argmax(alarm, axis=0) < 200).all()


def test_the_popular_rule_is_the_increase_of_the_index():
    """Over 10 scrapes, of the last 20 against the first 60, the largest feature; against the plain function, sample for sample."""
    x = np.random.default_rng(11).normal(size=(120, 2, 16, 2))
    x[90:, 1] *= 3.0
    _, seed, _ = played(DriftAcceleration(), seen(x))
    for i in range(2):

        def index(t, i=i):
            return max(distances(x[:60, i, :, k], x[t - 19 : t + 1, i, :, k]).psi for k in range(2))

        for t in (95, 119):
            assert seed[t, i] == pytest.approx(index(t) - index(t - 10), rel=1e-9)
    assert np.isnan(seed[:89]).all()
    assert (seed[89:, 0] < 0.1).all()
    assert (seed[95, 1] > 0.1).all()


def test_no_distance_is_told_from_fewer_than_five_samples_a_bin():
    """One sample a scrape: 50 scrapes after the reference, and 10 more for the derivative; never where most are unknown."""
    x = np.random.default_rng(12).normal(size=(150, 2, 1, 1))
    x[60:, 1] = np.where(np.arange(90)[:, None, None] % 2 == 0, np.nan, x[60:, 1])
    value, seed, _ = played(DriftAcceleration(method="psi"), seen(x))
    assert np.isfinite(value[:, 0]).tolist() == [t >= 109 for t in range(150)]
    assert np.isfinite(seed[:, 0]).tolist() == [t >= 119 for t in range(150)]
    assert np.isnan(value[:, 1]).all()
    assert np.isnan(seed[:, 1]).all()


def test_reality_is_watched_where_there_are_no_features():
    """As if it were the features; an unseen answer is left out."""
    g = np.random.default_rng(13)
    y = g.normal(size=(150, 4, 6))
    y[100:] += 1.0
    y[g.uniform(size=y.shape) < 0.2] = np.nan
    detector = DriftAcceleration()
    plain = played(detector, frames(np.zeros_like(y), y))
    same = played(detector, seen(y[..., None]))
    np.testing.assert_array_equal(plain[0], same[0])
    np.testing.assert_array_equal(plain[1], same[1])
    assert (plain[0][-1] > detector.limit).all()
    assert not (plain[0][:100] > detector.limit).any()


def test_is_the_model_or_the_world_moving():
    """Predictions that follow reality 7 rows later; both drift by the same, and a model that drifts alone is told apart."""
    g = np.random.default_rng(14)
    world = np.cumsum(g.normal(size=3000)) * 0.1
    y, p = world[20:] + 0.1 * g.normal(size=2980), world[13:-7] + 0.1 * g.normal(size=2980)
    found = moving(p, y, 40)
    assert abs(found.lag - 7) <= 1
    assert found.likeness > 0.9
    assert moving(y, p, 40).lag == -found.lag
    steady, away = g.normal(size=1000), g.normal(size=1000) + 0.01 * np.arange(1000)
    alone = moving(away, steady, 50)
    trend = 0.01 * (1000 - 50) / np.std(steady[:50])
    assert abs(alone.predictions[-1] / trend - 1) < 4 * np.sqrt(2 / 50) / trend + 0.05
    assert abs(alone.reality[-1]) < 4 * np.sqrt(2 / 50) * 1.2
    np.testing.assert_allclose(alone.difference[49:], (alone.predictions - alone.reality)[49:])
    with pytest.raises(InputError, match="a quarter of the 1000 rows, not 400"):
        moving(away, steady, 400)
    with pytest.raises(InputError, match="two series"):
        moving(away, steady[1:])
