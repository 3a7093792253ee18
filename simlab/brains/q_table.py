"""Q-learning on a table: what each choice in each state is worth, now and for ever after.

Watkins & Dayan (1992), "Q-learning", Machine Learning 8: after a choice a in state s that brought y and led to state s',

    Q(s, a) <- (1 - rate) Q(s, a) + rate (y + discount max_b Q(s', b)).

The choice is the first of the best, but with probability exp(-decay t) at the t-th answer any one, evenly (Calvano, Calzolari, Denicolo
& Pastorello 2020, AER 110(10), section II). Nothing else is known to the learner: no model of the others, nor that there are any.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from simlab.base.arrays import Array, Floats, Ints
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Asks, Feedback, Measure, Spec
from simlab.brains.brain import Brain


class Table(NamedTuple):
    """One table for each brain, `s` states by `k` choices. Tables do not fit the cache: what is looked up together lies together."""

    rows: Floats  # (r, b, s, k + 1) values, and behind them what none but the best exceeds
    best: NDArray[np.int16]  # (r, b, s) the first choice that is best
    first: Ints  # (r, b) the number of each table's first state, all tables in a row
    answers: Ints  # (r,) ticks with answers so far, the same everywhere
    moved: Ints  # (r, b) the tick at which the greedy strategy last changed
    settled: Floats  # (r,) when all strategies had first stood still for `patience`; NaN if not known yet

    @property
    def q(self) -> Floats:
        """The values, `(r, b, s, k)`."""
        return self.rows[..., :-1]

    @property
    def rest(self) -> Floats:
        """What no value but the best's exceeds, `(r, b, s)`."""
        return self.rows[..., -1]


@final
@dataclass(frozen=True)
class QTable(Brain[Table]):
    """An integer state in, a choice out. Seats of one brain learn one after the other, each from what the one before left.

    Tables begin at `initial` (a number for each choice, or one for all), plus up to `spread` at random, cell by cell. An answer that
    nobody saw (weight 0) teaches nothing; other weights make no difference. Federated rounds have nothing to average.
    """

    answers: ClassVar[frozenset[Asks]] = frozenset({"choice"})
    online: ClassVar[bool] = True
    tells: ClassVar[Mapping[str, Measure]] = {
        "settled": Measure(
            "1",
            "ticks until no greedy strategy had changed for `patience` ticks",
            bound=math.inf,
            may_be_undefined=True,
        )
    }

    rate: Annotated[float, Par("1", "weight of a new answer", above=0, high=1, source="Calvano 2020")] = 0.15
    discount: Annotated[
        float, Par("1", "worth of the next tick, of this one's", low=0, below=1, source="Calvano 2020")
    ] = 0.95
    decay: Annotated[float, Par("1", "rate at which exploring dies out, a tick", low=0, source="Calvano 2020")] = 4e-6
    initial: Annotated[tuple[float, ...], Par("1", "values at the start, one or one a choice")] = (0.0,)
    spread: Annotated[float, Par("1", "width of a random part of the values at the start", low=0)] = 0.0
    patience: Annotated[
        int, Par("1", "ticks without a change after which strategies count as settled", low=1, source="Calvano 2020")
    ] = 100_000

    def lacks(self, spec: Spec) -> str | None:
        """States to look up, one question at a time, and a value for each choice."""
        if not spec.states or spec.case:
            return "needs a world that shows each model one of a number of states"
        if len(self.initial) not in (1, spec.choices):
            return f"has {len(self.initial)} initial values; expected one, or one for each of {spec.choices} choices"
        return None

    def start(self, r: int, b: int, p: int, spec: Spec, luck: Luck) -> Table:
        """Nothing learnt yet."""
        k = spec.choices
        rows = np.empty((r, b, spec.states, k + 1))
        q = rows[..., :k]
        q[:] = self.initial
        if self.spread:
            q += self.spread * luck.uniform("initial", q.shape)
        rows[..., k] = q.max(axis=3)
        best = q.argmax(axis=3).astype(np.int16)
        first = np.arange(r * b).reshape(r, b) * spec.states
        return Table(rows, best, first, np.zeros(r, np.int64), np.zeros((r, b), np.int64), np.full(r, np.nan))

    def predict(self, mind: Table, x: Array, luck: Luck) -> Ints:
        """One choice for each seat, `(r, b, g)`, of its state `x`; one number decides whether and what to explore."""
        said = mind.best.reshape(-1).take(x + mind.first[:, :, None]).astype(np.int64)
        chance = math.exp(-self.decay * int(mind.answers[0]))
        u = luck.uniform("explore", x.shape)
        explored = (u < chance).ravel().nonzero()[0]
        if len(explored):
            k = mind.rows.shape[3] - 1
            said.reshape(-1)[explored] = np.minimum(u.take(explored) * (k / chance), k - 1)
        return said

    def fade(self, mind: Table) -> None:
        """One more tick with answers."""
        mind.answers[:] += 1

    def witness(self, mind: Table, x: Array, action: Array, feedback: Feedback, then: Array) -> None:
        """Learn from what each seat's choice brought and led to."""
        outcome, weight = feedback.outcome, feedback.weight
        for seat in range(outcome.shape[2]):
            state, ahead = ((at[:, :, seat] + mind.first).ravel() for at in (x, then))
            seen = None if weight is None else weight[:, :, seat].ravel() > 0
            self._learn(mind, state, action[:, :, seat].ravel(), outcome[:, :, seat].ravel(), ahead, seen)

    def _learn(self, mind: Table, state: Ints, action: Ints, y: Floats, ahead: Ints, seen: Array | None) -> None:
        """One step for each table, all flat `(r * b,)`; a row is searched anew only where its best may no longer be the best."""
        k = mind.rows.shape[3] - 1
        rows, q, best = mind.rows.reshape(-1, k + 1), mind.rows.reshape(-1), mind.best.reshape(-1)
        rest = q[k:]  # at the same places as the row
        row, was = state * (k + 1), best.take(state)
        at, others, then = row + action, rest.take(row), ahead * (k + 1)
        old = q.take(at)
        then += best.take(ahead)
        new = q.take(then)
        new *= self.discount
        new += y
        new -= old
        new *= self.rate
        new += old
        if seen is not None:
            new = np.where(seen, new, old)
        turned, choices = [], []
        tried = (action != was).nonzero()[0]  # early in a run nearly all, later nearly none
        if len(tried):
            here, value, favourite = row.take(tried), new.take(tried), was.take(tried)
            high = q.take(here + favourite)
            rest[here] = np.minimum(np.maximum(others.take(tried), value), high)
            rose = tried[(value > high) | ((value == high) & (action.take(tried) < favourite))]
            turned.append(state.take(rose))
            choices.append(action.take(rose))
            others[tried] = -np.inf
        q[at] = new
        unsure = (new <= others).nonzero()[0]
        if len(unsure):
            here = state.take(unsure)
            values = rows.take(here, axis=0)
            values[:, k] = -np.inf
            flat, edge = values.reshape(-1), np.arange(0, values.size, k + 1)
            first = values.argmax(axis=1)
            flat[first + edge] = -np.inf
            rest[row.take(unsure)] = flat.take(values.argmax(axis=1) + edge)
            moved = first != was.take(unsure)
            turned.append(here[moved])
            choices.append(first[moved])
        if turned:
            self._turn(mind, np.concatenate(turned), np.concatenate(choices))

    def _turn(self, mind: Table, state: Ints, choice: Ints) -> None:
        """The greedy choice in these states is another one now; who had stood still long enough before had settled."""
        if not len(state):
            return
        mind.best.reshape(-1)[state] = choice
        tick, b = int(mind.answers[0]), mind.moved.shape[1]
        table = state // mind.best.shape[2]
        if tick >= self.patience:
            whose = table // b
            quiet = mind.moved[whose].max(axis=1) + float(self.patience)
            quiet[quiet >= tick] = np.nan
            mind.settled[whose] = np.fmin(mind.settled[whose], quiet)
        mind.moved.reshape(-1)[table] = tick

    def tell(self, mind: Table) -> dict[str, Floats]:
        """When strategies settled, `(r,)`: NaN for those that have not."""
        quiet = mind.moved.max(axis=1) + float(self.patience)
        return {"settled": np.fmin(mind.settled, np.where(quiet <= mind.answers, quiet, np.nan))}
