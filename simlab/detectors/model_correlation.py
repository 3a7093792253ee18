"""How alike the models decide, or err, and what that makes of failing together.

Correlation is the intraclass correlation c / v, the mean covariance of two models over their mean variance (Fisher 1925,
Statistical Methods for Research Workers, ch. VII), which needs no pairs: the variance of the models' mean is (v + (m-1) c) / m.
What is tolerable follows from the one-factor Gaussian model of joint default (Vasicek 2002, Risk 15(12)).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np
from numpy.typing import ArrayLike

from simlab.base.arrays import Array, Bools, Floats
from simlab.base.errors import InputError
from simlab.base.par import Par
from simlab.detectors.detector import (
    Detector,
    Frame,
    Reading,
    Sliding,
    Subject,
    in_planes,
    over_instants,
    slide,
    sliding,
    sliding_planes,
)

PAIRS = 8  # up to so many models every pair is looked at


class Likeness(NamedTuple):
    """Sums over the window of deviations from the first answers: they keep the sums well conditioned."""

    first: Floats  # (r, a, m)
    begun: Bools  # (1,)
    each: Sliding  # (window, r, a, m) deviations
    total: Sliding  # (window, r, 3 + a) instants, squares of all deviations and of their means over models, and those means
    pairs: Sliding  # (window, r, p) products of two models, and of each with itself; none for many models


@final
@dataclass(frozen=True)
class ModelCorrelation(Detector[Likeness]):
    """Correlation of the models' answers over the window, against what the tolerated risk of failing together allows.

    Answers of several numbers (shares over options) count by the sums of their variances and covariances. An instant at
    which a model's answer is unknown is left out. The limit: where each of many models fails with chance p, and their
    failures come from normal variables of correlation rho, at least half of them fail together with chance
    Phi(Phi^-1(p) / sqrt(rho)), which is `risk` at rho = (Phi^-1(p) / Phi^-1(risk))^2, .283 by default.

    The popular rule compares every entry of the matrix, so it is read as the largest correlation of two different models; for more
    than 8 models, whose pairs cost too much, as their mean correlation, which is no larger.
    """

    shows: ClassVar[str] = "mean correlation of two models' answers over the window"
    seed_rule: ClassVar[str] = "model_correlation_matrix > 0.8"
    seed_threshold: ClassVar[float] = 0.8

    window: Annotated[int, Par("1", "scrapes looked back on", low=3)] = 60
    of: Annotated[str, Par("1", "what is compared", choices=("decisions", "errors"))] = "decisions"
    failure: Annotated[float, Par("1", "chance that one model fails", above=0, below=0.5)] = 0.05
    risk: Annotated[float, Par("1", "tolerated chance that half of them fail together", above=0, below=0.5)] = 0.001
    least: Annotated[int, Par("1", "known instants before it says anything", low=3)] = 20

    @property
    def limit(self) -> float:
        """The correlation at which half of many models fail together with chance `risk`; 1 where no correlation does that."""
        quantile = (
            NormalDist().inv_cdf
        )  # every scenario that is read asks, and scipy.special takes as long as all the reading
        return min((quantile(self.failure) / quantile(self.risk)) ** 2, 1.0)

    def start(self, subject: Subject) -> Likeness:
        """Nothing seen."""
        r, m, a, w = subject.replications, subject.models, subject.answers, self.window
        pairs = m * (m + 1) // 2 if 1 < m <= PAIRS else 0
        return Likeness(
            np.zeros((r, a, m)),
            np.zeros(1, dtype=bool),
            sliding(w, r, a, m),
            sliding_planes(w, r, 3 + a),
            sliding(w, r, pairs),
        )

    def read(self, state: Likeness, frame: Frame) -> Reading:
        """Add the instants and compare; NaN with one model, too few instants, or answers that never change."""
        with np.errstate(all="ignore"):
            return self._read(state, frame)

    def _read(self, state: Likeness, frame: Frame) -> Reading:
        x = frame.predictions
        if self.of == "errors":
            x = frame.reality - x if frame.reality.shape == x.shape else np.full(x.shape, np.nan)
        n, r, m, a = x.shape
        if m == 1:
            return Reading(np.full(r, np.nan), np.full(r, np.nan))
        d = x.reshape(n, r, 1, m) if a == 1 else np.ascontiguousarray(x.swapaxes(2, 3))
        if not state.begun[0]:
            np.copyto(state.first, d[0], where=np.isfinite(d[0]))
            state.begun[0] = True
        d = d - state.first
        square = np.einsum("nram,nram->nr", d, d)
        known = np.isfinite(square)
        if not known.all():
            d = np.where(known[:, :, None, None], d, 0.0)
            square = np.where(known, square, 0.0)
        mean = d.sum(axis=3) / m
        fresh = in_planes(known, square, np.einsum("nra,nra->nr", mean, mean), *mean.transpose(2, 0, 1))
        each = slide(state.each, over_instants(d))
        count, squares, of_means, *means = slide(state.total, over_instants(fresh)).T
        count = np.where(count >= self.least, count, np.nan)

        raw = squares / count
        variance = (raw - np.einsum("ram,ram->r", each, each) / count**2) / m
        of_mean = of_means / count
        for one in means:
            of_mean -= (one / count) ** 2
        share = np.where(variance > 1e-12 * raw, of_mean / variance, np.nan)
        rho = (share * m - 1) / (m - 1)
        return Reading(rho, self._largest(state, d, each, count) if m <= PAIRS else rho.copy())

    def _largest(self, state: Likeness, d: Floats, each: Floats, count: Floats) -> Floats:
        """The largest correlation of two different models, `(r,)`."""
        m = d.shape[3]
        i, j = _pairs(m)
        products = slide(state.pairs, over_instants(np.einsum("nrap,nrap->nrp", d.take(i, axis=3), d.take(j, axis=3))))
        raw = products / count[:, None]
        covariance = raw - np.einsum("rap,rap->rp", each.take(i, axis=2), each.take(j, axis=2)) / (count**2)[:, None]
        own = covariance[:, :m]
        scale = 1 / np.sqrt(np.where(own > 1e-12 * raw[:, :m], own, np.nan))
        found = covariance[:, m:] * scale.take(i[m:], axis=1) * scale.take(j[m:], axis=1)
        return np.asarray(np.fmax.reduce(found, axis=1))


@cache
def _pairs(m: int) -> tuple[Array, Array]:
    """Each model with itself, then every two."""
    i, j = np.triu_indices(m, 1)
    return np.append(np.arange(m), i), np.append(np.arange(m), j)


def effective_number(rho: ArrayLike, n: int) -> Floats:
    """How many independent models average out as much as `n` models of correlation `rho`: n / (1 + (n-1) rho) (Kish 1965, ch. 5)."""
    return np.asarray(n / (1 + (n - 1) * np.asarray(rho, dtype=np.float64)))


def joint_failure(rho: ArrayLike, n: int, p: float, at_least: int | None = None) -> Floats:
    """The chance that at least so many (by default all) of `n` models fail together, each alone with chance `p`.

    Vasicek (2002): a model fails where sqrt(rho) z + sqrt(1-rho) e < Phi^-1(p), with z common to all and e its own, both standard
    normal. Given z they fail independently, so the chance is the binomial tail averaged over z (trapezoids, which converge
    exponentially here). One common factor cannot make correlations negative: below 0 counts as 0. In the shape of `rho`.
    Raises InputError for a chance outside [0, 1], a correlation above 1 or a count outside 1..n.
    """
    from scipy.special import bdtrc, ndtr, ndtri

    k = n if at_least is None else at_least
    latent = np.asarray(rho, dtype=np.float64)
    if not 0 <= p <= 1:
        raise InputError(f"p is a chance from 0 to 1, not {p!r}")
    if not 1 <= k <= n:
        raise InputError(f"at_least counts models from 1 to {n}, not {k!r}")
    if (latent > 1).any():
        raise InputError(f"rho is a correlation of at most 1, not {rho!r}")
    z = np.linspace(-12, 12, 9601)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * (z[1] - z[0])
    found = np.empty(latent.shape)
    for at, one in np.ndenumerate(latent):
        if one >= 1:
            found[at] = p
        elif one <= 0:
            found[at] = bdtrc(k - 1, n, p)
        else:
            given = ndtr((ndtri(p) - np.sqrt(one) * z) / np.sqrt(1 - one))
            found[at] = np.sum(bdtrc(k - 1, n, given) * density) if np.isfinite(one) else np.nan
    return found
