"""Buffer-based choice of a bitrate: look at what is stored, and not at the network.

Huang, Johari, McKeown, Trunnell & Watson (2014), "A buffer-based approach to rate adaptation", SIGCOMM, Algorithm 1 (BBA-0). The rate
map f rises in a line from the lowest rate at `reservoir` to the highest at `reservoir` + `cushion`. The rate stays until f has passed
the next higher one or fallen to the next lower one.
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
class BufferBased(Brain[Nothing]):
    """Reads a player's throughput (not used), buffer in seconds and last rate, and learns nothing."""

    answers: ClassVar[frozenset[Asks]] = frozenset({"choice"})

    reservoir: Annotated[float, Par("s", "buffer up to which the lowest rate is taken", low=0, source="Mao 2017")] = 5.0
    cushion: Annotated[float, Par("s", "further buffer at which it is the highest", above=0, source="Mao 2017")] = 10.0
    rates: Annotated[tuple[float, ...], Par("Mbit/s", "rates, rising", above=0, source="Mao 2017")] = LADDER

    def lacks(self, spec: Spec) -> str | None:
        """A player's three features, and a choice for each rate."""
        return no_player(spec, self.rates)

    def start(self, r: int, b: int, p: int, spec: Spec, luck: Luck) -> Nothing:
        """Nothing to start from."""
        return Nothing()

    def predict(self, mind: Nothing, x: Array, luck: Luck) -> Ints:
        """The place of the rate for each question, `(r, b, g, *c)`."""
        rates, buffer = np.array(self.rates), x[..., 1]
        top = len(rates) - 1
        full = np.minimum(np.maximum((buffer - self.reservoir) / self.cushion, 0.0), 1.0)
        f = rates[0] + (rates[-1] - rates[0]) * full
        last = np.searchsorted(rates, x[..., 2], side="right") - 1
        last = np.maximum(last, 0)
        higher, lower = np.searchsorted(rates, f, side="left") - 1, np.searchsorted(rates, f, side="right")
        said = np.where(f <= rates.take(last - 1, mode="clip"), lower, last)
        said = np.where(f >= rates.take(last + 1, mode="clip"), higher, said)
        said = np.where(full <= 0, 0, said)
        return np.where(full >= 1, top, said)

    def witness(self, mind: Nothing, x: Array, action: Array, feedback: Feedback, then: Array) -> None:
        """Learns nothing."""
