"""A supply chain: each stage orders from the next by what its model forecasts, and swings grow on the way to the factory.

Stages take turns, one a tick, from the shop up: a stage orders up to (lead + safety) times its forecast of a period's demand, less what
it has and what is on its way; the stage above gets the order at once and ships; when the last stage has ordered (from a source
without limits), customers come to the shop. A period is a round of turns. An order covers `lead` periods of demand until it has
arrived, its own included. Chen, Drezner, Ryan & Simchi-Levi (2000, "Quantifying the bullwhip effect in a simple supply chain",
Management Science 46): where L = lead + safety, the forecast is the mean of p periods, and what is too much may be sent back (`returns`),

    q = D + L (forecast now - forecast before) = (1 + L/p) D_{t-1} - (L/p) D_{t-1-p},    Var q / Var D = 1 + 2L/p + 2L^2/p^2,

what is added being less by rho^p if demand is an autoregression (`lasting`). Where all stages forecast customers' demand, the k-th has
k L in the place of L. Where each forecasts the orders it gets, the filter is applied k times: the sum over j of
(C(k, j) (1 + a)^(k-j) a^j)^2 with a = L/p, more than the product of single ratios. Orders of a period reach the top in it: that is why
turns, not periods, are the tick. One model that learns from the orders of all m stages learns from its own forecasts; it is a contraction
where (m - 1) L < p, and else may swing ever more (algebra; the test has the root).

Without `returns` orders are not below zero, a stage ships what it has and owes the rest, and what customers do not find is lost and
not seen: sales are then only a bound on demand. Item records: in a share 1 - accuracy of the items a view reads a conversion that is
wrong by `factor`, up or down with equal chance. It is the model's feature, so it scales the level; goods are counted when
they come, so the mean order is right. A shop whose record is too low by f sells at most c = (lead + safety) f / lead times what it
forecasts, and forecasts what it sold. If c < 1 sales die out, by z a period with z^p = (c/p) (z^(p-1) + ... + 1), though demand is there;
a record that is put right has them grow by the same equation with its own c (algebra, without noise).

Demand is bulk noise (none beyond 4.3 standard deviations). Nothing is fitted; stages, lead and window of the scenarios are inputs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Floats, Ints
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Action, Asked, Feedback, Measure, Spec, World


class Chain(NamedTuple):
    """The state: of each item at each stage `(r, m, n)` where not said otherwise. Written in place."""

    tick: Ints  # (r,)
    low: Floats  # (r, m, n) uniform: a record is right where it is below the accuracy
    up: Floats  # (r, m, n) 1 where a wrong record is too high, else 0
    position: Floats  # what a stage has and has ordered, less what it owes
    stock: Floats  # what it has; below 0 where returns are free and it is short
    owed: Floats  # what it has not yet shipped of what was ordered from it
    coming: Floats  # (r, lead, m, n) what is on its way, by the period in which it comes
    mood: Floats  # (r, n) demand's deviation from its mean, in standard deviations
    demand: Floats  # (r, n) of the last period
    unmet: Floats  # (r, n) how much of it was not in the shop
    made: Floats  # (r, n) what was last ordered from the factory
    periods: Floats  # (r, m + 1) how many are summed up, for demand and for the orders of each stage
    sums: Floats  # (r, m + 1, n) of demand and of the orders of each stage, less the plan
    squares: Floats  # (r, m + 1, n)
    swings: Floats  # (r,) sum of changes of the orders from the factory, mean of the items
    peak: Floats  # (r,) largest order from the factory so far, mean of the items
    wanted: Floats  # (r,) demand so far, mean of the items
    lost: Floats  # (r,) sales lost so far, mean of the items


@final
@dataclass(frozen=True)
class SupplyChain(World[Chain]):
    """Stages in a row from the shop to the last before the factory, each with a model that forecasts for every item."""

    stages: Annotated[int, Par("1", "stages, each with a model", low=1, high=100)] = 4
    items: Annotated[int, Par("1", "items that every stage orders", low=1)] = 20
    lead: Annotated[int, Par("1", "periods of demand until an order has arrived, its own included", low=1, high=50)] = 1
    safety: Annotated[float, Par("1", "periods of demand held on top of the lead time", low=0)] = 1.0
    mean: Annotated[float, Par("1", "mean demand for an item in a period", low=0, live=True)] = 100.0
    sd: Annotated[float, Par("1", "standard deviation of demand for an item in a period", low=0, live=True)] = 10.0
    lasting: Annotated[float, Par("1", "correlation of demand with that of the period before", above=-1, below=1)] = 0.0
    returns: Annotated[
        bool, Par("1", "whether stages send back for free and owe without limit", source="allowed by Chen et al. 2000")
    ] = True
    accuracy: Annotated[float, Par("1", "share of the item records that are right", low=0, high=1, live=True)] = 1.0
    factor: Annotated[
        float,
        Par("1", "by how much a wrong record is too high or too low", low=1, source="inches taken for centimetres"),
    ] = 2.54
    plan: Annotated[float, Par("1", "demand for an item in a period by the plan", low=0)] = 100.0
    turn_time: Annotated[float, Par("s", "time from one stage's order to the next stage's", above=0)] = 86_400.0

    measures: ClassVar[Mapping[str, Measure]] = {
        "factory": Measure("1", "last order from the factory, mean of the items", "higher", bound=1e9),
        "bought": Measure("1", "demand of customers in the last period, mean of the items"),
        "peak": Measure("1", "largest order from the factory so far, mean of the items", "higher", bound=1e9),
        "swing": Measure("1", "change of an order from the factory from a period to the next, mean so far", "higher"),
        "first": Measure("1", "variance of the shop's orders over that of demand", "higher", may_be_undefined=True),
        "second": Measure(
            "1", "variance of the second stage's orders over that of demand", "higher", may_be_undefined=True
        ),
        "third": Measure(
            "1", "variance of the third stage's orders over that of demand", "higher", may_be_undefined=True
        ),
        "last": Measure(
            "1", "variance of the last stage's orders over that of demand", "higher", may_be_undefined=True
        ),
        "added": Measure("1", "what the chain adds to that ratio: last less 1", "higher", may_be_undefined=True),
        "short": Measure("1", "share of the items that were sold out in the last period", "higher"),
        "gone": Measure("1", "share of the items of which less than half of the last demand was met", "higher"),
        "lost": Measure("1", "share of the demand so far that was lost", "higher"),
        "stock": Measure("1", "goods in all stages, in periods of the last demand, mean of the stages", bound=1e9),
    }

    @property
    def spec(self) -> Spec:
        """Each model forecasts a period's demand for each item, given its record's conversion (1 where it is right)."""
        return Spec(models=self.stages, views=self.stages, case=(self.items,), features=1)

    @property
    def tick(self) -> float:
        """Seconds from one stage's turn to the next."""
        return self.turn_time

    def start(self, luck: Luck) -> Chain:
        """All went by the plan so far, and it is the shop's turn."""
        r, m, n = shape = luck.replications, self.stages, self.items
        low, up = luck.uniform("record", shape).copy(), luck.uniform("direction", shape) < 0.5
        position = np.full(shape, (self.lead + self.safety) * self.plan)
        position[:, 0] -= self.plan  # customers have been there, and the others get an order before it is their turn
        coming = np.full((r, self.lead, m, n), self.plan)
        stock = np.full(shape, self.safety * self.plan)
        demand = np.full((r, n), self.plan)
        mood = luck.normal("mood", (r, n)).copy()
        unmet, made, owed = np.zeros((r, n)), demand.copy(), np.zeros(shape)
        return Chain(
            np.zeros(r, dtype=np.int64),
            low,
            up.astype(np.float64),
            position,
            stock,
            owed,
            coming,
            mood,
            demand,
            unmet,
            made,
            *self._none(r),
        )

    def settle(self, state: Chain) -> Chain:
        """Sums begin anew."""
        return Chain(*state[:11], *self._none(len(state.tick)))

    def observe(self, state: Chain) -> Floats:
        """`(r, m, n, 1)`: the conversion in the item's record, as each view has it: 1, or wrong by the factor."""
        wrong = state.low >= self.accuracy
        down = 1 / self.factor
        x = state.up * (self.factor - down)
        x += down - 1
        x *= wrong
        x += 1
        return x[..., None]

    def fallback(self, state: Chain, luck: Luck) -> Floats:
        """Without a model a stage counts on the plan, `(r, m, n)`."""
        return np.full((luck.replications, self.stages, self.items), self.plan)

    def step(self, state: Chain, action: Action, luck: Luck) -> tuple[Chain, Feedback]:
        """One stage orders up to its level; the one above it, or the shop after the last, serves what is asked of it.

        Only the model of the stage that serves gets an answer: the order, or what was sold.
        """
        s, now = state, int(state.tick[0])  # the same in all replications
        turn, serves = now % self.stages, (now + 1) % self.stages
        due, then = (now + 1) // self.stages % self.lead, now // self.stages % self.lead
        order = (self.lead + self.safety) * action.value[:, turn] - s.position[:, turn]
        if not self.returns:
            np.maximum(order, 0.0, out=order)
        s.position[:, turn] += order
        if turn == 0:
            self._sum(s, 0, s.demand)
        self._sum(s, turn + 1, order)
        sums = {}
        if turn == self.stages - 1:
            s.coming[:, then, turn] = order
            change, size = np.abs(order - s.made).mean(axis=1), order.mean(axis=1)
            sums = {"made": order, "swings": s.swings + change, "peak": np.maximum(s.peak, size)}
        s.stock[:, serves] += s.coming[:, due, serves]
        outcome, weight = np.zeros((2, *s.stock.shape))
        weight[:, serves] = 1.0
        if serves:
            found = order if self.returns else np.minimum(s.stock[:, serves], s.owed[:, serves] + order)
            s.owed[:, serves] += order - found
            s.coming[:, then, turn] = found
            asked, censored = order, None
        else:
            mood = self.lasting * s.mood + math.sqrt(1 - self.lasting**2) * luck.noise("demand", s.mood.shape)
            demand = self.mean + self.sd * mood
            if not self.returns:
                np.maximum(demand, 0.0, out=demand)
            unmet = np.maximum(demand - np.maximum(s.stock[:, 0], 0.0), 0.0)
            found = demand if self.returns else demand - unmet
            lost = (demand - found).mean(axis=1)
            sums |= {"mood": mood, "demand": demand, "unmet": unmet}
            sums |= {"wanted": s.wanted + demand.mean(axis=1), "lost": s.lost + lost}
            asked, censored = found, np.zeros(s.stock.shape, dtype=bool)
            censored[:, 0] = found < demand
        s.stock[:, serves] -= found
        s.position[:, serves] -= asked
        outcome[:, serves] = asked
        return s._replace(tick=s.tick + 1, **sums), Feedback(outcome, weight, censored=censored)

    def measure(self, state: Chain) -> Mapping[str, Floats]:
        """The measures now; ratios need two periods."""
        s = state

        @cache
        def ratio() -> Floats:
            """Of each stage's variance to that of demand, `(r, m + 1)`."""
            periods = np.maximum(s.periods, 1)
            spread = ((s.squares - s.sums**2 / periods[..., None]).mean(axis=2)) / periods
            known = (s.periods.min(axis=1) > 1) & (spread[:, 0] > 0)
            return np.asarray(np.where(known[:, None], spread, np.nan) / np.where(known, spread[:, 0], 1.0)[:, None])

        ways = {
            "factory": lambda: s.made.mean(axis=1),
            "bought": lambda: s.demand.mean(axis=1),
            "peak": lambda: s.peak,
            "swing": lambda: s.swings / np.maximum(s.periods[:, -1], 1),
            "first": lambda: ratio()[:, 1],
            "second": lambda: ratio()[:, min(2, self.stages)],
            "third": lambda: ratio()[:, min(3, self.stages)],
            "last": lambda: ratio()[:, -1],
            "added": lambda: np.round(ratio()[:, -1] - 1, 9),  # what rounding leaves is no effect
            "short": lambda: (s.unmet > 0).mean(axis=1),
            "gone": lambda: (s.unmet > s.demand / 2).mean(axis=1),
            "lost": lambda: s.lost / np.maximum(s.wanted, 1e-300),
            "stock": lambda: s.stock.mean(axis=(1, 2)) / np.maximum(s.demand.mean(axis=1), 1e-300),
        }
        return Asked(self.measures, ways, s)

    def _sum(self, s: Chain, row: int, what: Floats) -> None:
        off = what - self.plan
        s.periods[:, row] += 1
        s.sums[:, row] += off
        s.squares[:, row] += off * off

    def _none(self, r: int) -> tuple[Floats, ...]:
        rows = self.stages + 1
        return np.zeros((r, rows)), *np.zeros((2, r, rows, self.items)), *np.zeros((4, r))
