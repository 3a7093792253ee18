"""Hiring once more, slowly: one SimPy process for each site and for each model, plain Python numbers, one replication.

Written from the description of the world, not from its code; it shares nothing with it but parameters and noise.
Everything due at one instant happens in the order in which the processes were started: first the models learn, then the sites decide.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from itertools import count
from typing import Any

import simpy

Process = Generator[simpy.Event, Any, None]
GRADES = ("weak", "strong")


class Pool:
    """What became of the hires that were entered here, by how their week had been read."""

    def __init__(self) -> None:
        self.worth = dict.fromkeys(GRADES, 0.0)
        self.hires = dict.fromkeys(GRADES, 0.0)

    def fade(self, forget: float) -> None:
        for grade in GRADES:
            self.worth[grade] *= 1 - forget
            self.hires[grade] *= 1 - forget


class Model:
    """Expects of a hire what its pool says, and what it presumed."""

    def __init__(self, pool: Pool, learner: Mapping[str, float]) -> None:
        self.pool, self.learner = pool, learner
        self.expects: dict[str, float] = {}
        self.learn()

    def learn(self) -> None:
        prior, size = self.learner["prior"], self.learner["size"]
        for grade in GRADES:
            answers = size + self.pool.hires[grade]
            mean = (prior * size + self.pool.worth[grade]) / answers
            self.expects[grade] = mean + self.learner["optimism"] / math.sqrt(answers)


class Firm:
    """All sites; `noise` holds for each purpose one entry a week. Every `every` weeks a model learns, `cohort` of them together.

    `poisoned` is from which week to which hires are entered as bad, whatever they are; of the applicants who would be turned away a
    share `holdout` is hired all the same.
    """

    def __init__(
        self,
        world: Mapping[str, Any],
        learner: Mapping[str, float],
        wiring: Mapping[str, Sequence[int]],
        noise: Mapping[str, Sequence[Any]],
        *,
        every: int = 1,
        cohort: int | None = None,
        poisoned: tuple[int, int] = (0, 0),
        holdout: float = 0.0,
    ) -> None:
        self.world, self.noise, self.wiring, self.poisoned, self.holdout = world, noise, wiring, poisoned, holdout
        self.pools = {pool: Pool() for pool in wiring["data_of"]}
        self.models = [Model(self.pools[pool], learner) for pool in wiring["taught_by"]]
        self.forget = learner["forget"]
        self.idle = [0] * world["sites"]
        self.expects = [math.nan] * world["sites"]
        self.openings = self.hires = self.good = self.lost = 0
        self.regret = 0.0
        self.env = simpy.Environment()
        self.env.process(self.fading())
        turns = math.ceil(len(self.models) / (cohort or len(self.models)))
        for i, model in enumerate(self.models):
            self.env.process(self.learning(model, every, i // (cohort or len(self.models)) / turns))
        for site in range(world["sites"]):
            self.env.process(self.hiring(site))

    def run(self, weeks: int) -> None:
        self.env.run(until=weeks - 0.25)

    def fading(self) -> Process:
        """At the end of a week, before it is entered what became of its hires."""
        yield self.env.timeout(0.5)
        while True:
            for pool in self.pools.values():
                pool.fade(self.forget)
            yield self.env.timeout(1)

    def learning(self, model: Model, every: int, phase: float) -> Process:
        for turn in count(1):
            yield self.env.timeout(round(every * (turn + phase)) - self.env.now)
            model.learn()

    def hiring(self, site: int) -> Process:
        """Read the week, ask the model, hire or not; at the end of the week, enter what became of it."""
        world, noise, wiring = self.world, self.noise, self.wiring
        model, books = self.models[wiring["brain_of"][site]], self.pools[wiring["data_of"][site]]
        for week in count():
            strong = bool(world["contrast"]) and noise["intake"][week] < 0.5
            reads_strong = strong
            if world["contrast"] and noise["misreading"][week][wiring["view_of"][site]] < world["misread"]:
                reads_strong = not strong
            grade, chance = GRADES[reads_strong], world["good"]
            if world["contrast"]:
                chance += world["contrast"] if strong else -world["contrast"]
            good = noise["applicant"][week][site] < chance
            self.expects[site] = model.expects[grade]
            hired = model.expects[grade] > 0 or noise["held out"][week][site] < self.holdout
            self.idle[site] = 0 if hired else self.idle[site] + 1
            self.openings += 1
            self.hires += hired
            self.good += good
            self.lost += good and not hired
            self.regret += abs(2 * chance - 1) if hired != (chance > 0.5) else 0.0
            yield self.env.timeout(0.5)
            if hired:
                lied = self.poisoned[0] <= week < self.poisoned[1]
                books.worth[grade] += 1 if good and not lied else -1
                books.hires[grade] += 1
            yield self.env.timeout(0.5)

    @property
    def given_up(self) -> float:
        return sum(idle >= self.world["patience"] for idle in self.idle) / len(self.idle)
