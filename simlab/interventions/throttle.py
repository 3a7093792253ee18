"""Throttle: only a share of what the models want to do gets through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, final

import numpy as np

from simlab.base.arrays import Bools
from simlab.base.par import Par
from simlab.base.world import Action
from simlab.interventions.intervention import Intervention, Moment, Seam, handed, over


@final
@dataclass(frozen=True)
class Throttle(Intervention):
    """Let the share `passes` of the models' action through and leave the rest to the world's fallback.

    Actions that are numbers (an order, a price) go that share of the way from the fallback to what the models say. Choices
    (a server, a region) cannot be scaled: each case is decided by its model with that probability, else by the fallback.
    """

    seam: ClassVar[Seam] = "action"
    passes: Annotated[float, Par("1", "share of the models' action that gets through", low=0, high=1)] = 0.5

    def apply(self, value: Action, on: Bools, moment: Moment) -> Action:
        """The action, throttled where `on` `(r, m)`; its propensity is then unknown (NaN)."""
        said, plain, where = value.value, moment.fallback(), over(on, value.value)
        if np.issubdtype(said.dtype, np.floating):
            return handed(value, where, self.passes * said + (1 - self.passes) * plain)
        held = moment.luck.uniform("held", said.shape) >= self.passes
        return handed(value, where & held, plain)
