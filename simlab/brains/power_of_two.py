"""Power of two choices: the better of d choices taken at random.

Mitzenmacher 2001, IEEE TPDS 12 (and Vvedenskaya, Dobrushin & Karpelevich 1996): with fresh numbers almost as good
as looking at all; with stale ones far better, since the crowd does not gather at one place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, final

import numpy as np

from simlab.base.arrays import Array, Ints
from simlab.base.kernels import once
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Asks, Feedback, Spec
from simlab.brains.brain import Brain, Nothing, no_board


@final
@dataclass(frozen=True)
class PowerOfTwo(Brain[Nothing]):
    """Draws `choices` of the choices with replacement and takes the one with the smallest number, the first of equals."""

    answers: ClassVar[frozenset[Asks]] = frozenset({"choice"})

    choices: Annotated[int, Par("1", "how many are looked at, d", low=1, high=16, source="Mitzenmacher 2001")] = 2

    def lacks(self, spec: Spec) -> str | None:
        """It needs a board: one feature for each choice."""
        return no_board(spec)

    def start(self, r: int, b: int, p: int, spec: Spec, luck: Luck) -> Nothing:
        """Nothing to start from."""
        return Nothing()

    def predict(self, mind: Nothing, x: Array, luck: Luck) -> Ints:
        """The best of d for each question, `(r, b, g, *c)`."""
        board = once(x)
        k = board.shape[-1]
        row = np.arange(board.size // k).reshape(board.shape[:-1]) * k
        flat = np.ascontiguousarray(board).reshape(-1)
        best = (luck.uniform("look 0", x.shape[:-1]) * k).astype(np.int64)
        least = flat.take(row + best)
        for look in range(1, self.choices):
            other = (luck.uniform(f"look {look}", x.shape[:-1]) * k).astype(np.int64)
            number = flat.take(row + other)
            better = number < least
            best += (other - best) * better
            least = np.minimum(least, number)
        return np.asarray(best)

    def witness(self, mind: Nothing, x: Array, action: Array, feedback: Feedback, then: Array) -> None:
        """Learns nothing."""
