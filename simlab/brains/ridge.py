"""Ridge regression on sufficient statistics that forget: what is kept is X'X and X'y, never the cases.

Hoerl & Kennard (1970), Technometrics 12(1); exponential forgetting as in recursive least squares
(Haykin, Adaptive Filter Theory, ch. 10). With F features retraining costs one F x F solve, however much was seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Floats, Ints
from simlab.base.kernels import Pairs, blocks, everyone, met, once, planes, solved
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.sums import dots
from simlab.base.world import Asks, Feedback, Spec
from simlab.brains.brain import Brain


class Fit(NamedTuple):
    """Weights `(r, b, f)` and what they rest on, `known (r, b, f, f)`: X'X + penalty I when they were learnt.

    Evidence `xx (r, p, f, f)`, of which the lower triangle is kept, and `xy (r, p, f)`.
    """

    weights: Floats
    known: Floats
    xx: Floats
    xy: Floats


@final
@dataclass(frozen=True)
class Ridge(Brain[Fit]):
    """A linear prediction without intercept, the same for every seat of the brain.

    The features are taken as they come: centre and scale them in the world. Cases are pooled. By default an answer that is only a
    bound counts as if it were the value. To raise it by a fifth is what the vertical autoscaler of Kubernetes does where a job was
    killed for want of memory (`oom-bump-up-ratio`); to leave it out selects what was small enough to be seen.
    """

    answers: ClassVar[frozenset[Asks]] = frozenset({"number"})
    blend: ClassVar[tuple[str, ...]] = ("weights",)
    beside: ClassVar[tuple[str, ...]] = ("known",)
    doubts: ClassVar[str | None] = "standard deviations of an answer given its question"

    penalty: Annotated[float, Par("1", "ridge penalty, in answers to a question of size 1", above=0)] = 10.0
    memory: Annotated[float, Par("1", "ticks with an answer after which evidence counts 1/e", low=1)] = 1200.0
    bounds: Annotated[
        float, Par("1", "what an answer that is only a bound counts as, in multiples of it; 0 leaves it out", low=0)
    ] = 1.0

    def lacks(self, spec: Spec) -> str | None:
        """A ridge needs features to predict from."""
        return None if spec.features else "needs features, and the world offers none"

    def start(self, r: int, b: int, p: int, spec: Spec, luck: Luck) -> Fit:
        """No evidence; every prediction is 0 until the first retraining."""
        f = spec.features
        mind = Fit(planes(r, b, f), planes(r, b, f, f), planes(r, p, f, f), planes(r, p, f))
        mind.known[:] = self.penalty * np.eye(f)
        return mind

    def predict(self, mind: Fit, x: Array, luck: Luck) -> Array:
        """The weighted sum of the features, `(r, b, g, *c)`."""
        w = mind.weights.reshape(*mind.weights.shape[:2], *(1,) * (x.ndim - 3), -1)
        said = np.empty(x.shape[:-1])
        for rows in blocks(len(x), said[0].size):
            asked, weights, total = x[rows], w[rows], said[rows]
            np.multiply(asked[..., 0], weights[..., 0], out=total)
            for i in range(1, x.shape[-1]):
                total += asked[..., i] * weights[..., i]
        return said

    def doubt(self, mind: Fit, x: Array) -> Array:
        """The standard error of the prediction, sqrt(x' (X'X + penalty I)^-1 x), `(r, b, g, *c)`.

        Hoerl & Kennard (1970); as a Bayesian reads it, the posterior standard deviation under a prior of variance 1/penalty. In
        standard deviations of an answer's noise, with answers averaged as in `witness`; |x| / sqrt(penalty) before any
        retraining. It is that of the weights in service, whatever was seen since; averaging weights leaves it alone.
        """
        with np.errstate(all="ignore"):
            inverse = np.linalg.inv(mind.known)
            inverse = inverse.reshape(*inverse.shape[:2], *(1,) * (x.ndim - 3), *inverse.shape[2:])
            square = np.zeros(x.shape[:-1])
            for i in range(x.shape[-1]):
                for j in range(x.shape[-1]):
                    square += x[..., i] * inverse[..., i, j] * x[..., j]
            return np.sqrt(np.maximum(square, 0.0))

    def fade(self, mind: Fit) -> None:
        """Evidence counts 1/e after `memory` ticks with answers."""
        keep = math.exp(-1.0 / self.memory)
        np.multiply(mind.xx, keep, out=mind.xx)
        np.multiply(mind.xy, keep, out=mind.xy)

    def witness(self, mind: Fit, x: Array, action: Array, feedback: Feedback, then: Array) -> None:
        """Add the answers, averaged over seats and cases, and weighted where weights are given.

        An average, so that the same penalty means the same for one model and for many that learn together.
        """
        y, weight = feedback.outcome, feedback.weight
        if weight is not None and (weight[:1] == 1).all() and (once(weight) == 1).all():
            weight = None  # which changes no bit
        if self.bounds != 1 and feedback.censored is not None:
            y = y * (1 + (self.bounds - 1) * feedback.censored)
            if not self.bounds:
                weight = ~feedback.censored * (1.0 if weight is None else weight)
        if weight is not None and once(weight).size == 1 and not once(weight).any():
            return  # nobody is told anything
        meets = met(x, y)
        for rows in blocks(len(x), x[0, ..., 0].size):
            _add(mind, rows, x[rows], y[rows], None if weight is None else weight[rows], meets)

    def retrain(self, mind: Fit, at: tuple[Ints, Ints], taught_by: Ints) -> None:
        """Solve (X'X + penalty I) w = X'y for each of the brains `at`."""
        row, brain = at
        lower, answers, known = mind.xx, mind.xy, mind.known
        whole = everyone(row, brain, *known.shape[:2])  # then there is nothing to pick out
        if not (whole and np.array_equal(taught_by, np.arange(lower.shape[1]))):
            pool = (slice(None), taught_by) if whole else (row, taught_by[brain])
            lower, answers = lower[pool], answers[pool]
        if not whole:
            known = np.empty_like(lower)
        for i in range(lower.shape[-1]):
            for j in range(i):
                known[..., i, j] = known[..., j, i] = lower[..., i, j]
            np.add(lower[..., i, i], self.penalty, out=known[..., i, i])
        with np.errstate(all="ignore"):  # a runaway world leaves evidence that is not finite
            weights = np.moveaxis(solved(np.moveaxis(known, (-2, -1), (0, 1)), np.moveaxis(answers, -1, 0)), 0, -1)
        if whole:
            mind.weights[:] = weights
        else:
            mind.known[row, brain], mind.weights[row, brain] = known, weights


def _add(mind: Fit, rows: slice, x: Floats, y: Floats, weight: Array | None, meets: Pairs) -> None:
    """Add to the evidence of some replications what they were asked, `(k, p, g, *c, f)`, and the answers `(k, p, g, *c)`."""
    if weight is not None:
        y = np.where(weight > 0, y, 0.0)  # an answer that nobody saw may be undefined
    for i, others in meets:
        xi = x[..., i] if weight is None else x[..., i] * weight
        mind.xy[rows, :, i] += _average(xi, y)
        for j in others:
            mind.xx[rows, :, i, j] += _average(xi, x[..., j])


def _average(a: Array, b: Array) -> Array:
    """The mean of the products over seats and cases, `(r, p, ...)` to `(r, p)`."""
    n = a[0, 0].size
    return dots(a, b) / n if n > 1 else (a * b).reshape(a.shape[:2])
