"""Performative prediction once more, slowly: one SimPy process for each agent, model and brain, plain Python numbers, one replication.

Written from the description of the world, not from its code; it shares nothing with it but parameters and noise.
Everything due at one instant happens in the order in which the processes were started: first the shock and the trainings, then the
models publish, then the agents act, and then the markets close.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import simpy

from tests.twins import timetable

Process = Generator[simpy.Event, Any, None]


class Mean:
    """Says the mean of what came since its last training, and of `keep` times what it knew before."""

    def __init__(self, keep: float) -> None:
        self.keep, self.fresh, self.known = keep, [], (0.0, 0.0)
        self.says = 0.0

    def predict(self, x: tuple[float, float]) -> float:
        return self.says

    def fade(self) -> None:
        pass

    def see(self, cases: Sequence[tuple[tuple[float, float], float]]) -> None:
        self.fresh += [y for _, y in cases]

    def learn(self) -> None:
        total, number = (self.keep * old for old in self.known)
        self.known = total + math.fsum(self.fresh), number + len(self.fresh)
        self.fresh = []
        self.says = self.known[0] / self.known[1]


class Ridge:
    """A straight line through evidence that fades, both of its coefficients shrunk."""

    def __init__(self, penalty: float, memory: float, bounds: float = 1.0) -> None:
        assert bounds == 1  # no answer here is only a bound
        self.penalty, self.keep = penalty, math.exp(-1 / memory)
        self.a = self.b = self.c = self.p = self.q = 0.0
        self.level = self.slope = 0.0

    def predict(self, x: tuple[float, float]) -> float:
        return self.level * x[0] + self.slope * x[1]

    def fade(self) -> None:
        self.a, self.b, self.c, self.p, self.q = (self.keep * s for s in (self.a, self.b, self.c, self.p, self.q))

    def see(self, cases: Sequence[tuple[tuple[float, float], float]]) -> None:
        n = len(cases)
        self.a += sum(x[0] * x[0] for x, _ in cases) / n
        self.b += sum(x[0] * x[1] for x, _ in cases) / n
        self.c += sum(x[1] * x[1] for x, _ in cases) / n
        self.p += sum(x[0] * y for x, y in cases) / n
        self.q += sum(x[1] * y for x, y in cases) / n

    def learn(self) -> None:
        a, c = self.a + self.penalty, self.c + self.penalty
        det = a * c - self.b * self.b
        self.level = (c * self.p - self.b * self.q) / det
        self.slope = (a * self.q - self.b * self.p) / det


class Town:
    """All markets; `noise` holds for each purpose one entry a tick. `kind` and `learner` say what the brains are.

    Every `every` seconds a brain trains; cohorts of `cohort` brains do so together, evenly apart.
    """

    def __init__(
        self,
        parameters: Mapping[str, Any],
        noise: Mapping[str, Sequence[Any]],
        wiring: Mapping[str, Sequence[int]],
        kind: str,
        learner: Mapping[str, float],
        *,
        every: float,
        cohort: int,
        shift: tuple[int, float],
    ) -> None:
        self.p, self.noise, self.wiring = SimpleNamespace(**parameters), noise, wiring
        self.base = self.p.base
        make = Mean if kind == "mean" else Ridge
        self.brains = [make(**learner) for _ in wiring["taught_by"]]
        self.tick = 0
        self.said = [0.0] * self.p.models
        self.acts = [[0.0] * self.p.agents for _ in self.said]
        self.asked: list[tuple[float, float]] = [(1.0, 0.0)] * self.p.models
        self.loss = self.crossed = self.squared = self.moved = self.act = self.theta = self.gap = 0.0
        self.env = simpy.Environment()
        self.env.process(self.shock(*shift))
        timetable.keep(self.env, self.brains, every, cohort, self.p.step_time)
        for m in range(self.p.models):
            self.env.process(self.publishing(m))
        for m in range(self.p.models):
            for i in range(self.p.agents):
                self.env.process(self.agent(m, i, listens=i < round(self.p.listening * self.p.agents)))
        self.env.process(self.closing())

    def run(self, ticks: int) -> None:
        self.env.run(until=ticks - 0.5)

    def shock(self, at: int, base: float) -> Process:
        yield self.env.timeout(at)
        self.base = base

    def publishing(self, m: int) -> Process:
        brain, view = self.brains[self.wiring["brain_of"][m]], self.wiring["view_of"][m]
        while True:
            reading = self.conditions(view) + self.p.error * self.noise["view error"][self.tick][view]
            self.asked[m] = 1.0, reading
            self.said[m] = brain.predict(self.asked[m])
            yield self.env.timeout(1)

    def agent(self, m: int, i: int, *, listens: bool) -> Process:
        p, beliefs = self.p, self.noise["belief"]
        while True:
            wants = p.spread * beliefs[self.tick][m][i]
            if listens:
                wants = p.trust * self.said[m] + (1 - p.trust) * wants
            self.acts[m][i] = max(-p.bound, min(p.bound, wants))
            yield self.env.timeout(1)

    def conditions(self, m: int) -> float:
        common, own = self.noise["weather"][self.tick], self.noise["conditions"][self.tick][m]
        return math.sqrt(self.p.alike) * common + math.sqrt(1 - self.p.alike) * own

    def closing(self) -> Process:
        """What came of it, in every market; then everybody takes note."""
        p, markets = self.p, range(self.p.models)
        while True:
            means = [math.fsum(acts) / p.agents for acts in self.acts]
            outcomes, moves, expected, loss = [], [], [], 0.0
            for m in markets:
                others = [means[k] for k in markets if k != m]
                move = p.response * means[m] + p.cross * (sum(others) / len(others) if others else 0.0)
                fundamental = self.base + p.context * self.conditions(m)
                loss += sum((a - fundamental) ** 2 for a in self.acts[m]) / p.agents / p.models
                moves.append(move)
                expected.append(fundamental + move)
                outcomes.append(fundamental + move + p.noise * self.noise["noise"][self.tick][m])
            self.learn_from(outcomes)
            self.act, self.moved, self.theta = (sum(each) / p.models for each in (means, moves, expected))
            missed = [(theta - said) ** 2 for theta, said in zip(expected, self.said, strict=True)]
            self.gap = math.sqrt(sum(missed) / p.models)
            self.loss += loss
            self.crossed += self.moved * self.theta
            self.squared += self.theta * self.theta
            self.tick += 1
            yield self.env.timeout(1)

    def learn_from(self, outcomes: Sequence[float]) -> None:
        for brain, pool in zip(self.brains, self.wiring["taught_by"], strict=True):
            brain.fade()
            data_of = self.wiring["data_of"]
            brain.see([(self.asked[m], outcomes[m]) for m in range(self.p.models) if data_of[m] == pool])
