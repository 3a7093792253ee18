"""Steps of gradient descent from the weights in service: local training as federated learning has it.

A training takes `steps` steps w <- w - rate (A w - b) on half the mean squared error; A = X'X / n and b = X'y / n are
means over the evidence. With c the least squares solution of A c = b this is

    w + B (c - w),   B = I - (I - rate A)^steps       (stable while rate is below 2 / the largest eigenvalue of A).

One step, averaged over brains with equally much evidence, is one step on the evidence of all (FedSGD); more than one is
FedAvg with whole batches (McMahan, Moore, Ramage, Hampson & Aguera y Arcas 2017, AISTATS, algorithm 1), which rests at
(sum B_i)^-1 sum B_i c_i. With a `memory` far below a tick a training sees the latest tick alone: stochastic gradient
descent with a tick's cases for a batch.

What a training changed may be made to tell less of what it learnt from, as in McMahan, Ramage, Talwar & Zhang (2018),
ICLR: it is shortened to a length of `clip`, and normals of standard deviation `noise` are added to it. It is what a
client sends where each round comes with one training.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Floats, Ints
from simlab.base.kernels import planes
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Asks, Feedback, Spec
from simlab.brains.brain import Brain


class Descent(NamedTuple):
    """Weights `(r, b, f)`, and standard normals `(r, b, f)` for the next training, drawn only where updates are noisy.

    Evidence `xx (r, p, f, f)`, of which the lower triangle is kept, `xy (r, p, f)`, and how many cases it counts for, `(r, p)`.
    """

    weights: Floats
    news: Floats
    xx: Floats
    xy: Floats
    cases: Floats


@final
@dataclass(frozen=True)
class Sgd(Brain[Descent]):
    """A linear prediction without intercept, the same for every seat of the brain; it begins at 0, and at a restart where it stood."""

    answers: ClassVar[frozenset[Asks]] = frozenset({"number"})
    blend: ClassVar[tuple[str, ...]] = ("weights",)

    rate: Annotated[float, Par("1", "weight of the gradient in a step", above=0)] = 0.05
    steps: Annotated[int, Par("1", "steps of a training", low=1, high=100_000)] = 10
    memory: Annotated[float, Par("1", "ticks with an answer after which evidence counts 1/e", above=0)] = 20.0
    clip: Annotated[float, Par("1", "length to which what a training changed is cut; 0 for uncut", low=0)] = 0.0
    noise: Annotated[float, Par("1", "standard deviation of what is added to each weight at a training", low=0)] = 0.0

    def lacks(self, spec: Spec) -> str | None:
        """It needs features to predict from."""
        return None if spec.features else "needs features, and the world offers none"

    def start(self, r: int, b: int, p: int, spec: Spec, luck: Luck) -> Descent:
        """No evidence; every prediction is 0 until the first training."""
        f = spec.features
        return Descent(planes(r, b, f), np.zeros((r, b, f)), planes(r, p, f, f), planes(r, p, f), np.zeros((r, p)))

    def predict(self, mind: Descent, x: Array, luck: Luck) -> Array:
        """The weighted sum of the features, `(r, b, g, *c)`."""
        if self.noise:  # trainings have no luck of their own; that of a brain is its first model's
            mind.news[:] = luck.normal("update", (*x.shape[:3], x.shape[-1]))[:, :, 0]
        w = mind.weights.reshape(*mind.weights.shape[:2], *(1,) * (x.ndim - 3), -1)
        said = x[..., 0] * w[..., 0]
        for i in range(1, x.shape[-1]):
            said += x[..., i] * w[..., i]
        return said

    def fade(self, mind: Descent) -> None:
        """Evidence counts 1/e after `memory` ticks with answers."""
        keep = math.exp(-1.0 / self.memory)
        for evidence in (mind.xx, mind.xy, mind.cases):
            np.multiply(evidence, keep, out=evidence)

    def witness(self, mind: Descent, x: Array, action: Array, feedback: Feedback, then: Array) -> None:
        """Add the answers of all seats and cases, weighted where weights are given."""
        pools, y, weight = mind.cases.shape, feedback.outcome, feedback.weight
        if weight is None:
            mind.cases[:] += math.prod(y.shape[2:])
        else:
            y = np.where(weight > 0, y, 0.0)  # an answer that nobody saw may be undefined
            mind.cases[:] += _total(weight, pools)
        for i in range(x.shape[-1]):
            xi = x[..., i] if weight is None else x[..., i] * weight
            mind.xy[..., i] += _total(xi * y, pools)
            for j in range(i + 1):
                mind.xx[..., i, j] += _total(xi * x[..., j], pools)

    def retrain(self, mind: Descent, at: tuple[Ints, Ints], taught_by: Ints) -> None:
        """`steps` steps for each of the brains `at`; without any evidence the gradient is 0."""
        row, brain = at
        pool = taught_by[brain]
        with np.errstate(all="ignore"):  # a rate too high, or a runaway world, leaves what is not finite
            share = self.rate / np.maximum(mind.cases[row, pool], np.finfo(float).tiny)
            lower = mind.xx[row, pool] * share[:, None, None]
            a, b = np.moveaxis(lower + np.tril(lower, -1).swapaxes(1, 2), 0, -1).copy(), (mind.xy[row, pool].T * share)
            before = mind.weights[row, brain].T  # (f, pairs): one weight of all pairs lies together
            w = before.copy()
            for _ in range(self.steps):
                down = a[:, 0] * w[0]
                for j in range(1, len(w)):
                    down += a[:, j] * w[j]
                w += b
                w -= down
            change = w - before
            if self.clip:
                length = np.sqrt(sum(c * c for c in change))
                change *= np.minimum(1.0, self.clip / np.maximum(length, np.finfo(float).tiny))
            if self.noise:
                change += self.noise * mind.news[row, brain].T
            mind.weights[row, brain] = (before + change).T


def _total(a: Array, pools: tuple[int, ...]) -> Array:
    """The sum over seats and cases, `(r, p, ...)` to `(r, p)`."""
    return np.asarray(a.reshape(*pools, -1).sum(axis=-1))
