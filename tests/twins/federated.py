"""Clients that learn once more, slowly: one SimPy process for each client, brain and server, plain Python, one replication.

Written from the description of the world, not from its code; it shares nothing with it but parameters and noise. At one instant brains
train first, then the server averages, then every client works through its cases, and at the end of the day labels come in.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from statistics import median
from types import SimpleNamespace
from typing import Any

import simpy

Process = Generator[simpy.Event, Any, None]
Row = list[float]
Case = tuple[Row, float]


class Pool:
    """What labelled cases come to: sums of products, which fade."""

    def __init__(self, memory: float, size: int) -> None:
        self.keep = math.exp(-1 / memory)
        self.squares = [[0.0] * size for _ in range(size)]
        self.products = [0.0] * size
        self.count = 0.0

    def add(self, cases: Sequence[Case]) -> None:
        self.count = self.count * self.keep + len(cases)
        for f, row in enumerate(self.squares):
            self.products[f] = self.products[f] * self.keep + sum(x[f] * y for x, y in cases)
            for g in range(len(row)):
                row[g] = row[g] * self.keep + sum(x[f] * x[g] for x, _ in cases)

    def gradient(self, w: Row) -> Row:
        """Of half the mean squared error."""
        if not self.count:
            return [0.0] * len(w)
        return [
            (sum(s * v for s, v in zip(row, w, strict=True)) - p) / self.count
            for row, p in zip(self.squares, self.products, strict=True)
        ]


class Server:
    """Combines updates by a rule and hands the result to all."""

    def __init__(self, rule: str, size: int) -> None:
        self.rule, self.globe = rule, [0.0] * size

    def hold(self, brains: Sequence[Brain], late: Sequence[bool]) -> None:
        updates = [
            [w - g for w, g in zip(brain.w, self.globe, strict=True)]
            for brain, absent in zip(brains, late, strict=True)
            if not absent
        ]
        if updates:
            self.globe = [g + s for g, s in zip(self.globe, self.combined(updates), strict=True)]
        for brain in brains:
            brain.w = list(self.globe)

    def combined(self, updates: Sequence[Row]) -> Row:
        n = len(updates)
        if self.rule == "krum":
            near = max(1, n - n // 5 - 2)
            scores = []
            for i, u in enumerate(updates):
                apart = sorted(
                    sum((a - b) ** 2 for a, b in zip(u, v, strict=True)) for j, v in enumerate(updates) if j != i
                )
                scores.append(sum(apart[:near]))
            return updates[scores.index(min(scores))]
        step = []
        for column in zip(*updates, strict=True):
            if self.rule == "median":
                step.append(median(column))
            else:
                cut = n // 5 if self.rule == "trimmed" else 0
                kept = sorted(column)[cut : n - cut]
                step.append(sum(kept) / len(kept))
        return step


class Brain:
    """Weights that go down the gradient of a pool."""

    def __init__(self, pool: Pool, learner: Mapping[str, float], size: int) -> None:
        self.pool, self.by, self.w = pool, SimpleNamespace(**learner), [0.0] * size

    def train(self, noise: Row) -> None:
        w = self.w
        for _ in range(int(self.by.steps)):
            w = [a - self.by.rate * g for a, g in zip(w, self.pool.gradient(w), strict=True)]
        change = [a - b for a, b in zip(w, self.w, strict=True)]
        length = math.sqrt(sum(c * c for c in change))
        if self.by.clip and length > self.by.clip:
            change = [c * self.by.clip / length for c in change]
        self.w = [a + c + self.by.noise * n for a, c, n in zip(self.w, change, noise, strict=True)]


class Federation:
    """All clients; `noise` holds for each purpose one entry a day (a round, for who is late)."""

    def __init__(
        self,
        parameters: Mapping[str, Any],
        noise: Mapping[str, Any],
        wiring: Mapping[str, Any],
        learner: Mapping[str, float],
        *,
        every: int,
        average: int = 0,
        lies: tuple[int, float, Sequence[int]] = (10**9, 0.0, ()),
        levels: Mapping[int, float] | None = None,
    ) -> None:
        self.p, self.noise, self.wiring, self.lies = SimpleNamespace(**parameters), noise, wiring, lies
        self.levels = levels or {}
        p, size = self.p, self.p.features + 1
        common, own = noise["common optimum"], noise["own optimum"]
        self.optimum = [
            [math.sqrt(p.alike) * common[f] + math.sqrt(1 - p.alike) * own[m][f] for f in range(size)]
            for m in range(p.clients)
        ]
        self.scale = [
            [math.exp(p.tilt * noise["scale"][m][f] - p.tilt**2) if f else 1.0 for f in range(size)]
            for m in range(p.clients)
        ]
        self.pools = {pool: Pool(learner["memory"], size) for pool in wiring["data_of"]}
        self.brains = [Brain(self.pools[pool], learner, size) for pool in wiring["taught_by"]]
        self.server = Server(wiring["average_by"], size)
        self.day = 0
        self.error = [0.0] * p.clients
        self.plain = [0.0] * p.clients
        self.off = [0.0] * p.clients
        self.total = self.failures = 0.0
        self.said: list[Row] = [[]] * p.clients
        self.asked: list[list[Row]] = [[]] * p.clients
        self.env = simpy.Environment()
        for number, brain in enumerate(self.brains):
            self.env.process(self.training(number, brain, every))
        if average:
            self.env.process(self.rounds(average))
        for m in range(p.clients):
            self.env.process(self.client(m))
        self.env.process(self.evening())

    def run(self, days: int) -> None:
        self.env.run(until=days - 0.1)

    def training(self, number: int, brain: Brain, every: int) -> Process:
        first = self.wiring["brain_of"].index(number)
        while True:
            yield self.env.timeout(every)
            brain.train(self.noise["update"][self.day - 1][first])

    def rounds(self, every: int) -> Process:
        number = 0
        yield self.env.timeout(0.1)
        while True:
            yield self.env.timeout(every)
            self.server.hold(self.brains, self.noise["late"][number])
            number += 1

    def case(self, m: int, i: int) -> Row:
        p = self.p
        drawn = [self.noise[f"feature {f}"][self.day][m][i] for f in range(1, p.features + 1)]
        return [1.0, *(s * z for s, z in zip(self.scale[m][1:], drawn, strict=True))]

    def client(self, m: int) -> Process:
        """A model answers each case that its view shows."""
        brain, view = self.brains[self.wiring["brain_of"][m]], self.wiring["view_of"][m]
        yield self.env.timeout(0.2)
        while True:
            self.asked[m] = [self.case(view, i) for i in range(self.p.cases)]
            self.said[m] = [sum(w * v for w, v in zip(brain.w, x, strict=True)) for x in self.asked[m]]
            yield self.env.timeout(1)

    def evening(self) -> Process:
        """What was right is seen, and what is labelled is learnt, or what a liar has it."""
        p = self.p
        level = p.level
        yield self.env.timeout(0.5)
        while True:
            level = self.levels.get(self.day, level)
            labelled: dict[int, list[Case]] = {pool: [] for pool in self.pools}
            for m in range(p.clients):
                right = [
                    level + sum(c * v for c, v in zip(self.optimum[m], self.case(m, i), strict=True))
                    for i in range(p.cases)
                ]
                misses = [s - r for s, r in zip(self.said[m], right, strict=True)]
                self.error[m] = sum(miss * miss for miss in misses) / p.cases
                self.plain[m] = sum((self.optimum[m][0] - r) ** 2 for r in right) / p.cases
                self.off[m] = sum(misses) / p.cases
                for i, r in enumerate(right):
                    if self.noise["label"][self.day][m][i] < p.labelled:
                        y = r + p.noise * self.noise["answer"][self.day][m][i]
                        since, lie, liars = self.lies
                        if m in liars and self.day >= since:
                            y = lie
                        labelled[self.wiring["data_of"][m]].append((self.asked[m][i], y))
            for pool, cases in labelled.items():
                self.pools[pool].add(cases)
            self.total += sum(self.error) / p.clients
            self.failures += self.failed()
            self.day += 1
            yield self.env.timeout(1)

    def failed(self) -> float:
        return sum(e > q for e, q in zip(self.error, self.plain, strict=True)) / self.p.clients

    def measures(self) -> dict[str, float]:
        return {
            "failed": self.failed(),
            "error": sum(self.error) / self.p.clients,
            "typical": median(self.error),
            "worst": max(self.error),
            "off": sum(self.off) / self.p.clients,
            "loss": self.total / self.day,
            "failures": self.failures / self.day,
        }
