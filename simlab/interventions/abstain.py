"""Abstain: a model that is too unsure of its prediction hands the case over.

Chow (1970), IEEE Trans. Inf. Theory 16: the reject option. What is too uncertain is not decided by the machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, final

import numpy as np

from simlab.base.arrays import Bools
from simlab.base.errors import InputError
from simlab.base.par import Par
from simlab.base.world import Action
from simlab.interventions.intervention import Intervention, Moment, Seam, Setting, handed, over


@final
@dataclass(frozen=True)
class Abstain(Intervention):
    """Leave the cases in which the brain's doubt exceeds `bound` to the world's fallback.

    Doubt is in the unit that the brain declares (`doubts`): for a ridge the standard error of its prediction in standard deviations
    of the noise. It is doubt about what was seen too seldom; a model that is sure and wrong does not abstain. Only
    brains that can tell it serve: others are refused, and so are worlds that do not act once for each question.
    """

    seam: ClassVar[Seam] = "action"

    bound: Annotated[float, Par("1", "largest doubt with which a model still acts, in the brain's unit", low=0)]

    def why_not(self, setting: Setting) -> str | None:
        """The brains must be able to tell their doubt."""
        cannot = sorted({type(brain).__name__ for brain in setting.brains if brain.doubts is None})
        if not cannot:
            return None
        return f"asks brains how unsure they are, and {' and '.join(cannot)} cannot tell; choose a learner that can, e.g. `ridge`"

    def apply(self, value: Action, on: Bools, moment: Moment) -> Action:
        """The action with the fallback where a model that is `on` `(r, m)` doubts too much, or cannot tell (NaN)."""
        doubt = moment.doubt()
        if doubt.shape != value.value.shape:
            world = type(moment.world).__name__
            raise InputError(f"Abstain decides case by case, and the world {world} does not act once for each question")
        return handed(value, over(on, doubt) & ~np.less_equal(doubt, self.bound), moment.fallback())
