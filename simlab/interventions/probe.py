"""Probe: add a little random noise to the predictions, so that what they do to reality can be measured.

Wager, Chamandy, Muralidharan & Najmi (2014), "Feedback detection for live predictors", NIPS 27: noise that nobody can have reacted
to before it was added is correlated with what is measured afterwards only by way of the predictions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, final

import numpy as np

from simlab.base.arrays import Array, Bools
from simlab.base.par import Par
from simlab.interventions.intervention import Intervention, Moment, Seam, Setting, over


@final
@dataclass(frozen=True)
class Probe(Intervention):
    """Add normal noise to predictions that are numbers, the same for all questions to a model in a tick.

    With `common` noise all models of the hand get one draw, which measures the gain of all of them together; else each its
    own. What is added is logged (`randomised`). Agents act on it, so it has a price; it adds to the models' error.
    """

    seam: ClassVar[Seam] = "prediction"
    randomised: ClassVar[bool] = True

    size: Annotated[float, Par("1", "standard deviation of the noise, in the unit of the predictions", low=0)]
    common: Annotated[bool, Par("1", "whether all models get the same noise")] = True

    def why_not(self, setting: Setting) -> str | None:
        """Noise is added to numbers."""
        world = setting.world
        if world.spec.asks == "number":
            return None
        return f"adds noise to numbers, and the world {type(world).__name__} asks for {world.spec.asks}"

    def apply(self, value: Array, on: Bools, moment: Moment) -> Array:
        """The predictions with noise where `on` `(r, m)`."""
        r, m = on.shape
        noise = self.size * moment.luck.normal("probe", (r, 1 if self.common else m))
        return np.where(over(on, value), value + over(noise, value), value)
