"""A normal distribution fitted to what came in: the smallest generative model.

Maximum likelihood: the mean, and the mean squared distance from it (1/n times a sum over n, not 1/(n - 1)). With `keep` 0 each training
sees only what came since the last one, with `keep` 1 all that ever came; both are the fits of Shumailov et al. (2024), Nature 631, and of
Gerstgrasser et al. (2024), arXiv 2404.01413, who call it to replace and to accumulate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Floats, Ints
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Asks, Feedback, Spec
from simlab.brains.brain import Brain

MEAN, SPREAD = 0, 1  # the two questions


class Bell(NamedTuple):
    """Weights `says (r, b, 2)`: mean and standard deviation. Evidence `total (r, p, 3)`: number, sum, sum of squares, never reset.

    A brain learns from what its pool gained since its last training: `seen` and `own` `(r, b, 3)` remember where the totals
    stood and what the brain has kept.
    """

    says: Floats
    total: Floats
    seen: Floats
    own: Floats


@final
@dataclass(frozen=True)
class Gaussian(Brain[Bell]):
    """Answers question 0 with the mean and question 1 with the standard deviation of what it learnt from."""

    answers: ClassVar[frozenset[Asks]] = frozenset({"number"})
    blend: ClassVar[tuple[str, ...]] = ("says",)

    mean: Annotated[float, Par("1", "mean before any training")] = 0.0
    spread: Annotated[float, Par("1", "standard deviation before any training", low=0)] = 1.0
    keep: Annotated[
        float, Par("1", "how much of its earlier evidence a training keeps: none, up to all", low=0, high=1)
    ] = 0.0

    def lacks(self, spec: Spec) -> str | None:
        """It knows two questions."""
        return None if spec.states == 2 else "answers two questions, its mean and its spread, and the world asks others"

    def start(self, r: int, b: int, p: int, spec: Spec, luck: Luck) -> Bell:
        """What it says before any training, and no evidence."""
        says = np.empty((r, b, 2))
        says[..., MEAN], says[..., SPREAD] = self.mean, self.spread
        return Bell(says, np.zeros((r, p, 3)), np.zeros((r, b, 3)), np.zeros((r, b, 3)))

    def predict(self, mind: Bell, x: Array, luck: Luck) -> Array:
        """The mean where the state `x` `(r, b, g, *c)` is 0, else the standard deviation."""
        first, second = (mind.says[..., i].reshape(*mind.says.shape[:2], *(1,) * (x.ndim - 2)) for i in (MEAN, SPREAD))
        return np.where(x == MEAN, first, second)

    def witness(self, mind: Bell, x: Array, action: Array, feedback: Feedback, then: Array) -> None:
        """Add the answers to the totals, each by its weight; an answer that nobody saw may be undefined."""
        y, weight = feedback.outcome, feedback.weight
        flat = (*mind.total.shape[:2], -1)
        if weight is None:
            mind.total[..., 0] += y.size // (mind.total.size // 3)
        else:
            y = np.where(weight > 0, y, 0.0)
            mind.total[..., 0] += np.broadcast_to(weight, y.shape).reshape(flat).sum(axis=-1)
        weighted = y.reshape(flat) if weight is None else (y * weight).reshape(flat)
        mind.total[..., 1] += weighted.sum(axis=-1)
        mind.total[..., 2] += np.einsum("rpn,rpn->rp", weighted, y.reshape(flat))

    def retrain(self, mind: Bell, at: tuple[Ints, Ints], taught_by: Ints) -> None:
        """Fit, for each of the brains `at`; one to whose pool nothing came says what it said before."""
        row, brain = at
        pool = mind.total[row, taught_by[brain]]
        own = self.keep * mind.own[at] + (pool - mind.seen[at])
        mind.seen[at], mind.own[at] = pool, own
        number = np.where(own[:, 0] > 0, own[:, 0], 1.0)
        mean = own[:, 1] / number
        square = np.maximum(own[:, 2] / number - mean * mean, 0.0)
        fresh = np.stack([mean, np.sqrt(square)], axis=-1)
        mind.says[at] = np.where(own[:, :1] > 0, fresh, mind.says[at])
