"""The mean of what came since the last training: retraining without features, in its purest form.

With `keep` 0 each training sees only what the model in service brought about, and minimises the squared error on it: repeated
risk minimisation (Perdomo, Zrnic, Mendler-Duenner & Hardt 2020, "Performative prediction", ICML, section 3). With `keep` above 0 older
answers go on counting, `keep` times less with every training: an affine risk minimiser (Khorsandi, Gupta, Mofakhami, Lacoste-Julien
& Gidel 2024, arXiv 2412.03671). Where the mean outcome is m + eps v under a constant prediction v, the error of a
prediction is multiplied by keep + (1 - keep) eps with each training, once its evidence is steady.
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


class Ledger(NamedTuple):
    """Weights `(r, b)`: what each brain says. Evidence `(r, p)`: all that came in, running totals that are never reset.

    A brain learns from what its pool gained since its own last training, so brains that share a pool can train at times of
    their own: it remembers where the totals stood, and its own evidence, each `(r, b)`.
    """

    says: Floats
    total: Floats
    number: Floats
    seen_total: Floats
    seen_number: Floats
    own_total: Floats
    own_number: Floats


@final
@dataclass(frozen=True)
class Mean(Brain[Ledger]):
    """Answers every question with the mean of the answers it learnt from; it looks at no feature. It says 0 until it has any."""

    answers: ClassVar[frozenset[Asks]] = frozenset({"number"})
    blend: ClassVar[tuple[str, ...]] = ("says",)

    keep: Annotated[
        float, Par("1", "how much of its earlier evidence a training keeps: none, up to all", low=0, high=1)
    ] = 0.0

    def start(self, r: int, b: int, p: int, spec: Spec, luck: Luck) -> Ledger:
        """Nothing seen."""
        evidence = (np.zeros((r, p)) for _ in range(2))
        return Ledger(np.zeros((r, b)), *evidence, *(np.zeros((r, b)) for _ in range(4)))

    def predict(self, mind: Ledger, x: Array, luck: Luck) -> Array:
        """The same number for every seat and case, `(r, b, g, *c)`; features are reals and states are integers."""
        shape = x.shape[:-1] if x.dtype.kind == "f" else x.shape
        return np.broadcast_to(mind.says.reshape(*mind.says.shape, *(1,) * (len(shape) - 2)), shape)

    def witness(self, mind: Ledger, x: Array, action: Array, feedback: Feedback, then: Array) -> None:
        """Add the answers to the totals, by their weights; an answer that nobody saw may be undefined."""
        y, weight = feedback.outcome, feedback.weight
        flat = (*mind.total.shape, -1)
        if weight is None:
            mind.total[:] += y.reshape(flat).sum(axis=-1)
            mind.number[:] += y.size // mind.number.size
        else:
            mind.total[:] += (np.where(weight > 0, y, 0.0) * weight).reshape(flat).sum(axis=-1)
            mind.number[:] += np.broadcast_to(weight, y.shape).reshape(flat).sum(axis=-1)

    def retrain(self, mind: Ledger, at: tuple[Ints, Ints], taught_by: Ints) -> None:
        """Take the mean, for each of the brains `at`; one to whose pool nothing came says what it said before."""
        row, brain = at
        pool = row, taught_by[brain]
        for own, seen, now in (
            (mind.own_total, mind.seen_total, mind.total),
            (mind.own_number, mind.seen_number, mind.number),
        ):
            own[at] = self.keep * own[at] + (now[pool] - seen[at])
            seen[at] = now[pool]
        known = mind.own_number[at] > 0
        mind.says[at] = np.where(known, mind.own_total[at] / np.where(known, mind.own_number[at], 1.0), mind.says[at])
