"""Upper confidence bounds over a sliding window: for choices whose quality changes.

Garivier & Moulines (2011), "On upper-confidence bound policies for switching bandit problems", ALT, section 3: of n answers in the
window, m to a choice, its index is the mean of those m plus sqrt(xi log(n) / m). A window longer than the run is the UCB of Auer,
Cesa-Bianchi & Fischer (2002), Machine Learning 47 (there xi = 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Floats, Ints
from simlab.base.kernels import sum_by_choice
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Asks, Feedback, Spec
from simlab.brains.brain import Brain


class Window(NamedTuple):
    """What stands in the window: answers and successes of each choice, `(r, b, k)`, and tick by tick."""

    tried: Floats
    good: Floats
    tries: Floats  # (r, b, w, k)
    goods: Floats  # (r, b, w, k)
    row: Ints  # (1,) which of the w is written next


@final
@dataclass(frozen=True)
class SlidingUcb(Brain[Window]):
    """All questions of a tick get the choice with the highest index; what was not tried within the window is tried first.

    An answer is a success unless it is `censored`.
    """

    answers: ClassVar[frozenset[Asks]] = frozenset({"choice"})
    online: ClassVar[bool] = True

    window: Annotated[int, Par("1", "ticks with answers that are remembered", low=1, high=100_000)] = 1000
    xi: Annotated[float, Par("1", "how wide the bounds are", above=0, source="Garivier & Moulines 2011, section 5")] = (
        0.6
    )

    def start(self, r: int, b: int, p: int, spec: Spec, luck: Luck) -> Window:
        """An empty window."""
        k = spec.choices
        now, ring = np.zeros((2, r, b, k)), np.zeros((2, r, b, self.window, k))
        return Window(now[0], now[1], ring[0], ring[1], np.zeros(1, dtype=np.int64))

    def predict(self, mind: Window, x: Array, luck: Luck) -> Ints:
        """The choice with the highest index, `(r, b, g, *c)`."""
        tried = np.maximum(mind.tried, 1)
        all_tried = np.maximum(mind.tried.sum(axis=2, keepdims=True), 1)
        index = mind.good / tried + np.sqrt(self.xi * np.log(all_tried) / tried)
        index[mind.tried == 0] = np.inf
        best = index.argmax(axis=2)
        return np.broadcast_to(best.reshape(*best.shape, *(1,) * (x.ndim - 3)), x.shape[:-1])

    def witness(self, mind: Window, x: Array, action: Array, feedback: Feedback, then: Array) -> None:
        """The oldest tick leaves the window, this one enters. Counts are whole numbers, so nothing drifts."""
        n = np.ones(feedback.outcome.shape) if feedback.weight is None else feedback.weight
        bad = n * 0 if feedback.censored is None else n * feedback.censored
        count, failed = sum_by_choice(action, mind.tried.shape[2], n, bad)
        row = int(mind.row[0])
        for total, ring, now in ((mind.tried, mind.tries, count), (mind.good, mind.goods, count - failed)):
            total += now - ring[:, :, row]
            ring[:, :, row] = now
        mind.row[0] = (row + 1) % self.window
