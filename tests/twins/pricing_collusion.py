"""Pricing algorithms once more, slowly: one SimPy process for each seller and one for the market, plain Python numbers, one replication.

Written from the description of the world, not from its code; it shares nothing with it but parameters and noise. Sellers know each
other by prices, not by numbers of situations, and look through their whole row whenever they want the best. At one instant all sellers
charge, then the market clears, then sellers learn in their order.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from itertools import product
from types import SimpleNamespace
from typing import Any

import simpy

Process = Generator[simpy.Event, Any, None]
Seen = tuple[int, ...]


class Table:
    """What each choice is worth for what was seen; `begin(row, choice)` is what it is worth at first, rows in the order of `rows`."""

    def __init__(self, rows: Sequence[Seen], begin: Sequence[Sequence[float]], rate: float, discount: float) -> None:
        self.rate, self.discount = rate, discount
        self.row = {seen: list(values) for seen, values in zip(rows, begin, strict=True)}
        self.changed = 0

    def best(self, seen: Seen) -> int:
        row = self.row[seen]
        return row.index(max(row))

    def learn(self, tick: int, seen: Seen, choice: int, profit: float, then: Seen) -> None:
        before = self.best(seen)
        target = profit + self.discount * max(self.row[then])
        self.row[seen][choice] = (1 - self.rate) * self.row[seen][choice] + self.rate * target
        if self.best(seen) != before:
            self.changed = tick


class Shops:
    """All sellers; `noise` holds the first prices `(m,)`, a number for each seller and tick, and the random parts of the tables.

    `changes` are (first tick, tick after the last, parameters) of what is different for a while. Losses and what the second seller is
    held against begin anew at tick `begins`.
    """

    def __init__(
        self,
        parameters: Mapping[str, Any],
        noise: Mapping[str, Any],
        wiring: Mapping[str, Any],
        learner: Mapping[str, Any],
        *,
        changes: Sequence[tuple[int, int, Mapping[str, float]]] = (),
        begins: int = 0,
    ) -> None:
        self.usual, self.noise, self.learner = dict(parameters), noise, SimpleNamespace(**learner)
        self.p = SimpleNamespace(**parameters)
        self.known: dict[float, tuple[float, float]] = {}
        self.brain_of, self.view_of = wiring["brain_of"], wiring["view_of"]
        self.changes, self.begins = changes, begins
        n, k = self.p.sellers, self.p.prices
        nash, monopoly = self.benchmarks(self.p.listed_cost)
        low, high = nash - self.p.xi * (monopoly - nash), monopoly + self.p.xi * (monopoly - nash)
        self.list = [low + i * (high - low) / (k - 1) for i in range(k)]
        rows = list(product(range(k), repeat=n * self.p.memory))
        usual = list(learner["initial"]) * (k if len(learner["initial"]) == 1 else 1)
        self.brains = []
        for b in range(max(self.brain_of) + 1):
            extra = noise["initial"][self.brain_of.index(b)]
            begin = [[v + learner["spread"] * u for v, u in zip(usual, us, strict=True)] for us in extra]
            self.brains.append(Table(rows, begin, learner["rate"], learner["discount"]))
        self.charged = [int(u * k) for u in noise["first prices"]]
        situations = [self.worth(list(charged)) for charged in product(range(k), repeat=n)]
        self.gain = sum(gain for gain, _ in situations) / len(situations)
        self.price = self.first = self.second = sum(self.list) / k
        self.lost, self.usually, self.lowest = 0.0, (math.nan, math.nan), self.list[self.charged[1]]
        self.settled, self.tick = math.nan, 0
        self.env = simpy.Environment()
        self.cleared = self.env.event()
        for seller in range(n):
            self.env.process(self.seller(seller))
        self.env.process(self.market())

    def run(self, ticks: int) -> None:
        self.env.run(until=ticks + 0.5)

    def seller(self, me: int) -> Process:
        brain = self.brains[self.brain_of[me]]
        while True:
            yield self.env.timeout(1)
            seen = self.seen(me)
            self.wants[me] = brain.best(seen)
            chance = math.exp(-self.learner.decay * (self.tick - 1))
            u = self.noise["explore"][self.tick - 1][me]
            if u < chance:
                self.wants[me] = min(int(u / chance * self.p.prices), self.p.prices - 1)
            if me == 0 and self.p.deviates:
                self.wants[0] = self.reply()
            yield self.cleared
            brain.learn(self.tick, seen, self.wants[me], self.profits[me], self.seen(me))

    def market(self) -> Process:
        """Opens after all have learnt, and clears when all have charged."""
        while True:
            self.open(self.tick + 1)
            yield self.env.timeout(1)
            allowed = [i for i, price in enumerate(self.list) if price <= self.p.cap]
            self.charged = [min(want, allowed[-1]) for want in self.wants]
            self.profits = [(self.list[i] - self.p.cost) * share for i, share in self.shares(self.charged)]
            gain, lost = self.worth(self.charged)
            prices = [self.list[i] for i in self.charged]
            self.gain += (gain - self.gain) / self.p.window
            self.price += (sum(prices) / len(prices) - self.price) / self.p.window
            self.first += (prices[0] - self.first) / self.p.window
            self.second += (prices[1] - self.second) / self.p.window
            self.lost += lost
            self.lowest = min(self.lowest, prices[1])
            cleared, self.cleared = self.cleared, self.env.event()
            cleared.succeed()
            yield self.env.timeout(0)  # sellers learn
            still = max(brain.changed for brain in self.brains) + self.learner.patience
            if math.isnan(self.settled) and still <= self.tick:
                self.settled = still

    def open(self, tick: int) -> None:
        """The law, costs and orders of a tick."""
        self.tick, self.wants = tick, [0] * self.p.sellers
        if tick == self.begins + 1 and self.begins:
            self.lost, self.usually, self.lowest = 0.0, (self.first, self.second), self.list[self.charged[1]]
        now = dict(self.usual)
        for first, stop, values in self.changes:
            if first < tick <= stop:
                now |= values
        self.p = SimpleNamespace(**now)

    def seen(self, me: int) -> Seen:
        """All prices of the last period, those of the seller whose view it is first; nothing without memory."""
        first = self.view_of[me]
        return tuple(self.charged[first:] + self.charged[:first]) if self.p.memory else ()

    def shares(self, charged: Sequence[int]) -> list[tuple[int, float]]:
        pull = [math.exp((self.p.quality - self.list[i]) / self.p.mu) for i in charged]
        total = sum(pull) + math.exp(self.p.outside / self.p.mu)
        return [(i, one / total) for i, one in zip(charged, pull, strict=True)]

    def reply(self) -> int:
        """What would have been best for the first seller in the last period."""
        profits = []
        for i in [i for i, price in enumerate(self.list) if price <= self.p.cap]:
            own = self.shares([i, *self.charged[1:]])[0][1]
            profits.append((self.list[i] - self.p.cost) * own)
        return profits.index(max(profits))

    def worth(self, charged: Sequence[int]) -> tuple[float, float]:
        """The gain of all sellers, and what consumers lose."""
        n, mu = self.p.sellers, self.p.mu
        nash, monopoly = self.benchmarks(self.p.cost)
        nothing = math.exp(self.p.outside / mu)
        usual = []
        for price in (nash, monopoly):
            pull = math.exp((self.p.quality - price) / mu)
            usual.append(((price - self.p.cost) * pull / (n * pull + nothing), mu * math.log(n * pull + nothing)))
        profit = sum((self.list[i] - self.p.cost) * share for i, share in self.shares(charged)) / n
        pulls = sum(math.exp((self.p.quality - self.list[i]) / mu) for i in charged)
        gain = (profit - usual[0][0]) / (usual[1][0] - usual[0][0])
        return gain, usual[0][1] - mu * math.log(pulls + nothing)

    def benchmarks(self, cost: float) -> tuple[float, float]:
        """One-shot competition and monopoly: where (p - c)(1 - k q) has risen to mu, for k = 1 and n; Newton's method in short steps."""
        if cost in self.known:
            return self.known[cost]
        found = []
        for k in (1, self.p.sellers):
            price = cost + self.p.mu
            for _ in range(500):
                pull = math.exp((self.p.quality - price) / self.p.mu)
                q = pull / (self.p.sellers * pull + math.exp(self.p.outside / self.p.mu))
                slope = -q * (1 - self.p.sellers * q) / self.p.mu
                wrong = (price - cost) * (1 - k * q) - self.p.mu
                step = wrong / ((1 - k * q) - (price - cost) * k * slope)
                price -= max(step, -self.p.mu / 4)  # a long step up would come back
            found.append(price)
        self.known[cost] = found[0], found[1]
        return self.known[cost]
