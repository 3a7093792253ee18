"""Predictive policing: patrols go where the model expects incidents; incidents are found where patrols go.

Ensign, Friedler, Neville, Scheidegger & Venkatasubramanian (2018), "Runaway feedback loops in predictive policing", PMLR 81. Every
day a precinct sends its patrol to one of its regions, drawn with the shares x of the model's counts; a Poisson number of
incidents happens in each region, and those where the patrol went are counted. The expected counts then grow as x_i lambda_i,
so the x of the busiest region runs to 1 although the true rates differ little. Incidents that residents report come in
wherever the patrol is. The paper has two regions. Here there may be more, with the rates of Zipf's law lambda_i = lambda_1 / i^s between
those of the busiest and the quietest. A patrol may also deter: where it is, a share of the incidents does not happen.

A tick is a day because it is part of the source: one decision and one update a day. Nothing is fitted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Floats, Ints
from simlab.base.kernels import planes, poisson
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Action, Feedback, Measure, Spec, World

DAY = 86_400.0
ENSIGN = "Ensign et al. 2018, for two regions of Oakland"


class City(NamedTuple):
    """The state: what was planned for each precinct, and the rest averaged over precincts, each `(r,)`."""

    plan: Floats  # chance with which each patrol went to each region today, `(r, m, regions)`
    busy_share: Floats  # chance with which patrols went to the busy region today
    first_share: Floats  # the same on the first day
    crime_share: Floats  # the busy region's share of the incidents to be expected today
    apart: Floats  # distance between a precinct's shares of patrols and its shares of incidents
    wrong: Floats  # precincts that patrol a region more than that in which most happens
    given_up: Floats  # regions that get less than a quarter of the patrols they call for
    found: Floats  # incidents that patrols found so far
    missed: Floats  # incidents outside the busy region while the patrol was not there, so far
    happened: Floats  # incidents so far


@final
@dataclass(frozen=True)
class Policing(World[City]):
    """Precincts that each send one patrol a day to one of the regions of their own."""

    precincts: Annotated[int, Par("1", "precincts, each served by one model", low=1)] = 10
    regions: Annotated[int, Par("1", "regions of each precinct", low=2, high=100, source="Ensign et al. 2018")] = 2
    busy_rate: Annotated[
        float, Par("1/day", "incidents in the busiest region, the first", above=0, high=1000, source=ENSIGN, live=True)
    ] = 3.68511
    quiet_rate: Annotated[
        float, Par("1/day", "incidents in the quietest region, the last", above=0, high=1000, source=ENSIGN, live=True)
    ] = 2.816466
    reports: Annotated[
        float, Par("1", "incidents reported by residents for each one that a patrol can find", low=0, high=1)
    ] = 0.0
    books: Annotated[
        str,
        Par("1", "what is entered where both are known: their sum, or their average", choices=("sum", "average")),
    ] = "sum"
    deters: Annotated[
        float,
        Par("1", "share of a region's incidents that do not happen on a day of patrol", low=0, below=1, live=True),
    ] = 0.0

    measures: ClassVar[Mapping[str, Measure]] = {
        "busy_share": Measure("1", "share of patrols in the busiest region", "higher", may_be_undefined=True),
        "change": Measure("1", "busy share less what it was on the first day", "higher", may_be_undefined=True),
        "excess": Measure("1", "busy share less the busiest region's share of the incidents", may_be_undefined=True),
        "apart": Measure(
            "1", "share of patrols of a precinct that would have to go elsewhere to follow the incidents", "higher",
            may_be_undefined=True,
        ),
        "wrong": Measure("1", "precincts that patrol another region more than the busiest", "higher", may_be_undefined=True),
        "given_up": Measure(
            "1", "regions that get less than a quarter of the patrols their incidents call for", "higher", may_be_undefined=True
        ),
        "found": Measure("1", "incidents that the patrol of a precinct found so far"),
        "missed": Measure(
            "1", "incidents outside a precinct's busiest region that its patrol was not there to find", "higher"
        ),
        "happened": Measure("1", "incidents in a precinct so far, found or not", "higher"),
        "crime_share": Measure("1", "the busiest region's share of the incidents to be expected today"),
    }  # fmt: skip

    @property
    def spec(self) -> Spec:
        """Each model says with what shares to patrol the regions; it is asked every day the same."""
        return Spec(models=self.precincts, asks="shares", states=1, choices=self.regions)

    @property
    def tick(self) -> float:
        """One day."""
        return DAY

    def start(self, luck: Luck) -> City:
        """Nobody has been anywhere."""
        r = luck.replications
        nothing, unknown = np.zeros(r), np.full(r, np.nan)
        plan = planes(r, self.precincts, self.regions)
        plan[:] = 1 / self.regions
        crime = np.full(r, self._fair[0])
        return City(plan, unknown, unknown, crime, unknown, unknown, unknown, nothing, nothing, nothing)

    def observe(self, state: City) -> Ints:
        """`(r, 1)`: there is nothing to see but what was counted."""
        return np.zeros((len(state.found), 1), dtype=np.int64)

    def act(self, state: City, said: Array, luck: Luck) -> Action:
        """Send each patrol to a region drawn with the shares `said` `(r, m, regions)`; the last gets what the others leave."""
        u, plan = luck.uniform("patrol", said.shape[:2]), state.plan
        region = np.zeros(u.shape, dtype=np.int8)
        chance = up_to = np.minimum(np.maximum(said[..., 0], 0.0), 1.0)
        plan[..., 0] = chance
        for i in range(1, self.regions):
            share = 1 - up_to  # what is left for the last
            if i < self.regions - 1:
                share = np.minimum(np.maximum(said[..., i], 0.0), share)
            plan[..., i] = share
            beyond = u >= up_to
            region += beyond
            chance = np.where(beyond, share, chance)
            if i < self.regions - 1:
                up_to = up_to + share
        return Action(region, chance)

    def fallback(self, state: City, luck: Luck) -> Array:
        """Without a model a patrol draws lots, `(r, m)`."""
        u = luck.uniform("coin", (luck.replications, self.precincts))
        return np.minimum(u * self.regions, self.regions - 1).astype(np.int8)

    def step(self, state: City, action: Action, luck: Luck) -> tuple[City, Feedback]:
        """Incidents happen everywhere; the answer `(r, m, source, region)` counts those that the patrol found, and those reported."""
        s, at, k = state, action.value, self.regions
        # each region lies together: `(source, region, r, m)`
        outcome, weight, seen = np.empty((3, 2 if self.reports else 1, k, *at.shape))
        seen[0] = self._plan(s, action).transpose(2, 0, 1)
        crime = self._crime(seen[0])
        today = np.zeros((6, *at.shape))
        found, outside, happened, *gaps = today
        self._gaps(seen[0], crime, *gaps)
        for i, rate in enumerate(self._rates):
            here = at == i
            came = self._incidents(luck.uniform(f"incidents {i}", at.shape), rate, here).astype(np.float64)
            happened += came
            weight[0, i] = here
            np.multiply(came, here, out=outcome[0, i])
            found += outcome[0, i]
            if i > 0:
                outside += came
                outside -= outcome[0, i]
            if self.reports:
                outcome[1, i] = self._incidents(luck.uniform(f"reports {i}", at.shape), rate * self.reports, here)
                weight[1, i], seen[1, i] = 1, 1  # residents report wherever the patrol is
        if self.reports and self.books == "average":
            weight[0] /= 2
            weight[1] -= weight[0]
        mean, busy = today.mean(axis=2), seen[0, 0].mean(axis=1)
        then = City(
            plan=s.plan,
            busy_share=busy,
            first_share=np.where(np.isnan(s.first_share), busy, s.first_share),
            crime_share=np.broadcast_to(crime[0], at.shape).mean(axis=1) if self.deters else np.full(len(at), crime[0]),
            apart=mean[3],
            wrong=mean[4],
            given_up=mean[5],
            found=s.found + mean[0],
            missed=s.missed + mean[1],
            happened=s.happened + mean[2],
        )
        counts, counted, chances = (part.transpose(2, 3, 0, 1) for part in (outcome, weight, seen))
        return then, Feedback(counts, counted, chance=chances)

    def measure(self, state: City) -> dict[str, Floats]:
        """The measures now; shares are undefined before the first patrol."""
        gap = {"change": state.busy_share - state.first_share, "excess": state.busy_share - state.crime_share}
        return {name: gap[name] if name in gap else getattr(state, name) for name in self.measures}

    def _plan(self, state: City, action: Action) -> Array:
        """The chance with which each patrol went to each region, `(r, m, regions)`: the plan, unless lots were drawn instead."""
        if action.chance is not None:
            by_lot = np.isnan(action.chance)
            if not by_lot.any():
                return state.plan
            return np.where(by_lot[..., None], 1 / self.regions, state.plan)
        return np.full_like(state.plan, 1 / self.regions)

    def _incidents(self, u: Floats, rate: float, patrolled: Array) -> Array:
        """Incidents of a region at `rate`, fewer where it is patrolled, `(r, m)`; the same luck gives nowhere more of them there."""
        came = poisson(u, rate)
        return np.where(patrolled, poisson(u, rate * (1 - self.deters)), came) if self.deters else came

    def _crime(self, shares: Array) -> Sequence[Any]:
        """Each region's share of the incidents to be expected under patrols `shares` `(region, r, m)`: numbers, or `(r, m)` each."""
        if not self.deters:
            return self._fair
        left = [rate * (1 - self.deters * x) for rate, x in zip(self._rates, shares, strict=True)]
        total = left[0].copy()
        for one in left[1:]:  # one after the other: numpy would add them in an order of its own
            total += one
        return [one / total for one in left]

    def _gaps(self, shares: Array, crime: Sequence[Any], apart: Array, wrong: Array, given_up: Array) -> None:
        """How far patrols are from incidents, whether another region has more of them than the busiest, and regions given up.

        `shares` is `(region, r, m)`; the last three are written, `(r, m)` each.
        """
        most = shares[self._rates.index(max(self._rates))]
        for x, c in zip(shares, crime, strict=True):
            apart += np.abs(x - c)
            np.maximum(wrong, x, out=wrong)
            given_up += x < c / 4
        apart /= 2
        np.greater(wrong, most, out=wrong)
        given_up /= self.regions

    @property
    def _rates(self) -> tuple[float, ...]:
        """Incidents a day in each region."""
        return _zipf(self.regions, self.busy_rate, self.quiet_rate)

    @property
    def _fair(self) -> tuple[float, ...]:
        """Each region's share of the incidents where nobody patrols."""
        return _shares(self._rates)


@lru_cache(64)  # parameters may change all the time
def _zipf(k: int, busy: float, quiet: float) -> tuple[float, ...]:
    """Rates by Zipf's law from the busiest to the quietest, turned round where the crime has moved."""
    high, low = max(busy, quiet), min(busy, quiet)
    s = math.log(high / low) / math.log(k)
    falling = (high, *(high / i**s for i in range(2, k)), low)
    return falling if busy >= quiet else falling[::-1]


@lru_cache(64)
def _shares(rates: tuple[float, ...]) -> tuple[float, ...]:
    """Each rate's part of their sum."""
    return tuple(rate / math.fsum(rates) for rate in rates)
