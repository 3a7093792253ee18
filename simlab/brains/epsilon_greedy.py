"""Epsilon-greedy: mostly the choice that did best, now and then any.

Sutton & Barto, Reinforcement Learning (2nd ed. 2018), sections 2.2 and 2.5. Ten to ninety, with exponential moving averages of
the time to an answer and of failures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Floats, Ints
from simlab.base.kernels import sum_by_choice
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Asks, Feedback, Spec
from simlab.brains.brain import Brain


class Averages(NamedTuple):
    """Moving averages for each choice, `(r, b, k)`."""

    value: Floats  # of outcomes
    failed: Floats  # of failures, as a share
    known: Floats  # weight of all answers so far in the average, from 0 to 1; the rest is the start


@final
@dataclass(frozen=True)
class EpsilonGreedy(Brain[Averages]):
    """Explores with probability `explore`; else takes the least of outcome + penalty x failures.

    An answer is a failure where its outcome is only a bound (`censored`). n answers at once move an average as
    n equal ones in a row. What was never tried looks best; ties are broken at random, once for each brain.
    Averages begin at nothing, which flatters what was tried seldom, or, where `unbiased`, at the first answer: the n-th then has the
    step rate / (1 - (1-rate)^n) (exercise 2.7).
    """

    answers: ClassVar[frozenset[Asks]] = frozenset({"choice"})
    online: ClassVar[bool] = True
    blend: ClassVar[tuple[str, ...]] = ("value", "failed")
    beside: ClassVar[tuple[str, ...]] = ("known",)

    explore: Annotated[float, Par("1", "share of explored choices", low=0, high=1, source="10/90")] = 0.1
    rate: Annotated[float, Par("1", "weight of one answer in an average", above=0, below=1)] = 0.05
    penalty: Annotated[float, Par("1", "what a sure failure adds to the outcome", low=0)] = 1.0
    unbiased: Annotated[bool, Par("1", "whether averages begin at the first answer")] = False

    def start(self, r: int, b: int, p: int, spec: Spec, luck: Luck) -> Averages:
        """Nothing tried yet: outcomes of about 0, in a random order."""
        shape = r, b, spec.choices
        return Averages(luck.uniform("ties", shape) * 1e-9, np.zeros(shape), np.zeros(shape))

    def predict(self, mind: Averages, x: Array, luck: Luck) -> Ints:
        """One choice for each question, `(r, b, g, *c)`; one number decides whether and what to explore."""
        k = mind.value.shape[2]
        best = (mind.value + self.penalty * mind.failed).argmin(axis=2)
        u = luck.uniform("explore", x.shape[:-1])
        explored = u < self.explore
        chosen = (u * (k / max(self.explore, 1e-300)) * explored).astype(np.int64)
        chosen += best.reshape(*best.shape, *(1,) * (u.ndim - 2)) * ~explored
        return np.asarray(np.minimum(chosen, k - 1))

    def witness(self, mind: Averages, x: Array, action: Array, feedback: Feedback, then: Array) -> None:
        """Move the averages of the choices that were answered."""
        n = np.ones(feedback.outcome.shape) if feedback.weight is None else feedback.weight
        y = np.where(n > 0, feedback.outcome, 0.0) * n
        bad = n * 0 if feedback.censored is None else n * feedback.censored
        count, total, failures = sum_by_choice(action, mind.value.shape[2], n, y, bad)
        step = -np.expm1(count * math.log1p(-self.rate))
        if self.unbiased:
            mind.known[:] += step * (1 - mind.known)
            step = step / np.where(count > 0, mind.known, 1.0)
        count = np.where(count > 0, count, 1.0)
        mind.value[:] += step * (total / count - mind.value)
        mind.failed[:] += step * (failures / count - mind.failed)
