"""Q-learning on a grid: features are sorted into cells, and a table holds what each choice is worth in each cell.

Watkins & Dayan (1992), "Q-learning", Machine Learning 8: after a choice a in cell s that brought y and led to cell s',

    Q(s, a) <- (1 - w) Q(s, a) + w (y + discount max_b Q(s', b)),    w = max(rate, n^-power),

at the n-th such answer (Even-Dar & Mansour 2003, "Learning rates for Q-learning", JMLR 5: a power between 1/2 and 1 converges, and
a `rate` above 0 keeps up with what changes). The choice is the first of the best, but with probability explore x exp(-decay t) at the
t-th answer any one, evenly. Other than `q_table`, which is made for states that are whole numbers and for many of them, it reads
real features, and its table can be averaged in federated rounds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Floats, Ints
from simlab.base.errors import ParameterError
from simlab.base.luck import Luck
from simlab.base.par import Par, check_parameters
from simlab.base.world import Asks, Feedback, Spec
from simlab.brains.brain import Brain


class Grid(NamedTuple):
    """One table for each brain."""

    q: Floats  # (r, b, s, k) what each choice is worth in each cell
    known: Floats  # (r, b, s, k) answers so far
    answers: Ints  # (r,) ticks with answers so far, the same everywhere


@final
@dataclass(frozen=True)
class QGrid(Brain[Grid]):
    """Features in, a choice out. Seats of one brain learn one after the other, each from what the one before left.

    `cells` says into how many intervals each of the first features is cut, and `cuts` where: those of the first feature, then those of the
    second, and so on. A value on a cut belongs above it. Features without a number of cells are not looked at. An answer that nobody saw
    (weight 0) teaches nothing; other weights make no difference.
    """

    answers: ClassVar[frozenset[Asks]] = frozenset({"choice"})
    online: ClassVar[bool] = True
    blend: ClassVar[tuple[str, ...]] = ("q",)
    beside: ClassVar[tuple[str, ...]] = ("known",)

    cells: Annotated[tuple[int, ...], Par("1", "cells of each of the first features", low=1)]
    cuts: Annotated[tuple[float, ...], Par("1", "between them: each feature's in turn, rising")]
    rate: Annotated[float, Par("1", "least weight of a new answer", low=0, high=1)] = 0.01
    power: Annotated[float, Par("1", "how fast that weight falls", above=0, high=1, source="Even-Dar 2003")] = 0.8
    discount: Annotated[float, Par("1", "worth of the next tick, of this one's", low=0, below=1)] = 0.9
    explore: Annotated[float, Par("1", "share of explored choices at the start", low=0, high=1)] = 0.1
    decay: Annotated[float, Par("1", "rate at which exploring dies out, a tick", low=0)] = 0.0
    initial: Annotated[float, Par("1", "values at the start")] = 0.0

    def __post_init__(self) -> None:
        check_parameters(self)
        if len(self.cuts) != sum(self.cells) - len(self.cells):
            wanted = " + ".join(str(n - 1) for n in self.cells)
            raise ParameterError(f"QGrid.cuts must be {wanted} numbers for cells {self.cells}, not {len(self.cuts)}")
        if math.prod(self.cells) > 100_000:
            raise ParameterError(f"QGrid.cells must be fewer: {math.prod(self.cells):,} are above 100,000")
        if any(a >= b for cuts in self._sliced() for a, b in pairwise(cuts)):
            raise ParameterError(f"QGrid.cuts must rise within each feature, not {self.cuts}")

    def lacks(self, spec: Spec) -> str | None:
        """Enough features to sort, one question at a time."""
        if spec.features < len(self.cells) or spec.case:
            return (
                f"needs a world that shows each model at least {len(self.cells)} features and asks one question a tick"
            )
        return None

    def start(self, r: int, b: int, p: int, spec: Spec, luck: Luck) -> Grid:
        """Nothing learnt yet."""
        shape = r, b, math.prod(self.cells), spec.choices
        return Grid(np.full(shape, self.initial), np.zeros(shape), np.zeros(r, np.int64))

    def predict(self, mind: Grid, x: Array, luck: Luck) -> Ints:
        """One choice for each seat, `(r, b, g)`, of its features `x`; one number decides whether and what to explore."""
        k = mind.q.shape[3]
        said: Ints = mind.q.reshape(-1, k).take(self._rows(mind, x), axis=0).argmax(axis=3)
        chance = self.explore * math.exp(-self.decay * int(mind.answers[0]))
        u = luck.uniform("explore", said.shape)
        explored = (u < chance).ravel().nonzero()[0]
        if len(explored):
            said.reshape(-1)[explored] = np.minimum(u.take(explored) * (k / chance), k - 1)
        return said

    def fade(self, mind: Grid) -> None:
        """One more tick with answers."""
        mind.answers[:] += 1

    def witness(self, mind: Grid, x: Array, action: Array, feedback: Feedback, then: Array) -> None:
        """Learn from what each seat's choice brought and led to."""
        k = mind.q.shape[3]
        rows, values, known = mind.q.reshape(-1, k), mind.q.reshape(-1), mind.known.reshape(-1)
        cell, ahead = self._rows(mind, x) * k + action, self._rows(mind, then)
        for seat in range(action.shape[2]):
            at = cell[:, :, seat]
            old = values.take(at)
            step = _highest(rows.take(ahead[:, :, seat], axis=0))
            step *= self.discount
            step += feedback.outcome[:, :, seat]
            step -= old
            seen = 1.0 if feedback.weight is None else (feedback.weight[:, :, seat] > 0) * 1.0
            n = known.take(at) + 1.0
            step *= np.maximum(n**-self.power, self.rate)
            if feedback.weight is not None:
                step = np.where(seen > 0, step, 0.0)
            values[at] = old + step
            known[at] = n - 1.0 + seen

    def _rows(self, mind: Grid, x: Array) -> Ints:
        """The row of the tables, laid one below the other, in which each seat is, `(r, b, g)`."""
        r, b, s, _ = mind.q.shape
        cell = np.zeros(x.shape[:-1], dtype=np.int64)
        for i, cuts in enumerate(self._sliced()):
            cell *= len(cuts) + 1
            cell += np.searchsorted(cuts, x[..., i], side="right")
        cell += (np.arange(r * b) * s).reshape(r, b, 1)
        return cell

    def _sliced(self) -> list[tuple[float, ...]]:
        """The cuts of each feature."""
        ends = np.cumsum([n - 1 for n in self.cells]).tolist()
        return [self.cuts[end - n + 1 : end] for n, end in zip(self.cells, ends, strict=True)]


def _highest(values: Floats) -> Floats:
    """The highest along the last axis, slice by slice: many times faster than a reduction over so short an axis."""
    top = values[..., 0].copy()
    for i in range(1, values.shape[-1]):
        np.maximum(top, values[..., i], out=top)
    return top
