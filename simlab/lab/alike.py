"""How alike the models answer, pair by pair; for many models, block by block."""

from __future__ import annotations

from typing import final

import numpy as np
from numpy.typing import NDArray

from simlab.base.arrays import Floats

BLOCKS = 8  # the most rows of the matrix


def blocks(models: int) -> list[tuple[int, int]]:
    """The rows of the matrix as [first, last): one a model, or blocks of at least two, where there are more than BLOCKS."""
    k = models if models <= BLOCKS else min(BLOCKS, models // 2)
    return [(i * models // k, (i + 1) * models // k) for i in range(k)]


@final
class Alike:
    """Running sums of each block's mean answer over the recorded ticks.

    The mean covariance between the models of two blocks is that of the blocks' means, so no pair of models is ever
    looked at: the cost of a tick is the number of blocks squared, for each replication.
    """

    def __init__(self, r: int, m: int) -> None:
        self.blocks, self.n = blocks(m), 0
        k = len(self.blocks)
        self._sum = np.zeros((k, r))  # replications last: of these two all that is done is done in long rows
        self._cross = np.zeros((k, k, r))
        self._own, self._own_square = np.zeros((r, m)), np.zeros((r, m))

    def take(self, said: Floats) -> None:
        """Add what the models said at one recorded tick, `(r, m)`."""
        mean = np.ascontiguousarray(self._means(said).T)
        self.n += 1
        self._sum += mean
        self._cross += mean[:, None] * mean
        self._own += said
        self._own_square += said * said

    def _means(self, of: Floats) -> Floats:
        """The mean of each block `(r, k)` of what there is of each model `(r, m)`."""
        (r, m), k = of.shape, len(self.blocks)
        if m == k:
            return of
        if m % k == 0:
            return np.asarray(of.reshape(r, k, -1).mean(axis=2))
        if m <= 7 * k:  # up to seven are added one after the other, in short rows and in long ones
            each = np.ascontiguousarray(of.T)
            return np.stack([each[a:b].sum(axis=0) / (b - a) for a, b in self.blocks]).T
        return np.stack([of[:, a:b].mean(axis=1) for a, b in self.blocks], axis=1)

    def matrix(self) -> NDArray[np.float32]:
        """Mean correlation over time between a model of one block and another of the other, `(r, k, k)`.

        Covariances are weighed by the blocks' mean variances, as in `agreement`. NaN where nothing was scored, or where
        a block's answers never change; a model alone in its block is 1 with itself.
        """
        sums, cross = self._sum.T, np.ascontiguousarray(np.moveaxis(self._cross, -1, 0))
        if self.n < 2:
            return np.full(cross.shape, np.nan, dtype=np.float32)
        mean = sums / self.n
        between = cross / self.n - mean[:, :, None] * mean[:, None, :]
        raw = self._own_square / self.n
        each = raw - (self._own / self.n) ** 2
        variance = self._means(each)
        floor = 1e-12 * self._means(raw)
        known = variance > floor
        scale = np.sqrt(np.where(known, variance, np.nan))
        found = between / (scale[:, :, None] * scale[:, None, :])
        for i, (a, b) in enumerate(self.blocks):  # within a block: without each model's correlation with itself
            size = b - a
            found[:, i, i] = (
                (found[:, i, i] * size - 1) / (size - 1) if size > 1 else np.where(known[:, i], 1.0, np.nan)
            )
        return np.asarray(found, dtype=np.float32)
