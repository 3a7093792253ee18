"""Human review: a person looks at the most unusual actions, as many as there is time for, and is sometimes wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, final

import numpy as np

from simlab.base.arrays import Array, Bools
from simlab.base.par import Par
from simlab.base.world import Action
from simlab.interventions.intervention import Intervention, Moment, Seam, handed, over, ticks


@final
@dataclass(frozen=True)
class HumanReview(Intervention):
    """Look at those actions first that deviate most from the fallback, and do the fallback instead.

    In each replication and tick at most `capacity` cases are taken up, of all models that are on together; a case that does what the
    fallback would is none. Numbers deviate by their distance; a choice deviates or not, and ties are broken at
    random. The fallback acts in a case from when it is taken up until the verdict, `delay` later: then the reviewer has the
    fallback done at that tick too, or errs and lets the model's action pass. Afterwards the case can be taken up again.
    """

    seam: ClassVar[Seam] = "action"

    capacity: Annotated[int, Par("1", "cases taken up in a tick", low=0)] = 1
    delay: Annotated[float, Par("s", "time from taking up a case to the verdict", low=0)] = 0.0
    error: Annotated[float, Par("1", "probability that the reviewer lets the model's action pass", low=0, high=1)] = 0.0

    def apply(self, value: Action, on: Bools, moment: Moment) -> Action:
        """The action with the fallback where a case of a model `on` `(r, m)` is under review or replaced."""
        said, plain, here = value.value, moment.fallback(), over(on, value.value)
        errs = moment.luck.uniform("verdict", said.shape) < self.error
        wait = ticks(self.delay, moment)
        if "taken" not in moment.kept:
            moment.kept["taken"] = np.full(said.shape, -1 - wait)  # the tick at which a case was taken up last
        taken = moment.kept["taken"]
        mine = here & (taken >= over(moment.since, said))  # what was taken up before it was off and on is forgotten
        busy, judged = mine & (moment.tick < taken + wait), mine & (moment.tick == taken + wait)
        first = self._first(np.where(here & ~busy & ~judged, _deviation(said, plain), 0.0), moment)
        taken[first] = moment.tick
        busy, judged = (busy | first, judged) if wait else (busy, first)
        return handed(value, busy | (judged & ~errs), plain)

    def _first(self, deviation: Array, moment: Moment) -> Bools:
        """The cases that are taken up: in each replication the `capacity` that deviate most, and none that does not."""
        flat = deviation.reshape(len(deviation), -1)
        ties = moment.luck.uniform("ties", deviation.shape).reshape(flat.shape)
        order = np.lexsort((ties, -flat), axis=1)[:, : self.capacity]
        first = np.zeros(flat.shape, dtype=bool)
        np.put_along_axis(first, order, np.take_along_axis(flat, order, axis=1) > 0, axis=1)
        return first.reshape(deviation.shape)


def _deviation(said: Array, plain: Array) -> Array:
    """How far actions are from the fallback; infinite where that is undefined."""
    if not np.issubdtype(said.dtype, np.floating):
        return np.asarray(said != plain, dtype=np.float64)
    gap = np.abs(said - plain)
    return np.asarray(np.where(np.isnan(gap), np.inf, gap))
