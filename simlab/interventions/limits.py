"""Limits: what an agent does stays within bounds, and changes only so fast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, final

import numpy as np

from simlab.base.arrays import Bools
from simlab.base.errors import InputError, ParameterError
from simlab.base.par import NO_LIMIT, Par
from simlab.base.world import Action
from simlab.interventions.intervention import Intervention, Moment, Seam, Setting, handed, over


@final
@dataclass(frozen=True)
class Limits(Intervention):
    """Clip actions that are numbers to bounds, and to the largest change from what was let through a tick before.

    The change is limited from the second tick on: what was done before the hand came on is not its own. Where bounds and change
    contradict, the bounds win. Choices have no bounds; a world whose actions are no numbers is refused.
    """

    seam: ClassVar[Seam] = "action"

    low: Annotated[float, Par("1", "least action, in the world's unit")] = -NO_LIMIT
    high: Annotated[float, Par("1", "largest action, in the world's unit")] = NO_LIMIT
    step: Annotated[float, Par("1", "largest change of an action from one tick to the next", low=0)] = NO_LIMIT

    def check(self) -> None:
        """Raise ParameterError where nothing lies between the bounds."""
        if self.low > self.high:
            raise ParameterError(f"Limits.low must be at most high ({self.high:g}), not {self.low:g}")

    def why_not(self, setting: Setting) -> str | None:
        """Choices are no numbers."""
        return self._no_numbers(setting.world) if setting.world.spec.asks == "choice" else None

    def apply(self, value: Action, on: Bools, moment: Moment) -> Action:
        """The action within the limits where `on` `(r, m)`; where it was changed its propensity is unknown (NaN)."""
        said = value.value
        if not np.issubdtype(said.dtype, np.floating):
            raise InputError(f"Limits {self._no_numbers(moment.world)}")
        done, before = said, moment.kept.get("done")
        if before is not None:
            followed = over(moment.since < moment.tick, said)  # it was on a tick ago, so `before` is of a tick ago
            done = np.where(followed, np.clip(said, before - self.step, before + self.step), said)
        done = np.clip(done, self.low, self.high)
        moment.kept["done"] = done
        return handed(value, over(on, said) & (done != said), done)

    @staticmethod
    def _no_numbers(world: object) -> str:
        return f"bounds actions that are numbers, and those of the world {type(world).__name__} are choices"
