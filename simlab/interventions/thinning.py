"""Thinning: keep an answer only with the chance that it had not been sought.

Ensign et al. (2018), PMLR 81, section 5: what is found in a region to which a patrol goes with probability p is entered with probability
1 - p. Of two regions both are then counted at the rate p (1 - p) times their own, so their shares come out right. Of more than two
they do not; `importance_weight` is right for any number, and throws nothing away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from simlab.base.arrays import Bools
from simlab.base.world import Feedback
from simlab.interventions.intervention import Intervention, Moment, Seam, propensity


@final
@dataclass(frozen=True)
class Thinning(Intervention):
    """Drop a model's answers of a tick, all or none of those with one chance p, with probability p.

    Answers that come whatever is done (p = 1) are kept: nothing the model does decides whether they are seen.
    """

    seam: ClassVar[Seam] = "feedback"

    def apply(self, value: Feedback, on: Bools, moment: Moment) -> Feedback:
        """The answers with weight 0 where they are dropped, for models that are `on` `(r, m)`."""
        chance, weight, here = propensity(self, value, on, moment)
        luck = moment.luck.uniform("thinning", on.shape).reshape(on.shape + (1,) * (weight.ndim - 2))
        return value._replace(weight=np.where(here & (chance < 1) & (luck < chance), 0.0, weight))
