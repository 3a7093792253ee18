"""Filtered sites once more, slowly: one SimPy process for each site and for each model's training, plain Python
numbers, one replication.

Written from the description of the world, not from its code; it shares nothing with it but parameters and noise.
Everything due at one instant happens in the order in which processes were started: what happens to the world, then the
trainings, then who visits, then the sites, one by one.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Generator, Mapping, Sequence
from itertools import accumulate
from types import SimpleNamespace
from typing import Any

import simpy

from tests.twins import timetable

Process = Generator[simpy.Event, Any, None]
Case = tuple[float, ...]


class Rare:
    """How unusual a client is by histograms of its features, one by one, as a share of the clients it learnt from."""

    def __init__(self, bins: int, low: float, high: float, prior: float, keep: float) -> None:
        self.bins, self.low, self.high, self.prior, self.keep = bins, low, high, prior, keep
        self.fresh: dict[tuple[int, ...], float] = defaultdict(float)
        self.known: dict[tuple[int, ...], float] = {}
        self.marginals: list[list[float]] = []
        self.total = 0.0
        self.levels: list[int] = []
        self.below: list[float] = []  # the weight of what is less unusual than each level, and of all

    def cell(self, case: Case) -> tuple[int, ...]:
        width = (self.high - self.low) / self.bins
        return tuple(min(max(math.floor((x - self.low) / width), 0), self.bins - 1) for x in case)

    def level(self, cell: Sequence[int]) -> int:
        """Its score, above the lowest there can be, in steps of 1/64."""
        score = len(cell) * math.log(self.total + self.prior)
        for heights, i in zip(self.marginals, cell, strict=True):
            score -= math.log(heights[i] + self.prior)
        return max(math.floor(score * 64), 0)

    def see(self, case: Case, weight: float) -> None:
        if weight > 0:
            self.fresh[self.cell(case)] += weight

    def learn(self) -> None:
        cells = {*self.fresh, *(self.known if self.keep else {})}
        known = {cell: self.keep * self.known.get(cell, 0.0) + self.fresh.get(cell, 0.0) for cell in cells}
        self.fresh = defaultdict(float)
        self.known = known
        if not known:
            return
        self.total = sum(known.values())
        self.marginals = [[0.0] * self.bins for _ in next(iter(known))]
        for cell, weight in known.items():
            for heights, i in zip(self.marginals, cell, strict=True):
                heights[i] += weight
        counts: dict[int, float] = defaultdict(float)
        for cell, weight in known.items():
            counts[self.level(cell)] += weight
        self.levels = sorted(counts)
        self.below = list(accumulate((counts[level] for level in self.levels), initial=0.0))

    def says(self, case: Case) -> float:
        if not self.levels:
            return 0.0
        return self.below[bisect_left(self.levels, self.level(self.cell(case)))] / self.below[-1]


class Edge:
    """All sites; `noise` holds for each purpose an entry a tick, those of visitors one more, for before the first.

    Shocks are (tick, parameter, value). `probe` is the share that is let in come what may, and whether that is
    weighted; `noise["held out"]` says who.
    """

    def __init__(
        self,
        parameters: Mapping[str, Any],
        noise: Mapping[str, Any],
        wiring: Mapping[str, Sequence[int]],
        learner: Mapping[str, Any],
        *,
        every: float,
        shocks: Sequence[tuple[int, str, float]] = (),
        probe: tuple[float, bool] | None = None,
    ) -> None:
        self.p, self.noise, self.wiring, self.probe = SimpleNamespace(**parameters), noise, wiring, probe
        self.brains = [Rare(**learner) for _ in wiring["taught_by"]]
        m = self.p.sites
        self.baseline = [[self.p.site_spread * z for z in site] for site in noise["site"]]
        self.fading = [dict.fromkeys(("visits", "benign", "away", "blocked", "challenged"), 0.0) for _ in range(m)]
        self.peak = 0.0
        self.benign = self.away = self.attacks = self.missed = 0
        self.tick = 0
        self.features: list[list[Case]] = []
        self.hostile: list[bool] = []
        self.attack, self.crowd = self.p.attack, self.p.crowd  # when today's visitors set out
        self.env = simpy.Environment()
        for shock in shocks:
            self.env.process(self.happen(*shock))
        timetable.keep(self.env, self.brains, every, len(self.brains), self.p.step_time)
        self.env.process(self.visitors())
        for site in range(m):
            self.env.process(self.site(site))
        self.env.process(self.evening())

    def run(self, ticks: int) -> None:
        """Play that many ticks."""
        self.env.run(until=ticks - 0.5)

    def happen(self, at: int, parameter: str, value: float) -> Process:
        yield self.env.timeout(at)
        setattr(self.p, parameter, value)

    def visitors(self) -> Process:
        p = self.p
        while True:
            t = self.tick
            self.hostile = [u < self.attack for u in self.noise["hostile"][t]]
            crowd = [u < self.crowd and not bad for u, bad in zip(self.noise["crowd"][t], self.hostile, strict=True)]
            self.features = []
            for site in range(p.sites):
                here = []
                for j in range(p.clients):
                    case = []
                    for f in range(3):
                        x = self.baseline[site][f] + math.sqrt(p.alike) * self.noise["client"][t][f][j]
                        x += math.sqrt(1 - p.alike) * self.noise["own"][t][site][f][j]
                        x += p.attack_shift[f] if self.hostile[j] else 0.0
                        x += self.noise["oddness"] * p.crowd_shift[f] if crowd[j] and site == 0 else 0.0
                        case.append(x)
                    here.append(tuple(case))
                self.features.append(here)
            yield self.env.timeout(1)

    def site(self, m: int) -> Process:
        p, brain = self.p, self.brains[self.wiring["brain_of"][m]]
        taught = [
            b
            for b, pool in zip(self.brains, self.wiring["taught_by"], strict=True)
            if pool == self.wiring["data_of"][m]
        ]
        while True:
            t, count = self.tick, dict.fromkeys(self.fading[m], 0)
            for j in range(p.clients):
                case = self.features[self.wiring["view_of"][m]][j]
                said, stopped = brain.says(case), False
                does = "allow"
                if said >= 1 - p.block - p.challenge:
                    does, stopped = ("block" if said >= 1 - p.block else "challenge"), True
                weight = 1.0
                if self.probe:
                    held = self.noise["held out"][t][m][j] < self.probe[0]
                    does = "allow" if held else does
                    if self.probe[1] and stopped:
                        weight = 1 / self.probe[0] if held else 0.0
                solves = self.noise["solve"][t][m][j] < (p.bots_solve if self.hostile[j] else p.people_solve)
                let_in = does == "allow" or (does == "challenge" and solves)
                count["visits"] += 1
                count["benign"] += not self.hostile[j]
                count["away"] += not self.hostile[j] and not let_in
                count["blocked"] += does == "block"
                count["challenged"] += does == "challenge"
                self.attacks += self.hostile[j]
                self.missed += self.hostile[j] and let_in
                for each in taught if let_in else ():
                    each.see(case, weight)
            keep = math.exp(-p.step_time / p.recent)
            for what, number in count.items():
                self.fading[m][what] = keep * self.fading[m][what] + number
            self.benign += count["benign"]
            self.away += count["away"]
            yield self.env.timeout(1)

    def evening(self) -> Process:
        """What is left of the tick: shares, drift, and who will come."""
        p = self.p
        while True:
            self.peak = max(self.peak, *(self.share("away", "benign", m) for m in range(p.sites)))
            for site, steps in zip(self.baseline, self.noise["drift"][self.tick], strict=True):
                for f, z in enumerate(steps):
                    site[f] += p.drift * math.sqrt(p.step_time / 86_400) * z
            self.attack, self.crowd = p.attack, p.crowd
            self.tick += 1
            yield self.env.timeout(1)

    def share(self, part: str, whole: str, m: int) -> float:
        return self.fading[m][part] / max(self.fading[m][whole], 1e-9)

    def measures(self) -> dict[str, float]:
        sites = range(self.p.sites)
        away = [self.share("away", "benign", m) for m in sites]
        return {
            "turned_away": sum(away) / len(away),
            "worst": max(away),
            "peak": self.peak,
            "lost": self.away / max(self.benign, 1),
            "missed": self.missed / max(self.attacks, 1),
            "blocked": sum(self.share("blocked", "visits", m) for m in sites) / len(away),
            "challenged": sum(self.share("challenged", "visits", m) for m in sites) / len(away),
        }
