"""Explore, then commit: show every choice in turn for a while, then for ever the one that did best.

The A/B test as it is usually run; Robbins (1952), "Some aspects of the sequential design of experiments", Bulletin of the AMS 58;
Garivier, Kaufmann & Lattimore (2016), "On explore-then-commit strategies", NeurIPS 29.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Floats, Ints
from simlab.base.kernels import sum_by_choice
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Asks, Feedback, Spec
from simlab.brains.brain import Brain


class Trials(NamedTuple):
    """Answers and failures of each choice in the trial, `(r, b, k)`."""

    tried: Floats
    failed: Floats


@final
@dataclass(frozen=True)
class Commit(Brain[Trials]):
    """Until `trial` answers are in, choices take turns; then it is the one with the least share of failures (`censored`).

    At a tie it is the first of them.
    """

    answers: ClassVar[frozenset[Asks]] = frozenset({"choice"})
    online: ClassVar[bool] = True
    blend: ClassVar[tuple[str, ...]] = ("tried", "failed")

    trial: Annotated[int, Par("1", "answers after which it is decided", low=1)] = 400

    def start(self, r: int, b: int, p: int, spec: Spec, luck: Luck) -> Trials:
        """Nothing seen."""
        return Trials(*np.zeros((2, r, b, spec.choices)))

    def predict(self, mind: Trials, x: Array, luck: Luck) -> Ints:
        """One choice for each question, `(r, b, g, *c)`: the next in turn, or the best."""
        asked, k = x.shape[:-1], mind.tried.shape[2]
        seen = mind.tried.sum(axis=2)
        turn = seen.astype(np.int64)[..., None] + np.arange(int(np.prod(asked[2:])))
        share = mind.failed / np.maximum(mind.tried, 1)
        chosen = np.where((seen < self.trial)[..., None], turn % k, share.argmin(axis=2)[..., None])
        return np.asarray(chosen.reshape(asked), dtype=np.int64)

    def witness(self, mind: Trials, x: Array, action: Array, feedback: Feedback, then: Array) -> None:
        """Count while the trial lasts; what comes later changes nothing."""
        n = np.ones(feedback.outcome.shape) if feedback.weight is None else feedback.weight
        bad = n * 0 if feedback.censored is None else n * feedback.censored
        count, failed = sum_by_choice(action, mind.tried.shape[2], n, bad)
        going = mind.tried.sum(axis=2, keepdims=True) < self.trial
        mind.tried[:] += count * going
        mind.failed[:] += failed * going
