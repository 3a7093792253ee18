"""Rollback: put the weights of some time ago back into service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, final

import numpy as np

from simlab.base.arrays import Bools
from simlab.base.errors import ParameterError
from simlab.base.par import Par
from simlab.interventions.intervention import NEVER, Due, Intervention, Moment, Seam, Setting, ticks

MOST = 1000


@final
@dataclass(frozen=True)
class Rollback(Intervention):
    """Give brains back the weights that they had `back` ago, once, at the tick at which the hand comes on.

    Snapshots of all weights are taken at the start and then `every` so often, after all else that happens at their tick; what
    comes back is the newest that is at least `back` old, or else the oldest. So it is at most `back + every` old. A brain is
    concerned where one of its models is. Evidence stays, so the next retraining learns again from all that was seen: `freeze`
    lets brains retrain no more while the hand is on. A retraining that was being done is lost. Federated rounds go on,
    from the last average.

    Brains without weights have nothing to go back to and are refused, and so is `freeze` for brains that learn from each
    answer at once.
    """

    seam: ClassVar[Seam] = "weights"
    also: ClassVar[tuple[Seam, ...]] = ("schedule",)

    back: Annotated[float, Par("s", "how old the weights are to be at least", above=0)]
    every: Annotated[float, Par("s", "time between two snapshots", above=0)] = 60.0
    freeze: Annotated[bool, Par("1", "whether brains do not retrain while the hand is on")] = False

    def check(self) -> None:
        """Raise ParameterError where more snapshots would have to be kept than anybody should pay for."""
        if self.back / self.every > MOST:
            raise ParameterError(
                f"Rollback.every must be at least {self.back / MOST:g} s, not {self.every:g} s: "
                f"at most {MOST} snapshots of all weights are kept"
            )

    @property
    def remembers(self) -> tuple[float, float]:
        """Seconds between two snapshots of all weights, and how old they get."""
        return self.every, self.back

    def why_not(self, setting: Setting) -> str | None:
        """There must be weights, and to be frozen they must be retrained."""
        none = sorted({type(brain).__name__ for brain in setting.brains if not brain.blend})
        if none:
            return f"gives back earlier weights, and {' and '.join(none)} has none; use a brain that learns weights, e.g. `brain: ridge`"
        online = sorted({type(brain).__name__ for brain in setting.brains if brain.online})
        if self.freeze and online:
            return f"cannot freeze {' and '.join(online)}, which learns from each answer at once; write `freeze: false`"
        return None

    def apply(self, value: Any, on: Bools, moment: Moment) -> Any:
        """Which snapshot of the ages `value` `(n,)` each brain that is `on` gets, `(r, b)`; or Due, without what is frozen."""
        if isinstance(value, Due):
            return value.later(np.where(self.freeze & on[value.rows, value.brains], NEVER, 0))
        enough = np.flatnonzero(value >= ticks(self.back, moment))  # the oldest come first
        return np.where(on, enough[-1] if len(enough) else 0, -1)
