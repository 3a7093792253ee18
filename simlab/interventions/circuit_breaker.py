"""Circuit breaker: do not listen to the models for a while, then let them act again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, final

from simlab.base.arrays import Bools
from simlab.base.par import Par
from simlab.base.world import Action
from simlab.interventions.intervention import Intervention, Moment, Seam, handed, over


@final
@dataclass(frozen=True)
class CircuitBreaker(Intervention):
    """Replace the actions of models by the world's fallback for as long as it `lasts`, as often as the measure crosses.

    A kill switch is pulled once and, as a rule, for good. A breaker gives the models back by itself, so `lasts` must be
    given, and is armed again at once: if the measure is still across its edge, the next pause begins a latency
    later. So watch a measure that can come back (a price, a queue), not one that only grows (a largest fall).

    With `probes` it is half-open in the second half of its time: that share of the cases, drawn anew at every tick for
    each model, is decided by the models, which shows in the measure, and in what they learn, before all of them are let in.
    """

    seam: ClassVar[Seam] = "action"
    ends: ClassVar[bool] = True
    probes: Annotated[float, Par("1", "share of cases left to the models in the second half", low=0, high=1)] = 0.0

    def apply(self, value: Action, on: Bools, moment: Moment) -> Action:
        """The action with the fallback where `on` `(r, m)`, probes aside."""
        where = over(on, value.value)
        if self.probes:
            half_open = moment.tick >= moment.since + (moment.until - moment.since) // 2
            probe = moment.luck.uniform("probes", value.value.shape) < self.probes
            where = where & ~(over(half_open, value.value) & probe)
        return handed(value, where, moment.fallback())
