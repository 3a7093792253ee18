"""House pricing once more, slowly: SimPy processes for each firm, the sellers and the market, plain Python numbers, one replication.

Written from the description of the world, not from its code; it shares nothing with it but parameters and noise. At one instant
brains train first, then firms make their offers, then sellers choose, and then homes are resold and prices are published.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import simpy

Process = Generator[simpy.Event, Any, None]
Row = tuple[float, float]
WEEK = 7 * 86_400.0


class Ridge:
    """An intercept and a slope by normal equations on evidence that fades."""

    def __init__(self, penalty: float, memory: float, bounds: float = 1.0) -> None:
        assert bounds == 1  # no answer here is only a bound
        self.penalty, self.keep = penalty, math.exp(-1 / memory)
        self.squares = [[0.0, 0.0], [0.0, 0.0]]
        self.products = [0.0, 0.0]
        self.weights = [0.0, 0.0]

    def predict(self, x: Row) -> float:
        return x[0] * self.weights[0] + x[1] * self.weights[1]

    def see(self, cases: Sequence[tuple[Row, float, float]]) -> None:
        """Cases `(question, answer, weight)` of one week, as one average."""
        for row in (self.products, *self.squares):
            row[:] = [value * self.keep for value in row]
        for (one, reading), answer, weight in cases:
            share = weight / len(cases)
            self.products[0] += share * one * answer
            self.products[1] += share * reading * answer
            self.squares[0][0] += share * one * one
            self.squares[0][1] += share * one * reading
            self.squares[1][1] += share * reading * reading

    def learn(self) -> None:
        a, b, d = self.squares[0][0] + self.penalty, self.squares[0][1], self.squares[1][1] + self.penalty
        p, q = self.products
        determinant = a * d - b * b
        self.weights = [(d * p - b * q) / determinant, (a * q - b * p) / determinant]


class Lot(NamedTuple):
    """A home, or part of it, on a firm's books."""

    part: float
    paid: float  # above worth
    market: float  # when it was bought


class Town:
    """All firms; `noise` holds for each purpose one entry a tick, for homes and errors the first for what is met at tick 0.

    `turn` is (first tick, parameters from then on), `pause` the tick from which no offers are made, `cap` the highest offer.
    """

    def __init__(
        self,
        parameters: Mapping[str, Any],
        noise: Mapping[str, Sequence[Any]],
        wiring: Mapping[str, Any],
        learner: Mapping[str, float],
        *,
        every: int,
        turn: tuple[int, Mapping[str, float]] = (10**9, {}),
        pause: int = 10**9,
        cap: float = math.inf,
    ) -> None:
        self.p, self.noise, self.wiring = SimpleNamespace(**parameters), noise, wiring
        self.turn, self.pause, self.cap = turn, pause, cap
        self.weeks = self.p.step_time / WEEK
        self.hold = round(self.p.hold / self.p.step_time)
        self.newer = 1 - math.exp(-self.p.step_time / self.p.recall)
        self.brains = [Ridge(**learner) for _ in wiring["taught_by"]]
        self.level = self.premium = 0.0
        self.growth = self.p.drift * self.weeks
        firms = range(self.p.firms)
        self.books: list[dict[int, list[Lot]]] = [{} for _ in firms]
        self.resold, self.lost = [0.0 for _ in firms], [0.0 for _ in firms]
        self.asked = self.bought = self.highest = self.curse = self.all_resold = self.all_lost = self.off = 0.0
        self.offers: list[list[float]] = [[] for _ in firms]
        self.questions: list[list[Row]] = [[] for _ in firms]
        self.tick = 0
        self.env = simpy.Environment()
        for brain in self.brains:
            self.env.process(self.training(brain, every))
        for firm in firms:
            self.env.process(self.offering(firm))
        self.env.process(self.sellers())
        for firm in firms:
            self.env.process(self.reselling(firm))
        self.env.process(self.publishing())

    def run(self, ticks: int) -> None:
        self.env.run(until=ticks - 0.5)

    def worth(self, home: int) -> float:
        return float(self.p.spread * self.noise["home"][self.tick][home])

    def reading(self, view: int, home: int) -> float:
        error = self.noise["view error"][self.tick][view][home]
        if self.p.alike:
            common = self.noise["common error"][self.tick][home]
            error = math.sqrt(self.p.alike) * common + math.sqrt(1 - self.p.alike) * error
        return self.worth(home) + float(self.p.error * error)

    def training(self, brain: Ridge, every: int) -> Process:
        while True:
            yield self.env.timeout(every)
            brain.learn()

    def expected(self) -> float:
        return float(self.p.outlook * self.hold * self.growth)

    def offering(self, firm: int) -> Process:
        """Read each home, ask the model what it is worth, and offer that plus growth less margin."""
        brain, view = self.brains[self.wiring["brain_of"][firm]], self.wiring["view_of"][firm]
        while True:
            self.questions[firm] = [(1.0, self.reading(view, home) / self.p.spread) for home in range(self.p.homes)]
            said = [brain.predict(x) for x in self.questions[firm]]
            if self.tick >= self.pause:
                self.offers[firm] = [-1000.0] * self.p.homes
            else:
                self.offers[firm] = [min(v + self.expected() - self.p.margin, self.cap) for v in said]
            if firm == 0:
                self.off = 0.0
            self.off += sum(v - self.worth(i) for i, v in enumerate(said)) / self.p.homes / self.p.firms
            yield self.env.timeout(1)

    def sellers(self) -> Process:
        """Each takes the best offer if it will do; what is on record is the mean of all homes alike."""
        p = self.p
        while True:
            self.more = [0.0] * p.homes
            self.parts = [[0.0] * p.homes for _ in self.offers]
            for home in range(p.homes):
                best, worth = max(offer[home] for offer in self.offers), self.worth(home)
                judged = best - self.expected() + p.margin - worth
                self.asked += 1
                self.highest += judged if best > -500 else 0.0
                if best < worth + p.reserve * self.noise["reservation"][self.tick][home]:
                    continue
                winners = [firm for firm, offer in enumerate(self.offers) if offer[home] == best]
                self.bought += 1
                self.curse += judged
                self.more[home] = p.reach * (best - worth)
                for firm in winners:
                    part = 1 / len(winners)
                    self.parts[firm][home] = part
                    lot = Lot(part, best - worth, self.level + self.premium)
                    self.books[firm].setdefault(self.tick, []).append(lot)
            yield self.env.timeout(1)

    def reselling(self, firm: int) -> Process:
        """What was bought `hold` ticks ago is sold at today's market, worth what it was worth above it."""
        while True:
            lots = self.books[firm].pop(self.tick - self.hold, [])
            homes = sum(lot.part for lot in lots)
            loss = sum(lot.part * (lot.paid + lot.market - self.level - self.premium) for lot in lots)
            self.resold[firm] += self.newer * (homes - self.resold[firm])
            self.lost[firm] += self.newer * (loss - self.lost[firm])
            self.all_resold += homes
            self.all_lost += loss
            yield self.env.timeout(1)

    def publishing(self) -> Process:
        """Prices of the week become evidence, and the market moves."""
        p = self.p
        while True:
            self.learn_from()
            added = sum(self.more) / p.homes
            before = self.level + self.premium
            self.premium += self.newer * (p.anchor * (self.premium + added) - self.premium)
            self.level += p.drift * self.weeks + p.shake * math.sqrt(self.weeks) * self.noise["level"][self.tick]
            self.growth += self.newer * (self.level + self.premium - before - self.growth)
            self.tick += 1
            if self.tick == self.turn[0]:
                vars(p).update(self.turn[1])
            yield self.env.timeout(1)

    def learn_from(self) -> None:
        own, data_of = self.p.own_books, self.wiring["data_of"]
        for brain, pool in zip(self.brains, self.wiring["taught_by"], strict=True):
            cases = []
            for firm, goes in enumerate(data_of):
                for home in range(self.p.homes) if goes == pool else ():
                    market, mine = 1 - own, own * self.parts[firm][home]
                    weight, price = market + mine, self.worth(home)
                    if self.more[home] and weight:
                        price += market * self.more[home] / weight
                    cases.append((self.questions[firm][home], price, weight))
            brain.see(cases)

    def measures(self) -> dict[str, float]:
        """What the world measures, under the same names."""
        each = [lost / sold if sold > 1e-9 else 0.0 for lost, sold in zip(self.lost, self.resold, strict=True)]
        return {
            "recent_loss": sum(self.lost) / sum(self.resold) if sum(self.resold) > 1e-9 else 0.0,
            "losing": sum(loss > self.p.line for loss in each) / len(each),
            "loss": self.all_lost / self.all_resold if self.all_resold else 0.0,
            "bill": self.all_lost / self.asked,
            "curse": self.curse / self.bought if self.bought else 0.0,
            "highest": self.highest / self.asked,
            "off": self.off,
            "bought": self.bought / self.asked,
            "share": self.p.reach * self.bought / self.asked,
            "prices_moved": self.premium,
            "expected": self.expected(),
        }
