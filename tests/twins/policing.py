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
REGIONS = ("busy", "quiet")


def poisson(u: float, rate: float) -> int:
    """The smallest n with u < P(N <= n), adding up one probability after the other."""
    n, p = 0, math.exp(-rate)
    u -= p
    while u >= 0 and p > 0:
        n += 1
        p *= rate / n
        u -= p
    return n


class Urn:
    """The counts of the precincts that pool them: what came in today is averaged over them, then everything fades."""

    def __init__(self, prior: Sequence[float], forget: float, floor: float, precincts: int) -> None:
        self.balls = dict(zip(REGIONS, prior, strict=True))
        self.today = dict.fromkeys(REGIONS, 0.0)
        self.forget, self.floor, self.precincts = forget, floor, precincts

    def share(self, region: str) -> float:
        return self.balls[region] / (self.balls["busy"] + self.balls["quiet"])

    def close_the_day(self) -> None:
        for region in REGIONS:
            grown = self.balls[region] + self.today[region] / self.precincts
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
        self.rate = {"busy": world["busy_rate"], "quiet": world["quiet_rate"]}
        self.reports, self.average = world["reports"], world["books"] == "average"
        self.noise, self.correction = noise, correction
        data_of = topology["data_of"]
        self.urns = {
            pool: Urn(brain["prior"], brain["forget"], brain["floor"], data_of.count(pool)) for pool in set(data_of)
        }
        self.found = self.missed = 0
        self.shares = [0.0] * len(data_of)
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
        noise, rate = self.noise, self.rate
        patrol, happens = noise["patrol"], {region: noise[f"incidents {i}"] for i, region in enumerate(REGIONS)}
        calls = {region: noise[f"reports {i}"] for i, region in enumerate(REGIONS)} if self.reports else {}
        for day in count():
            p = self.shares[m] = model.share("busy")
            went = "busy" if patrol[day][m] < p else "quiet"
            for region in REGIONS:
                happened = poisson(happens[region][day][m], rate[region])
                entered = 0.0
                if region == went:
                    self.found += happened
                    entered = happened * self.weight_of_a_find(p if region == "busy" else 1 - p, day, m)
                elif region == "quiet":
                    self.missed += happened
                if calls:
                    reported = poisson(calls[region][day][m], rate[region] * self.reports)
                    entered = (entered + reported) / 2 if self.average and region == went else entered + reported
                books.today[region] += entered
            yield self.env.timeout(1)

    def weight_of_a_find(self, p: float, day: int, m: int) -> float:
        if self.correction == "weight":
            return 1 / p
        if self.correction == "thin" and p < 1 and self.noise["thinning"][day][m] < p:
            return 0.0
        return 1.0
