"""Numerical tricks with their derivations, so that worlds can stay the method section of a paper."""

from __future__ import annotations

from functools import cache

import numpy as np

from simlab.base.arrays import Floats, Ints

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


@cache
def poisson_cells(rate: float) -> Floats:
    """P(N <= n) of a Poisson variable with mean `rate` for n = 0, 1, ... up to where nothing is left to a float, `(n,)`."""
    from scipy.special import pdtr

    cells = pdtr(np.arange(int(rate + 12 * np.sqrt(rate) + 40)), rate)
    cells = cells[: int(np.searchsorted(cells, 1.0)) or None]
    cells.flags.writeable = False
    return np.asarray(cells)


def poisson(u: Floats, rate: float) -> Ints:
    """Poisson numbers with mean `rate` from uniforms on [0, 1), in their shape.

    Inverse CDF: the smallest n with u < P(N <= n). The same uniforms give, at a higher rate, nowhere smaller a number.
    """
    return np.searchsorted(poisson_cells(rate), u, side="right")
