"""Stagger: brains that are due together retrain one cohort after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, final

import numpy as np

from simlab.base.arrays import Bools
from simlab.base.par import Par
from simlab.interventions.intervention import Due, Intervention, Moment, Seam


@final
@dataclass(frozen=True)
class Stagger(Intervention):
    """Spread the retrainings of a period evenly over it: cohorts of `size` brains, in the order of their numbers.

    Brains stand in line among those the hand is on for, whether or not all are due, so a brain keeps its place. Cohort k of n
    retrains k / n of a period later than it was due, as in the schedule `staggered(size)`, but from when the hand comes on.
    What a schedule already spreads out is spread out further. Where brains never retrain it does nothing.
    """

    seam: ClassVar[Seam] = "schedule"

    size: Annotated[int, Par("1", "brains that retrain together", low=1)] = 1

    def apply(self, value: Due, on: Bools, moment: Moment) -> Due:
        """The retrainings of brains that are `on` `(r, b)`, each later by its place in line; what has waited waits no more."""
        if value.waited:
            return value
        place = np.cumsum(on, axis=1) - 1
        cohorts = -(-on.sum(axis=1, keepdims=True) // self.size)
        later = np.rint(value.period * (place // self.size) / np.maximum(cohorts, 1)).astype(np.int64)
        return value.later(np.where(on, later, 0)[value.rows, value.brains])
