"""A cluster whose limits are learnt from use: what a job may use is what a model says that such jobs use, and it never sees more.

Jobs run in every cell of a fleet, as services that are deployed everywhere do. One of type k that comes at `hour` wants at its peak

    D = size_k (1 + swing cos(2 pi hour / day) - dip [weekend]) level c e,   log e normal with deviation sigma and E e = 1,

with c a common random walk that may grow times a factor of the cell's own that comes and goes. A model says what such jobs use, from a 1,
the hour and the weekend for each type apart: the linear regression per job type. A job is given the limit L = (1 + margin) times
that, it uses U = min(D, L), and U is what is learnt. A model that predicts the mean of U well comes to rest where

    L = (1 + margin) E min(D, L),   E min(D, L) = E D Phi(d - sigma) + L Phi(-d),   d = log(L / E D) / sigma + sigma / 2

by the partial expectation of the lognormal (Aitchison & Brown 1957, The Lognormal Distribution). There the throttled share is Phi(-d),
slack (L - U) / L is margin / (1 + margin) on average, and a training that has forgotten all earlier ones multiplies a small error of
log L by the gain g = (1 + margin) Phi(-d); one that keeps a share a of its evidence, by a + (1 - a) g. To fit what is censored as if
it were not is biased so: Tobin (1958), Econometrica 26.

Jobs are placed in the order of their coming, each on the first machine with room for its limit (first fit: Johnson et al. 1974, SIAM
J. Comput. 3), and are gone a tick later; one with no room is not run and not learnt from. A job over its limit is throttled; one of
the last `rigid` types, which need memory, is killed and has served nobody. Where a model says 0 or less, as before its first
training, the limit is what owners set by hand: `manual` sizes of the type, whatever the hour, weekday, cell or level.

A tick is as long as a job, so it is part of the model: half of it packs half as many at a time. How demand scatters is bulk noise (none
beyond 4.3 standard deviations). `manual` is fitted to a published slack; all else is chosen, and no cluster's traces were used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Bools, Floats
from simlab.base.errors import ParameterError
from simlab.base.kernels import first_fit, poisson
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Action, Feedback, Measure, Spec, World

DAY = 86_400.0
WEEK = 7 * DAY
BY_HAND = "fitted to a slack of 46%: Rzadca et al. 2020, Autopilot, EuroSys, abstract"
LEAST = 0.01  # smallest limit, in machines


class Lately(NamedTuple):
    """Sums over the jobs of late, that count 1/e after `window`, each `(r, m)`."""

    jobs: Floats  # that were run
    over: Floats  # of these, over their limit
    used: Floats
    limit: Floats
    machines: Floats  # in use
    ticks: Floats
    foretold: Floats  # used by jobs of which a model said something
    missed: Floats  # said less used, without sign
    wanted: Floats  # by the same jobs
    wrong: Floats  # said less wanted, without sign


class SoFar(NamedTuple):
    """Sums since the start, each `(r,)`."""

    jobs: Floats  # that came, in all cells
    killed: Floats
    wanted: Floats
    served: Floats


class Fleet(NamedTuple):
    """The state: the jobs that come now, alike in all cells, the demand of cells, and sums."""

    kind: Array  # (r, n) type of each job
    season: Floats  # (r, n) cosine of its hour
    here: Bools  # (r, n) whether it comes at all
    walk: Floats  # (r,) log of the common factor
    own: Floats  # (r, m) log of each cell's own factor
    tick: Floats  # (r,)
    said: Floats  # (r, m, n) of this tick
    late: Lately
    total: SoFar


@final
@dataclass(frozen=True)
class Cluster(World[Fleet]):
    """Cells of machines, each with a model that sets the limits of its jobs."""

    cells: Annotated[int, Par("1", "cells, each with a model", low=1, high=200)] = 8
    machines: Annotated[int, Par("1", "machines of a cell", low=1, high=1000)] = 20
    arrivals: Annotated[float, Par("1/day", "jobs of a cell", above=0, live=True)] = 20.0
    slots: Annotated[int, Par("1", "the most jobs of a cell in a tick; others are turned away unseen", low=1)] = 32
    step_time: Annotated[float, Par("s", "how long a job runs: time between two batches", above=0)] = DAY
    sizes: Annotated[tuple[float, ...], Par("1", "mean peak of each type, machines", above=0, high=1)] = (0.1, 0.3)
    rigid: Annotated[int, Par("1", "types, the last ones, whose jobs are killed over their limit", low=0)] = 1
    sigma: Annotated[float, Par("1", "deviation of log demand among jobs of a kind", above=0, high=3)] = 0.5
    swing: Annotated[float, Par("1", "rise of demand from the mean to the busiest hour", low=0, below=1)] = 0.3
    dip: Annotated[float, Par("1", "fall of demand at weekends", low=0, below=1)] = 0.2
    level: Annotated[float, Par("1", "demand, in multiples of what it was", above=0, live=True)] = 1.0
    growth: Annotated[float, Par("1/week", "growth of the common factor", low=-1, high=1, live=True)] = 0.0
    shake: Annotated[float, Par("1", "deviation of the common factor's step in a week", low=0)] = 0.03
    differ: Annotated[float, Par("1", "deviation of log demand between cells", low=0)] = 0.15
    lasting: Annotated[float, Par("s", "time after which a cell's own factor is correlated 1/e", above=0)] = 26 * WEEK
    margin: Annotated[float, Par("1", "how far limits are above what is predicted", low=0, high=10)] = 0.1
    manual: Annotated[float, Par("1", "limits set by hand, in sizes of the type", above=0, source=BY_HAND)] = 1.65
    line: Annotated[float, Par("1", "throttled share above which a cell is failing", low=0, high=1)] = 0.5
    window: Annotated[float, Par("s", "age at which what is called lately counts 1/e", above=0)] = WEEK

    measures: ClassVar[Mapping[str, Measure]] = {
        "throttled": Measure("1", "share of the jobs lately that wanted more than their limit", "higher"),
        "failing": Measure("1", "share of the cells in which more jobs lately were throttled than the line", "higher"),
        "slack": Measure("1", "share of the limits lately that was not used", "higher"),
        "machines": Measure("1", "machines in use in a cell, lately", "higher"),
        "density": Measure("1", "use over machines in use, lately", "lower"),
        "accuracy": Measure("1", "1 less mean error of predictions over mean use, lately", "lower", 1e6, True),
        "foresight": Measure("1", "the same, over what jobs wanted", "lower", 1e6, True),
        "killed": Measure("1", "share of the jobs so far that were killed", "higher"),
        "unserved": Measure("1", "share of what was wanted so far that nobody got", "higher"),
    }

    def check(self) -> None:
        """Raise ParameterError where there are more jobs than slots, or more rigid types than types."""
        if (come := self.arrivals * self.step_time / DAY) > self.slots:
            raise ParameterError(f"Cluster.slots must be at least what comes in a tick ({come:g}), not {self.slots}")
        if self.rigid > len(self.sizes):
            raise ParameterError(f"Cluster.rigid must be at most the number of types ({len(self.sizes)})")
        if self.swing + self.dip >= 1:
            raise ParameterError("Cluster.swing and dip must add up to less than 1: demand is above 0 at any hour")

    @property
    def spec(self) -> Spec:
        """Each model says what each job uses, from a 1, the hour and the weekend, in features of its type's own."""
        return Spec(models=self.cells, case=(self.slots,), features=3 * len(self.sizes))

    @property
    def tick(self) -> float:
        """Seconds that a job runs."""
        return self.step_time

    def start(self, luck: Luck) -> Fleet:
        """Cells differ as they usually do; nothing was run yet."""
        r, m = luck.replications, self.cells
        own, nothing, said = self.differ * luck.normal("cell", (r, m)), np.zeros(r), np.zeros((r, m, self.slots))
        late = Lately(*np.zeros((len(Lately._fields), r, m)))
        return Fleet(*self._jobs(luck), nothing, own, nothing, said, late, SoFar(*(nothing,) * 4))

    def settle(self, state: Fleet) -> Fleet:
        """Sums begin anew; what was lately is kept."""
        return state._replace(total=SoFar(*np.zeros((4, len(state.tick)))))

    def observe(self, state: Fleet) -> Floats:
        """`(r, 1, n, 3k)`: for each type a 1, the cosine of the hour and whether it is weekend; 0 but for a job's own type."""
        x = np.zeros((len(self.sizes), 3, *state.kind.shape))
        for k, (one, hour, weekend) in enumerate(x):
            np.equal(state.kind, k, out=one, casting="unsafe")
            np.multiply(one, state.season, out=hour)
            np.multiply(one, self._weekend(state)[:, None], out=weekend)
        return x.reshape(-1, *state.kind.shape).transpose(1, 2, 0)[:, None]

    def act(self, state: Fleet, said: Array, luck: Luck) -> Action:
        """Limits `(r, m, n)`, in machines: the margin above what is `said`, and as set by hand where that is nothing."""
        state.said[:] = said
        known = said > 0
        limit = said * known * (1 + self.margin) + ~known * self._by_hand(state)
        return Action(np.clip(limit, LEAST, 1.0, out=limit))

    def fallback(self, state: Fleet, luck: Luck) -> Floats:
        """Limits as owners set them, `(r, m, n)`."""
        return np.broadcast_to(np.clip(self._by_hand(state), LEAST, 1.0), state.said.shape)

    def step(self, state: Fleet, action: Action, luck: Luck) -> tuple[Fleet, Feedback]:
        """Jobs are placed by their limits and run; what they used is known, and where it is only a bound."""
        s, t, limit = state, state.total, action.value
        at, free = first_fit(np.where(s.here[:, None], limit, np.inf), self.machines)
        ran = (at < self.machines).astype(np.float64)
        wanted = np.exp(self.sigma * luck.noise("demand", limit.shape) - self.sigma**2 / 2)
        wanted *= (self._expected(s) * s.here)[:, None]
        wanted *= (self.level * np.exp(s.walk[:, None] + s.own))[..., None]
        used = np.minimum(wanted, limit)
        over = wanted > limit
        dead = (ran * over) * (s.kind >= len(self.sizes) - self.rigid)[:, None]

        known, off = ran * (s.said > 0), [abs(s.said - a) for a in (used, wanted)]
        run, told = _sums(ran, over, used, limit), _sums(known, used, off[0], wanted, off[1])
        keep, now = math.exp(-self.step_time / self.window), (ran.sum(axis=2), *run, (free < 1).sum(axis=2), 1.0, *told)
        lately = Lately(*(keep * old + new for old, new in zip(s.late, now, strict=True)))
        total = SoFar(
            t.jobs + self.cells * s.here.sum(axis=1),
            t.killed + dead.sum(axis=(1, 2)),
            t.wanted + wanted.sum(axis=2).sum(axis=1),
            t.served + (run[1] - _sums(dead, used)[0]).sum(axis=1),
        )
        then = Fleet(*self._jobs(luck), *self._moved(s, luck), s.tick + 1, s.said, lately, total)
        return then, Feedback(used, weight=ran, censored=over)

    def measure(self, state: Fleet) -> dict[str, Floats]:
        """The measures now; 0 where no job has run."""
        late, t = Lately(*(a.sum(axis=1) for a in state.late)), state.total
        return {
            "throttled": _share(late.over, late.jobs),
            "failing": (_share(state.late.over, state.late.jobs) > self.line).mean(axis=1),
            "slack": _share(late.limit - late.used, late.limit),
            "machines": _share(late.machines, late.ticks),
            "density": _share(late.used, late.machines),
            "accuracy": 1 - _share(late.missed, late.foretold, np.nan),
            "foresight": 1 - _share(late.wrong, late.wanted, np.nan),
            "killed": _share(t.killed, t.jobs),
            "unserved": _share(t.wanted - t.served, t.wanted),
        }

    def _weekend(self, state: Fleet) -> Floats:
        """1 on the last two days of seven, `(r,)`."""
        return np.asarray(np.floor(state.tick * self.step_time / DAY + 1e-9) % 7 >= 5, dtype=np.float64)

    def _by_hand(self, state: Fleet) -> Floats:
        """Limits as owners set them, `(r, 1, n)`."""
        return np.asarray(self.manual * np.array(self.sizes).take(state.kind))[:, None]

    def _expected(self, state: Fleet) -> Floats:
        """Mean demand of each job at a level of 1, `(r, n)`."""
        season = 1 + self.swing * state.season - self.dip * self._weekend(state)[:, None]
        return np.asarray(season * np.array(self.sizes).take(state.kind))

    def _jobs(self, luck: Luck) -> tuple[Array, Floats, Bools]:
        """The next jobs, `(r, n)`: type, cosine of the hour, whether they come."""
        shape = luck.replications, self.slots
        kind = (luck.uniform("type", shape) * len(self.sizes)).astype(np.int64)
        season = np.cos(2 * np.pi * luck.uniform("hour", shape))
        come = poisson(luck.uniform("jobs", shape[:1]), self.arrivals * self.step_time / DAY)
        return kind, season, np.arange(self.slots) < come[:, None]

    def _moved(self, state: Fleet, luck: Luck) -> tuple[Floats, Floats]:
        """The logs of the common factor `(r,)` and of the cells' own `(r, m)` a tick later."""
        weeks, keep = self.step_time / WEEK, math.exp(-self.step_time / self.lasting)
        walk = state.walk + self.growth * weeks + self.shake * math.sqrt(weeks) * luck.normal("walk", state.walk.shape)
        news = luck.normal("cell", state.own.shape)
        return walk, keep * state.own + self.differ * math.sqrt(1 - keep * keep) * news


def _sums(where: Floats, *values: Array) -> list[Floats]:
    """Each of `values` `(r, m, n)` summed over the jobs `where`, `(r, m)`."""
    return [np.einsum("rmn,rmn->rm", where, a) for a in values]


def _share(part: Floats, whole: Floats, nothing: float = np.inf) -> Floats:
    return np.asarray(part / np.where(whole > 0, whole, nothing))
