"""A router that does not count: servers cut parent orders into child orders, and one of them never learns that it is done.

After 1 August 2012, Knight Capital (SEC release 34-70694, whose paragraphs are cited). A server sends children of one
lot for a parent until what came back covers it. On one of eight old code was left, whose count of fills had been moved
elsewhere, and a flag that had got a new meaning woke it: it sent children "without regard to the number of share
executions" (par. 16). Here every server works on its part of every parent, and a view is the build that it runs: what
is read of a parent is its size and the fills that the build counts, and old code counts none while the flag is set. A
model foretells what is open of each parent, and, in a last case, of one lot that was filled; what that leaves of 1 is
what a fill takes off by its own count, q. In a tick of dt it sends

    min(pace dt, open / (servers q)),        without end where q is 0,

for each, of which a share is executed, uniform on [0, 1). The back office knows what is open, and says so unless that
is lost (par. 16). No order minds a price: for the router the loop closes through fills, for the loss through prices.

Executions E of one side move a price by a share of what it was, as the square root of their number (Toth et al. 2011,
Phys. Rev. X 1, 021006), in a book that refills (Alfonsi, Fruth & Schied 2010, Quant. Finance 10(2)):

    x = impact sign(E) sqrt(|E| / V),    dE = signed executions - E dt / recovery,

V what all others trade in 45 minutes. Loss is what is paid above, or had below, the undisturbed price (Perold 1988, J.
Portfolio Management 14(3)), in moves and half the spread; what it cost to get out of the positions is left out. Parents
k and k + symbols are of one stock, where buyers and sellers cancel out.

Fitted, to the event as it was and by algebra (in the tests): `pace` to 4 million executions, `price` to net positions of
6.65 billion dollars (par. 17), `volume` and `uneven` to more than 20% of the volume in 75 stocks and 50% in 37, `impact`
to moves of 5% in 75 (par. 18). Not fitted: the loss, and larger moves. Lots may be fractions, and all luck is exact.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Floats
from simlab.base.errors import ParameterError
from simlab.base.kernels import counted, uncopied
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Action, Asked, Feedback, Measure, Spec, World

SEC, FIT = "SEC release 34-70694", "fitted to SEC release 34-70694"
MORNING = 2700.0  # seconds, the 45 minutes that `volume` is about
LEAST = 1e-9  # of a fill that is counted; below it a server does not count
M = 1e-6


class Router(NamedTuple):
    """The state, per replication and parent `(r, k)`, stock `(r, j)` or server `(r, m)`, or `(r,)`."""

    old: Floats  # (r, m) chance at which each build misses the deployment, uniform
    side: Floats  # (r, k) 1 to buy, -1 to sell
    size: Floats  # (r, k) lots
    filled: Floats  # (r, k) lots, by all servers
    liquid: Floats  # (r, j) what all others trade in the 45 minutes, shares
    flow: Floats  # (r, j) signed executions that still weigh on the price, lots
    moved: Floats  # (r, j) how far the price is off, of what it was
    widest: Floats  # (r, j) the furthest so far
    blind: Floats  # (r, m) 1 where a server has just sent children of parents that are filled
    read: Floats  # (r, m, k + 1, 3) what builds read of each parent and of a lot that was filled: size, and fills, by turns
    sent: Floats  # (r,) children so far
    spread: Floats  # (r,) dollars lost so far to the spread
    impact: Floats  # (r,) and to the moves of the price
    time: Floats  # (r,) seconds since the start


@final
@dataclass(frozen=True)
class TradingRunaway(World[Router]):
    """Servers of a router, their parent orders and the stocks they are in."""

    servers: Annotated[int, Par("1", "servers of the router, each with a model", low=1, high=1000, source=SEC)] = 8
    symbols: Annotated[int, Par("1", "stocks", low=1, source=SEC)] = 154
    parents: Annotated[int, Par("1", "parent orders, at least one a stock", low=1, source=SEC)] = 212
    size: Annotated[float, Par("1", "mean size of a parent, lots (exponential; small retail orders)", above=0)] = 5.0
    lot: Annotated[float, Par("1", "shares of a child", above=0, source="a round lot; SEC: 397 M in 4 M")] = 100.0
    pace: Annotated[float, Par("1/s", "children a server can send for a parent", above=0, source=FIT)] = 14.15
    stale: Annotated[
        int,
        Par(
            "1",
            "views (builds) with the old code, the last ones: where fewer are read, none is",
            low=0,
            source=SEC,
            live=True,
        ),
    ] = 1
    missed: Annotated[float, Par("1", "chance that a deployment misses any other build", low=0, high=1)] = 0.0
    flag: Annotated[float, Par("1", "1 while orders carry the flag", low=0, high=1, source=SEC, live=True)] = 0.0
    price: Annotated[float, Par("USD", "undisturbed price of a share", above=0, source=FIT)] = 22.85
    spread: Annotated[float, Par("USD", "between bid and offer", low=0, live=True)] = 0.01
    volume: Annotated[float, Par("1", "others' shares in the 45 min, median stock", above=0, source=FIT)] = 10.5e6
    uneven: Annotated[float, Par("1", "standard deviation of its logarithm", low=0, source=FIT)] = 2.03
    impact: Annotated[float, Par("1", "move at as many shares as others trade", low=0, source=FIT, live=True)] = 0.151
    recovery: Annotated[float, Par("s", "time in which the weight of executions falls to 1/e", above=0)] = 3600.0
    rehearsal: Annotated[float, Par("s", "time until the open, in which servers learn on the same parents", low=0)] = (
        0.0
    )
    step_time: Annotated[float, Par("s", "time between two reports of the back office", above=0)] = 30.0

    measures: ClassVar[Mapping[str, Measure]] = {
        "loss": Measure("M$", "money lost in trades, against undisturbed prices, so far", "higher", bound=1e12),
        "spread": Measure("M$", "the part of the loss that is the spread", "higher"),
        "gross": Measure("M$", "net positions that nobody ordered, long and short, at undisturbed prices", "higher"),
        "long": Measure("M$", "the long ones of them", "higher"),
        "executions": Measure("M", "children that were executed so far", "higher"),
        "shares": Measure("M", "shares in them", "higher"),
        "children": Measure("M", "children that were sent so far", "higher"),
        "blind": Measure("1", "share of the servers that send children of parents which are filled, now", "higher"),
        "over5": Measure("1", "stocks whose price was moved by more than 5% so far", "higher"),
        "over10": Measure("1", "by more than 10%", "higher"),
        "over30": Measure("1", "by more than 30%", "higher"),
        "fifth": Measure("1", "stocks in which more than 20% of the volume was the router's", "higher"),
        "half": Measure("1", "more than 50%", "higher"),
    }

    def check(self) -> None:
        """Refuse stocks without an order, and more builds with old code than there are."""
        if self.parents < self.symbols:
            raise ParameterError(
                f"TradingRunaway.parents must be at least symbols ({self.symbols}), not {self.parents}"
            )
        if self.stale > self.servers:
            raise ParameterError(f"TradingRunaway.stale must be at most servers ({self.servers}), not {self.stale}")

    @property
    def spec(self) -> Spec:
        """Each model foretells what is open of each parent, and of a lot that was filled, lots, from size and counted fills."""
        return Spec(models=self.servers, views=self.servers, case=(self.parents + 1,), features=2)

    @property
    def tick(self) -> float:
        """Seconds between two reports."""
        return self.step_time

    def start(self, luck: Luck) -> Router:
        """Parents of which nothing is filled."""
        r, k, j, m = luck.replications, self.parents, self.symbols, self.servers
        old = luck.uniform("deployment", (r, m)).copy()
        side = np.where(luck.uniform("side", (r, k)) < 0.5, 1.0, -1.0)
        size = self.size * luck.exponential("size", (r, k))
        liquid = self.volume * np.exp(self.uneven * luck.normal("volume", (r, j)))
        flow, moved, widest = np.zeros((3, r, j))
        read = np.ones((3, r, m, k + 1)).transpose(1, 2, 3, 0)  # a feature of all models lies together
        read[..., :k, 0] = size[:, None]
        blind, sums = np.zeros((r, m)), np.zeros((4, r))
        return Router(old, side, size, np.zeros((r, k)), liquid, flow, moved, widest, blind, read, *sums)

    def settle(self, state: Router) -> Router:
        """Sums begin anew."""
        return _without(state, "widest", "sent", "spread", "impact")

    def observe(self, state: Router) -> Floats:
        """`(r, v, k + 1, 2)`: size and counted fills, lots, by each build; the last case is one lot, filled."""
        now = 1 + round(float(state.time[0]) / self.step_time) % 2  # models learn from what was read a tick ago
        counts, fills = self._counts(state)[..., None], state.read[..., now]
        with uncopied():
            np.multiply(state.filled[:, None], counts, out=fills[..., :-1])
        fills[..., -1:] = counts
        return state.read[..., : now + 1 : now]

    def act(self, state: Router, said: Array, luck: Luck) -> Action:
        """Children of each parent `(r, m, k)`, lots, by what is `said` `(r, m, k + 1)` to be open and to be left of a fill."""
        taken = np.maximum(1 - said[..., -1:], LEAST) * self.servers
        with uncopied():
            lots = said[..., :-1] / taken
        return Action(np.clip(lots, 0.0, self.pace * self.step_time, out=lots))

    def fallback(self, state: Router, luck: Luck) -> Floats:
        """By the books of the back office, `(r, m, k)`: each server its part of what is open."""
        part = np.clip((state.size - state.filled) / self.servers, 0.0, self.pace * self.step_time)
        return np.broadcast_to(part[:, None], (len(part), self.servers, self.parents))

    def step(self, state: Router, action: Action, luck: Luck) -> tuple[Router, Feedback]:
        """Children are executed or not, and prices give way; the back office says what was open `(r, m, k + 1)`."""
        s, lots, dt = state, action.value, self.step_time
        done = np.einsum("rmk->rk", lots) * luck.uniform("liquidity", s.size.shape)
        over = np.matmul(lots, (s.filled >= s.size)[..., None] * 1.0)[..., 0]
        open_ = np.append(s.size - s.filled, np.zeros((len(lots), 1)), axis=1)

        went = self._by_stock(s.side * done)
        flow = s.flow + went
        moved = self._moved(flow, s.liquid)
        paid = np.einsum("rj,rj->r", went, (s.moved + moved) / 2) * (self.lot * self.price)
        flow *= math.exp(-dt / self.recovery)
        now = s._replace(
            filled=s.filled + done,
            flow=flow,
            moved=self._moved(flow, s.liquid),
            widest=np.maximum(s.widest, np.abs(moved)),
            blind=(over > 0) * 1.0,
            sent=s.sent + np.einsum("rmk->r", lots),
            spread=s.spread + done.sum(axis=1) * (self.lot * self.spread / 2),
            impact=s.impact + paid,
            time=s.time + dt,
        )
        if abs(now.time[0] - self.rehearsal) < dt / 2:  # the open
            now = _without(now, "filled", "flow", "moved", "widest", "blind", "sent", "spread", "impact")
        told = np.ones(open_.shape)
        told[:, -1] = s.filled.any(axis=1)  # before a fill nothing can be said of one
        shape = *lots.shape[:2], open_.shape[1]
        return now, Feedback(np.broadcast_to(open_[:, None], shape), np.broadcast_to(told[:, None], shape))

    def measure(self, state: Router) -> Mapping[str, Floats]:
        """The measures now."""
        s = state

        def position() -> Floats:
            return self._by_stock(s.side * np.maximum(s.filled - s.size, 0)) * (self.lot * self.price * M)

        def above(share: float) -> Floats:
            others = s.liquid * (np.maximum(s.time - self.rehearsal, 0) / MORNING)[:, None]
            return counted(self._by_stock(s.filled) * self.lot > share * others)

        ways = {"loss": lambda: (s.spread + s.impact) * M, "spread": lambda: s.spread * M}
        ways |= {"gross": lambda: np.abs(position()).sum(axis=1), "long": lambda: np.maximum(position(), 0).sum(axis=1)}
        ways |= {"executions": lambda: s.filled.sum(axis=1) * M, "children": lambda: s.sent * M}
        ways |= {"shares": lambda: s.filled.sum(axis=1) * (self.lot * M), "blind": lambda: s.blind.mean(axis=1)}
        ways |= {"over5": lambda: counted(s.widest > 0.05), "over10": lambda: counted(s.widest > 0.1)}
        ways |= {"over30": lambda: counted(s.widest > 0.3)}
        ways |= {"fifth": lambda: above(0.25), "half": lambda: above(1.0)}
        return Asked(self.measures, ways, s)

    def _counts(self, state: Router) -> Floats:
        """1 where a build counts fills, `(r, v)`: everywhere but for old code while the flag is set."""
        old = (state.old < self.missed) | (np.arange(self.servers) >= self.servers - self.stale)
        return np.asarray(1 - self.flag * old, dtype=np.float64)

    def _by_stock(self, of: Floats) -> Floats:
        """What there is of each parent `(r, k)` summed by stock, `(r, j)`."""
        total = of[:, : self.symbols].copy()
        for first in range(self.symbols, self.parents, self.symbols):
            more = of[:, first : first + self.symbols]
            total[:, : more.shape[1]] += more
        return total

    def _moved(self, flow: Floats, liquid: Floats) -> Floats:
        """How far prices are off, `(r, j)`; no price falls below 0."""
        size = np.sqrt(np.abs(flow) * self.lot / liquid) * self.impact
        return np.maximum(np.copysign(size, flow), -1.0)


def _without(state: Router, *names: str) -> Router:
    """The state with these at 0."""
    return state._replace(**{name: np.zeros_like(getattr(state, name)) for name in names})
