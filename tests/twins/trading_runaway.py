"""The runaway router once more, slowly: one SimPy process for each server and brain, plain Python numbers, one replication.

Written from the description of the world, not from its code; it shares nothing with it but parameters and noise. At one
instant brains train first, then every server sends its children, and then the market executes them and the back office
reports.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import simpy

Process = Generator[simpy.Event, Any, None]
Case = tuple[float, float, float, float]  # size, fills that were counted, what was open, weight


class Line:
    """Open = a size + b fills, by least squares with a small penalty, on evidence that fades."""

    def __init__(self, penalty: float, memory: float, bounds: float = 1.0) -> None:
        assert bounds == 1  # no answer here is only a bound
        self.penalty, self.keep = penalty, math.exp(-1 / memory)
        self.a = self.b = 0.0
        self.sums = [0.0] * 5  # size size, size fills, fills fills, size open, fills open

    def says(self, size: float, fills: float) -> float:
        return self.a * size + self.b * fills

    def see(self, cases: Sequence[Case]) -> None:
        new = [0.0] * 5
        for size, fills, left, weight in cases:
            for i, what in enumerate((size * size, size * fills, fills * fills, size * left, fills * left)):
                new[i] += weight * what
        self.sums = [old * self.keep + more / len(cases) for old, more in zip(self.sums, new, strict=True)]

    def learn(self) -> None:
        """Cramer's rule."""
        ss, sf, ff, so, fo = self.sums
        ss, ff = ss + self.penalty, ff + self.penalty
        by = ss * ff - sf * sf
        self.a, self.b = (so * ff - sf * fo) / by, (ss * fo - sf * so) / by


class Desk:
    """All servers; `noise` has `deployment` a server, `side` and `size` a parent, `volume` a stock, and `liquidity` a tick and parent.

    `shocks` are (tick, parameter, value), `deaf` is the tick from which nobody is told what is open, `killed` that from which
    all servers work by the books.
    """

    def __init__(
        self,
        parameters: Mapping[str, Any],
        noise: Mapping[str, Sequence[Any]],
        wiring: Mapping[str, Any],
        learner: Mapping[str, float],
        *,
        every: int,
        shocks: Sequence[tuple[int, str, float]] = (),
        deaf: int = 10**9,
        killed: int = 10**9,
    ) -> None:
        self.p, self.noise, self.wiring = SimpleNamespace(**parameters), noise, wiring
        self.shocks, self.deaf, self.killed, self.tick = shocks, deaf, killed, 0
        self.brains = [Line(**learner) for _ in wiring["taught_by"]]
        p = self.p
        self.sides = [1 if u < 0.5 else -1 for u in noise["side"]]
        self.sizes = [p.size * e for e in noise["size"]]
        self.liquid = [p.volume * math.exp(p.uneven * z) for z in noise["volume"]]
        self.asked: list[list[tuple[float, float]]] = [[] for _ in range(p.servers)]
        self.lots = [[0.0] * p.parents for _ in range(p.servers)]
        self.clear()
        self.counts = self.counting()
        self.strike()
        self.env = simpy.Environment()
        for brain in self.brains:
            self.env.process(self.training(brain, every))
        for m in range(p.servers):
            self.env.process(self.server(m))
        self.env.process(self.market())

    def run(self, ticks: int) -> None:
        self.env.run(until=ticks - 0.5)

    def clear(self) -> None:
        """The open."""
        self.filled = [0.0] * self.p.parents
        self.flow = [0.0] * self.p.symbols
        self.moved = [0.0] * self.p.symbols
        self.widest = [0.0] * self.p.symbols
        self.blind = [False] * self.p.servers
        self.spread_loss = self.impact_loss = self.sent = 0.0

    def counting(self) -> list[bool]:
        """Which builds count fills now."""
        p = self.p
        old = [u < p.missed or v >= p.servers - p.stale for v, u in enumerate(self.noise["deployment"])]
        return [not (bad and p.flag) for bad in old]

    def strike(self) -> None:
        for at, name, value in self.shocks:
            if at == self.tick:
                setattr(self.p, name, value)

    def training(self, brain: Line, every: int) -> Process:
        while True:
            yield self.env.timeout(every)
            brain.learn()

    def server(self, m: int) -> Process:
        p, brain = self.p, self.brains[self.wiring["brain_of"][m]]
        while True:
            build = self.wiring["view_of"][m]
            counted = 1.0 if self.counts[build] else 0.0
            fills = [*(counted * f for f in self.filled), counted]
            self.asked[m] = list(zip([*self.sizes, 1.0], fills, strict=True))
            said = [brain.says(size, seen) for size, seen in self.asked[m]]
            takes = max(1 - said[-1], 1e-9)
            for k in range(p.parents):
                left = self.sizes[k] - self.filled[k] if self.tick >= self.killed else said[k] / takes
                self.lots[m][k] = min(max(left / p.servers, 0.0), p.pace * p.step_time)
            yield self.env.timeout(1)

    def market(self) -> Process:
        p = self.p
        while True:
            left = [size - done for size, done in zip(self.sizes, self.filled, strict=True)]
            confirmed = 1.0 if any(self.filled) else 0.0
            self.blind = [any(n > 0 for n, rest in zip(row, left, strict=True) if rest <= 0) for row in self.lots]
            went = [0.0] * p.symbols
            for k in range(p.parents):
                tried = sum(row[k] for row in self.lots)
                done = tried * self.noise["liquidity"][self.tick][k]
                self.sent += tried
                self.filled[k] += done
                went[k % p.symbols] += self.sides[k] * done
                self.spread_loss += done * p.lot * p.spread / 2
            for j in range(p.symbols):
                flow = self.flow[j] + went[j]
                now = self.price(flow, j)
                self.impact_loss += went[j] * (self.moved[j] + now) / 2 * p.lot * p.price
                self.widest[j] = max(self.widest[j], abs(now))
                self.flow[j] = flow * math.exp(-p.step_time / p.recovery)
                self.moved[j] = self.price(self.flow[j], j)
            self.report(left, confirmed)
            self.tick += 1
            if abs(self.tick * p.step_time - p.rehearsal) < p.step_time / 2:
                self.clear()
            self.counts = self.counting()  # what is seen at a tick was written before its shocks
            self.strike()
            yield self.env.timeout(1)

    def report(self, left: Sequence[float], confirmed: float) -> None:
        """The back office says what was open."""
        told = self.tick < self.deaf
        weights = [float(told)] * len(left) + [confirmed * told]
        for brain, pool in zip(self.brains, self.wiring["taught_by"], strict=True):
            brain.see(
                [
                    (size, seen, rest, weight)
                    for m in range(self.p.servers)
                    if self.wiring["data_of"][m] == pool
                    for (size, seen), rest, weight in zip(self.asked[m], [*left, 0.0], weights, strict=True)
                ]
            )

    def price(self, flow: float, j: int) -> float:
        return max(math.copysign(self.p.impact * math.sqrt(abs(flow) * self.p.lot / self.liquid[j]), flow), -1.0)

    def position(self) -> list[float]:
        """What nobody ordered, in dollars, for each stock."""
        held = [0.0] * self.p.symbols
        for k, (size, done) in enumerate(zip(self.sizes, self.filled, strict=True)):
            held[k % self.p.symbols] += self.sides[k] * max(done - size, 0) * self.p.lot * self.p.price
        return held
