"""How the models do, whatever the world: how wrong they are and how alike they answer."""

from __future__ import annotations

from typing import final

import numpy as np

from simlab.base.arrays import Array, Floats
from simlab.base.kernels import how_often, once, wide
from simlab.base.masks import fetched, found_in
from simlab.base.sums import summed
from simlab.base.world import Feedback, Measure, Spec
from simlab.lab.alike import Alike

SCORES = {
    "prediction_error": Measure(
        "1",
        "root mean square of answer minus prediction, over models and recorded ticks, where numbers are asked for",
        "higher",
        may_be_undefined=True,
    ),
    "agreement": Measure(
        "1",
        "how alike two models answer: the share of their variance over time that is common, or how often they choose the same",
        "neither",
        may_be_undefined=True,
    ),
}


@final
class Score:
    """Running sums over the recorded ticks, from which both scores are read at any time.

    Agreement is c / v, the mean covariance of two models over their mean variance (intraclass correlation), and needs no
    pairs: the variance of the models' mean is (v + (m-1) c) / m. With models of equal variance it is the mean correlation.
    Shares are as many answers `a` as there are choices, whose variances and covariances are added up. A choice is a name, not a
    number: it has no error, and two models agree as often as a question to one and a question to the other of the same tick
    end in the same choice.
    """

    def __init__(self, r: int, spec: Spec) -> None:
        self.m, self.n, self._asks = spec.models, 0, spec.asks
        self.alike = Alike(r, spec.models)
        self._choices = spec.choices if spec.asks == "choice" else 0
        self._same = np.zeros(r)
        # these three begin as nothing and take the shape (r, a, m) or (r, a) of what comes
        self._sum: Floats | float = 0.0
        self._square: Floats | float = 0.0
        self._mean_square: Floats | float = 0.0
        self._error, self._weight = np.zeros(r), np.zeros(r)

    def take(self, said: Array, feedback: Feedback) -> None:
        """Add one recorded tick; questions with cases are scored by their mean over cases, shares choice by choice."""
        if self._choices:
            self._take_choices(said)
            return
        outcome, weight = feedback.outcome, feedback.weight
        if self._asks == "number" and feedback.x is None and outcome.shape == said.shape:
            self._take_errors(said, outcome, weight)
        choices = said.shape[-1] if self._asks == "shares" else 1
        if said.ndim > 2 and choices == 1:
            said = self._mean(said.reshape(*said.shape[:2], -1))
        elif said.ndim > 3:
            said = said.reshape(*said.shape[:2], -1, choices).mean(axis=2)
        said = said.reshape(*said.shape[:2], choices).swapaxes(1, 2)  # (r, a, m): models last, choices apart
        said = said.astype(np.float64, order="C")
        if self.n == 0:
            self._shift = said  # deviations from the first answer keep the sums well conditioned
        said = said - self._shift
        self.n += 1
        self._sum += said
        self._square += said**2
        self._mean_square += said.mean(axis=2) ** 2
        self.alike.take(said[:, 0])  # of shares, that of the first choice

    def _take_errors(self, said: Array, outcome: Array, weight: Array | None) -> None:
        """Add the squares of answer minus prediction, where answers were seen; those of a mask, which may be few, are picked out."""
        if weight is not None and weight.dtype == np.bool_:
            at = found_in(wide(weight, said.shape))
            miss = (fetched(outcome, at) - fetched(said, at)).astype(np.float64)
            self._weight += np.bincount(at[0], minlength=len(said))
            self._error += np.bincount(at[0], miss * miss, minlength=len(said))
            return
        square = outcome - said
        square *= square
        seen = None if weight is None else once(weight) > 0
        if seen is None or seen.all():
            self._weight += square[0].size
        else:
            square = np.where(seen, square, 0.0)  # what nobody saw may be undefined
            self._weight += seen.reshape(len(seen), -1).sum(axis=1) * (square[0].size // seen[0].size)
        self._error += square.reshape(len(said), -1).sum(axis=1)

    @staticmethod
    def _mean(said: Array) -> Floats:
        """Over cases, `(r, m, n)` to `(r, m)`."""
        return summed(said) / said.shape[2] if said.dtype == np.float32 else np.asarray(said.mean(axis=2))

    def _take_choices(self, said: Array) -> None:
        """Pairs of questions to different models, and those of them that got the same answer."""
        flat = said.reshape(len(said), self.m, -1)
        often = how_often(flat, self._choices).astype(np.float64)
        same = (often.sum(axis=1) ** 2).sum(axis=1) - (often**2).sum(axis=(1, 2))
        self._same += same / max(self.m * (self.m - 1) * flat.shape[2] ** 2, 1)
        self.n += 1

    def measures(self) -> dict[str, Floats]:
        """Both scores now, `(r,)`; NaN before anything was scored, and agreement also with one model or constant answers."""
        with np.errstate(invalid="ignore"):
            error = np.sqrt(self._error / self._weight)
        if self._choices and self.n and self.m > 1:
            return {"prediction_error": error, "agreement": self._same / self.n}
        if self.n < 2 or self.m < 2:
            return {"prediction_error": error, "agreement": np.full(len(error), np.nan)}
        mean, square = np.asarray(self._sum) / self.n, np.asarray(self._square) / self.n
        variance = (square - mean**2).mean(axis=2).sum(axis=1)
        of_mean = (np.asarray(self._mean_square) / self.n - mean.mean(axis=2) ** 2).sum(axis=1)
        floor = 1e-12 * square.mean(axis=2).sum(axis=1)
        share = np.where(variance > floor, of_mean / np.where(variance > floor, variance, 1.0), np.nan)
        return {"prediction_error": error, "agreement": (share * self.m - 1) / (self.m - 1)}
