"""Kill switch: stop listening to the models and do what the world's plain rule says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from simlab.base.arrays import Bools
from simlab.base.world import Action
from simlab.interventions.intervention import Intervention, Moment, Seam


@final
@dataclass(frozen=True)
class KillSwitch(Intervention):
    """Replace the actions of the models that are switched off by the world's fallback.

    A fallback can be worse than the failure: the report compares the two.
    """

    seam: ClassVar[Seam] = "action"

    def apply(self, value: Action, on: Bools, moment: Moment) -> Action:
        """The action with the fallback where `on` `(r, m)`; its propensity is then unknown (NaN)."""
        mask = on.reshape(on.shape + (1,) * (value.value.ndim - 2))
        chance = None if value.chance is None else np.where(mask, np.nan, value.chance)
        return Action(np.where(mask, moment.fallback(), value.value), chance)
