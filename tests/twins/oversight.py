"""Desks of a model and a person once more, slowly: one SimPy process for each view, desk and brain, plain Python numbers, one replication.

Written from the description of the world, not from its code; it shares nothing with it but parameters and noise. At one instant brains
train first, then desks decide one after the other, then it is seen how many hands there were, and then the day is closed.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import simpy

Process = Generator[simpy.Event, Any, None]
DAY = 86_400.0
LONG = 10**9


class Line:
    """A straight line through what it was shown, by ridge regression on evidence that fades: two normal equations, by Cramer's rule."""

    def __init__(self, penalty: float, memory: float, bounds: float = 1.0) -> None:
        assert bounds == 1  # no answer here is only a bound
        self.penalty, self.keep = penalty, math.exp(-1 / memory)
        self.level = self.slope = 0.0
        self.sums = dict.fromkeys(("11", "1x", "xx", "1y", "xy"), 0.0)

    def says(self, x: tuple[float, float]) -> float:
        return self.level * x[0] + self.slope * x[1]

    def see(self, cases: Sequence[tuple[tuple[float, float], float | None]]) -> None:
        """One day: cases with what was decided, or None where no person decided."""
        for name in self.sums:
            self.sums[name] *= self.keep
        for (one, x), y in cases:
            if y is not None:
                for name, value in (("11", one * one), ("1x", one * x), ("xx", x * x), ("1y", one * y), ("xy", x * y)):
                    self.sums[name] += value / len(cases)

    def learn(self) -> None:
        a, b, d = self.sums["11"] + self.penalty, self.sums["1x"], self.sums["xx"] + self.penalty
        whole = a * d - b * b
        self.level = (self.sums["1y"] * d - b * self.sums["xy"]) / whole
        self.slope = (a * self.sums["xy"] - b * self.sums["1y"]) / whole


class Office:
    """All desks; `noise` holds for each purpose one entry a tick.

    `item`, `reading` and `slip` begin with what is met at tick 0; `reached` and `outage` are of the tick itself. `failing` is
    (first tick, rate) of views that go dark, `moves` (first tick, shift) of the items, `killed` the tick from which models are
    switched off, `down` the desks without one.
    """

    def __init__(
        self,
        parameters: Mapping[str, Any],
        noise: Mapping[str, Sequence[Any]],
        wiring: Mapping[str, Any],
        learner: Mapping[str, float],
        *,
        every: int,
        failing: tuple[int, float] = (LONG, 0.0),
        moves: tuple[int, float] = (LONG, 0.0),
        killed: int = LONG,
        down: Sequence[int] = (),
    ) -> None:
        self.p, self.noise, self.wiring = SimpleNamespace(**parameters), noise, wiring
        self.failing, self.moves, self.killed, self.down = failing, moves, killed, down
        self.brains = [Line(**learner) for _ in wiring["taught_by"]]
        desks, cases = range(self.p.desks), range(self.p.cases)
        self.tick = 0
        self.dark = [0 for _ in desks]
        self.decided = [[0.0 for _ in cases] for _ in desks]
        self.hands = [[False for _ in cases] for _ in desks]
        self.shown: list[list[tuple[float, float]]] = [[(0.0, 0.0) for _ in cases] for _ in desks]
        self.skill = [1.0 for _ in desks]
        self.lately = [0.0 for _ in desks]
        self.staff = 1.0
        self.load = self.failing_now = self.worst = 0.0
        self.wrong = self.left = self.missed = self.over = self.failed = 0.0
        self.env = simpy.Environment()
        for brain in self.brains:
            self.env.process(self.training(brain, every))
        for m in desks:
            self.env.process(self.desk(m))
        self.env.process(self.closing())
        for v in desks:
            self.env.process(self.view(v))

    def run(self, ticks: int) -> None:
        self.env.run(until=ticks - 0.5)

    @property
    def shift(self) -> float:
        return self.moves[1] if self.tick >= self.moves[0] else self.p.shift

    def training(self, brain: Line, every: int) -> Process:
        while True:
            yield self.env.timeout(every)
            brain.learn()

    def desk(self, m: int) -> Process:
        """Every case in turn: by the model, or by the person."""
        p, view = self.p, self.wiring["view_of"][m]
        brain = self.brains[self.wiring["brain_of"][m]]
        while True:
            able = m not in self.down and self.tick < self.killed
            error = p.expert * self.skill[m] + p.novice * (1 - self.skill[m])
            for i in range(p.cases):
                item = self.noise["item"][self.tick][i]
                seen = item + p.error * self.noise["reading"][self.tick][view][i]
                self.shown[m][i] = (0.0, 0.0) if self.dark[view] else (1.0, seen)
                says = brain.says(self.shown[m][i])
                self.hands[m][i] = not (able and says != 0 and i + 0.5 < p.automation * p.cases)
                by_hand = item + self.shift + error * self.noise["slip"][self.tick][m][i]
                self.decided[m][i] = by_hand if self.hands[m][i] else says
            yield self.env.timeout(1)

    def closing(self) -> Process:
        """Who was reached, what went wrong, what is learnt from it, and who is in practice tomorrow."""
        p, days = self.p, self.p.step_time / DAY
        gain, loss = math.log(2) / p.relearning * p.step_time, math.log(2) / p.forgetting * p.step_time
        while True:
            every_case = p.desks * p.cases
            self.load = sum(map(sum, self.hands)) / every_case
            chance = 1.0 if self.load <= self.staff else self.staff / self.load
            answers: list[list[float | None]] = []
            self.failing_now = 0.0
            for m in range(p.desks):
                bad, done = 0, 0
                answers.append([])
                for i in range(p.cases):
                    missed = self.hands[m][i] and self.noise["reached"][self.tick][m][i] >= chance
                    by_hand = self.hands[m][i] and not missed
                    right = self.noise["item"][self.tick][i] + self.shift
                    bad += missed or abs(self.decided[m][i] - right) > p.tolerance
                    done += by_hand
                    self.missed += missed / every_case
                    answers[m].append(self.decided[m][i] if by_hand else None)
                self.wrong += bad / every_case
                if all(self.hands[m]):
                    self.over += 1 / p.desks
                    self.failed += bad / every_case
                self.lately[m] += (1 - math.exp(-days / 7)) * (bad / p.cases - self.lately[m])
                self.failing_now += (self.lately[m] > p.line) / p.desks
                u = done / p.cases
                rest = gain * u / (gain * u + loss * (1 - u))
                self.skill[m] = rest + (self.skill[m] - rest) * math.exp(-gain * u - loss * (1 - u))
            self.worst = max(self.worst, self.failing_now)
            self.left += self.load
            need = min(p.reserve * self.load, 1.0)
            self.staff = need + (self.staff - need) * math.exp(-p.step_time / p.turnover)
            for brain, pool in zip(self.brains, self.wiring["taught_by"], strict=True):
                taught = [m for m in range(p.desks) if self.wiring["data_of"][m] == pool]
                brain.see([case for m in taught for case in zip(self.shown[m], answers[m], strict=True)])
            yield self.env.timeout(1)

    def view(self, v: int) -> Process:
        """Lit until it goes dark, then dark for its time; it is the last to act at an instant, and begins the next."""
        p = self.p
        dark_for = max(round(p.outage / p.step_time), 1)
        while True:
            rate = self.failing[1] if self.tick >= self.failing[0] else p.failing
            if self.dark[v]:
                self.dark[v] -= 1
            elif self.noise["outage"][self.tick][v] < 1 - math.exp(-rate * p.step_time / DAY):
                self.dark[v] = dark_for
            if v == p.desks - 1:
                self.tick += 1
            yield self.env.timeout(1)
