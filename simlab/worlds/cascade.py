"""A chain of stages: each needs a number that depends on the stage before, and reads not that number but what a model says of it.

What stage i has to foresee is theta_i = gain theta_{i-1} + u_i. Its driver u_i, standard normal and persistent, is read on a view with an
error. A model that has learnt gain and driver from what came of it, and reads its predecessor's output, is wrong by

    e_i = gain e_{i-1} + n_i,   so   var e_L = s^2 (gain^2L - 1) / (gain^2 - 1),   s^2 = error^2 / (1 + error^2)

with n_i its own error, of variance s^2: the recursion of iterated forecasts (Box & Jenkins 1970, Time Series Analysis, section 5.1).
It holds for learnt weights too: what a least-squares model says is uncorrelated with its error, which therefore does not weaken
the weight that its reader learns (Berkson 1950, "Are there two regressions?", JASA 45). A constant c added to one model's output
arrives as gain^k c after k stages; readers that are retrained take it out, and are wrong again once it is gone: the correction
cascades of Sculley et al. (2015), "Hidden technical debt in machine learning systems", NIPS 28.

theta_i itself has the variance (gain^2i - 1) / (gain^2 - 1): a gain enlarges what is to be foreseen and the error alike. With `alike` 1 all
stages have one driver, and a chain of own views gathers L readings of it. A stage that acts on a number pays for its squared error,
and reality does not move: what closes the loop is that models learn on each other's output.

Drivers and errors are bulk noise (none beyond 4.3 standard deviations). A tick is one run of the chain, for some items that differ in
their drivers and errors; nothing is fitted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Floats
from simlab.base.kernels import one_factor
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Action, Feedback, Measure, Spec, World


class Stages(NamedTuple):
    """The state: one number for each item at each stage, `(r, m, n)`, or one a stage, `(r, m)`, where said."""

    driver: Floats  # what is new at each stage now
    error: Floats  # of each view, standard normal
    theta: Floats  # what each stage has to foresee now
    known: Floats  # what it was at the tick before
    off: Floats  # (r, m) what was used less what was right, mean of the items
    miss: Floats  # (r, m) the same squared, mean of the items
    missed: Floats  # (r, m) sum of `miss` so far
    size: Floats  # (r, m) sum of theta squared so far, mean of the items
    ticks: Floats  # (r,) how many ticks are summed up


@final
@dataclass(frozen=True)
class Cascade(World[Stages]):
    """Stages in a row, each with a model; the topology says which models read others."""

    models: Annotated[int, Par("1", "stages of the chain, each with a model", low=1, high=200)] = 5
    items: Annotated[int, Par("1", "items that every run of the chain is about", low=1)] = 40
    gain: Annotated[float, Par("1", "change of a stage's quantity with that of the stage before", low=-10, high=10)] = (
        1.3
    )
    error: Annotated[float, Par("1", "error of a view, in standard deviations of a driver", low=0)] = 0.5
    alike: Annotated[float, Par("1", "share of the drivers' variance that stages have in common", low=0, high=1)] = 0.0
    lasting: Annotated[float, Par("1", "correlation of a driver with itself a tick later", low=0, high=1)] = 0.8
    line: Annotated[float, Par("1", "root mean square error over the items above which a stage is wrong", above=0)] = (
        4.0
    )
    step_time: Annotated[float, Par("s", "time between two runs of the chain", above=0)] = 86_400.0

    measures: ClassVar[Mapping[str, Measure]] = {
        "wrong": Measure("1", "share of the stages whose error is above the line, now", "higher"),
        "first": Measure("1", "what the first stage used less what was right, mean of the items, now"),
        "last": Measure("1", "what the last stage used less what was right, mean of the items, now", bound=1e12),
        "growth": Measure(
            "1", "root mean square error so far, last stage over first", "higher", may_be_undefined=True, bound=1e12
        ),
        "unexplained": Measure(
            "1",
            "mean square error over mean square of what was right, last stage, so far",
            "higher",
            may_be_undefined=True,
        ),
        "fading": Measure("1", "unexplained at the last stage less at the first", "higher", may_be_undefined=True),
        "loss": Measure("1", "mean square error of all stages so far", "higher", bound=1e24),
    }

    @property
    def spec(self) -> Spec:
        """Each model foretells its stage's quantity for each item, from a 1 and its driver as its view reads it."""
        return Spec(models=self.models, views=self.models, case=(self.items,), features=2)

    @property
    def tick(self) -> float:
        """Seconds between runs of the chain."""
        return self.step_time

    def start(self, luck: Luck) -> Stages:
        """Drivers as they usually are; no number was used yet."""
        driver, error = self._news(luck)
        off, miss, missed, size = np.zeros((4, *driver.shape[:2]))
        ticks = np.zeros(luck.replications)
        return Stages(driver, error, self._chained(driver), np.zeros_like(driver), off, miss, missed, size, ticks)

    def settle(self, state: Stages) -> Stages:
        """Sums begin anew."""
        missed, size, ticks = (np.zeros_like(sums) for sums in (state.missed, state.size, state.ticks))
        return state._replace(missed=missed, size=size, ticks=ticks)

    def observe(self, state: Stages) -> Floats:
        """`(r, m, n, 2)`: 1, and the driver of each stage with its view's error."""
        x = np.ones((2, *state.driver.shape))  # a feature of all models lies together
        np.multiply(state.error, self.error, out=x[1])
        x[1] += state.driver
        return x.transpose(1, 2, 3, 0)

    def fallback(self, state: Stages, luck: Luck) -> Floats:
        """Without a model a stage uses what was right a tick ago, `(r, m, n)`."""
        return state.known

    def step(self, state: Stages, action: Action, luck: Luck) -> tuple[Stages, Feedback]:
        """What was right `(r, m, n)` becomes known at every stage, and new drivers come."""
        s, off, keep = state, action.value - state.theta, self.lasting
        news, error = self._news(luck)
        driver = keep * s.driver + math.sqrt(1 - keep * keep) * news
        miss, size = (np.einsum("rmn,rmn->rm", a, a) / self.items for a in (off, s.theta))
        now = s.theta, off.mean(axis=2), miss, s.missed + miss, s.size + size, s.ticks + 1
        return Stages(driver, error, self._chained(driver), *now), Feedback(s.theta)

    def measure(self, state: Stages) -> dict[str, Floats]:
        """The measures now; what compares sums is undefined before the first tick, and where nothing was to be foreseen."""
        s = state
        with np.errstate(divide="ignore", invalid="ignore"):
            growth = np.sqrt(s.missed[:, -1] / s.missed[:, 0])
            missed = s.missed / s.size
        return {
            "wrong": (s.miss > self.line**2).mean(axis=1),
            "first": s.off[:, 0].copy(),
            "last": s.off[:, -1].copy(),
            "growth": np.where(np.isinf(growth), np.nan, growth),
            "unexplained": missed[:, -1].copy(),
            "fading": missed[:, -1] - missed[:, 0],
            "loss": s.missed.mean(axis=1) / np.maximum(s.ticks, 1),
        }

    def _news(self, luck: Luck) -> tuple[Floats, Floats]:
        """Standard normals: one for each stage and item, `alike` between stages, and the errors of the views."""
        shape = luck.replications, self.models, self.items
        own, error = luck.noise("driver", shape), luck.noise("view error", shape).copy()
        if not self.alike:
            return own.copy(), error
        common = luck.noise("weather", (shape[0], self.items))[:, None]
        return one_factor(common, own, self.alike), error

    def _chained(self, driver: Floats) -> Floats:
        """theta_i = gain theta_{i-1} + u_i for each item, `(r, m, n)`."""
        theta = driver.copy()
        for stage in range(1, self.models):
            theta[:, stage] += self.gain * theta[:, stage - 1]
        return theta
