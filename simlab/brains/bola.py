"""BOLA: the bitrate that brings most for its size, less the more is stored.

Spiteri, Urgaonkar & Sitaraman (2016), "BOLA: near-optimal bitrate adaptation for online videos", INFOCOM (IEEE/ACM Transactions on
Networking 28, 2020). With a buffer of Q chunks the rate m is taken that maximises

    (V (v_m + gp) - Q) / S_m,    v_m = ln(S_m / S_1),    V = (Q_max - 1) / (v_M + gp),

where S_m is the size of a chunk and gp weighs playing on against quality. With this V no score is negative while there is room for
another chunk.
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
class Bola(Brain[Nothing]):
    """Reads a player's throughput (not used), buffer in seconds and last rate (not used), and learns nothing."""

    answers: ClassVar[frozenset[Asks]] = frozenset({"choice"})

    gp: Annotated[float, Par("1", "worth of playing on, gamma p", above=0, source="Spiteri 2016")] = 5.0
    most: Annotated[float, Par("s", "buffer when it is full, Q_max", above=0, source="Mao 2017")] = 60.0
    chunk: Annotated[float, Par("s", "video in a chunk", above=0, source="Mao 2017")] = 4.0
    rates: Annotated[tuple[float, ...], Par("Mbit/s", "rates, rising", above=0, source="Mao 2017")] = LADDER

    def lacks(self, spec: Spec) -> str | None:
        """A player's three features, and a choice for each rate."""
        return no_player(spec, self.rates)

    def start(self, r: int, b: int, p: int, spec: Spec, luck: Luck) -> Nothing:
        """Nothing to start from."""
        return Nothing()

    def predict(self, mind: Nothing, x: Array, luck: Luck) -> Ints:
        """The place of the rate for each question, `(r, b, g, *c)`."""
        rates = np.array(self.rates)
        worth = np.log(rates / rates[0]) + self.gp
        worth *= (self.most / self.chunk - 1) / worth[-1]
        score = (worth - x[..., 1, None] / self.chunk) / rates
        return np.asarray(score.argmax(axis=-1))

    def witness(self, mind: Nothing, x: Array, action: Array, feedback: Feedback, then: Array) -> None:
        """Learns nothing."""
