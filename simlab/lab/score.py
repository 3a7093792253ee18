"""How the models do, whatever the world: how wrong they are and how alike they answer."""

from __future__ import annotations

from typing import final

import numpy as np

from simlab.base.arrays import Array, Floats
from simlab.base.world import Feedback, Measure, Spec

SCORES = {
    "prediction_error": Measure(
        "1",
        "root mean square of answer minus prediction, over models and recorded ticks",
        "higher",
        may_be_undefined=True,
    ),
    "agreement": Measure(
        "1",
        "how alike two models answer: their mean correlation over time, or how often their choices are the same",
        "neither",
        may_be_undefined=True,
    ),
}


@final
class Score:
    """Running sums over the recorded ticks, from which both scores are read at any time.

    The mean pairwise correlation needs no pairs: with unit-free deviations the variance of the models' mean is
    (v + (m-1) c) / m, where v is their mean variance and c their mean covariance. A choice is a name, not a number: it has no
    error, and two models agree as often as a question to one and a question to the other of the same tick end in the same choice.
    """

    def __init__(self, r: int, spec: Spec) -> None:
        self.m, self.n = spec.models, 0
        m = spec.models
        self._choices = spec.choices if spec.asks == "choice" else 0
        self._alike = np.zeros(r)
        self._sum, self._square = np.zeros((r, m)), np.zeros((r, m))
        self._mean_square = np.zeros(r)
        self._error, self._weight = np.zeros(r), np.zeros(r)

    def take(self, said: Array, feedback: Feedback) -> None:
        """Add one recorded tick; questions with cases are scored by their mean over cases."""
        if self._choices:
            self._take_choices(said)
            return
        outcome, weight = feedback.outcome, feedback.weight
        if feedback.x is None and outcome.shape == said.shape:
            square = (outcome - said) ** 2
            seen = np.broadcast_to(1.0 if weight is None else weight > 0, square.shape)
            self._error += (square * seen).reshape(len(said), -1).sum(axis=1)
            self._weight += seen.reshape(len(said), -1).sum(axis=1)
        if said.ndim > 2:
            said = said.reshape(*said.shape[:2], -1).mean(axis=2)
        if self.n == 0:
            self._shift = said.copy()  # deviations from the first answer keep the sums well conditioned
        said = said - self._shift
        self.n += 1
        self._sum += said
        self._square += said**2
        self._mean_square += said.mean(axis=1) ** 2

    def _take_choices(self, said: Array) -> None:
        """Pairs of questions to different models, and those of them that got the same answer."""
        flat = said.reshape(len(said), self.m, -1)
        same = np.zeros(len(said))
        for choice in range(self._choices):
            often = (flat == choice).sum(axis=2)
            same += often.sum(axis=1) ** 2 - (often**2).sum(axis=1)
        self._alike += same / max(self.m * (self.m - 1) * flat.shape[2] ** 2, 1)
        self.n += 1

    def measures(self) -> dict[str, Floats]:
        """Both scores now, `(r,)`; NaN before anything was scored, and agreement also with one model or constant answers."""
        with np.errstate(invalid="ignore"):
            error = np.sqrt(self._error / self._weight)
        if self._choices and self.n and self.m > 1:
            return {"prediction_error": error, "agreement": self._alike / self.n}
        if self.n < 2 or self.m < 2:
            return {"prediction_error": error, "agreement": np.full(len(error), np.nan)}
        mean = self._sum / self.n
        variance = (self._square / self.n - mean**2).mean(axis=1)
        of_mean = self._mean_square / self.n - mean.mean(axis=1) ** 2
        floor = 1e-12 * (self._square / self.n).mean(axis=1)
        share = np.where(variance > floor, of_mean / np.where(variance > floor, variance, 1.0), np.nan)
        return {"prediction_error": error, "agreement": (share * self.m - 1) / (self.m - 1)}
