"""Emissions once more, slowly: one SimPy process for each maker and one for the authority, plain Python numbers, one replication.

Written from the description of the world, not from its code; it shares nothing with it but parameters and noise. At one
instant makers come first, in their order, then the authority, who closes the month: tests, audits, fines, and what was learnt.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import simpy

Process = Generator[simpy.Event, Any, None]


class Design(NamedTuple):
    """A calibration: whether control is on while tested and on the road, and by which trick it tells them apart."""

    tested: bool
    driven: bool
    trick: int | None = None


class Office:
    """Whoever makes calibrations, for one maker or for several: averages of what each design cost, in order of the answers."""

    def __init__(self, brain: Mapping[str, Any], dice: Sequence[float]) -> None:
        self.p = SimpleNamespace(**brain)
        self.cost, self.failed = [u * 1e-9 for u in dice], [0.0] * len(dice)
        self.answers: dict[int, list[tuple[float, bool]]] = defaultdict(list)
        self.heard = [0] * len(dice)

    def decide(self, u: float) -> int:
        k = len(self.cost)
        if u < self.p.explore:
            return min(int(u / self.p.explore * k), k - 1)
        scores = [c + self.p.penalty * f for c, f in zip(self.cost, self.failed, strict=True)]
        return scores.index(min(scores))

    def learn(self) -> None:
        for design, came in self.answers.items():
            n, keep = len(came), 1 - self.p.rate
            self.heard[design] += n
            step = 1 - keep**n
            if self.p.unbiased:
                step /= 1 - keep ** self.heard[design]
            self.cost[design] += step * (sum(cost for cost, _ in came) / n - self.cost[design])
            self.failed[design] += step * (sum(bad for _, bad in came) / n - self.failed[design])
        self.answers.clear()


class Country:
    """All makers and the authority. `noise` holds `ties` of each maker, and for `explore`, `test` and `audit` a list over months."""

    def __init__(
        self,
        world: Mapping[str, Any],
        noise: Mapping[str, Any],
        brain: Mapping[str, Any],
        brain_of: Sequence[int],
        tightened: tuple[int, float] = (1 << 60, 0.0),
    ) -> None:
        p = self.p = SimpleNamespace(**world)
        self.noise, self.brain_of = noise, brain_of
        self.designs = [Design(True, True), *(Design(True, False, i) for i in range(p.tricks)), Design(False, False)]
        self.offices = [Office(brain, noise["ties"][brain_of.index(b)]) for b in sorted(set(brain_of))]
        self.sells = [0] * p.makers
        self.owed, self.unfound, self.found = [0] * p.makers, [0] * p.makers, [False] * p.makers
        self.road, self.emitted, self.saved, self.month = p.clean, 0.0, 0.0, 0
        self.cheating = self.passed = 0.0
        self.env = simpy.Environment()
        for m in range(p.makers):
            self.env.process(self.maker(m))
        self.env.process(self.authority())
        self.env.process(self.law(*tightened))

    def run(self, months: int) -> None:
        self.env.run(until=months - 0.25)

    def law(self, month: int, control: float) -> Process:
        yield self.env.timeout(month - 0.4)
        self.p.control = control

    def maker(self, m: int) -> Process:
        while True:
            self.sells[m] = self.offices[self.brain_of[m]].decide(self.noise["explore"][self.month][m])
            yield self.env.timeout(1)

    def authority(self) -> Process:
        while True:
            yield self.env.timeout(0.5)
            self.close()
            yield self.env.timeout(0.5)

    def close(self) -> None:
        p, makers = self.p, range(self.p.makers)
        designs = [self.designs[choice] for choice in self.sells]
        told = [self.noise["test"][self.month][m] < p.recognised for m in makers]
        sold = [d.tested and (d.driven or told[m]) for m, d in enumerate(designs)]
        cheats = [m for m in makers if sold[m] and not designs[m].driven]
        chance = p.audits * p.detects * (1 - p.cycle * p.recognised)  # told apart in an audit on the cycle
        caught = {m for m in cheats if self.noise["audit"][self.month][m] < chance}
        if p.screened:
            known = {designs[m].trick for m in caught}
            caught = {m for m in cheats if designs[m].trick in known}
        bill = 0.0
        for m, d in enumerate(designs):
            cost = p.margin * (not sold[m])
            if d.trick is not None:
                cost += p.trick
            elif d.driven:
                cost += p.control
            if m in cheats:
                self.owed[m] = min(self.owed[m] + 1, p.back)
                alike = sum(designs[other].trick == d.trick for other in cheats) if p.screened else 1
                cost += p.insured * p.fine * self.owed[m] * (1 - (1 - chance) ** alike)
                self.unfound[m] += not self.found[m]
            if m in caught:
                cost += (1 - p.insured) * p.fine * self.owed[m]
                self.owed[m], self.found[m] = 0, True
            bill += cost
            self.offices[self.brain_of[m]].answers[self.sells[m]].append((cost, m in caught or not sold[m]))
        for office in self.offices:
            office.learn()
        on_the_road = [p.clean if designs[m].driven else p.dirty for m in makers if sold[m]]
        if on_the_road:
            self.road += (sum(on_the_road) / len(on_the_road) - self.road) / 12
            self.emitted += sum(max(e - 1, 0) for e in on_the_road) / len(on_the_road) * p.limit * p.driven / 1000
        self.saved += p.control - bill / p.makers
        self.cheating, self.passed = len(cheats) / p.makers, len(on_the_road) / p.makers
        self.month += 1
