"""Numerical tricks with their derivations, so that worlds can stay the method section of a paper."""

from __future__ import annotations

from functools import cache

import numpy as np

from simlab.base.arrays import Floats

CELLS = 65_536


@cache
def normal_cells() -> Floats:
    """The standard normal in `CELLS` cells of equal probability: the mean of each cell, rescaled to variance 1, `(65536,)`.

    The mean of a standard normal between quantiles a and b is (phi(a) - phi(b)) / (Phi(b) - Phi(a)). A 16-bit word
    picks a cell, so one 64-bit random word gives four numbers.
    """
    from scipy.special import ndtri

    edges = ndtri(np.arange(CELLS + 1) / CELLS)
    density = np.exp(-(edges**2) / 2) / np.sqrt(2 * np.pi)
    means = (density[:-1] - density[1:]) * CELLS
    means = (means - means[::-1]) / 2  # exactly odd, so that the mean is exactly 0
    means /= np.sqrt(np.mean(means**2))
    means.flags.writeable = False
    return np.asarray(means)
