"""The mean of the answers of the last few ticks: the simplest forecast in use, and the one with a sharp edge to its memory.

Each answer counts in full for `window` ticks and then not at all, so what entered leaves again at full size: with a
window of p answers a forecast changes by (newest - the one that leaves) / p (Brown 1963, Smoothing, Forecasting and Prediction). Every
case has a window of its own. An answer that nobody saw takes up time and does not count.

Where there is a feature it converts: what is said is the mean times it, as when demand is counted in pieces and
orders are written by the case. The feature is not learnt from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Floats, Ints
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Asks, Feedback, Spec
from simlab.brains.brain import Brain


class Window(NamedTuple):
    """Weights `(r, b, *c)`: what each brain says. Evidence: a ring of `w` ticks with sums `(w, r, p, *c)`, and the sums over it."""

    says: Floats
    sums: Floats  # (w, r, p, *c) answers that came at a tick, by their weights
    weights: Floats  # (w, r, p, *c)
    total: Floats  # (r, p, *c) of the sums in the ring
    number: Floats  # (r, p, *c) of the weights in the ring
    at: Ints  # (1,) where on the ring it stands


@final
@dataclass(frozen=True)
class MovingAverage(Brain[Window]):
    """Answers each case with the mean of its last answers, times the feature if there is one; `prior` before any."""

    answers: ClassVar[frozenset[Asks]] = frozenset({"number"})
    blend: ClassVar[tuple[str, ...]] = ("says",)

    window: Annotated[int, Par("1", "ticks with answers over which it averages", low=1, high=100_000)] = 20
    prior: Annotated[float, Par("1", "what it says before it has seen anything")] = 0.0
    bounds: Annotated[bool, Par("1", "whether an answer that is only a bound counts as if it were the value")] = True

    def lacks(self, spec: Spec) -> str | None:
        """Several features cannot all be what the mean is multiplied by."""
        return (
            None if spec.features <= 1 else f"multiplies its mean by one feature, and the world gives {spec.features}"
        )

    def start(self, r: int, b: int, p: int, spec: Spec, luck: Luck) -> Window:
        """Nothing seen."""
        ring = (self.window, r, p, *spec.case)
        says = np.full((r, b, *spec.case), self.prior)
        sums, weights, total, number = np.zeros(ring), np.zeros(ring), np.zeros(ring[1:]), np.zeros(ring[1:])
        return Window(says, sums, weights, total, number, np.zeros(1, dtype=np.int64))

    def predict(self, mind: Window, x: Array, luck: Luck) -> Array:
        """The mean of each case for every seat `(r, b, g, *c)`, times the first feature; states are integers, and ignored."""
        says = mind.says[:, :, None]
        return np.asarray(says * x[..., 0]) if x.dtype.kind == "f" else np.broadcast_to(says, x.shape)

    def fade(self, mind: Window) -> None:
        """The oldest tick leaves. Once a round the sums are added up anew, so that rounding does not build up nor anything stay."""
        at = (mind.at[0] + 1) % self.window
        mind.at[0] = at
        for ring, whole in ((mind.sums, mind.total), (mind.weights, mind.number)):
            if at:
                whole -= ring[at]
                ring[at] = 0.0
            else:
                ring[0] = 0.0
                whole[:] = 0.0
                for tick in ring:
                    whole += tick

    def witness(self, mind: Window, x: Array, action: Array, feedback: Feedback, then: Array) -> None:
        """Add the answers of a tick by their weights, case by case, or pooled where they are not about the cases that were asked."""
        y, weight = feedback.outcome, feedback.weight
        counts: Floats = np.ones(y.shape) if weight is None else np.broadcast_to(weight, y.shape).astype(np.float64)
        if feedback.censored is not None and not self.bounds:
            counts = counts * ~np.broadcast_to(feedback.censored, y.shape)
        by = y * counts if weight is None else np.where(counts > 0, y, 0.0) * counts
        case = mind.total.shape[2:]
        if y.shape[3:] != case:  # all that came to a pool is about all its cases
            by, counts = (a.reshape(*a.shape[:2], 1, *(1,) * len(case), -1).sum(axis=-1) for a in (by, counts))
        for ring, whole, came in ((mind.sums, mind.total, by), (mind.weights, mind.number, counts)):
            here = np.einsum("rpg...->rp...", came) if came.shape[2] > 1 else came[:, :, 0]
            ring[mind.at[0]] += here
            whole += here

    def retrain(self, mind: Window, at: tuple[Ints, Ints], taught_by: Ints) -> None:
        """Take the mean, for each of the brains `at`; a case of which nothing was seen in the window stays as it was."""
        row, brain = at
        pool = row, taught_by[brain]
        number = mind.number[pool]
        known = number > 0
        mind.says[at] = np.where(known, mind.total[pool] / np.where(known, number, 1.0), mind.says[at])
