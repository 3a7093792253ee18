"""Table noise against the normal distribution it stands for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from simlab.base.kernels import normal_cells
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
