"""A supply chain once more, slowly: one SimPy process for each stage, for customers and for each brain, one replication.

Written from the description of the world, not from its code; it shares nothing with it but parameters and noise. A tick is a whole number;
half a tick before it events change the world, and a little before it brains are trained.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import simpy

Process = Generator[simpy.Event, Any, None]


class Average:
    """The mean of the answers of the last ticks, for each item; what was not seen takes up time and does not count."""

    def __init__(self, items: int, window: int, prior: float, bounds: bool) -> None:
        self.says = [prior] * items
        self.bounds = bounds
        self.kept: deque[list[float | None]] = deque(maxlen=window)

    def learn(self) -> None:
        for item in range(len(self.says)):
            seen = [tick[item] for tick in self.kept if tick[item] is not None]
            if seen:
                self.says[item] = sum(seen) / len(seen)


class Stage:
    """A stage: what it has, what it has ordered, what it owes, and what its item records say."""

    def __init__(self, number: int, p: SimpleNamespace, brain: Average) -> None:
        self.number, self.p, self.brain = number, p, brain
        items = range(p.items)
        self.stock = [p.safety * p.plan for _ in items]
        self.owed = [0.0 for _ in items]
        self.position = [(p.lead + p.safety - (number == 0)) * p.plan for _ in items]
        self.coming = deque([p.plan for _ in items] for _ in range(p.lead - (number == 0)))
        self.record = [1.0 for _ in items]

    def orders(self) -> list[float]:
        """Up to the level, item by item."""
        orders = []
        for i in range(self.p.items):
            level = (self.p.lead + self.p.safety) * self.brain.says[i] * self.record[i]
            order = level - self.position[i]
            if not self.p.returns:
                order = max(order, 0.0)
            self.position[i] += order
            orders.append(order)
        return orders

    def unload(self) -> None:
        for i, goods in enumerate(self.coming.popleft()):
            self.stock[i] += goods

    def ships(self, orders: Sequence[float]) -> list[float]:
        """What leaves for the stage below; the rest is owed."""
        sent = []
        for i, order in enumerate(orders):
            goods = order if self.p.returns else min(self.stock[i], self.owed[i] + order)
            self.owed[i] += order - goods
            self.stock[i] -= goods
            self.position[i] -= order
            sent.append(goods)
        return sent


class Network:
    """All stages, the factory behind them and customers before them.

    `noise` holds `record` and `direction` of each stage's items, `mood` of each item at the start, and `demand` with an entry
    for each tick. `events` are (tick, parameter, value).
    """

    def __init__(
        self,
        parameters: Mapping[str, Any],
        noise: Mapping[str, Any],
        wiring: Mapping[str, Any],
        learner: Mapping[str, Any],
        *,
        every: int,
        events: Sequence[tuple[int, str, float]] = (),
    ) -> None:
        self.p, self.noise, self.wiring = SimpleNamespace(**parameters), noise, wiring
        p = self.p
        self.brains = [Average(p.items, **learner) for _ in wiring["taught_by"]]
        self.stages = [Stage(m, p, self.brains[wiring["brain_of"][m]]) for m in range(p.stages)]
        self.mood = list(noise["mood"])
        self.demand = [p.plan] * p.items
        self.sold = list(self.demand)
        self.made = [p.plan] * p.items
        self.peak = self.swings = self.lost = self.wanted = 0.0
        self.history: list[list[list[float]]] = [[] for _ in range(p.stages + 1)]  # demand, then orders of each stage
        self.env = simpy.Environment()
        self.env.process(self.clerks())
        for event in events:
            self.env.process(self.event(*event))
        for brain in self.brains:
            self.env.process(self.training(brain, every))
        for stage in self.stages:
            self.env.process(self.turns(stage))

    def run(self, ticks: int) -> None:
        self.env.run(until=ticks - 0.9)

    def clerks(self) -> Process:
        """What each stage's records say at the end of a tick is what its model is told in the next."""
        while True:
            for m, stage in enumerate(self.stages):
                view = self.wiring["view_of"][m]
                for i in range(self.p.items):
                    right = self.noise["record"][view][i] < self.p.accuracy
                    high = self.noise["direction"][view][i] < 0.5
                    stage.record[i] = 1.0 if right else self.p.factor if high else 1 / self.p.factor
            yield self.env.timeout(1 if self.env.now else 0.25)

    def event(self, tick: int, name: str, value: float) -> Process:
        yield self.env.timeout(tick - 0.5)
        setattr(self.p, name, value)

    def training(self, brain: Average, every: int) -> Process:
        yield self.env.timeout(every - 0.25)
        while True:
            brain.learn()
            yield self.env.timeout(every)

    def turns(self, stage: Stage) -> Process:
        """The stage orders every so many ticks; whoever is asked serves at once."""
        yield self.env.timeout(stage.number)
        while True:
            if stage.number == 0:
                self.history[0].append(list(self.demand))
            orders = stage.orders()
            self.history[stage.number + 1].append(orders)
            if stage.number + 1 < self.p.stages:
                above = self.stages[stage.number + 1]
                above.unload()
                stage.coming.append(above.ships(orders))
                self.told(above.number, orders)
            else:
                self.factory(orders)
                stage.coming.append(orders)
                self.customers()
            yield self.env.timeout(self.p.stages)

    def factory(self, orders: list[float]) -> None:
        n = self.p.items
        self.swings += sum(abs(a - b) for a, b in zip(orders, self.made, strict=True)) / n
        self.made = orders
        self.peak = max(self.peak, sum(orders) / n)

    def customers(self) -> None:
        p, shop = self.p, self.stages[0]
        shop.unload()
        bounds = []
        for i in range(p.items):
            news = self.noise["demand"][int(self.env.now)][i]
            self.mood[i] = p.lasting * self.mood[i] + math.sqrt(1 - p.lasting**2) * news
            wants = p.mean + p.sd * self.mood[i]
            if not p.returns:
                wants = max(wants, 0.0)
            buys = wants if p.returns else min(wants, shop.stock[i])
            self.demand[i], self.sold[i] = wants, buys
            bounds.append(buys < wants)
            shop.stock[i] -= buys
            shop.position[i] -= buys
        self.lost += (sum(self.demand) - sum(self.sold)) / p.items
        self.wanted += sum(self.demand) / p.items
        self.told(0, self.sold, bounds)

    def told(self, model: int, answers: Sequence[float], bounds: Sequence[bool] | None = None) -> None:
        """The model's pool takes note; for all others the tick passes."""
        pool = self.wiring["data_of"][model]
        for brain, teacher in zip(self.brains, self.wiring["taught_by"], strict=True):
            entry: list[float | None] = [None] * self.p.items
            if teacher == pool:
                entry = [
                    None if bounds is not None and bounds[i] and not brain.bounds else y for i, y in enumerate(answers)
                ]
            brain.kept.append(entry)

    def ratio(self, stage: int) -> float:
        """Variance of a stage's orders (the first is 1) over that of demand, means over the items."""
        return self.spread(self.history[stage]) / self.spread(self.history[0])

    def spread(self, rows: list[list[float]]) -> float:
        total = 0.0
        for i in range(self.p.items):
            series = [row[i] for row in rows]
            mean = sum(series) / len(series)
            total += sum((x - mean) ** 2 for x in series) / len(series)
        return total / self.p.items
