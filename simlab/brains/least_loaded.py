"""Least loaded: the choice with the smallest number on the board, ties at random.

The classic of load balancing (join the shortest queue; Winston 1977, J. Appl. Prob. 14: optimal with fresh numbers and equal
servers) and the classic herd with stale ones (Mitzenmacher 2000, Dahlin 2000, IEEE TPDS 11).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from simlab.base.arrays import Array, Ints
from simlab.base.kernels import once
from simlab.base.luck import Luck
from simlab.base.world import Asks, Feedback, Spec
from simlab.brains.brain import Brain, Nothing, no_board


@final
@dataclass(frozen=True)
class LeastLoaded(Brain[Nothing]):
    """Reads one number for each choice, and learns nothing."""

    answers: ClassVar[frozenset[Asks]] = frozenset({"choice"})

    def lacks(self, spec: Spec) -> str | None:
        """It needs a board: one feature for each choice."""
        return no_board(spec)

    def start(self, r: int, b: int, p: int, spec: Spec, luck: Luck) -> Nothing:
        """Nothing to start from."""
        return Nothing()

    def predict(self, mind: Nothing, x: Array, luck: Luck) -> Ints:
        """The h-th of the choices that share the smallest number, h at random, `(r, b, g, *c)`."""
        board = once(x)
        least = board == board.min(axis=-1, keepdims=True)
        ahead = np.cumsum(least, axis=-1)
        order = np.argsort(~least, axis=-1, kind="stable")  # the least first
        u = luck.uniform("ties", x.shape[:-1])
        h = (u * ahead[..., -1]).astype(np.int64)
        return _pick(order, h)

    def witness(self, mind: Nothing, x: Array, action: Array, feedback: Feedback, then: Array) -> None:
        """Learns nothing."""


def _pick(table: Ints, at: Ints) -> Ints:
    """`table[..., at]` with the leading axes broadcast."""
    k = table.shape[-1]
    row = np.arange(table.size // k).reshape(table.shape[:-1]) * k
    return np.asarray(table.reshape(-1).take(row + at))
