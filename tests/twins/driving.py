"""The fleet once more, slowly: one SimPy process for each car and for each release, plain Python numbers, one replication.

Written from the description of the world, not from its code; it shares nothing with it but parameters and noise.
Everything due at one instant happens in the order in which the processes were started: releases, rounds, then cars.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from itertools import accumulate, count
from statistics import median
from types import SimpleNamespace
from typing import Any

import simpy

from tests.twins import timetable

Process = Generator[simpy.Event, Any, None]


class Release:
    """What a car runs on: for each type, labels +1 less labels -1, as they were known when it was built, and what it makes of them."""

    def __init__(self, log: Counter[int], right: float) -> None:
        self.log, self.right = log, right
        self.leads: Mapping[int, float] = {}
        self.says: Mapping[int, float] = {}

    def learn(self) -> None:
        self.build(dict(self.log))

    def build(self, leads: Mapping[int, float]) -> None:
        """Odds of +1 to -1 are right / (1 - right) to the power of the lead, by Bayes' rule."""
        self.leads = leads
        odds = {kind: (self.right / (1 - self.right)) ** lead for kind, lead in leads.items()}
        self.says = {kind: (o - 1) / (o + 1) for kind, o in odds.items()}


class Fleet:
    """All cars; `noise` holds for each purpose one entry a day, those of `types` beginning with what day 0 brings.

    `garbled` is from which day to which what these cars' releases say is turned round; in the days `down` their operators drive;
    in the days `lied` what these cars met is labelled -1. Every `average` days all releases become one, by `mean` or `median`.
    """

    def __init__(
        self,
        world: Mapping[str, Any],
        right: float,
        wiring: Mapping[str, Any],
        noise: Mapping[str, Sequence[Sequence[float]]],
        *,
        every: int,
        cohort: int | None = None,
        average: int = 0,
        garbled: tuple[int, int, Sequence[int]] = (0, 0, ()),
        down: tuple[int, int, Sequence[int]] = (0, 0, ()),
        lied: tuple[int, int, Sequence[int]] = (0, 0, ()),
    ) -> None:
        self.p, self.noise, self.wiring = SimpleNamespace(**world), noise, wiring
        self.garbled, self.down, self.lied = garbled, down, lied
        self.logs = {pool: Counter[int]() for pool in wiring["data_of"]}
        self.releases = [Release(self.logs[pool], right) for pool in wiring["taught_by"]]
        weights = [k**-self.p.exponent for k in range(1, self.p.types + 1)]
        self.up_to = [up / math.fsum(weights) for up in accumulate(weights)]
        self.cases = self.missed = self.some = self.half = self.every = 0
        self.today = self.worst = self.blind = self.speed = self.energy = 0.0
        self.env = simpy.Environment()
        timetable.keep(self.env, self.releases, every, cohort or len(self.releases), 1)
        if average:
            self.env.process(self.rounds(average, wiring["average_by"]))
        self.env.process(self.morning())
        for car in range(self.p.cars):
            self.env.process(self.driving(car))
        self.env.process(self.evening())

    def run(self, days: int) -> None:
        self.env.run(until=days - 0.25)

    def rounds(self, average: int, by: str) -> Process:
        while True:
            yield self.env.timeout(average)
            yield self.env.timeout(0)  # after the trainings of this instant
            held = [release.leads for release in self.releases]
            combine = median if by == "median" else lambda a: sum(a) / len(a)
            one = {kind: combine([leads.get(kind, 0) for leads in held]) for kind in set().union(*held)}
            for release in self.releases:
                release.build(one)

    def morning(self) -> Process:
        """What the day brings: types, which cars they come to, and how often the class of an unknown type flips."""
        p = self.p
        for day in count():
            yield self.env.timeout(0.25)
            self.kinds = [bisect_right(self.up_to, u) for u in self.noise["types"][day]]
            self.who = [int(u * p.cars) for u in self.noise["who"][day]]
            self.looks = [self.settles(u) for u in self.noise["flips"][day]]
            self.looking = [u < p.attention for u in self.noise["attention"][day]]
            self.failing = [0] * p.cases
            yield self.env.timeout(0.75)

    def settles(self, u: float) -> int:
        """The number of looks, at which the class of an unknown type has settled."""
        p = self.p
        if p.history == "kept" or p.flips == 1:
            return 1 if p.history == "kept" else p.longest
        looks = 1
        while looks < p.longest and 1 - u <= p.flips**looks:
            looks += 1
        return looks

    def driving(self, car: int) -> Process:
        """At every case, be it one's own or another car's, ask the release what to do, or an operator; log what came to this car.

        The class settles, action is suppressed, and the car brakes.
        """
        p = self.p
        release, log = self.releases[self.wiring["brain_of"][car]], self.logs[self.wiring["data_of"][car]]
        yield self.env.timeout(0.5)
        for day in count():
            new = []
            down, garbled = self.struck(self.down, car, day), self.struck(self.garbled, car, day)
            for case, kind in enumerate(self.kinds):
                if down:
                    left = p.sight - p.reaction if self.looking[case] else 0.0
                else:
                    said = release.says.get(kind, 0.0)
                    said = -said if garbled else said
                    left = p.seen - p.look * (1 if said > p.sure else self.looks[case]) - p.suppression
                speed = self.hits(left)
                self.failing[case] += speed > 0
                if self.who[case] == car:
                    self.missed += speed > 0
                    self.today += (speed > 0) / p.cases
                    self.speed += speed
                    self.energy += (speed / p.speed) ** 2
                    new.append(kind)
            for kind in new:
                log[kind] += -1 if self.struck(self.lied, car, day) else 1
            yield self.env.timeout(1)

    @staticmethod
    def struck(by: tuple[int, int, Sequence[int]], car: int, day: int) -> bool:
        return by[0] <= day < by[1] and car in by[2]

    def hits(self, left: float) -> float:
        """The speed of impact of a car that brakes over the way it still has, so many seconds at full speed."""
        p = self.p
        square = p.speed**2 - 2 * p.braking * p.speed * max(left, 0.0)
        return math.sqrt(square) if square > 0 else 0.0

    def evening(self) -> Process:
        """The day is summed up."""
        yield self.env.timeout(0.6)
        while True:
            cars = self.p.cars
            self.cases += self.p.cases
            self.some += sum(f > 0 for f in self.failing)
            self.half += sum(2 * f >= cars for f in self.failing)
            self.every += sum(f == cars for f in self.failing)
            self.blind = self.failing[-1] / cars
            self.worst, self.last, self.today = max(self.worst, self.today), self.today, 0.0
            yield self.env.timeout(1)

    def measures(self) -> dict[str, float]:
        n = self.cases
        return {
            "missed": self.missed / n,
            "missed_today": self.last,
            "worst_day": self.worst,
            "blind": self.blind,
            "some_fail": self.some / n,
            "half_fail": self.half / n,
            "all_fail": self.every / n,
            "energy": self.energy / n,
            "impact": self.speed / self.missed if self.missed else math.nan,
        }
