"""Predictive policing: patrols go where the model expects incidents; incidents are found where patrols go.

Ensign, Friedler, Neville, Scheidegger & Venkatasubramanian (2018), "Runaway feedback loops in predictive policing", PMLR 81. Every
day a precinct sends its patrol to one of two regions, drawn with the shares x of the model's counts; a Poisson number of
incidents happens in each region, and those where the patrol went are counted. The expected counts then grow as x lambda_busy to
(1 - x) lambda_quiet, so x runs to 1 although the true rates differ little. Incidents that residents report come in wherever the patrol is.

A tick is a day because it is part of the source: one decision and one update a day. Nothing is fitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Floats, Ints
from simlab.base.kernels import poisson
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Action, Feedback, Measure, Spec, World

DAY = 86_400.0
BUSY, QUIET = 0, 1
ENSIGN = "Ensign et al. 2018, for two regions of Oakland"


class City(NamedTuple):
    """The state, each `(r,)` and averaged over precincts."""

    busy_share: Floats  # chance with which patrols went to the busy region today
    first_share: Floats  # the same on the first day
    apart: Floats  # distance between a precinct's share of patrols in the busy region and its share of incidents
    wrong: Floats  # precincts that patrol mostly where less happens
    found: Floats  # incidents that patrols found so far
    missed: Floats  # incidents in the quiet region while the patrol was in the other, so far


@final
@dataclass(frozen=True)
class Policing(World[City]):
    """Precincts that each send one patrol a day to one of two regions of their own."""

    precincts: Annotated[int, Par("1", "precincts, each served by one model", low=1)] = 10
    busy_rate: Annotated[
        float, Par("1/day", "incidents in the busier region", above=0, high=1000, source=ENSIGN, live=True)
    ] = 3.68511
    quiet_rate: Annotated[
        float, Par("1/day", "incidents in the other region", above=0, high=1000, source=ENSIGN, live=True)
    ] = 2.816466
    reports: Annotated[
        float, Par("1", "incidents reported by residents for each one that a patrol can find", low=0, high=1)
    ] = 0.0
    books: Annotated[
        str,
        Par("1", "what is entered where both are known: their sum, or their average", choices=("sum", "average")),
    ] = "sum"

    measures: ClassVar[Mapping[str, Measure]] = {
        "busy_share": Measure("1", "share of patrols in the busy region", "higher", may_be_undefined=True),
        "change": Measure("1", "busy share less what it was on the first day", "higher", may_be_undefined=True),
        "excess": Measure("1", "busy share less the busy region's share of the incidents", may_be_undefined=True),
        "apart": Measure(
            "1", "excess of a precinct, either way, averaged over precincts", "higher", may_be_undefined=True
        ),
        "wrong": Measure("1", "precincts that patrol mostly where less happens", "higher", may_be_undefined=True),
        "found": Measure("1", "incidents that the patrol of a precinct found so far"),
        "missed": Measure(
            "1", "incidents in the quiet region of a precinct that its patrol was not there to find", "higher"
        ),
    }

    @property
    def spec(self) -> Spec:
        """Each model says with what shares to patrol the two regions; it is asked every day the same."""
        return Spec(models=self.precincts, asks="shares", states=1, choices=2)

    @property
    def tick(self) -> float:
        """One day."""
        return DAY

    def start(self, luck: Luck) -> City:
        """Nobody has been anywhere."""
        nothing, unknown = np.zeros(luck.replications), np.full(luck.replications, np.nan)
        return City(unknown, unknown, unknown, unknown, nothing, nothing)

    def observe(self, state: City) -> Ints:
        """`(r, 1)`: there is nothing to see but what was counted."""
        return np.zeros((len(state.found), 1), dtype=np.int64)

    def act(self, state: City, said: Array, luck: Luck) -> Action:
        """Send each patrol to a region drawn with the shares `said` `(r, m, 2)`."""
        busy = np.minimum(np.maximum(said[..., BUSY], 0.0), 1.0)
        region = (luck.uniform("patrol", busy.shape) >= busy).astype(np.int8)
        return Action(region, chance=np.where(region == BUSY, busy, 1 - busy))

    def fallback(self, state: City, luck: Luck) -> Array:
        """Without a model a patrol tosses a coin, `(r, m)`."""
        return (luck.uniform("coin", (luck.replications, self.precincts)) >= 0.5).astype(np.int8)

    def step(self, state: City, action: Action, luck: Luck) -> tuple[City, Feedback]:
        """Incidents happen everywhere; the answer `(r, m, source, region)` counts those that the patrol found, and those reported."""
        s, there = state, action.value == BUSY
        chance = 0.5 if action.chance is None else action.chance
        chance = np.where(np.isnan(chance), 0.5, chance)  # a coin was tossed
        busy = np.where(there, chance, 1 - chance)
        outcome, weight, seen = np.empty(
            (3, 2 if self.reports else 1, 2, *there.shape)
        )  # so that each region lies together
        for region, rate, here, chance in (
            (BUSY, self.busy_rate, there, busy),
            (QUIET, self.quiet_rate, ~there, 1 - busy),
        ):
            happened = poisson(luck.uniform(f"incidents {region}", there.shape), rate)
            weight[0, region], seen[0, region] = here, chance
            np.multiply(happened, here, out=outcome[0, region])
            if self.reports:
                outcome[1, region] = poisson(luck.uniform(f"reports {region}", there.shape), rate * self.reports)
                weight[1, region], seen[1, region] = 1, 1  # residents report wherever the patrol is
        if self.reports and self.books == "average":
            weight[0] /= 2
            weight[1] -= weight[0]
        found, missed = (
            outcome[0, BUSY] + outcome[0, QUIET],
            happened - outcome[0, QUIET],
        )  # happened in the quiet region, the last
        astray = busy < 0.5 if self.busy_rate > self.quiet_rate else busy > 0.5
        today = np.stack([busy, np.abs(busy - self._fair), astray, found, missed]).mean(axis=2)
        then = City(
            busy_share=today[0],
            first_share=np.where(np.isnan(s.first_share), today[0], s.first_share),
            apart=today[1],
            wrong=today[2],
            found=s.found + today[3],
            missed=s.missed + today[4],
        )
        found, counted, chances = (part.transpose(2, 3, 0, 1) for part in (outcome, weight, seen))
        return then, Feedback(found, counted, chance=chances)

    def measure(self, state: City) -> dict[str, Floats]:
        """The measures now; shares are undefined before the first patrol."""
        gap = {"change": state.busy_share - state.first_share, "excess": state.busy_share - self._fair}
        return {name: gap[name] if name in gap else getattr(state, name) for name in self.measures}

    @property
    def _fair(self) -> float:
        """The busy region's share of the incidents."""
        return self.busy_rate / (self.busy_rate + self.quiet_rate)
