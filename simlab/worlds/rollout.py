"""A new version of the models is rolled out to a part of the traffic, and a test on its failures says when to stop.

Cells of a service are sent requests, `rate` a second in all, which come evenly. A request needs L + e of something (time, memory),
L foreseeable and e exponential with mean 1. The model of its cell says what L is, and the request is allotted what was said and
ln(1 / base) more. It fails if it needs more, with chance

    p = base exp(L - said),     at most 1,

so `base` where L was said, and twice that where ln 2 too little was. The version before allots by the L that it was built for, `level` and
what is the cell's own; `moved` is by how much needs have moved since. Users are hashed to `slices` of each cell. Which slices the new
version decides is for hands (a canary, a breaker, a kill switch) to say; the world knows a decision of the new version by its
propensity, which is unknown (NaN) where a hand, or a plain rule in its place, decided.

At every tick, a look of the monitoring, failures are counted, and Wald's sequential probability ratio test (Wald 1945, Annals of
Mathematical Statistics 16, 117-186) of `worse` x base against base adds

    F ln(worse) + (N - F) ln((1 - worse base) / (1 - base))

for F failures of N requests. At or below `accept` it is begun anew from 0; with 0 that is Page's CUSUM (Page 1954, Biometrika 41). What is
done when it gets high is for hands again. Three tests run: on the new version's requests, on those of each cell, and on all requests of
the service. By Wald, who neglects by how much the last request goes beyond the line, the first needs on average

    E1 N = ((1 - beta) ln((1 - beta) / alpha) + beta ln(beta / (1 - alpha))) / KL(worse base | base)

requests of a version that is as bad as that, whatever its share of the traffic: 607 at 1%, 2%, alpha .05 and beta .1. So what is lost
before it is seen does not depend on the share, and what is lost while somebody decides, and while that is propagated, does: in all

    share x rate x (worse - 1) base x (time to detect + to decide + to propagate)

on average, for a share that stands still. A hand has one latency, so that deciding and propagating are one time here.

What requests needed is known afterwards, of failed ones too: the mean of a cell, less 1, whose error is normal by the central limit
theorem. The tick is part of the method: a test that is looked at less often stops later. Failures are drawn binomially at
the mean chance of the slices that are concerned (exact where these are alike). Luck is exact; nothing is fitted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Floats
from simlab.base.errors import ParameterError
from simlab.base.kernels import binomial, counted
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Action, Feedback, Measure, Spec, World

WALD = "Wald 1945: ln(.1 / .95)"


class Service(NamedTuple):
    """The state, for each cell `(r, m)` where said, else `(r,)`."""

    level: Floats  # (r, m) the need that the version before was built for
    need: Floats  # (r, m) mean need of the last tick's requests, less 1
    carry: Floats  # (r, 2, m) parts of a request that are still to come, of the new version and of the one before
    cells: Floats  # (r, m) log likelihood ratio of each cell's requests to the new version
    new: Floats  # of all its requests
    whole: Floats  # of all requests
    exposed: Floats  # share of the slices that it decides now
    errors: Floats  # expected share of all requests that fail now
    excess: Floats  # failures so far beyond `base`, expected
    served: Floats  # requests to the new version so far
    lasted: Floats  # seconds with any


@final
@dataclass(frozen=True)
class Rollout(World[Service]):
    """Cells of a service, each with a model whose new version is rolled out to slices of the users."""

    cells: Annotated[int, Par("1", "cells of the service, each served by one model", low=1, high=1000)] = 10
    slices: Annotated[int, Par("1", "slices of a cell's users, exposed one by one", low=1)] = 20
    rate: Annotated[float, Par("1/s", "requests to all cells", above=0, live=True)] = 1000.0
    base: Annotated[float, Par("1", "share of requests that fail where needs are foreseen", above=0, below=0.5)] = 0.01
    worse: Annotated[float, Par("1", "times as many failures, against which is tested", above=1)] = 2.0
    accept: Annotated[
        float, Par("1", "log likelihood ratio at which a test begins anew", high=0, source=WALD)
    ] = -2.2513
    level: Annotated[float, Par("1", "need that can be foreseen, in units of what cannot", low=-100, high=100)] = 1.0
    uneven: Annotated[float, Par("1", "standard deviation of it between cells", low=0, high=10)] = 0.3
    moved: Annotated[float, Par("1", "by how much needs are above what they were", low=-100, high=100, live=True)] = 0.0
    step_time: Annotated[float, Par("s", "time between two looks of the monitoring", above=0)] = 1.0

    measures: ClassVar[Mapping[str, Measure]] = {
        "excess": Measure("1", "failed requests beyond the base rate so far, expected", "higher", bound=1e15),
        "errors": Measure("1", "share of all requests that fail now, expected", "higher"),
        "exposed": Measure("1", "share of the traffic that the new version decides now"),
        "lasted": Measure("s", "time for which the new version decided anything, so far"),
        "served": Measure("1", "requests that the new version decided so far", bound=1e15),
        "evidence": Measure("1", "log likelihood ratio that it is `worse`, of its requests, now", "higher"),
        "cell_evidence": Measure("1", "the same of each cell's, the highest, now", "higher"),
        "whole_evidence": Measure("1", "the same of all requests of the service, now", "higher"),
    }

    def check(self) -> None:
        """Refuse a failure rate that is tested against and is no share."""
        if self.worse * self.base >= 1:
            raise ParameterError(
                f"Rollout.worse must be below 1 / base ({1 / self.base:g}), not {self.worse:g}: no more than all can fail"
            )

    @property
    def spec(self) -> Spec:
        """Each model foretells what its cell's requests need, for each slice, from what they needed a tick ago."""
        return Spec(models=self.cells, views=self.cells, case=(self.slices,), features=1)

    @property
    def tick(self) -> float:
        """Seconds between two looks."""
        return self.step_time

    def start(self, luck: Luck) -> Service:
        """Nothing was decided yet."""
        shape = luck.replications, self.cells
        level = self.level + self.uneven * luck.normal("level", shape)
        carry, sums = np.zeros((shape[0], 2, self.cells)), np.zeros((7, shape[0]))
        return Service(level, self._needed(level, luck), carry, np.zeros(shape), *sums)

    def settle(self, state: Service) -> Service:
        """Sums and tests begin anew."""
        names = ("cells", "new", "whole", "excess", "served", "lasted")
        return state._replace(**{name: np.zeros_like(getattr(state, name)) for name in names})

    def observe(self, state: Service) -> Floats:
        """`(r, m, c, 1)`: what the cell's requests needed on average, less 1, the same for all slices."""
        return np.broadcast_to(state.need[:, :, None, None], (*state.need.shape, self.slices, 1))

    def act(self, state: Service, said: Array, luck: Luck) -> Action:
        """The new version decides, `(r, m, c)`, which is known by its propensity."""
        return Action(said, np.broadcast_to(1.0, said.shape))

    def fallback(self, state: Service, luck: Luck) -> Floats:
        """The version before allots by the level that it was built for, `(r, m, c)`."""
        return np.broadcast_to(state.level[:, :, None], (*state.level.shape, self.slices))

    def step(self, state: Service, action: Action, luck: Luck) -> tuple[Service, Feedback]:
        """Requests fail or not, and tests go on; what was needed is told for each cell."""
        s, base, dt = state, self.base, self.step_time
        right = (s.level + self.moved)[:, :, None]
        chance = right - action.value
        np.minimum(chance, -math.log(base), out=chance)
        np.exp(chance, out=chance)  # in units of base
        fails = chance.sum(axis=2) * base  # summed over slices
        decided = np.zeros(s.level.shape)
        here = np.zeros(s.level.shape)
        if action.chance is not None:
            new = ~np.isnan(action.chance)
            decided = counted(new)
            here = np.einsum("rmc,rmc->rm", chance, new) * base
        came, failed, carry = self._requests(s, decided, here, fails, luck)
        every, broken = came.sum(axis=2), failed.sum(axis=2)  # (r, 2)
        amount = self.rate / self.cells * dt / self.slices  # requests to a slice
        now = s._replace(
            need=self._needed(s.level, luck),
            carry=carry,
            cells=self._tested(s.cells, came[:, 0], failed[:, 0]),
            new=self._tested(s.new, every[:, 0], broken[:, 0]),
            whole=self._tested(s.whole, every.sum(axis=1), broken.sum(axis=1)),
            exposed=decided.mean(axis=1) / self.slices,
            errors=fails.mean(axis=1) / self.slices,
            excess=s.excess + amount * (fails - self.slices * base).sum(axis=1),
            served=s.served + every[:, 0],
            lasted=s.lasted + dt * decided.any(axis=1),
        )
        return now, Feedback(np.broadcast_to(now.need[:, :, None], (*now.need.shape, self.slices)))

    def measure(self, state: Service) -> dict[str, Floats]:
        """The measures now."""
        s = state
        return {
            "excess": s.excess,
            "errors": s.errors,
            "exposed": s.exposed,
            "lasted": s.lasted,
            "served": s.served,
            "evidence": s.new,
            "cell_evidence": s.cells.max(axis=1),
            "whole_evidence": s.whole,
        }

    def _requests(
        self, s: Service, decided: Floats, here: Floats, fails: Floats, luck: Luck
    ) -> tuple[Floats, Floats, Floats]:
        """How many come to the new version and to the one before, and how many of them fail, each `(r, 2, m)`; and what is carried over.

        `decided` slices are the new version's, on which failure has the chance `here` / `decided`; on all it has `fails` / slices.
        """
        slices = np.stack([decided, self.slices - decided], axis=1)
        due = s.carry + slices * (self.rate / self.cells * self.step_time / self.slices)
        came = np.floor(due + 1e-9)  # so that a tenth ten times is one
        chance = np.minimum(np.maximum(np.stack([here, fails - here], axis=1), 0) / np.maximum(slices, 1), 1.0)
        shape = decided.shape
        u = np.stack([luck.uniform("fails", shape), luck.uniform("fails before", shape)], axis=1)
        return came, binomial(u, came, chance), due - came

    def _tested(self, ratio: Floats, came: Floats, failed: Floats) -> Floats:
        """A log likelihood ratio after so many requests and failures; at or below `accept` it begins anew."""
        base, worse = self.base, self.worse
        good = math.log((1 - worse * base) / (1 - base))
        then = ratio + came * good + failed * (math.log(worse) - good)
        return np.asarray(then * (then > self.accept))

    def _needed(self, level: Floats, luck: Luck) -> Floats:
        """The mean need of a cell's requests in a tick, less 1, `(r, m)`."""
        number = max(self.rate / self.cells * self.step_time, 1.0)
        return np.asarray(level + self.moved + luck.normal("need", level.shape) / math.sqrt(number))
