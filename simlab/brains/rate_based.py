"""Throughput-based choice of a bitrate: the highest that a part of the measured throughput carries.

Jiang, Sekar & Zhang (2012), "Improving fairness, efficiency, and stability in HTTP-based adaptive video streaming with FESTIVE", CoNEXT: a
share of the harmonic mean of recent throughputs; without its delayed and randomised steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, final

import numpy as np

from simlab.base.arrays import Array, Ints
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.video import LADDER, no_player
from simlab.base.world import Asks, Feedback, Spec
from simlab.brains.brain import Brain, Nothing


@final
@dataclass(frozen=True)
class RateBased(Brain[Nothing]):
    """Reads a player's throughput in Mbit/s, buffer and last rate (not used), and learns nothing."""

    answers: ClassVar[frozenset[Asks]] = frozenset({"choice"})

    safety: Annotated[float, Par("1", "share of the throughput that is asked for", above=0, source="Jiang 2012")] = 0.85
    rates: Annotated[tuple[float, ...], Par("Mbit/s", "rates, rising", above=0, source="Mao 2017")] = LADDER

    def lacks(self, spec: Spec) -> str | None:
        """A player's three features, and a choice for each rate."""
        return no_player(spec, self.rates)

    def start(self, r: int, b: int, p: int, spec: Spec, luck: Luck) -> Nothing:
        """Nothing to start from."""
        return Nothing()

    def predict(self, mind: Nothing, x: Array, luck: Luck) -> Ints:
        """The place of the rate for each question, `(r, b, g, *c)`; the lowest where not even that is carried."""
        carried = np.searchsorted(self.rates, self.safety * x[..., 0], side="right") - 1
        return np.maximum(carried, 0)

    def witness(self, mind: Nothing, x: Array, action: Array, feedback: Feedback, then: Array) -> None:
        """Learns nothing."""
