"""Model collapse once more, slowly: one SimPy process for each publisher and brain, plain Python numbers, one replication.

Written from the description of the world, not from its code; it shares nothing with it but parameters and noise. At one instant brains
are fitted first, then everybody publishes, then what was published is taken note of.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import simpy

Process = Generator[simpy.Event, Any, None]


class Bell:
    """A normal by maximum likelihood, from what came since the last fit and `keep` times what was known before."""

    def __init__(self, mean: float, spread: float, keep: float) -> None:
        self.mean, self.spread, self.keep = mean, spread, keep
        self.pieces: list[tuple[float, float]] = []  # each with the weight it still has
        self.fresh: list[float] = []

    def fit(self) -> None:
        self.pieces = [(y, w * self.keep) for y, w in self.pieces if w * self.keep > 0] + [(y, 1.0) for y in self.fresh]
        self.fresh = []
        weight = math.fsum(w for _, w in self.pieces)
        self.mean = math.fsum(w * y for y, w in self.pieces) / weight
        self.spread = math.sqrt(math.fsum(w * (y - self.mean) ** 2 for y, w in self.pieces) / weight)


class Press:
    """All publishers; `noise` holds for each purpose one entry a generation, and from generation `since` on `fresh` people are left."""

    def __init__(
        self,
        parameters: Mapping[str, Any],
        noise: Mapping[str, Sequence[Any]],
        wiring: Mapping[str, Sequence[int]],
        learner: Mapping[str, float],
        *,
        since: int,
        fresh: float,
    ) -> None:
        self.p, self.noise, self.wiring = SimpleNamespace(**parameters), noise, wiring
        self.since, self.then = since, fresh
        self.brains = [Bell(**learner) for _ in wiring["taught_by"]]
        self.published: list[list[float]] = [[] for _ in range(self.p.models)]
        self.tick = 0
        self.cost = self.drift = self.narrowed = self.lost = self.rare = self.wrong = 0.0
        self.env = simpy.Environment()
        for brain in self.brains:
            self.env.process(self.fitting(brain))
        for m in range(self.p.models):
            self.env.process(self.publisher(m))
        self.env.process(self.closing())

    def run(self, ticks: int) -> None:
        self.env.run(until=ticks - 0.5)

    def fitting(self, brain: Bell) -> Process:
        while True:
            yield self.env.timeout(1)
            brain.fit()

    def publisher(self, m: int) -> Process:
        brain, n = self.brains[self.wiring["brain_of"][m]], self.p.pieces
        while True:
            people = round((self.p.fresh if self.tick < self.since else self.then) * n)
            own, reality = self.noise["pieces"][self.tick][m], self.noise["people"][self.tick][m]
            self.published[m] = [reality[i] if i < people else brain.mean + brain.spread * own[i] for i in range(n)]
            yield self.env.timeout(1)

    def closing(self) -> Process:
        while True:
            n, lost, narrowed, drift, far, apart, wrong = self.p.pieces, 0.0, 0.0, 0.0, 0, 0.0, 0
            for pieces in self.published:
                mean = math.fsum(pieces) / n
                variance = math.fsum((y - mean) ** 2 for y in pieces) / n
                lost += 1 - variance
                narrowed -= math.log(variance)
                drift += mean * mean
                far += sum(abs(y - mean) > 2 for y in pieces)
                apart += mean * mean + (math.sqrt(variance) - 1) ** 2
                wrong += variance < self.p.line
            m = self.p.models
            self.lost, self.drift, self.rare, self.wrong = lost / m, drift / m, far / m / n, wrong / m
            self.narrowed = narrowed / m
            self.cost += apart / m
            for brain, pool in zip(self.brains, self.wiring["taught_by"], strict=True):
                for k, pieces in enumerate(self.published):
                    if self.wiring["data_of"][k] == pool:
                        brain.fresh += pieces
            self.tick += 1
            yield self.env.timeout(1)
