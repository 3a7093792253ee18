"""Importance weighting: let an answer count for those that were as likely and were not given.

Horvitz & Thompson (1952), J. Am. Stat. Assoc. 47: an answer that is seen with probability p, weighted by 1/p, gives unbiased totals
whatever p is. The price is variance where p is small.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, final

import numpy as np

from simlab.base.arrays import Bools
from simlab.base.par import Par
from simlab.base.world import Feedback
from simlab.interventions.intervention import Intervention, Moment, Seam, propensity


@final
@dataclass(frozen=True)
class ImportanceWeight(Intervention):
    """Divide the weight of every answer by the chance of seeing it."""

    seam: ClassVar[Seam] = "feedback"

    least: Annotated[
        float, Par("1", "smallest chance reckoned with: bounds the variance, at a bias", low=0, high=1)
    ] = 0.0

    def apply(self, value: Feedback, on: Bools, moment: Moment) -> Feedback:
        """The answers with weights 1/p for models that are `on` `(r, m)`; unchanged where the chance is unknown."""
        chance, weight, here = propensity(self, value, on, moment)
        p = np.where(here & (chance > 0), np.maximum(chance, self.least), 1.0)
        return value._replace(weight=weight / p)
