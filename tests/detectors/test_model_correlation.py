"""Correlation against the textbook, and what correlation means for failing together."""

from __future__ import annotations

import numpy as np
import pytest

from simlab.base.errors import InputError
from simlab.detectors import ModelCorrelation, effective_number, joint_failure
from tests.detectors.recordings import frames, played


def alike(rho, t=60, r=200, m=6, seed=0):
    g = np.random.default_rng(seed)
    return np.sqrt(rho) * g.normal(size=(t, r, 1)) + np.sqrt(1 - rho) * g.normal(size=(t, r, m))


@pytest.mark.parametrize(("m", "a", "rows"), [(6, 1, 1), (6, 1, 4), (3, 3, 1), (11, 2, 5)])
def test_it_is_the_mean_covariance_over_the_mean_variance(m, a, rows):
    """Against np.cov of the window, answers added up; the popular rule against np.corrcoef's largest entry (up to 8 models)."""
    g = np.random.default_rng(1)
    p = g.normal(size=(100, 3, 1, a)) + g.normal(size=(100, 3, m, a)) * np.arange(1, m + 1)[:, None] + 1000.0
    p[70, 1, 2, 0] = np.nan
    window = 60 // rows
    value, seed, _ = played(ModelCorrelation(window=window), frames(p, rows=rows))
    for i in range(3):
        last = p[40:, i] if i != 1 else np.delete(p[40:, i], 30, axis=0)
        covariance = np.sum([np.cov(last[..., k].T) for k in range(a)], axis=0)
        own = np.diag(covariance)
        others = ~np.eye(m, dtype=bool)
        rho = covariance[others].mean() / own.mean()
        assert value[-1, i] == pytest.approx(rho, rel=1e-9)
        largest = (covariance / np.sqrt(np.outer(own, own)))[others].max()
        assert seed[-1, i] == pytest.approx(largest if m <= 8 else rho, rel=1e-9)


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.8])
def test_it_finds_the_correlation(rho):
    """The mean of 200 windows, within four standard errors; in 60 instants it is biased by less than .02 (Olkin & Pratt 1958)."""
    value = played(ModelCorrelation(), frames(alike(rho)))[0][-1]
    assert abs(value.mean() - rho) < 4 * value.std() / np.sqrt(200) + 0.02 * rho


def test_errors_are_compared_where_asked():
    """Decisions that are all alike, and errors that have nothing in common."""
    g = np.random.default_rng(2)
    p = np.repeat(g.normal(size=(60, 50, 1)), 4, axis=2)
    y = p + g.normal(size=p.shape)
    assert played(ModelCorrelation(), frames(p, y))[0][-1] == pytest.approx(1)
    error = played(ModelCorrelation(of="errors"), frames(p, y))[0][-1]
    assert abs(error.mean()) < 4 * error.std() / np.sqrt(50)
    assert np.isnan(played(ModelCorrelation(of="errors"), frames(p))[0]).all()


def test_one_model_or_constant_answers_are_unknown():
    for p in (np.random.default_rng(3).normal(size=(60, 2, 1)), np.full((60, 2, 5), 2.5)):
        value, seed, _ = played(ModelCorrelation(), frames(p))
        assert np.isnan(value).all()
        assert np.isnan(seed).all()


def test_the_joint_failure_of_ten_models():
    """Ten models that fail in 5% of cases all fail together with 1e-13 at latent correlation 0, 1.2e-5 at .3, 6e-3 at .8; p at 1."""
    found = joint_failure([0.0, 0.3, 0.8, 1.0], 10, 0.05)
    assert found[0] == pytest.approx(0.05**10, rel=1e-12)
    assert abs(found[1] - 1.2e-5) < 0.05e-5
    assert abs(found[2] - 6e-3) < 0.05e-3
    assert found[3] == 0.05


def test_joint_failure_against_simulation():
    """At least 3 of 6 models, one factor: 400,000 draws."""
    g = np.random.default_rng(4)
    z, e = g.normal(size=(400_000, 1)), g.normal(size=(400_000, 6))
    fails = np.sqrt(0.4) * z + np.sqrt(0.6) * e < -1.2815515655446004  # Phi^-1(.1)
    share = (fails.sum(axis=1) >= 3).mean()
    assert abs(joint_failure(0.4, 6, 0.1, at_least=3) - share) < 4 * np.sqrt(share / 400_000)
    assert joint_failure(0.0, 6, 0.1, at_least=1) == pytest.approx(1 - 0.9**6)


def test_the_limit_is_where_half_of_many_fail_together_with_the_risk():
    """Vasicek 2002: .283 for failures of 5% and a risk of .1%; and by the finite sum, with 20,000 models."""
    detector = ModelCorrelation()
    assert abs(detector.limit - 0.283) < 0.0005
    assert joint_failure(detector.limit, 20_000, 0.05, at_least=10_000) == pytest.approx(0.001, rel=0.01)
    assert ModelCorrelation(failure=0.01, risk=0.05).limit == 1.0


def test_the_effective_number_is_that_of_the_variance_of_a_mean():
    """Var(mean of n) = 1 / effective number, with n = 8: 2,000 means."""
    x = alike(0.5, t=2000, r=1, m=8, seed=5)[:, 0].mean(axis=1)
    assert abs(x.var() * effective_number(0.5, 8) - 1) < 4 * np.sqrt(2 / 2000)
    assert effective_number([0, 1], 8).tolist() == [8, 1]


def test_refusals():
    with pytest.raises(InputError, match=r"at most 1, not 1\.2"):
        joint_failure(1.2, 10, 0.05)
    with pytest.raises(InputError, match="from 0 to 1, not 5"):
        joint_failure(0.2, 10, 5)
    with pytest.raises(InputError, match="from 1 to 10, not 11"):
        joint_failure(0.2, 10, 0.05, at_least=11)
