"""A chain of models once more, slowly: one SimPy process for each stage and brain, plain Python numbers, one replication.

Written from the description of the world, not from its code; it shares nothing with it but parameters and noise. At one instant brains
train first, then stages are worked through from the first to the last, and then reality is known at all of them.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import simpy

Process = Generator[simpy.Event, Any, None]
Row = tuple[float, ...]


class Ridge:
    """Linear in what it is shown, by normal equations on evidence that fades, solved by elimination."""

    def __init__(self, penalty: float, memory: float, size: int, bounds: float = 1.0) -> None:
        self.penalty, self.keep, self.bounds = penalty, math.exp(-1 / memory), bounds
        self.weights = [0.0] * size
        self.squares = [[0.0] * size for _ in range(size)]
        self.products = [0.0] * size

    def predict(self, x: Row) -> float:
        return sum(w * v for w, v in zip(self.weights, x, strict=True))

    def fade(self) -> None:
        self.products = [p * self.keep for p in self.products]
        self.squares = [[s * self.keep for s in row] for row in self.squares]

    def see(self, cases: Sequence[tuple[Row, float]]) -> None:
        for x, y in cases:
            self.see_one(x, y, 1 / len(cases))

    def see_one(self, x: Row, y: float, weight: float) -> None:
        for i, xi in enumerate(x):
            self.products[i] += weight * xi * y
            for j, xj in enumerate(x):
                self.squares[i][j] += weight * xi * xj

    def learn(self) -> None:
        n = len(self.weights)
        rows = [
            [s + self.penalty * (i == j) for j, s in enumerate(row)] + [self.products[i]]
            for i, row in enumerate(self.squares)
        ]
        for i in range(n):
            for k in range(i + 1, n):
                part = rows[k][i] / rows[i][i]
                rows[k] = [a - part * b for a, b in zip(rows[k], rows[i], strict=True)]
        for i in reversed(range(n)):
            rest = sum(rows[i][j] * self.weights[j] for j in range(i + 1, n))
            self.weights[i] = (rows[i][n] - rest) / rows[i][i]


class Chain:
    """All stages; `noise` holds for each purpose one entry a tick, the first for what is met at tick 0.

    `reads` are the upstream models of each, `pushed` is (first tick, size) of what is added to all that the first model says,
    and `walls` holds for each model behind a firewall how far from the last outcome what it reads may be.
    """

    def __init__(
        self,
        parameters: Mapping[str, Any],
        noise: Mapping[str, Sequence[Any]],
        wiring: Mapping[str, Any],
        learner: Mapping[str, float],
        *,
        every: int,
        pushed: tuple[int, float] = (10**9, 0.0),
        walls: Mapping[int, float] | None = None,
    ) -> None:
        self.p, self.noise, self.wiring = SimpleNamespace(**parameters), noise, wiring
        self.reads = [up[0] if up else -1 for up in wiring["reads"]] or [-1] * self.p.models
        self.chained = bool(wiring["reads"])
        self.brains = [Ridge(size=2 + self.chained, **learner) for _ in wiring["taught_by"]]
        self.pushed, self.walls = pushed, walls or {}
        stages, items = range(self.p.models), range(self.p.items)
        self.drivers = [[self.draw(0, m, i) for i in items] for m in stages]
        self.said = [[0.0] * self.p.items for _ in stages]
        self.truth = [[0.0] * self.p.items for _ in stages]
        self.asked: list[list[Row]] = [[()] * self.p.items for _ in stages]
        self.tick = 0
        self.off = [0.0] * self.p.models
        self.missed = [0.0] * self.p.models
        self.size = [0.0] * self.p.models
        self.wrong = 0.0
        self.env = simpy.Environment()
        for brain in self.brains:
            self.env.process(self.training(brain, every))
        self.right = [[0.0] * self.p.items for _ in stages]
        for m in stages:
            self.env.process(self.stage(m))
        self.env.process(self.closing())

    def run(self, ticks: int) -> None:
        self.env.run(until=ticks - 0.5)

    def draw(self, tick: int, m: int, i: int) -> float:
        common, own = self.noise["weather"][tick][i], self.noise["driver"][tick][m][i]
        return math.sqrt(self.p.alike) * common + math.sqrt(1 - self.p.alike) * own

    def training(self, brain: Ridge, every: int) -> Process:
        while True:
            yield self.env.timeout(every)
            brain.learn()

    def stage(self, m: int) -> Process:
        """Every item in turn: what is right now, what is shown to the model, and what it says."""
        p, view = self.p, self.wiring["view_of"][m]
        brain, up = self.brains[self.wiring["brain_of"][m]], self.reads[m]
        while True:
            since, size = self.pushed
            for i in range(p.items):
                before = self.right[m - 1][i] if m else 0.0
                self.right[m][i] = p.gain * before + self.drivers[m][i]
                shown = [1.0, self.drivers[view][i] + p.error * self.noise["view error"][self.tick][view][i]]
                if self.chained:
                    shown.append(self.read(m, up, i) if up >= 0 else 0.0)
                self.asked[m][i] = tuple(shown)
                self.said[m][i] = brain.predict(self.asked[m][i]) + size * (m == 0 and self.tick >= since)
            yield self.env.timeout(1)

    def read(self, m: int, up: int, i: int) -> float:
        heard = self.said[up][i]
        if m in self.walls:
            heard = min(max(heard, self.truth[up][i] - self.walls[m]), self.truth[up][i] + self.walls[m])
        return heard

    def closing(self) -> Process:
        """What was right is known at every stage; everybody takes note."""
        p = self.p
        while True:
            self.truth = [list(row) for row in self.right]
            worst = 0
            for m in range(p.models):
                misses = [s - t for s, t in zip(self.said[m], self.truth[m], strict=True)]
                square = sum(miss * miss for miss in misses) / p.items
                self.off[m] = sum(misses) / p.items
                self.missed[m] += square
                self.size[m] += sum(t * t for t in self.truth[m]) / p.items
                worst += math.sqrt(square) > p.line
            self.wrong = worst / p.models
            self.learn_from()
            self.tick += 1
            for m in range(p.models):
                for i in range(p.items):
                    news = self.draw(self.tick, m, i)
                    self.drivers[m][i] = p.lasting * self.drivers[m][i] + math.sqrt(1 - p.lasting**2) * news
            yield self.env.timeout(1)

    def learn_from(self) -> None:
        data_of = self.wiring["data_of"]
        for brain, pool in zip(self.brains, self.wiring["taught_by"], strict=True):
            brain.fade()
            brain.see(
                [
                    (x, y)
                    for m in range(self.p.models)
                    if data_of[m] == pool
                    for x, y in zip(self.asked[m], self.truth[m], strict=True)
                ]
            )
