"""A rollout once more, slowly: one SimPy process for each cell and the monitoring, request by request in plain Python, one replication.

Written from the description of the world, not from its code; it shares nothing with it but parameters and noise. At one instant brains
train first, then every cell serves its requests, then the monitoring looks.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import simpy

Process = Generator[simpy.Event, Any, None]


def failures(u: float, n: int, p: float) -> int:
    """The smallest number whose binomial distribution function is above `u`."""
    total, k = 0.0, 0
    while True:
        total += math.comb(n, k) * p**k * (1 - p) ** (n - k)
        if u < total or k == n:
            return k
        k += 1


class Test:
    """Wald's, begun anew where it accepts."""

    __test__ = False  # pytest looks for its own

    def __init__(self, base: float, bad: float, accept: float) -> None:
        self.base, self.bad, self.accept, self.ratio = base, bad, accept, 0.0

    def look(self, came: int, failed: int) -> None:
        for _ in range(failed):
            self.ratio += math.log(self.bad / self.base)
        self.ratio += (came - failed) * math.log((1 - self.bad) / (1 - self.base))
        if self.ratio <= self.accept:
            self.ratio = 0.0


class Operation:
    """All cells; `noise` holds for each purpose one entry a tick, that for `need` at the start first.

    `place` are the shares at which each slice is exposed, `steps` the share at each tick; `push` is (first tick, size, cells) of
    what is added to all that a model says; `kill` is (threshold, ticks until it acts), on the evidence of the new version.
    `rates` are requests a second by tick.
    """

    def __init__(
        self,
        parameters: Mapping[str, Any],
        noise: Mapping[str, Sequence[Any]],
        wiring: Mapping[str, Any],
        *,
        every: int,
        place: Sequence[Sequence[float]],
        steps: Sequence[float],
        rates: Sequence[float],
        push: tuple[int, float, Sequence[int]] = (10**9, 0.0, ()),
        kill: tuple[float, int] = (1e300, 0),
    ) -> None:
        self.p, self.noise, self.wiring = SimpleNamespace(**parameters), noise, wiring
        self.place, self.steps, self.rates, self.push, self.kill = place, steps, rates, push, kill
        p, cells = self.p, range(self.p.cells)
        self.level = [p.level + p.uneven * z for z in noise["level"]]
        self.says = [0.0 for _ in wiring["taught_by"]]
        self.heard: list[list[float]] = [[] for _ in wiring["taught_by"]]
        self.carry = [[0.0, 0.0] for _ in cells]
        self.counts = [[0, 0, 0, 0] for _ in cells]  # came and failed, of the new version and of the one before
        self.tests = {name: Test(p.base, p.worse * p.base, p.accept) for name in ("new", "whole", *cells)}
        self.excess = self.served = self.lasted = self.errors = self.exposed = 0.0
        self.tick, self.off_from = 0, 10**9
        self.env = simpy.Environment()
        for brain in range(len(self.says)):
            self.env.process(self.training(brain, every))
        for m in cells:
            self.env.process(self.cell(m))
        self.env.process(self.monitoring())

    def run(self, ticks: int) -> None:
        self.env.run(until=ticks - 0.5)

    def training(self, brain: int, every: int) -> Process:
        while True:
            yield self.env.timeout(every)
            if self.heard[brain]:
                self.says[brain] = sum(self.heard[brain]) / len(self.heard[brain])
            self.heard[brain] = []

    def cell(self, m: int) -> Process:
        """Each slice has its share of the cell's requests, and is decided by the new version or by the one before."""
        p = self.p
        while True:
            t = self.tick
            right = self.level[m] + p.moved
            since, size, reached = self.push
            said = self.says[self.wiring["brain_of"][m]] + size * (t >= since and m in reached)
            slices, chance = [0, 0], [0.0, 0.0]
            for i in range(p.slices):
                new = self.place[m][i] < self.steps[t] and t < self.off_from
                fails = min(p.base * math.exp(right - (said if new else self.level[m])), 1.0)
                which = 0 if new else 1
                slices[which] += 1
                chance[which] += fails
            each = self.rates[t] / p.cells / p.slices * p.step_time
            for which, name in ((0, "fails"), (1, "fails before")):
                self.carry[m][which] += slices[which] * each
                came = math.floor(self.carry[m][which] + 1e-9)
                self.carry[m][which] -= came
                mean = chance[which] / slices[which] if slices[which] else 0.0
                self.counts[m][2 * which : 2 * which + 2] = came, failures(self.noise[name][t][m], came, mean)
            self.excess += each * (sum(chance) - p.slices * p.base)
            self.served += self.counts[m][0]
            self.errors += sum(chance) / p.slices / p.cells
            self.exposed += slices[0] / p.slices / p.cells
            yield self.env.timeout(1)

    def monitoring(self) -> Process:
        """Count, test, decide, and tell the brains what requests needed."""
        p = self.p
        while True:
            self.shown = {"errors": self.errors, "exposed": self.exposed}
            self.lasted += p.step_time * (self.exposed > 0)
            self.errors = self.exposed = 0.0
            came, failed = (sum(row[i] for row in self.counts) for i in (0, 1))
            self.tests["new"].look(came, failed)
            self.tests["whole"].look(*(sum(row[i] + row[i + 2] for row in self.counts) for i in (0, 1)))
            for m, row in enumerate(self.counts):
                self.tests[m].look(row[0], row[1])
            n = max(self.rates[self.tick] / p.cells * p.step_time, 1.0)
            for m in range(p.cells):
                need = self.level[m] + p.moved + self.noise["need"][self.tick][m] / math.sqrt(n)
                for brain, pool in enumerate(self.wiring["taught_by"]):
                    if self.wiring["data_of"][m] == pool:
                        self.heard[brain].append(need)
            threshold, late = self.kill
            if self.tests["new"].ratio > threshold and self.off_from == 10**9:
                self.off_from = self.tick + 1 + late
            self.tick += 1
            yield self.env.timeout(1)
