"""A cluster with learnt limits once more, slowly: one SimPy process for each cell and brain, one job after the other, plain Python numbers.

Written from the description of the world, not from its code; it shares nothing with it but parameters and noise. At one instant brains
train first, then every cell places and runs its jobs, then everybody takes note of what was used.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import simpy

from tests.twins.cascade import Ridge

DAY, WEEK = 86_400.0, 604_800.0
Process = Generator[simpy.Event, Any, None]


class Job(SimpleNamespace):
    """What a job is asked about and what came of it in one cell."""


class Fleet:
    """All cells; `noise` holds for each purpose one entry a tick, the first for what is met at tick 0.

    `grows` are (first tick, last, growth a week); `held` is (share, weight of the others) of jobs left to owners, if any.
    """

    def __init__(
        self,
        parameters: Mapping[str, Any],
        noise: Mapping[str, Sequence[Any]],
        wiring: Mapping[str, Any],
        learner: Mapping[str, float],
        *,
        every: int,
        grows: tuple[int, int, float] = (0, 0, 0.0),
        held: tuple[float, float] | None = None,
        closed: bool = True,
    ) -> None:
        self.p, self.noise, self.wiring, self.grows, self.held = (
            SimpleNamespace(**parameters),
            noise,
            wiring,
            grows,
            held,
        )
        self.closed, self.tick, self.walk = closed, 0, 0.0
        p = self.p
        self.brains = [Ridge(size=3 * len(p.sizes), **learner) for _ in wiring["taught_by"]]
        self.own = [p.differ * z for z in noise["cell"][0]]
        self.ran: list[list[Job]] = [[] for _ in range(p.cells)]
        self.late = [dict.fromkeys(("jobs", "over", "used", "limit", "machines", "ticks"), 0.0) for _ in range(p.cells)]
        self.miss = [{"used": 0.0, "wanted": 0.0, "foretold": 0.0, "all": 0.0} for _ in range(p.cells)]
        self.came = self.killed = self.wanted = self.served = 0.0
        self.env = simpy.Environment()
        for brain in self.brains:
            self.env.process(self.training(brain, every))
        for m in range(p.cells):
            self.env.process(self.cell(m))
        self.env.process(self.closing())

    def run(self, ticks: int) -> None:
        self.env.run(until=ticks - 0.5)

    def training(self, brain: Ridge, every: int) -> Process:
        while True:
            yield self.env.timeout(every)
            brain.learn()

    def jobs(self) -> int:
        """How many jobs come: the smallest n with u < P(N <= n)."""
        mean, u = self.p.arrivals * self.p.step_time / DAY, self.noise["jobs"][self.tick]
        n, chance = 0, math.exp(-mean)
        below = chance
        while u >= below:
            n += 1
            chance *= mean / n
            below += chance
        return min(n, self.p.slots)

    def cell(self, m: int) -> Process:
        p = self.p
        while True:
            room = [1.0] * p.machines
            keep = math.exp(-p.step_time / p.window)
            for sums in (self.late[m], self.miss[m]):
                for name in sums:
                    sums[name] *= keep
            self.ran[m] = []
            for i in range(self.jobs()):
                job = self.sized(m, i)
                self.came += 1
                self.wanted += job.wanted
                for machine, free in enumerate(room):
                    if free >= job.limit:
                        room[machine] -= job.limit
                        self.serve(m, job)
                        break
            self.late[m]["machines"] += sum(free < 1 for free in room)
            self.late[m]["ticks"] += 1
            yield self.env.timeout(1)

    def sized(self, m: int, i: int) -> Job:
        """A job of cell m: what it wants, and what it may use."""
        p, tick = self.p, self.tick
        kind = int(self.noise["type"][tick][i] * len(p.sizes))
        hour = math.cos(2 * math.pi * self.noise["hour"][tick][i])
        weekend = float(int(tick * p.step_time / DAY + 1e-9) % 7 >= 5)
        x = tuple(v * (k == kind) for k in range(len(p.sizes)) for v in (1.0, hour, weekend))
        said = self.brains[self.wiring["brain_of"][m]].predict(x)
        scatter = math.exp(p.sigma * self.noise["demand"][tick][m][i] - p.sigma**2 / 2)
        mean = p.sizes[kind] * (1 + p.swing * hour - p.dip * weekend)
        wanted = mean * p.level * math.exp(self.walk + self.own[m]) * scatter
        held = self.held is not None and self.noise["held"][tick][m][i] < self.held[0]
        by_hand = held or said <= 0 or not self.closed
        limit = p.manual * p.sizes[kind] if by_hand else (1 + p.margin) * said
        return Job(x=x, said=said, wanted=wanted, limit=min(max(limit, 0.01), 1.0), kind=kind, held=held)

    def serve(self, m: int, job: Job) -> None:
        p, late, miss = self.p, self.late[m], self.miss[m]
        job.used, job.over = min(job.wanted, job.limit), job.wanted > job.limit
        self.ran[m].append(job)
        late["jobs"] += 1
        late["over"] += job.over
        late["used"] += job.used
        late["limit"] += job.limit
        if job.said > 0 and self.closed:  # else nobody took note of what was said
            miss["used"] += abs(job.said - job.used)
            miss["wanted"] += abs(job.said - job.wanted)
            miss["foretold"] += job.used
            miss["all"] += job.wanted
        if job.over and job.kind >= len(p.sizes) - p.rigid:
            self.killed += 1
        else:
            self.served += job.used

    def closing(self) -> Process:
        p = self.p
        while True:
            self.learn_from()
            self.tick += 1
            weeks, keep = p.step_time / WEEK, math.exp(-p.step_time / p.lasting)
            first, last, growth = self.grows
            now = growth if first <= self.tick - 1 < last else p.growth
            self.walk += now * weeks + p.shake * math.sqrt(weeks) * self.noise["walk"][self.tick]
            news = math.sqrt(1 - keep * keep) * p.differ
            self.own = [keep * c + news * z for c, z in zip(self.own, self.noise["cell"][self.tick], strict=True)]
            yield self.env.timeout(1)

    def learn_from(self) -> None:
        data_of = self.wiring["data_of"]
        for brain, pool in zip(self.brains, self.wiring["taught_by"], strict=True):
            brain.fade()
            cells = [m for m in range(self.p.cells) if data_of[m] == pool]
            for job in (job for m in cells for job in self.ran[m]):
                weight = 1.0 if self.held is None or job.held else self.held[1]
                if job.over and not brain.bounds:
                    continue
                used = job.used * (brain.bounds if job.over else 1.0)
                brain.see_one(job.x, used, weight / (len(cells) * self.p.slots))

    def measures(self) -> dict[str, float]:
        """What the world reports, but of all cells together."""
        late = {name: sum(sums[name] for sums in self.late) for name in self.late[0]}
        miss = {name: sum(sums[name] for sums in self.miss) for name in self.miss[0]}
        return {
            "throttled": late["over"] / late["jobs"],
            "failing": sum(one["over"] > self.p.line * one["jobs"] for one in self.late) / self.p.cells,
            "slack": 1 - late["used"] / late["limit"],
            "machines": late["machines"] / late["ticks"],
            "density": late["used"] / late["machines"],
            "accuracy": 1 - miss["used"] / miss["foretold"] if miss["foretold"] else math.nan,
            "foresight": 1 - miss["wanted"] / miss["all"] if miss["all"] else math.nan,
            "killed": self.killed / self.came,
            "unserved": 1 - self.served / self.wanted,
        }
