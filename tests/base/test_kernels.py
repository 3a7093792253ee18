"""Table noise against the normal distribution it stands for, and Poisson numbers against their quantiles."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from simlab.base.kernels import normal_cells, poisson
from simlab.lab.streams import Streams


def test_moments_of_the_table():
    """Exactly mean 0 and variance 1; kurtosis short of 3 only by the tails that are cut."""
    z = normal_cells()
    assert z.mean() == pytest.approx(0, abs=1e-15)
    assert (z**2).mean() == pytest.approx(1, abs=1e-12)
    assert (z**4).mean() == pytest.approx(3, abs=0.01)
    assert 4.3 < z.max() < 4.5  # the mean of the outermost of 65,536 cells


def test_noise_is_not_told_from_a_normal_at_a_million_draws():
    luck = Streams(7, range(100))
    luck.clock.row = 0
    z = luck.noise("x", (100, 10_000)).ravel()
    assert kstest(z, "norm").pvalue > 1e-4
    assert abs(np.corrcoef(z[:-1], z[1:])[0, 1]) < 4 / np.sqrt(z.size)


@pytest.mark.parametrize("rate", [0.01, 1.0, 3.68511, 40.0, 1000.0])
def test_poisson_by_inverse_cdf(rate):
    """Against scipy's quantiles, at the edges too; mean and variance are the rate to 4 standard errors."""
    from scipy.stats import poisson as reference

    u = np.random.default_rng(1).random(20_000)
    found = poisson(u, rate)
    np.testing.assert_array_equal(found, reference.ppf(np.nextafter(u, 1), rate))
    assert abs(found.mean() - rate) < 4 * np.sqrt(rate / len(u))
    assert poisson(np.array([np.nextafter(1, 0)]), rate)[0] < rate + 12 * np.sqrt(rate) + 40


def test_poisson_keeps_arms_paired():
    """The same luck at a higher rate gives nowhere fewer."""
    u = np.random.default_rng(2).random(5000)
    assert (poisson(u, 3.0) <= poisson(u, 3.5)).all()
