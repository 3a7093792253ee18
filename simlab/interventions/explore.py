"""Exploration floor: now and then do something else, so that nothing is ever given up for good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, final

import numpy as np

from simlab.base.arrays import Array, Bools
from simlab.base.par import Par
from simlab.interventions.intervention import Intervention, Moment, Seam, Setting, over


@final
@dataclass(frozen=True)
class Explore(Intervention):
    """Mix what the models say with the uniform law: any of K choices then comes with a chance of at least floor / K.

    Shares become (1 - floor) x said + floor / K, so their propensity stays known. A choice is replaced with probability
    `floor`, case by case, by one of all K (Sutton & Barto 2018, section 2.2: epsilon-greedy). A number has no others to explore:
    `probe` adds noise to it.
    """

    seam: ClassVar[Seam] = "prediction"

    floor: Annotated[float, Par("1", "probability with which any choice is taken instead", low=0, high=1)] = 0.05

    def why_not(self, setting: Setting) -> str | None:
        """Shares and choices can be explored."""
        if setting.world.spec.asks != "number":
            return None
        world = type(setting.world).__name__
        return f"explores choices, and the world {world} asks for numbers; to add noise to them write `probe`"

    def apply(self, value: Array, on: Bools, moment: Moment) -> Array:
        """The shares `(r, m, *c, k)` or choices `(r, m, *c)`, explored where `on` `(r, m)`."""
        spec, here = moment.world.spec, over(on, value)
        if spec.asks == "shares":
            return np.where(here, (1 - self.floor) * value + self.floor / spec.choices, value)
        u = moment.luck.uniform("explore", value.shape)
        any_one = np.minimum(u * (spec.choices / max(self.floor, 1e-300)), spec.choices - 1)  # u / floor is uniform too
        return np.where(here & (u < self.floor), any_one.astype(value.dtype), value)
