"""Kill switch: stop listening to the models and do what the world's plain rule says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from simlab.base.arrays import Bools
from simlab.base.world import Action
from simlab.interventions.intervention import Intervention, Moment, Seam, handed, over


@final
@dataclass(frozen=True)
class KillSwitch(Intervention):
    """Replace the actions of the models that are switched off by the world's fallback.

    It is pulled once a run, and stays on for good unless told how long it `lasts`. A fallback can be worse than the
    failure: the report compares the two.
    """

    seam: ClassVar[Seam] = "action"
    again: ClassVar[bool] = False

    def apply(self, value: Action, on: Bools, moment: Moment) -> Action:
        """The action with the fallback where `on` `(r, m)`; its propensity is then unknown (NaN)."""
        return handed(value, over(on, value.value), moment.fallback())
