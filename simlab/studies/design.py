"""Designs: at which points a study is played, and what the points say of its axes. Plain functions of arrays; points in the unit cube.

A grid needs no code of its own. Latin hypercubes are McKay, Beckman & Conover's (1979, Technometrics 21). Sensitivity indices are those
of Sobol (2001, Mathematics and Computers in Simulation 55), on the points of Saltelli et al. (2010, Computer Physics Communications
181) and with the estimators recommended there, both by SALib.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from simlab.base.arrays import Floats
from simlab.base.errors import InputError

RESAMPLES = 1000
_LATIN, _SOBOL, _BOOTSTRAP = 1, 2, 3


class Index(NamedTuple):
    """How much of the variance of an answer is due to one axis: alone (`first`), and with all that it interacts with (`total`).

    The halves are those of 95% intervals, from resampling the points.
    """

    first: float
    first_half: float
    total: float
    total_half: float


def latin(points: int, axes: int, seed: int) -> Floats:
    """A Latin hypercube, `(points, axes)`: along each axis every one of `points` equal strata holds exactly one point."""
    from scipy.stats import qmc

    return np.asarray(qmc.LatinHypercube(axes, seed=_generator(seed, _LATIN)).random(points))


def saltelli(points: int, axes: int, seed: int) -> Floats:
    """Saltelli's points for Sobol indices, `(points * (axes + 2), axes)`, from a scrambled Sobol sequence.

    Raises InputError unless `points` is a power of two, without which the sequence is not balanced.
    """
    from SALib.sample import sobol

    if points < 2 or points & (points - 1):
        raise InputError(f"a Sobol design has a power of two of points, not {points}")
    cube = _problem(axes)
    return np.asarray(sobol.sample(cube, points, calc_second_order=False, seed=_generator(seed, _SOBOL)))


def indices(answers: Floats, axes: int, seed: int) -> list[Index] | None:
    """The indices of each axis from the answers `(points * (axes + 2),)` at Saltelli's points, in their order.

    None where an answer is undefined, or where all are the same, so that there is no variance to share out.
    """
    from SALib.analyze import sobol

    answers = np.asarray(answers, np.float64)
    if not np.isfinite(answers).all() or np.ptp(answers) <= 1e-12 * np.abs(answers).max():
        return None
    entropy = int(_generator(seed, _BOOTSTRAP).integers(1, 2**31))  # SALib takes 0 for "no seed"
    found = sobol.analyze(_problem(axes), answers, calc_second_order=False, num_resamples=RESAMPLES, seed=entropy)
    columns = (np.asarray(found[name], np.float64).tolist() for name in ("S1", "S1_conf", "ST", "ST_conf"))
    rows = [Index(*row) for row in zip(*columns, strict=True)]
    return rows if all(math.isfinite(x) for row in rows for x in row) else None


def _problem(axes: int) -> dict[str, object]:
    return {"num_vars": axes, "names": [str(i) for i in range(axes)], "bounds": [[0.0, 1.0]] * axes}


def _generator(seed: int, purpose: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, purpose])))
