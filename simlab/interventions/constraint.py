"""Constraint: a second objective, priced into what the models learn.

The exact penalty of constrained optimisation (Zangwill 1967, Management Science 13; Boyd & Vandenberghe 2004, section 11.6): nothing while
the constraint holds, and `price` for each unit by which it is broken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, final

import numpy as np

from simlab.base.arrays import Bools
from simlab.base.errors import did_you_mean
from simlab.base.par import Par
from simlab.base.world import Feedback
from simlab.interventions.intervention import Intervention, Moment, Seam, Setting, over


@final
@dataclass(frozen=True)
class Constraint(Intervention):
    """Have the models learn outcome - price x max(measure - bound, 0), with the measure as it is after the action.

    All models pay alike, whoever broke it: it changes what is learnt only where a brain can tell what it did or saw when the
    measure was high. Give a negative price where outcomes are costs. While the measure is undefined nothing is paid.
    """

    seam: ClassVar[Seam] = "feedback"

    measure: Annotated[str, Par("1", "the world's measure that is to be held")]
    bound: Annotated[float, Par("1", "what the measure is to stay at or below, in its unit")]
    price: Annotated[float, Par("1", "what a unit above the bound takes from an outcome; negative: adds to it")]
    side: Annotated[
        str, Par("1", "whether the measure is to stay below the bound or above it", choices=("below", "above"))
    ] = "below"

    def why_not(self, setting: Setting) -> str | None:
        """The measure has to be one of the world's."""
        known = setting.world.measures
        if self.measure in known:
            return None
        world = type(setting.world).__name__
        return f"constrains `{self.measure}`, no measure of the world {world}; {did_you_mean(self.measure, known)}"

    def apply(self, value: Feedback, on: Bools, moment: Moment) -> Feedback:
        """The answers, less what is paid, to models that are `on` `(r, m)`."""
        gap = moment.world.measure(moment.state)[self.measure] - self.bound
        broken = np.nan_to_num(np.maximum(gap if self.side == "below" else -gap, 0.0), nan=0.0, posinf=np.inf)
        paid = value.outcome - over(self.price * broken[:, None], value.outcome)
        return value._replace(outcome=np.where(over(on, paid), paid, value.outcome))
