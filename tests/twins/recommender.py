"""Recommendation once more, slowly: one SimPy process for each user, model and brain, plain Python numbers, one replication.

Written from the description of the world, not from its code; it shares nothing with it but parameters and noise. Everything due
at one instant happens in the order in which the processes were started: first the spike and the trainings, then the lists are
drawn, then users look at them, and then the day is closed.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import simpy

Process = Generator[simpy.Event, Any, None]


def chance(interest: float) -> float:
    """The probability of a click."""
    return 1 / (1 + math.exp(-interest))


class Brain:
    """Counts of tries and clicks of each item: those it has heard of, and those it uses since its last training."""

    def __init__(self, items: int, length: int, trust: float, memory: float, optimism: float) -> None:
        self.length, self.trust, self.keep, self.optimism = length, trust, math.exp(-1 / memory), optimism
        self.heard = [(0.0, 0.0)] * items
        self.uses = list(self.heard)

    def best(self, board: Sequence[float]) -> set[int]:
        """The items with the highest scores."""
        scores = []
        for expected, (tried, good) in zip(board, self.uses, strict=True):
            n = self.trust + tried
            rate = (self.trust * expected + good) / n
            scores.append(rate + self.optimism * math.sqrt(rate * (1 - rate) / (n + 1)))
        return set(sorted(range(len(scores)), key=scores.__getitem__)[-self.length :])

    def hear(self, days: Sequence[Mapping[int, tuple[float, float]]]) -> None:
        """A day's clicks of all cohorts that feed it, after what is older has faded."""
        for i, (tried, good) in enumerate(self.heard):
            for day in days:
                more = day.get(i, (0.0, 0.0))
                tried, good = (
                    tried * (self.keep if day is days[0] else 1) + more[0],
                    good * (self.keep if day is days[0] else 1) + more[1],
                )
            self.heard[i] = tried, good


class Platform:
    """All cohorts. `noise` holds first tastes and errors, and for each later purpose an entry a day.

    `explore` is the share of exploration mixed into what the models say; `blind` platforms draw lists at random.
    """

    def __init__(
        self,
        parameters: Mapping[str, Any],
        noise: Mapping[str, Any],
        wiring: Mapping[str, Sequence[int]],
        learner: Mapping[str, Any],
        *,
        every: int,
        viral: tuple[int, int, float],
        explore: float = 0.0,
        blind: bool = False,
    ) -> None:
        p = self.p = SimpleNamespace(**parameters)
        self.noise, self.wiring, self.explore, self.blind = noise, wiring, explore, blind
        self.cohorts, self.items = range(p.cohorts), range(p.items)
        self.brains = [Brain(p.items, **learner) for _ in wiring["taught_by"]]
        own = math.sqrt(max(1 - p.popular - p.taste, 0.0))
        self.first = [
            [[p.spread * (self.shared(m, i) + own * noise["own"][m][i][j]) for i in self.items] for j in range(p.users)]
            for m in self.cohorts
        ]
        self.interest = [[list(user) for user in cohort] for cohort in self.first]
        self.worth = [
            [sum(chance(user[i]) for user in self.first[m]) / p.users for i in self.items] for m in self.cohorts
        ]
        self.best = [sum(sorted(worth)[-p.length :]) for worth in self.worth]
        self.lists: list[list[int]] = [[] for _ in self.cohorts]
        self.odds: list[list[float]] = [[] for _ in self.cohorts]
        self.answers: list[dict[int, list[bool]]] = [{} for _ in self.cohorts]
        self.shown = [[0] * p.items for _ in self.cohorts]
        self.served = [0.0] * p.cohorts
        self.viral = self.read = p.viral
        self.day, self.clicked = 0, math.nan
        self.env = simpy.Environment()
        self.env.process(self.spike(*viral))
        for brain in self.brains:
            self.env.process(self.training(brain, every))
        for m in self.cohorts:
            self.env.process(self.serving(m))
        for m in self.cohorts:
            for j in range(p.users):
                self.env.process(self.user(m, j))
        self.env.process(self.closing())

    def run(self, days: int) -> None:
        self.env.run(until=days - 0.5)

    def shared(self, m: int, i: int) -> float:
        return (
            math.sqrt(self.p.popular) * self.noise["popular"][i] + math.sqrt(self.p.taste) * self.noise["taste"][m][i]
        )

    def spike(self, start: int, lasts: int, size: float) -> Process:
        yield self.env.timeout(start)
        self.viral = size
        yield self.env.timeout(lasts)
        self.viral = self.p.viral

    def training(self, brain: Brain, every: int) -> Process:
        while True:
            yield self.env.timeout(every)
            brain.uses = list(brain.heard)

    def board(self, view: int) -> list[float]:
        """What a view believes of the click rates in its cohort, read at the end of the day before."""
        p, users = self.p, self.interest[view]
        mean = [
            sum(user[i] for user in users) / p.users + p.error * self.noise["view error"][view][i] for i in self.items
        ]
        mean[0] += self.read
        return [chance(x) for x in mean]

    def serving(self, m: int) -> Process:
        p = self.p
        while True:
            if self.blind:
                dealt = self.noise["any"][self.day][m]
                self.lists[m] = sorted(sorted(self.items, key=dealt.__getitem__)[: p.length])
            else:
                brain = self.brains[self.wiring["brain_of"][m]]
                listed = brain.best(self.board(self.wiring["view_of"][m]))
                self.lists[m] = []
                mark, reached = self.noise["list"][self.day][m], 0.0  # an item is drawn when a whole number is passed
                for i in self.items:
                    share = (1 - self.explore) * (i in listed) / brain.length + self.explore / p.items
                    before, reached = math.floor(reached + mark), reached + share * p.length
                    if math.floor(reached + mark) > before:
                        self.lists[m].append(i)
            self.answers[m] = {i: [] for i in self.lists[m]}
            yield self.env.timeout(1)

    def user(self, m: int, j: int) -> Process:
        p, interest = self.p, self.interest[m][j]
        while True:
            for slot, i in enumerate(self.lists[m]):
                slot += p.length - len(self.lists[m])
                clicks = self.noise["clicks"][self.day][m][slot][j] < chance(interest[i] + self.viral * (i == 0))
                interest[i] += p.drift if clicks else -p.drift
                self.answers[m][i].append(clicks)
            yield self.env.timeout(1)

    def closing(self) -> Process:
        """The books of the day."""
        while True:
            days = []
            for m in self.cohorts:
                days.append({i: (float(len(a)), float(sum(a))) for i, a in self.answers[m].items()})
                for i in self.lists[m]:
                    self.shown[m][i] += 1
                    self.served[m] += self.worth[m][i]
            data_of = self.wiring["data_of"]
            for brain, pool in zip(self.brains, self.wiring["taught_by"], strict=True):
                brain.hear([days[m] for m in self.cohorts if data_of[m] == pool])
            seen = [click for answers in self.answers for clicks in answers.values() for click in clicks]
            self.clicked = sum(seen) / len(seen)
            self.day, self.read = self.day + 1, self.viral
            yield self.env.timeout(1)

    def moved(self) -> list[float]:
        """How far the users of each cohort are from their first interests, on average."""
        return [
            sum(math.dist(now, then) for now, then in zip(self.interest[m], self.first[m], strict=True)) / self.p.users
            for m in self.cohorts
        ]

    def measures(self) -> dict[str, float]:
        """The measures of the world."""
        p, moved = self.p, self.moved()
        line = math.log(p.line) * math.sqrt(p.length)
        pairs = [(set(self.lists[a]), set(self.lists[b])) for a in self.cohorts for b in self.cohorts if a < b]
        whole = [sum(shown[i] for shown in self.shown) for i in self.items]
        apart = sum(abs(a - b) for a in whole for b in whole)  # Gini: mean difference over twice the mean
        best, served = sum(self.best) / p.cohorts, sum(self.served) / p.cohorts
        return {
            "moved": sum(moved) / p.cohorts,
            "bubbled": sum(x > line for x in moved) / p.cohorts,
            "alike": sum(len(a & b) / len(a | b) for a, b in pairs) / len(pairs),
            "variety": sum(sum(n) ** 2 / sum(x * x for x in n) for n in self.shown) / p.cohorts,
            "gini": apart / (2 * p.items * sum(whole)),
            "clicks": self.clicked,
            "satisfaction": served / (self.day * best),
            "lost": self.day * best - served,
        }
