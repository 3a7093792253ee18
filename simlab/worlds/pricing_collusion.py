"""Pricing algorithms that learn from profits alone: sellers set prices again and again, and nobody tells them to compete or to collude.

Calvano, Calzolari, Denicolo & Pastorello (2020), "Artificial intelligence, algorithmic pricing, and collusion", American Economic
Review 110(10), section II. In every period each of n sellers charges one of `prices` listed prices; logit demand and profit are

    q_i = exp((a - p_i) / mu) / (sum_j exp((a - p_j) / mu) + exp(a_0 / mu)),   profit_i = (p_i - c) q_i.

One-shot competition (Bertrand-Nash) is at p_N = c + mu / (1 - q), and joint monopoly at p_M = c + mu / (1 - n q), all prices alike.
The list is spaced evenly from p_N - xi (p_M - p_N) to p_M + xi (p_M - p_N), so neither is on it. A seller sees the last
period's prices, its own first (`memory` 1), or nothing (0). The gain is (profit - profit_N) / (profit_M - profit_N): 0 for competition, 1
for a cartel. What consumers lose is the fall of mu ln(sum_j exp((a - p_j) / mu) + exp(a_0 / mu)) below its value at p_N.

The paper's session ends once strategies have stood still for 100,000 periods. Here it goes on to the horizon, and the gain is a fading
average over `window` periods: what little is still explored by then belongs to it. First prices are drawn evenly from the list, and
the averages begin at what such prices bring.

Under a `cap` a seller is paid for the highest listed price that the law allows where it asked for more. While `deviates` is 1 the first
seller is made to charge the best one-shot reply to what the others charged last. A period is the paper's; how long it
lasts is chosen, and only names the axis. Nothing is fitted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Floats, Ints
from simlab.base.errors import ParameterError
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Action, Asked, Feedback, Measure, Spec, World

PAPER = "Calvano 2020, section II"
MOST_STATES = 100_000


class Market(NamedTuple):
    """The state. A situation is the number k^(n-1) i_0 + ... + i_(n-1) of the listed prices charged, a seller's own first."""

    tick: Ints  # (r,) the same everywhere
    last: Ints  # (r, m) the situation of the last period, as each seller sees it
    charged: Floats  # (2, r) the first and the second seller's price of the last period
    recent: Floats  # (4, r) gain, mean price, and the first and second seller's, fading averages
    lost: Floats  # (r,) what consumers lost so far
    usual: (
        Floats  # (2, r) the first and second seller's recent price at the end of the warm-up; NaN where there was none
    )
    lowest: Floats  # (r,) the second seller's lowest since


class Tables(NamedTuple):
    """What follows from the parameters alone; `(k^n,)` by situation where not said otherwise."""

    price: Floats  # (k,) the list
    profit: Floats  # of the seller whose situation it is
    recent: Floats  # (4, k^n) gain, mean price, and the first and second seller's
    loss: Floats  # of consumers
    reply: Ints  # (k^(n-1),) the best one-shot reply to the others' prices
    capped: int  # the highest price on the list that may be charged


@final
@dataclass(frozen=True)
class PricingCollusion(World[Market]):
    """Sellers of substitutes, each with a model that names its price from a list."""

    sellers: Annotated[int, Par("1", "sellers, each with a model", low=2, high=4, source=PAPER)] = 2
    prices: Annotated[int, Par("1", "prices on the list", low=2, high=100, source=PAPER)] = 15
    quality: Annotated[float, Par("1", "quality a of each product", source=PAPER)] = 2.0
    outside: Annotated[float, Par("1", "quality a_0 of buying nothing", source=PAPER)] = 0.0
    mu: Annotated[float, Par("1", "how little products are alike for buyers", above=0, source=PAPER)] = 0.25
    cost: Annotated[float, Par("1", "cost c of a piece", low=0, live=True, source=PAPER)] = 1.0
    listed_cost: Annotated[float, Par("1", "the cost for which the list was drawn up", low=0, source=PAPER)] = 1.0
    xi: Annotated[float, Par("1", "how far the list reaches beyond p_N and p_M", low=0, high=1, source=PAPER)] = 0.1
    memory: Annotated[int, Par("1", "past periods that a seller sees", low=0, high=1, source=PAPER)] = 1
    cap: Annotated[float, Par("1", "highest price that the law allows", above=0, live=True)] = 1e9
    deviates: Annotated[float, Par("1", "1 while the first seller is made to undercut", low=0, high=1, live=True)] = 0.0
    window: Annotated[int, Par("1", "periods over which gain and price fade", low=1)] = 10_000
    step_time: Annotated[float, Par("s", "length of a period", above=0)] = 1.0

    measures: ClassVar[Mapping[str, Measure]] = {
        "gain": Measure("1", "profit above competition, of a cartel's, fading average", "higher"),
        "price": Measure("1", "mean price of all sellers, fading average", "higher"),
        "loss": Measure("1", "what consumers lose against competition, mean of the periods so far", "higher"),
        "first_price": Measure("1", "price of the first seller, now"),
        "second_price": Measure("1", "price of the second seller, now"),
        "first_away": Measure(
            "1", "price of the first seller now, less its average before time 0", may_be_undefined=True
        ),
        "second_away": Measure(
            "1", "price of the second seller now, less its average before time 0", may_be_undefined=True
        ),
        "dip": Measure(
            "1", "lowest price of the second seller since time 0, less its average before", may_be_undefined=True
        ),
    }

    def check(self) -> None:
        """Raise ParameterError where the table of situations is too large, or the law allows no price on the list."""
        if self.prices**self.sellers > MOST_STATES:
            raise ParameterError(
                f"PricingCollusion.prices must be fewer: {self.prices}^{self.sellers} situations are above {MOST_STATES:,}"
            )
        if self.quality - self.listed_cost + self.mu * 30 < self.outside:
            raise ParameterError("PricingCollusion.quality must be higher: at this cost nobody buys")
        lowest = _listed(self)[0]
        if self.cap < lowest:
            raise ParameterError(
                f"PricingCollusion.cap must be at least the lowest price, {lowest:.3f}, not {self.cap:g}"
            )

    @property
    def spec(self) -> Spec:
        """Each model names a price for what it saw: all prices of the last period, its own first."""
        seen = (self.prices**self.sellers) ** self.memory
        return Spec(self.sellers, "choice", self.sellers, states=seen, choices=self.prices)

    @property
    def tick(self) -> float:
        """Seconds of a period."""
        return self.step_time

    def start(self, luck: Luck) -> Market:
        """Any prices on the list."""
        r = luck.replications
        charged = (luck.uniform("first prices", (r, self.sellers)) * self.prices).astype(np.int64)
        last = self._situations(charged)
        nothing, recent = np.zeros(r), np.tile(_tables(self).recent.mean(axis=1)[:, None], r)
        first_two = _tables(self).recent[2:].take(last[:, 0], axis=1)
        return Market(
            np.zeros(r, np.int64), last, first_two, recent, nothing, np.full((2, r), np.nan), np.full(r, np.nan)
        )

    def settle(self, state: Market) -> Market:
        """Consumers' losses begin anew; what the first two sellers charged until now is kept to be held against."""
        s, nothing = state, np.zeros_like(state.lost)
        usual = s.recent[2:] if s.tick[0] else s.usual
        return s._replace(tick=np.zeros_like(s.tick), lost=nothing, usual=usual, lowest=s.charged[1])

    def observe(self, state: Market) -> Ints:
        """`(r, m)`: each seller's situation, or 0 without memory."""
        return state.last if self.memory else np.zeros_like(state.last)

    def act(self, state: Market, said: Array, luck: Luck) -> Action:
        """Charge what the model says; but the first seller, while it is made to deviate."""
        if self.deviates >= 0.5:
            said = said.copy()
            said[:, 0] = self.fallback(state, luck)[:, 0]
        return Action(said)

    def fallback(self, state: Market, luck: Luck) -> Ints:
        """The best one-shot reply to what the others charged last, `(r, m)`: all together, competition within some periods."""
        return np.asarray(_tables(self).reply.take(state.last % self.prices ** (self.sellers - 1)))

    def step(self, state: Market, action: Action, luck: Luck) -> tuple[Market, Feedback]:
        """Buyers choose, and each seller learns its profit `(r, m)`."""
        s, table = state, _tables(self)
        charged = action.value if table.capped == self.prices - 1 else np.minimum(action.value, table.capped)
        last = self._situations(charged)
        of_all = last[:, 0]
        now = table.recent.take(of_all, axis=1)
        first_two, lost = now[2:].copy(), s.lost + table.loss.take(of_all)
        now -= s.recent
        now *= 1 / self.window
        now += s.recent
        then = Market(s.tick + 1, last, first_two, now, lost, s.usual, np.fmin(s.lowest, first_two[1]))
        return then, Feedback(table.profit.take(last))

    def measure(self, state: Market) -> Mapping[str, Floats]:
        """The measures now."""
        s, (first, second) = state, state.charged
        ways = {
            "gain": lambda: s.recent[0],
            "price": lambda: s.recent[1],
            "loss": lambda: s.lost / np.maximum(s.tick, 1),
            "first_price": lambda: first,
            "second_price": lambda: second,
            "first_away": lambda: first - s.usual[0],
            "second_away": lambda: second - s.usual[1],
            "dip": lambda: s.lowest - s.usual[1],
        }
        return Asked(self.measures, ways, s)

    def _situations(self, charged: Ints) -> Ints:
        """The number of each seller's situation `(r, m)`, from the listed prices `(r, m)`: its own first, then those after it in turn."""
        n, found = self.sellers, charged * self.prices
        for j in range(1, n):
            for i in range(n):  # a seller at a time: a short last axis is slow
                found[:, i] += charged[:, (i + j) % n]
            if j < n - 1:
                found *= self.prices
        return found


def benchmarks(sellers: int, quality: float, outside: float, mu: float, cost: float) -> tuple[float, float]:
    """The price of one-shot competition, p_N, and of joint monopoly, p_M, by bisection of their first-order conditions."""

    def demand(price: float) -> float:
        return 1 / (sellers + math.exp((outside - quality + price) / mu))

    def root(wedge: Callable[[float], float]) -> float:
        low, high = cost, cost + mu * 50 + abs(quality - outside)
        for _ in range(100):
            middle = (low + high) / 2
            low, high = (middle, high) if middle < cost + mu / wedge(middle) else (low, middle)
        return middle

    return root(lambda p: 1 - demand(p)), root(lambda p: 1 - sellers * demand(p))


@cache
def _listed(world: PricingCollusion) -> Floats:
    """The list of prices, `(k,)`."""
    w = world
    nash, monopoly = benchmarks(w.sellers, w.quality, w.outside, w.mu, w.listed_cost)
    margin = w.xi * (monopoly - nash)
    return np.linspace(nash - margin, monopoly + margin, w.prices)


@cache
def _tables(world: PricingCollusion) -> Tables:
    """All that is looked up in a period."""
    w, k, n = world, world.prices, world.sellers
    price = _listed(w)
    pull = np.exp((w.quality - price) / w.mu)
    nothing = math.exp(w.outside / w.mu)
    axes = [tuple(-1 if i == j else 1 for j in range(n)) for i in range(n)]  # seller i's prices along axis i
    total = np.asarray(nothing + sum(pull.reshape(a) for a in axes))
    profits = [((price - w.cost) * pull).reshape(a) / total for a in axes]
    ends = [[p, math.exp((w.quality - p) / w.mu)] for p in benchmarks(n, w.quality, w.outside, w.mu, w.cost)]
    competition, cartel = ((p - w.cost) * e / (nothing + n * e) for p, e in ends)
    gain = (np.asarray(sum(profits)) / n - competition) / (cartel - competition)
    each = [np.broadcast_to(price.reshape(a), total.shape) for a in axes]
    recent = np.stack([gain.ravel(), (np.asarray(sum(each)) / n).ravel(), each[0].ravel(), each[1].ravel()])
    loss = w.mu * (math.log(nothing + n * ends[0][1]) - np.log(total))
    capped = int(np.searchsorted(price, w.cap * (1 + 1e-12), side="right")) - 1
    reply = profits[0].reshape(k, -1)[: capped + 1].argmax(axis=0)
    return Tables(price, profits[0].ravel(), recent, loss.ravel(), reply, capped)
