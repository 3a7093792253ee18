"""Thompson sampling: choose as often as the choice is believed to be the best.

Thompson 1933, Biometrika 25; Chapelle & Li 2011, NeurIPS 24 (also with answers that come late, in batches); with forgetting,
Raj & Kalyani 2017, arXiv:1707.09727. Every question has a draw of its own, even when they come in one batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Floats, Ints
from simlab.base.kernels import best_beta, sum_by_choice
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Asks, Feedback, Spec
from simlab.brains.brain import Brain


class Beliefs(NamedTuple):
    """Successes and failures seen of each choice, `(r, b, k)`; the belief is Beta(good + 1, bad + 1) with the prior of 1."""

    good: Floats
    bad: Floats


@final
@dataclass(frozen=True)
class Thompson(Brain[Beliefs]):
    """A Beta belief for each choice: an answer adds 1 to its successes, or to its failures where it is `censored`.

    Draws come from the Wilson-Hilferty approximation on table noise (see `best_beta`): a choice's
    probability is off by at most about 0.01.
    """

    answers: ClassVar[frozenset[Asks]] = frozenset({"choice"})
    online: ClassVar[bool] = True
    blend: ClassVar[tuple[str, ...]] = ("good", "bad")
    doubts: ClassVar[str | None] = "standard deviations of a belief in success, from 0 to 0.29"

    prior: Annotated[float, Par("1", "successes and failures believed in before any", low=1)] = 1.0
    forget: Annotated[float, Par("1", "share of the evidence that fades with each tick", low=0, below=1)] = 0.0

    def start(self, r: int, b: int, p: int, spec: Spec, luck: Luck) -> Beliefs:
        """Nothing seen."""
        return Beliefs(np.zeros((r, b, spec.choices)), np.zeros((r, b, spec.choices)))

    def predict(self, mind: Beliefs, x: Array, luck: Luck) -> Ints:
        """The choice with the highest draw for each question, `(r, b, g, *c)`."""
        asked, k = x.shape[:-1], mind.good.shape[2]
        z = luck.noise("draw", (*asked, 2, k))
        good, bad = (a.reshape(*a.shape[:2], *(1,) * (len(asked) - 2), k) + self.prior for a in mind)
        return best_beta(good, bad, z)

    def doubt(self, mind: Beliefs, x: Array) -> Array:
        """The standard deviation of the belief in the choice that is best on average, for each question `(r, b, g, *c)`.

        Of Beta(a, b): sqrt(a b / (a + b + 1)) / (a + b); 0.29 when nothing was seen, 0.5 / sqrt(n) after n even answers.
        """
        a, b = mind.good + self.prior, mind.bad + self.prior
        best = (a / (a + b)).argmax(axis=2, keepdims=True)
        a, b = (np.take_along_axis(leaf, best, axis=2)[..., 0] for leaf in (a, b))
        spread = np.sqrt(a * b / (a + b + 1)) / (a + b)
        return np.broadcast_to(spread.reshape(*spread.shape, *(1,) * (x.ndim - 3)), x.shape[:-1])

    def witness(self, mind: Beliefs, x: Array, action: Array, feedback: Feedback, then: Array) -> None:
        """Count successes and failures, after fading what was counted before."""
        n = np.ones(feedback.outcome.shape) if feedback.weight is None else feedback.weight
        bad = n * 0 if feedback.censored is None else n * feedback.censored
        count, failures = sum_by_choice(action, mind.good.shape[2], n, bad)
        for leaf, seen in ((mind.good, count - failures), (mind.bad, failures)):
            leaf *= 1 - self.forget
            leaf += seen
