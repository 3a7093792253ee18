"""Models that crowd each other out once more, slowly: one SimPy process for each model and brain, plain Python numbers, one replication.

Written from the description of the world, not from its code; it shares nothing with it but parameters and noise.
Everything due at one instant happens in the order in which the processes were started: first what happens to the world, then the
trainings, then the models answer, and then it is known what would have been best.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import simpy

from tests.twins import timetable

Process = Generator[simpy.Event, Any, None]


class Line:
    """Least squares with shrunk coefficients on evidence that fades, for one or two features."""

    def __init__(self, penalty: float, memory: float, bounds: float = 1.0) -> None:
        assert bounds == 1  # no answer here is only a bound
        self.penalty, self.keep = penalty, math.exp(-1 / memory)
        self.square = [[0.0, 0.0], [0.0, 0.0]]
        self.product = [0.0, 0.0]
        self.weights = [0.0, 0.0]

    def predict(self, x: Sequence[float]) -> float:
        return sum(w * each for w, each in zip(self.weights, x, strict=False))

    def see(self, cases: Sequence[tuple[Sequence[float], float]]) -> None:
        n = len(cases)
        for i in range(len(cases[0][0])):
            self.product[i] = self.keep * self.product[i] + sum(x[i] * y for x, y in cases) / n
            for j in range(len(cases[0][0])):
                self.square[i][j] = self.keep * self.square[i][j] + sum(x[i] * x[j] for x, _ in cases) / n

    def learn(self) -> None:
        (a, b), (_, c) = self.square
        a, c = a + self.penalty, c + self.penalty
        p, q = self.product
        self.weights = [(c * p - b * q) / (a * c - b * b), (a * q - b * p) / (a * c - b * b)]


class Office:
    """All models; `noise` holds for each purpose one entry a tick. Shocks are (tick, parameter, value).

    Every `every` seconds a brain trains; cohorts of `cohort` brains do so together, evenly apart.
    """

    def __init__(
        self,
        parameters: Mapping[str, Any],
        noise: Mapping[str, Sequence[Any]],
        wiring: Mapping[str, Sequence[int]],
        learner: Mapping[str, float],
        *,
        every: float,
        cohort: int,
        shocks: Sequence[tuple[int, str, float]] = (),
    ) -> None:
        self.p, self.noise, self.wiring = SimpleNamespace(**parameters), noise, wiring
        self.brains = [Line(**learner) for _ in wiring["taught_by"]]
        self.tick, self.walk = 0, 0.0
        self.glitch_set = math.inf
        self.asked: list[Sequence[float]] = [()] * self.p.models
        self.answers = [0.0] * self.p.models
        self.astray = self.worst = self.mean_error = self.size = self.surprise = 0.0
        self.astray_sum = self.miss = self.loss = 0.0
        self.env = simpy.Environment()
        for shock in shocks:
            self.env.process(self.happen(*shock))
        timetable.keep(self.env, self.brains, every, cohort, self.p.step_time)
        for m in range(self.p.models):
            self.env.process(self.model(m))
        self.env.process(self.reality())

    def run(self, ticks: int) -> None:
        self.env.run(until=ticks - 0.5)

    def happen(self, at: int, parameter: str, value: float) -> Process:
        yield self.env.timeout(at)
        setattr(self.p, parameter, value)
        if parameter == "glitch":
            self.glitch_set = at

    def model(self, m: int) -> Process:
        brain, view = self.brains[self.wiring["brain_of"][m]], self.wiring["view_of"][m]
        while True:
            if self.p.context:
                seen = self.noise["conditions"][self.tick] + self.p.error * self.noise["view error"][self.tick][view]
                self.asked[m] = 1.0, seen
            else:
                self.asked[m] = (1.0,)
            self.answers[m] = max(-self.p.bound, min(self.p.bound, brain.predict(self.asked[m])))
            yield self.env.timeout(1)

    def glitching(self) -> bool:
        begins = self.glitch_set + math.floor(self.noise["glitch"] * self.p.glitch_within / self.p.step_time)
        return bool(self.p.glitch) and begins <= self.tick < begins + round(self.p.glitch_time / self.p.step_time)

    def reality(self) -> Process:
        """What would have been best, what is written down of it, and who learns from that."""
        p, n = self.p, self.p.models
        while True:
            concept = p.level + self.walk + p.context * self.noise["conditions"][self.tick]
            right = concept / (1 + (n - 1) * p.crowding)
            written = []
            for m, answer in enumerate(self.answers):
                best = concept - p.crowding * math.fsum(a for k, a in enumerate(self.answers) if k != m)
                own, common = self.noise["noise"][self.tick][m], self.noise["common noise"][self.tick]
                luck = math.sqrt(p.alike) * common + math.sqrt(1 - p.alike) * own
                written.append(best + p.noise * luck + (p.glitch if self.glitching() else 0.0))
                self.loss += (answer - best) ** 2 / n
            self.astray = sum(abs(a - right) > p.tolerance for a in self.answers) / n
            self.worst = max(self.worst, self.astray)
            self.astray_sum += self.astray
            self.mean_error = math.fsum(self.answers) / n - right
            self.miss += self.mean_error**2
            self.size = math.sqrt(sum(a * a for a in self.answers) / n)
            self.surprise = math.sqrt(sum((y - a) ** 2 for y, a in zip(written, self.answers, strict=True)) / n)
            for brain, pool in zip(self.brains, self.wiring["taught_by"], strict=True):
                brain.see([(self.asked[m], written[m]) for m in range(n) if self.wiring["data_of"][m] == pool])
            self.walk += p.drift * self.noise["drift"][self.tick]
            self.tick += 1
            yield self.env.timeout(1)
