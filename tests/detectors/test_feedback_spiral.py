"""The loop gain: what a probe finds against the truth, what passive methods find without one, and their false alarms."""

from __future__ import annotations

import numpy as np
import pytest

from simlab.base.errors import InputError
from simlab.detectors import FeedbackSpiral, loop_gain, probe_samples, slowing, watch
from simlab.detectors.feedback_spiral import explosive
from tests.detectors.recordings import frames, played


def performative(gain, t, r=1, m=1, noise=1.0, shared=True, seed=0):
    """Perdomo et al. 2020: reality is 1 + gain x (mean prediction, or each model's own) + luck, and the next prediction is reality."""
    g = np.random.default_rng(seed)
    theta = np.full((r, m), 1 / (1 - gain) if gain < 1 else 0.0)
    said, came, nudges = [], [], noise * g.normal(size=(t, r, m))
    for v in nudges:
        p = theta + v
        y = 1 + gain * (p.mean(axis=1, keepdims=True) if shared else p) + 0.5 * g.normal(size=(r, m))
        said.append(p), came.append(y)
        theta = y
    return np.array(said), np.array(came), nudges


@pytest.mark.parametrize("gain", [0.0, 0.5, 0.9, 1.2])
def test_a_probe_finds_the_gain(gain):
    """theta' = m + gain theta: the slope on the noise is the gain, and its standard error is .5 / sqrt(n) by algebra."""
    p, y, v = performative(gain, 60, r=400, seed=1)
    detector = FeedbackSpiral(method="probe")
    found = detector.gains(played(detector, frames(p, y, nudges=v))[2])
    error = 0.5 / np.sqrt(60)
    assert abs(found.together.mean() - gain) < 4 * error / np.sqrt(400)
    assert abs(found.together_error.mean() / error - 1) < 0.1
    standard = (found.together - gain) / found.together_error
    assert abs((np.abs(standard) < 1.96).mean() - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 400) + 0.01  # t of 57, not normal
    one = loop_gain(v[:, 0], p[:, 0], y[:, 0])
    assert abs(one.together - gain) < 4 * one.together_error
    assert np.isnan(one.apart)


@pytest.mark.parametrize("gain", [0.5, 1.2])
def test_models_that_move_together_and_apart(gain):
    """With one reality for all, y = gain x mean, the common mode has the gain and the others none; with m own realities all have it."""
    for shared in (True, False):
        p, y, v = performative(gain, 40, r=1, m=8, shared=shared, seed=2)
        found = loop_gain(v[:, 0], p[:, 0], y[:, 0])
        assert abs(found.together - gain) < 4 * found.together_error
        assert abs(found.apart - (0.0 if shared else gain)) < 4 * found.apart_error
        assert found.together_error < 0.5
        assert found.apart_error < 0.1


def test_noise_in_common_says_nothing_of_models_apart():
    """What differs by rounding alone is no difference, whatever the mean of 7 equal numbers comes to; a level of 1 shows the slope."""
    g = np.random.default_rng(12)
    v = np.repeat(g.normal(size=(60, 20, 1)), 7, axis=2)
    p = np.repeat(g.normal(size=(60, 20, 1)), 7, axis=2) + v
    y = 0.4 * v + g.normal(size=p.shape)
    detector = FeedbackSpiral(method="probe", level=1)
    value, _, state = played(detector, frames(p, y, nudges=v))
    found = detector.gains(state)
    assert np.isnan(found.apart).all()
    np.testing.assert_array_equal(value[-1], np.abs(found.together))
    assert detector.probed(state).all()
    assert abs(found.together.mean() - 0.4) < 4 / np.sqrt(7 * 60 * 20)


def test_the_slope_is_the_textbook_regression():
    """Least squares of reality on noise, prediction and a constant, over the instants that had a probe and are known."""
    p, y, v = performative(0.7, 90, r=2, seed=3)
    y[:5, 0] = np.nan
    p, v = (
        np.where(np.arange(90)[:, None, None] % 3 == 0, p - v, p),
        np.where(np.arange(90)[:, None, None] % 3 == 0, 0.0, v),
    )
    detector = FeedbackSpiral()
    found = detector.gains(played(detector, frames(p, y, nudges=v))[2])
    for i in range(2):
        use = np.arange(30, 90)
        use = use[use % 3 != 0]
        x = np.column_stack([v[use, i, 0], p[use, i, 0] - v[use, i, 0], np.ones(len(use))])
        b, rest, _, _ = np.linalg.lstsq(x, y[use, i, 0])
        se = np.sqrt(rest[0] / (len(use) - 3) * np.linalg.inv(x.T @ x)[0, 0])
        np.testing.assert_allclose([found.together[i], found.together_error[i]], [b[0], se], rtol=1e-7)


def test_plain_regression_takes_a_good_forecast_for_feedback():
    """Models that foresee reality well and do not touch it: plain regression says .97-1.17, the probe 0."""
    g = np.random.default_rng(4)
    signal = np.cumsum(g.normal(size=(1000, 200)), axis=0)
    y = signal + g.normal(size=signal.shape)
    v = 0.3 * g.normal(size=signal.shape)
    p = signal + 0.1 * g.normal(size=signal.shape) + v
    plain = [np.polyfit(p[:, i], y[:, i], 1)[0] for i in range(200)]
    assert 0.97 < np.min(plain) < np.max(plain) < 1.17
    detector = FeedbackSpiral(window=10)
    value, _, state = played(detector, frames(p[..., None], y[..., None], nudges=v[..., None], rows=100))
    found = detector.gains(state)
    assert abs(found.together.mean()) < 4 * found.together_error.mean() / np.sqrt(200)
    assert not (value[-1] > detector.limit).any()
    assert detector.probed(state).all()


@pytest.mark.parametrize(("gain", "sd"), [(0.5, 2.0), (1.0, 1.0)])
def test_the_sample_size_of_a_probe_has_its_power(gain, sd):
    """(2.8 sd_y / (gain sd_v))^2 samples find a gain with 80%: the two-sided test of 0, on 2,000 sets."""
    n = int(np.ceil(probe_samples(gain, sd, 0.5)))
    assert probe_samples(gain, sd, 0.5) == pytest.approx((2.8016 * sd / (gain * 0.5)) ** 2, rel=1e-4)
    g = np.random.default_rng(5)
    v = 0.5 * g.normal(size=(n, 2000, 1))
    p = g.normal(size=v.shape)
    detector = FeedbackSpiral(window=n, method="probe")
    found = detector.gains(played(detector, frames(p + v, gain * v + sd * g.normal(size=v.shape), nudges=v))[2])
    power = (np.abs(found.together / found.together_error) > 1.96).mean()
    assert (
        abs(power - 0.8) < 4 * np.sqrt(0.8 * 0.2 / 2000) + 0.02
    )  # the rounded n, t for z, the adjustment's degree of freedom


def test_the_quantile_is_that_of_fuller():
    """Fuller 1976, Table 8.5.2, tau_mu in large samples: 95% -.07, 97.5% .23, 99% .60; with 50 steps -.03, .29, .66."""
    for level, large, fifty in ((0.05, -0.07, -0.03), (0.025, 0.23, 0.29), (0.01, 0.60, 0.66)):
        assert abs(explosive(level, np.array([997.0]))[0] - large) < 0.04
        assert abs(explosive(level, np.array([47.0]))[0] - fifty) < 0.06


@pytest.mark.parametrize("level", [0.05, 0.01])
def test_false_alarms_of_the_passive_test(level):
    """On random walks a window alarms with chance `level`: 20,000 walks; the quantile is within .08, which is 15% of a level."""
    walks = np.cumsum(np.random.default_rng(6).normal(size=(60, 20_000, 1)), axis=0)
    detector = FeedbackSpiral(level=level)
    value, _, state = played(detector, frames(walks))
    assert abs((value[-1] > detector.limit).mean() - level) < 4 * np.sqrt(level / 20_000) + 0.15 * level
    assert not detector.probed(state).any()


def test_passive_power():
    """A root of 1.08 is found in at least 95% of 200 series, a root of .9 (stationary) in none."""
    g = np.random.default_rng(7)
    for root, least, most in ((1.08, 0.95, 1.0), (0.9, 0.0, 0.0)):
        y = [np.ones(200)]
        for _ in range(79):
            y.append(root * y[-1] + 0.3 * g.normal(size=200))
        value, _, _ = played(FeedbackSpiral(), frames(np.array(y)[..., None]))
        assert least <= (value[-1] > 1).mean() <= most
    exact = np.exp(0.05 * np.arange(80.0))  # no noise at all
    value, _, _ = played(FeedbackSpiral(), frames(exact[:, None, None]))
    assert abs(value[-1, 0] - np.exp(0.05)) < 1e-3


def test_a_probe_overrules_the_course_of_the_predictions():
    """Reality grows by itself and models follow: passively explosive, yet with a probe there is no feedback."""
    g = np.random.default_rng(8)
    y = np.exp(0.06 * np.arange(120.0))[:, None] * np.exp(0.01 * g.normal(size=(120, 1)))
    v = 20 * g.normal(size=y.shape)
    p = np.concatenate([y[:1], y[:-1]]) + v
    t = np.arange(120.0)
    passive, auto = FeedbackSpiral(method="passive"), FeedbackSpiral()
    assert len(watch(passive, t, p - v, y).alarms) > 0
    assert len(watch(auto, t, p - v, y).alarms) > 0
    assert len(watch(auto, t, p, y, nudges=v).alarms) == 0


def test_the_popular_ratio():
    """Total variation of predictions over that of reality, cell by cell, over the window; unknown answers wait for the next known."""
    g = np.random.default_rng(9)
    p, y = g.normal(size=(2, 100, 3, 4))
    y[g.uniform(size=y.shape) < 0.3] = np.nan
    y[:, 2] = 1.0
    _, seed, _ = played(FeedbackSpiral(window=40), frames(p, y))
    for i in range(2):
        up = np.abs(np.diff(p[59:, i], axis=0)).sum() / 4
        down = 0.0
        for k in range(4):
            known = np.flatnonzero(~np.isnan(y[:, i, k]))
            step = np.abs(np.diff(y[known, i, k]))
            down += step[known[1:] >= 60].sum() / 4
        assert seed[-1, i] == pytest.approx(up / down, rel=1e-12)
    assert seed[-1, 2] == 1e9
    assert np.isnan(seed[:19]).all()


def test_rows_of_a_scrape_count_like_scrapes():
    p, y, v = performative(0.6, 300, r=3, m=2, seed=10)
    detector = FeedbackSpiral(method="probe", window=300)
    one = played(detector, frames(p, y, nudges=v))
    ten = played(FeedbackSpiral(method="probe", window=30), frames(p, y, nudges=v, rows=10))
    np.testing.assert_allclose(ten[0][-1], one[0][-1], rtol=1e-9)
    np.testing.assert_allclose(ten[1][-1], one[1][-1], rtol=1e-9)


def test_slowing_down_near_the_edge():
    """AR(1) with coefficient f: lag-1 autocorrelation f and variance 1 / (1 - f^2)."""
    g = np.random.default_rng(11)
    for f in (0.3, 0.9):
        x = [0.0]
        for e in g.normal(size=20_000):
            x.append(f * x[-1] + e)
        found = slowing(x, 20_000)
        n = 20_000 * (1 - f) / (1 + f)
        assert abs(found.autocorrelation[-1] - f) < 4 * np.sqrt((1 - f * f) / 20_000)
        assert abs(found.variance[-1] * (1 - f * f) - 1) < 4 * np.sqrt(2 / n)
        assert np.isnan(found.variance[:19_999]).all()
    with pytest.raises(InputError, match="from 3 to the 5 values"):
        slowing(np.arange(5), 9)


def test_refusals():
    with pytest.raises(InputError, match="no number of samples"):
        probe_samples(0, 1, 1)
    with pytest.raises(InputError, match=r"\(5, 1\)"):
        loop_gain(np.ones(5), np.ones(5), np.ones(5))
