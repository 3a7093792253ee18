"""Predictive policing once more, slowly: one SimPy process for each precinct and for each urn, plain Python numbers, one replication.

Written from the description of the world, not from its code; it shares nothing with it but parameters and noise.
Everything due at one instant happens in the order in which the processes were started: first the precincts, then the urns.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from itertools import count
from typing import Any

import simpy

Process = Generator[simpy.Event, Any, None]


def poisson(u: float, rate: float) -> int:
    """The smallest n with u < P(N <= n), adding up one probability after the other."""
    n, p = 0, math.exp(-rate)
    u -= p
    while u >= 0 and p > 0:
        n += 1
        p *= rate / n
        u -= p
    return n


def zipf(busiest: float, quietest: float, regions: int) -> list[float]:
    """Rates that fall as a power of the rank and end where they should; in the other order where the first is the quietest."""
    if quietest > busiest:
        return zipf(quietest, busiest, regions)[::-1]
    power = math.log(quietest / busiest) / math.log(regions)
    return [busiest * rank**power for rank in range(1, regions + 1)]


def pick(u: float, shares: Sequence[float]) -> int:
    """The region into which u falls when they are laid end to end."""
    end = 0.0
    for region, share in enumerate(shares[:-1]):
        end += share
        if u < end:
            return region
    return len(shares) - 1


class Urn:
    """The counts of the precincts that pool them: what came in today is averaged over them, then everything fades."""

    def __init__(self, prior: Sequence[float], forget: float, floor: float, precincts: int) -> None:
        self.balls = list(prior)
        self.today = [0.0] * len(prior)
        self.forget, self.floor, self.precincts = forget, floor, precincts

    def shares(self) -> list[float]:
        return [balls / sum(self.balls) for balls in self.balls]

    def close_the_day(self) -> None:
        for region, balls in enumerate(self.balls):
            grown = balls + self.today[region] / self.precincts
            self.balls[region] = max(grown * (1 - self.forget), self.floor)
            self.today[region] = 0.0


class City:
    """All precincts; `noise` holds for each purpose a list over days of a number for each precinct."""

    def __init__(
        self,
        world: Mapping[str, Any],
        brain: Mapping[str, Any],
        topology: Mapping[str, Any],
        noise: Mapping[str, Sequence[Sequence[float]]],
        correction: str = "none",
    ) -> None:
        self.rates = zipf(world["busy_rate"], world["quiet_rate"], world["regions"])
        self.deters, self.reports, self.average = world["deters"], world["reports"], world["books"] == "average"
        self.noise, self.correction = noise, correction
        data_of = topology["data_of"]
        self.urns = {
            pool: Urn(brain["prior"], brain["forget"], brain["floor"], data_of.count(pool)) for pool in set(data_of)
        }
        self.found = self.missed = self.happened = 0
        self.shares: list[list[float]] = [[] for _ in data_of]
        self.env = simpy.Environment()
        for m, pool in enumerate(data_of):
            asks = topology["taught_by"][topology["brain_of"][m]]
            self.env.process(self.precinct(m, self.urns[asks], self.urns[pool]))
        for urn in self.urns.values():
            self.env.process(self.keep(urn))

    def run(self, days: int) -> None:
        self.env.run(until=days)

    def keep(self, urn: Urn) -> Process:
        while True:
            urn.close_the_day()
            yield self.env.timeout(1)

    def precinct(self, m: int, model: Urn, books: Urn) -> Process:
        """Ask the model, send the patrol, enter what it found and what residents reported."""
        noise, regions = self.noise, range(len(self.rates))
        patrol, happens = noise["patrol"], [noise[f"incidents {i}"] for i in regions]
        calls = [noise[f"reports {i}"] for i in regions] if self.reports else []
        for day in count():
            shares = self.shares[m] = model.shares()
            went = pick(patrol[day][m], shares)
            for region in regions:
                rate = self.rates[region] * (1 - self.deters if region == went else 1)
                happened = poisson(happens[region][day][m], rate)
                self.happened += happened
                entered = 0.0
                if region == went:
                    self.found += happened
                    entered = happened * self.weight_of_a_find(shares[region], day, m)
                elif region > 0:
                    self.missed += happened
                if calls:
                    reported = poisson(calls[region][day][m], rate * self.reports)
                    entered = (entered + reported) / 2 if self.average and region == went else entered + reported
                books.today[region] += entered
            yield self.env.timeout(1)

    def weight_of_a_find(self, p: float, day: int, m: int) -> float:
        if self.correction == "weight":
            return 1 / p
        if self.correction == "thin" and p < 1 and self.noise["thinning"][day][m] < p:
            return 0.0
        return 1.0

    def given_up(self) -> float:
        """The share of all regions to which patrols go less than a quarter as often as their part of the incidents asks for."""
        few = 0
        for shares in self.shares:
            left = [rate * (1 - self.deters * x) for rate, x in zip(self.rates, shares, strict=True)]
            few += sum(x < one / sum(left) / 4 for one, x in zip(left, shares, strict=True))
        return few / len(self.shares) / len(self.rates)
