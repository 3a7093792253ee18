"""Goodhart's law once more, slowly: one SimPy process for each producer, surface and learner, plain Python numbers, one replication.

Written from the description of the world, not from its code; it shares nothing with it but parameters and noise.
Everything due at one instant happens in the order in which the processes were started: first the news of what pays and the trainings,
then producers offer what they have, then the surfaces choose, and then it is seen what came of it.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import simpy

Process = Generator[simpy.Event, Any, None]
Row = list[float]


def solve(a: list[Row], b: Row) -> Row:
    """The x with a x = b, by elimination with the largest pivot."""
    rows = [[*line, right] for line, right in zip(a, b, strict=True)]
    for i in range(len(b)):
        best = max(range(i, len(b)), key=lambda j: abs(rows[j][i]))
        rows[i], rows[best] = rows[best], rows[i]
        for j in range(i + 1, len(b)):
            factor = rows[j][i] / rows[i][i]
            rows[j] = [below - factor * above for below, above in zip(rows[j], rows[i], strict=True)]
    x = [0.0] * len(b)
    for i in reversed(range(len(b))):
        x[i] = (rows[i][-1] - sum(rows[i][j] * x[j] for j in range(i + 1, len(b)))) / rows[i][i]
    return x


class Books:
    """What a pool has seen: sums over what was shown, a share of it for each candidate there was to see; they fade."""

    def __init__(self, features: int, memory: float) -> None:
        self.keep = math.exp(-1 / memory)
        self.square = [[0.0] * features for _ in range(features)]
        self.cross = [0.0] * features

    def fade(self) -> None:
        self.square = [[self.keep * s for s in line] for line in self.square]
        self.cross = [self.keep * s for s in self.cross]

    def enter(self, x: Sequence[float], metric: float, share: float) -> None:
        for i, xi in enumerate(x):
            self.cross[i] += share * xi * metric
            for j, xj in enumerate(x):
                self.square[i][j] += share * xi * xj


class Platform:
    """All surfaces and producers; `noise` holds for each purpose one entry a round, of nested lists as the candidates are dealt them."""

    def __init__(
        self,
        parameters: Mapping[str, Any],
        brain: Mapping[str, float],
        wiring: Mapping[str, Sequence[int]],
        noise: Mapping[str, Sequence[Any]],
        *,
        stakes: tuple[int, float],
        averaged: bool = False,
    ) -> None:
        p = self.p = SimpleNamespace(**parameters)
        self.brain, self.wiring, self.noise, self.averaged = SimpleNamespace(**brain), wiring, noise, averaged
        self.stakes = p.stakes
        features = 2 + p.metrics
        self.weights = [[0.0] * features for _ in wiring["taught_by"]]
        self.books = {pool: Books(features, brain["memory"]) for pool in set(wiring["data_of"])}
        self.effort = [0.0] * p.metrics
        self.spread = [p.error] * p.metrics
        self.tick = 0
        places = [(slot, i) for slot in range(p.slots) for i in range(p.candidates)]
        self.quality = dict.fromkeys(places, 0.0)
        self.embellished = [dict.fromkeys(places, 0.0) for _ in range(p.metrics)]
        self.chosen: list[list[int]] = [[0] * p.slots for _ in range(p.models)]
        self.metric, self.users = [0.0] * p.models, [0.0] * p.models
        self.gamed = self.lost = 0.0
        self.env = simpy.Environment()
        self.env.process(self.news(*stakes))
        self.env.process(self.training())
        for slot, i in places:
            self.env.process(self.producer(slot, i))
        for m in range(p.models):
            self.env.process(self.surface(m))
        self.env.process(self.closing())

    def run(self, rounds: int) -> None:
        self.env.run(until=rounds - 0.5)

    def news(self, at: int, stakes: float) -> Process:
        yield self.env.timeout(at)
        self.stakes = stakes

    def training(self) -> Process:
        """Every round but the first, of all at once; where models are averaged, each goes on with the mean of all."""
        while True:
            yield self.env.timeout(1)
            for b, pool in enumerate(self.wiring["taught_by"]):
                books = self.books[pool]
                square = [
                    [s + self.brain.penalty * (i == j) for j, s in enumerate(r)] for i, r in enumerate(books.square)
                ]
                self.weights[b] = solve(square, books.cross)
            if self.averaged:
                mean = [sum(w) / len(self.weights) for w in zip(*self.weights, strict=True)]
                self.weights = [mean for _ in self.weights]

    def producer(self, slot: int, i: int) -> Process:
        """Makes another candidate for its slot every round."""
        while True:
            self.quality[slot, i] = self.noise["quality"][self.tick][i][slot]
            for k in range(self.p.metrics):
                ability = self.noise["ability"][self.tick][i][slot][k]
                f = self.p.freedom
                if f:
                    tail = math.fsum(z * z for z in self.noise["tail"][self.tick][i][slot][k])
                    ability *= math.sqrt((f - 2) / f) / math.sqrt(tail / f)
                self.embellished[k][slot, i] = self.spread[k] * ability
            yield self.env.timeout(1)

    def read(self, m: int, slot: int, i: int) -> Row:
        """A candidate as the view of model m shows it."""
        errors = self.noise["misread"][self.tick][i][slot][self.wiring["view_of"][m]]
        real = [self.quality[slot, i], *(e[slot, i] for e in self.embellished)]
        return [1.0, *(a + self.p.misread * error for a, error in zip(real, errors, strict=True))]

    def surface(self, m: int) -> Process:
        """Scores every candidate and shows the best; the first of several that score alike."""
        while True:
            weights = self.weights[self.wiring["brain_of"][m]]
            for slot in range(self.p.slots):
                scores = []
                for i in range(self.p.candidates):
                    score = 0.0
                    for w, x in zip(weights, self.read(m, slot, i), strict=True):
                        score += w * x
                    scores.append(score)
                self.chosen[m][slot] = scores.index(max(scores))
            yield self.env.timeout(1)

    def beyond(self, what: Mapping[tuple[int, int], float], m: int) -> float:
        """How much more of it the candidates that surface m showed have than the average one."""
        n, gains = self.p.candidates, 0.0
        for slot, i in enumerate(self.chosen[m]):
            gains += what[slot, i] - sum(what[slot, j] for j in range(n)) / n
        return gains / self.p.slots

    def closing(self) -> Process:
        p, surfaces = self.p, range(self.p.models)
        forget, follow = math.exp(-p.round / p.recent), 1 - math.exp(-p.round / p.adapt)
        while True:
            for books in self.books.values():
                books.fade()
            self.gamed = 0.0
            for m in surfaces:
                metric = m % p.metrics
                value, added = self.beyond(self.quality, m), self.beyond(self.embellished[metric], m)
                self.metric[m] = forget * self.metric[m] + (1 - forget) * (value + added)
                self.users[m] = forget * self.users[m] + (1 - forget) * (value - p.cost * added)
                self.gamed += added / p.models
                self.lost -= (value - p.cost * added) / p.models
                pool = self.wiring["data_of"][m]
                there = list(self.wiring["data_of"]).count(pool) * p.slots * p.candidates
                for slot, i in enumerate(self.chosen[m]):
                    shown = self.quality[slot, i] + self.embellished[metric][slot, i]
                    self.books[pool].enter(self.read(m, slot, i), shown, 1 / there)
            for k, effort in enumerate(self.effort):
                pays = sum(self.beyond(self.embellished[k], m) for m in surfaces) / self.spread[k] ** 2
                self.effort[k] += follow * (self.stakes * pays - effort)
                self.spread[k] = max(p.error + self.effort[k], p.error / 2)
            self.tick += 1
            yield self.env.timeout(1)
