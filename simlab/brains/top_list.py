"""A list of the best: the choices with the highest rates of success, learnt from what was tried and from a board of expected rates.

Each choice has a Beta belief, as usual for click-through rates (Chapelle & Li 2011, NeurIPS 24). Its prior has the mean that the
features give, worth `trust` tries; successes and failures are added, and old ones fade. With `optimism` above 0 a choice is judged
by so many standard deviations above its mean, so what was tried little is tried sooner: the upper confidence bounds of Kaufmann,
Cappe & Garivier (2012), "On Bayesian upper confidence bounds for bandit problems", AISTATS, with the quantile of a normal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Floats, Ints
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Asks, Feedback, Spec
from simlab.brains.brain import Brain, no_board


class Rates(NamedTuple):
    """Weights `(r, b, k)`: tries and successes of each choice that are in service. Evidence `(r, p, k)`: all that count now."""

    tried: Floats
    good: Floats
    seen_tried: Floats
    seen_good: Floats


@final
@dataclass(frozen=True)
class TopList(Brain[Rates]):
    """Answers with equal shares for the `length` choices that look best, and 0 for all others."""

    answers: ClassVar[frozenset[Asks]] = frozenset({"shares"})
    blend: ClassVar[tuple[str, ...]] = ("tried", "good")

    length: Annotated[int, Par("1", "choices on the list", low=1)] = 4
    trust: Annotated[float, Par("1", "tries that a rate on the board is worth", above=0)] = 20.0
    memory: Annotated[float, Par("1", "ticks with an answer after which evidence counts 1/e", low=1)] = 60.0
    optimism: Annotated[float, Par("1", "standard deviations of a rate added to it", low=0)] = 0.0

    def lacks(self, spec: Spec) -> str | None:
        """It needs an expected rate of every choice, and as many choices as it lists."""
        if self.length > spec.choices:
            return f"lists {self.length} choices, and the world offers {spec.choices}"
        return no_board(spec)

    def start(self, r: int, b: int, p: int, spec: Spec, luck: Luck) -> Rates:
        """Nothing tried."""
        k = spec.choices
        return Rates(np.zeros((r, b, k)), np.zeros((r, b, k)), np.zeros((r, p, k)), np.zeros((r, p, k)))

    def predict(self, mind: Rates, x: Array, luck: Luck) -> Array:
        """Shares `(r, b, g, *c, k)`, given the rates on the board, in the same shape; choices that tie for the last place share."""
        tried, good = (a.reshape(*a.shape[:2], *(1,) * (x.ndim - 3), a.shape[2]) for a in (mind.tried, mind.good))
        tries = self.trust + tried
        score = (self.trust * x + good) / tries
        if self.optimism:
            score += self.optimism * np.sqrt(np.maximum(score * (1 - score), 0.0) / (tries + 1))
        last = x.shape[-1] - self.length
        least = np.partition(score, last, axis=-1)[..., last : last + 1]
        listed = (score >= least).astype(np.float64)
        listed /= listed.sum(axis=-1, keepdims=True)
        return listed

    def fade(self, mind: Rates) -> None:
        """Evidence counts 1/e after `memory` ticks with answers."""
        keep = math.exp(-1.0 / self.memory)
        np.multiply(mind.seen_tried, keep, out=mind.seen_tried)
        np.multiply(mind.seen_good, keep, out=mind.seen_good)

    def witness(self, mind: Rates, x: Array, action: Array, feedback: Feedback, then: Array) -> None:
        """Add what was tried, `(r, p, g, ..., k)`: `outcome` is the share of the `weight` tries that succeeded."""
        r, p, *_, k = feedback.outcome.shape
        n = np.ones(feedback.outcome.shape) if feedback.weight is None else feedback.weight
        tried, good = (a.reshape(r, p, -1, k) for a in (n, np.where(n > 0, feedback.outcome, 0.0) * n))
        for i in range(tried.shape[2]):  # seat by seat: faster than a reduction over a short axis in the middle
            mind.seen_tried[:] += tried[:, :, i]
            mind.seen_good[:] += good[:, :, i]

    def retrain(self, mind: Rates, at: tuple[Ints, Ints], taught_by: Ints) -> None:
        """Put into service what the pools of the brains `at` count now."""
        row, brain = at
        pool = taught_by[brain]
        mind.tried[at] = mind.seen_tried[row, pool]
        mind.good[at] = mind.seen_good[row, pool]
