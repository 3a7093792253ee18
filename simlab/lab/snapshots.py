"""Snapshots: earlier weights of all brains of a cohort, kept for a hand that gives them back."""

from __future__ import annotations

from typing import final

import numpy as np

from simlab.base.arrays import Array, Ints
from simlab.brains.brain import in_service
from simlab.lab.cast import Cast


@final
class Snapshots:
    """Copies of the weights, from now back to the newest that is at least `reach` ticks old."""

    def __init__(self, casts: list[Cast], reach: int) -> None:
        self._casts, self._reach = casts, reach
        self._ticks: list[int] = []
        self._taken: list[list[list[Array]]] = []

    def take(self, tick: int) -> None:
        """Copy all weights, and drop what nobody can want any more."""
        copies = [[leaf.copy(order="K") for leaf in in_service(cast.brain, cast.mind)] for cast in self._casts]
        self._ticks.append(tick)
        self._taken.append(copies)
        while len(self._ticks) > 1 and self._ticks[1] <= tick - self._reach:
            del self._ticks[0], self._taken[0]

    def ages(self, tick: int) -> Ints:
        """How many ticks ago each was taken, the oldest first, `(n,)`."""
        return tick - np.array(self._ticks, dtype=np.int64)

    def restore(self, which: Ints) -> None:
        """Put the snapshot of this number `(r, b)` back into service; -1 leaves a brain alone."""
        for number, cast in enumerate(self._casts):
            mine = which[:, cast.ids]
            for n in np.unique(mine[mine >= 0]):
                rows, places = np.nonzero(mine == n)
                at = rows.astype(np.int64), places.astype(np.int64)
                cast.install(at, [leaf[at] for leaf in self._taken[n][number]])
