"""How unusual a case is, by histograms: the rarer each of its features, the more unusual, whatever goes with what.

Histogram-based outlier score (HBOS; Goldstein & Dengel 2012, KI poster track): each feature has a histogram with bins
of equal width, and the score of a case is the sum over features of -log(height of its bin), as if features were
independent. What is said is not the score but its rank: the share of the training cases that are less unusual. "Block
what is said to be 1 - q or more" is then the usual rule of a contamination q, the q-quantile of the training scores,
and it blocks at most q of what it was trained on. Who trains on what an earlier rule let through and blocks q of that
has blocked 1 - (1-q)^k after k trainings.

Evidence is kept by joint cells, bins^features of them, so that marginal histograms and the exact distribution of scores
are read off one table; all three take weights. Scores that differ by less than `STEP` tie. A bin has `prior` cases more
than were counted (1/2: Krichevsky & Trofimov 1981, IEEE Trans. Inf. Theory 27), so that what was never seen is rare and
not infinitely so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Floats, Ints
from simlab.base.errors import ParameterError
from simlab.base.kernels import add_at, blocks, once
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Asks, Feedback, Spec
from simlab.brains.brain import Brain

STEP = 1 / 64  # nat: a difference in rarity of 1.6%
MOST_CELLS = 65_536


class Cells(NamedTuple):
    """Weights `rank (r, b, k)` of each of k joint cells. Evidence `total (r, p, k)`: cases that came, by weight, never
    reset.

    A brain learns from what its pool gained since its last training: `seen` and `own` `(r, b, k)` remember where the
    totals stood and what the brain has kept.
    """

    rank: Floats
    total: Floats
    seen: Floats
    own: Floats


@final
@dataclass(frozen=True)
class Histogram(Brain[Cells]):
    """Answers with the share of its training cases that are less unusual than the case it is asked about; 0 before any
    training.
    """

    answers: ClassVar[frozenset[Asks]] = frozenset({"number"})
    blend: ClassVar[tuple[str, ...]] = ("rank",)

    bins: Annotated[int, Par("1", "bins of each feature, of equal width", low=2, high=MOST_CELLS)] = 10
    low: Annotated[float, Par("1", "where the first bin begins, which holds what is below too")] = -4.0
    high: Annotated[float, Par("1", "where the last bin ends, which holds what is above too")] = 4.0
    prior: Annotated[
        float, Par("1", "cases that a bin is presumed to hold", above=0, source="Krichevsky & Trofimov 1981")
    ] = 0.5
    keep: Annotated[
        float, Par("1", "how much of its earlier evidence a training keeps: none, up to all", low=0, high=1)
    ] = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.high <= self.low:
            raise ParameterError(f"Histogram.high must be above low ({self.low:g}), not {self.high:g}")

    def lacks(self, spec: Spec) -> str | None:
        """It needs features, and a table that holds their joint cells."""
        if not spec.features:
            return "needs features to count, and the world offers none"
        if self.bins**spec.features > MOST_CELLS:
            return (
                f"keeps bins^features cells, and {self.bins}^{spec.features} are more than {MOST_CELLS}; use fewer bins"
            )
        return None

    def start(self, r: int, b: int, p: int, spec: Spec, luck: Luck) -> Cells:
        """Nothing counted, and nothing unusual."""
        k = self.bins**spec.features
        return Cells(np.zeros((r, b, k)), np.zeros((r, p, k)), np.zeros((r, b, k)), np.zeros((r, b, k)))

    def predict(self, mind: Cells, x: Array, luck: Luck) -> Array:
        """The rank of the cell of each seat and case, `(r, b, g, *c)`."""
        cell = self._cells(once(x)) + _rows(mind.rank, x.ndim - 1)
        return np.broadcast_to(mind.rank.reshape(-1).take(cell), x.shape[:-1])

    def witness(self, mind: Cells, x: Array, action: Array, feedback: Feedback, then: Array) -> None:
        """Count the cases `(r, p, g, *c)` that were seen, by their weights; what came of them does not matter."""
        cell = self._cells(once(x)) + _rows(mind.total, x.ndim - 1)
        weight = np.ones(x.shape[:-1]) if feedback.weight is None else np.broadcast_to(feedback.weight, x.shape[:-1])
        add_at(mind.total, np.broadcast_to(cell, weight.shape), weight)

    def retrain(self, mind: Cells, at: tuple[Ints, Ints], taught_by: Ints) -> None:
        """Rank all cells anew, for each of the brains `at`; one to whose pool nothing came says what it said before."""
        row, brain = at
        pool = mind.total[row, taught_by[brain]]
        own = self.keep * mind.own[at] + (pool - mind.seen[at])
        mind.seen[at], mind.own[at] = pool, own
        some = own.sum(axis=1) > 0
        mind.rank[row[some], brain[some]] = self._ranks(own[some])

    def _cells(self, x: Array) -> Ints:
        """The joint cell of each case `(..., f)`, `(...)`."""
        scale, cell = self.bins / (self.high - self.low), np.zeros(x.shape[:-1], dtype=np.int64)
        for i in range(x.shape[-1]):
            at = (x[..., i] - self.low) * scale
            np.maximum(at, 0, out=at)
            np.minimum(at, self.bins - 1, out=at)
            cell *= self.bins
            cell += at.astype(np.int64)  # rounded down, since nothing is below 0
        return cell

    def _ranks(self, own: Floats) -> Floats:
        """The share of the cases counted in `own` `(n, k)`, some in each row, that lie in cells with a lower score, of
        each cell.
        """
        ranks = np.empty(own.shape)
        for rows in blocks(*own.shape):
            ranks[rows] = self._ranked(own[rows])
        return ranks

    def _ranked(self, own: Floats) -> Floats:
        """`_ranks` of as many rows as fit the cache."""
        n, k = own.shape
        features = round(math.log(k) / math.log(self.bins))
        score = np.zeros((n, *(self.bins,) * features))
        score += features * np.log(own.sum(axis=1) + self.prior).reshape(n, *(1,) * features)  # so that none is below 0
        for i in range(features):
            marginal = np.einsum("nabc->nb", own.reshape(n, self.bins**i, self.bins, -1))
            score -= np.log(marginal + self.prior).reshape(n, *(1,) * i, self.bins, *(1,) * (features - 1 - i))
        score *= 1 / STEP
        level = np.maximum(score, 0.0, out=score).reshape(n, k).astype(np.int64)
        levels = int(level.max()) + 1
        level += np.arange(0, n * levels, levels)[:, None]
        counts, there = np.zeros((n, levels)), own.ravel().nonzero()[0]  # most cells hold nothing
        add_at(counts, level.ravel().take(there), own.ravel().take(there))
        upto = np.cumsum(counts, axis=1)
        return np.asarray((upto - counts).reshape(-1).take(level) / upto[:, -1:])


def _rows(table: Floats, ndim: int) -> Ints:
    """Where the cells of each row of `table (r, b, k)` begin, shaped for `ndim` axes."""
    r, b, k = table.shape
    return np.arange(0, r * b * k, k).reshape(r, b, *(1,) * (ndim - 2))
