"""Canary: let the models act on few cases first, and on more and more of them while nothing goes wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, final

import numpy as np

from simlab.base.arrays import Bools, Floats
from simlab.base.par import Par
from simlab.base.world import Action
from simlab.interventions.intervention import Intervention, Moment, Seam, handed, over, ticks


@final
@dataclass(frozen=True)
class Canary(Intervention):
    """Leave all but a share of the cases to the world's fallback; the share grows by steps from when the hand comes on.

    Each case of each model (each model, where the world acts once a model) is exposed from a step on that is drawn once a run:
    once exposed it stays exposed, and how many are exposed is binomial. With `even` it is that share of the cases of each
    model, where fractions of a case are dealt out evenly over models, so that it is the share of all cases to the last one.
    A rollout at the start of a run is `at: 0 s`. The canary itself watches nothing: what stops a bad one is another hand, such
    as a kill switch.
    """

    seam: ClassVar[Seam] = "action"

    first: Annotated[float, Par("1", "share that is exposed at first", above=0, high=1)] = 0.01
    growth: Annotated[float, Par("1", "factor by which the share grows at each step", low=1)] = 2.0
    step: Annotated[float, Par("s", "time between two steps", above=0)] = 600.0
    even: Annotated[bool, Par("1", "whether exactly this share is exposed, of each model's cases")] = False

    def apply(self, value: Action, on: Bools, moment: Moment) -> Action:
        """The action with the fallback in the cases of models `on` `(r, m)` that are not exposed yet."""
        steps = np.where(on, moment.tick - moment.since, 0) // ticks(self.step, moment)
        enough = math.ceil(-math.log(self.first) / math.log(self.growth)) if self.growth > 1 else 0
        share = self.first * self.growth ** np.minimum(steps, enough).astype(np.float64)
        held = self._place(value.value.shape, moment) >= over(share, value.value)
        where = over(on, value.value) & held
        return handed(value, where, moment.fallback()) if where.any() else value

    def _place(self, shape: tuple[int, ...], moment: Moment) -> Floats:
        """At which share each case is exposed, uniform on [0, 1), `(r, m, *c)`."""
        drawn = moment.fixed.uniform("exposed", shape)
        if not self.even:
            return drawn
        place = moment.kept.get("place")
        if place is None:
            flat = drawn.reshape(*shape[:2], -1)
            rank = flat.argsort(axis=2).argsort(axis=2)
            start = moment.fixed.uniform("rounded", (shape[0], 1))
            turn = (start + np.arange(shape[1]) / shape[1]) % 1.0  # systematic sampling of the fractions
            place = moment.kept["place"] = ((rank + turn[..., None]) / flat.shape[2]).reshape(shape)
        return place
