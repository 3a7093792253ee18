"""Reschedule: brains retrain less often, or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, final

import numpy as np

from simlab.base.arrays import Bools
from simlab.base.par import Par
from simlab.interventions.intervention import NEVER, Due, Intervention, Moment, Seam, ticks


@final
@dataclass(frozen=True)
class Reschedule(Intervention):
    """At most one retraining of each brain in `every` seconds; with 0 s none at all, which freezes the weights.

    Of the turns that the schedule gives a brain one is let through unless this hand let through another less than `every` ago;
    the rest are dropped, not put off. With 0 s those that another hand put off are dropped too when their time comes. A
    retraining that is being done is not broken off. Brains that learn from each answer at once do not retrain, and go on
    learning.
    """

    seam: ClassVar[Seam] = "schedule"

    every: Annotated[float, Par("s", "least time between two retrainings of a brain; 0 s stops them", low=0)] = 0.0

    def apply(self, value: Due, on: Bools, moment: Moment) -> Due:
        """The retrainings of brains that are `on` `(r, b)`, without those that come too soon."""
        here = on[value.rows, value.brains]
        if not self.every:
            return value.later(np.where(here, NEVER, 0))
        if value.waited:  # it was allowed when it was due
            return value
        last = moment.kept.setdefault("last", np.full(on.shape, -NEVER // 2))
        soon = here & (moment.tick - last[value.rows, value.brains] < ticks(self.every, moment))
        done = here & ~soon
        last[value.rows[done], value.brains[done]] = moment.tick
        return value.later(np.where(soon, NEVER, 0))
