"""Fill up: an old board, read as what it says of now - the least loaded get what brings all to one level.

Dahlin 2000, IEEE TPDS 11, "load interpolation" in its basic form: by the next reading of the board as many requests come as are
`expected`, and they are dealt so that, when they have come, the queues would be equal. With fresh boards (few expected) it is the
least loaded; with very old ones, any choice alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, final

import numpy as np

from simlab.base.arrays import Array, Floats, Ints
from simlab.base.kernels import once
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Asks, Feedback, Spec
from simlab.brains.brain import Brain, Nothing, no_board


@final
@dataclass(frozen=True)
class FillUp(Brain[Nothing]):
    """Chooses at random, in proportion to what each number on the board is short of the common level.

    The level L is where the shortfalls max(L - number, 0) add up to `expected`. What leaves meanwhile is not reckoned with.
    """

    answers: ClassVar[frozenset[Asks]] = frozenset({"choice"})

    expected: Annotated[float, Par("1", "requests of all between two readings of a board", above=0)] = 1.0

    def lacks(self, spec: Spec) -> str | None:
        """It needs a board: one feature for each choice."""
        return no_board(spec)

    def start(self, r: int, b: int, p: int, spec: Spec, luck: Luck) -> Nothing:
        """Nothing to start from."""
        return Nothing()

    def shares(self, board: Floats) -> Floats:
        """How often each choice is made, of a `board` `(..., k)`, in its shape.

        With numbers sorted, a level that reaches the j lowest is (expected + their sum) / j, and the least of these is the one at
        which those it reaches are those below it.
        """
        low = np.sort(board, axis=-1)
        level = ((np.cumsum(low, axis=-1) + self.expected) / np.arange(1, board.shape[-1] + 1)).min(
            axis=-1, keepdims=True
        )
        return np.asarray(np.maximum(level - board, 0.0) / self.expected)

    def predict(self, mind: Nothing, x: Array, luck: Luck) -> Ints:
        """A choice for each question by inverse CDF, `(r, b, g, *c)`."""
        upto = np.cumsum(self.shares(once(x)), axis=-1)
        u = luck.uniform("which", x.shape[:-1])
        chosen = np.zeros(u.shape, dtype=np.int64)
        for i in range(upto.shape[-1] - 1):  # choices are few, questions many
            chosen += u >= upto[..., i]
        return chosen

    def witness(self, mind: Nothing, x: Array, action: Array, feedback: Feedback, then: Array) -> None:
        """Learns nothing."""
