"""Flash crash: traders forecast the price that their own orders move, in a book that thins as it falls.

After 6 May 2010 in the E-Mini S&P 500 future. Each tick is an auction at one price: what buys and sells leave over walks the
bids or asks, whose depth grows with the distance from the price (Toth et al. 2011, Phys. Rev. X 1); what is taken comes back
with time (Obizhaeva & Wang 2013, J. Financial Markets 16). Most of the book is makers'. They judge volatility by how far the
price has strayed from its average of the last minute: depth is inverse to it (Kyle 1985, Econometrica 53), volume rises with it
(Clark 1973, Econometrica 41). A part near the price is the traders', whatever the volatility, until all are full (Kirilenko,
Kyle, Samadi & Tuzun 2017, J. Finance 72); they pass on what they get by chance (`hot_potato`). A seller paced by volume sells
into that; value buyers want what is cheap now and was for a minute; their orders and noise gather during the stop logic's
pause. Traders hold what their models' forecasts justify, with the published half-life; the fast order at every auction. Views
read trend and flow with errors of one law (bulk noise; what all share is exactly normal). Prices are in logarithmic bp.

Fitted to calm, every trader on its own: `noise_volume` to 237 contracts/s, `news` and `book` to a volatility of 33% a year
of which trades make a third, `passing` to 34% of the volume. Nothing is fitted to the crash or to two wirings' difference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Floats
from simlab.base.auction import hot_potato, meet, undisturbed
from simlab.base.errors import ParameterError
from simlab.base.falls import Falls, level
from simlab.base.kernels import columns, one_factor, same_for, spread
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Action, Asked, Feedback, Measure, Spec, World

CALM = 0.33e4 / math.sqrt(252 * 6.5 * 3600)  # bp/s^0.5, what all call calm: the VIX at the close of that day
ERRORS = ("trend error", "flow error")
BANDS, NEAR = tuple(2.2 * steps for steps in (1, 3, 6, 15, 30, 60)), 3  # bp; traders quote in three, within 22 bp
WINDOW = 15.0  # s, in which the deepest plunge is looked for (SEC-CFTC: 14:45:13 to :27)
SEC, KKST, FIT = "SEC-CFTC report of 2010", "Kirilenko et al. 2017", "fitted to calm"


class Market(NamedTuple):
    """The state: per replication `(r,)`, and per trader where said."""

    price: Floats  # bp above the start
    value: Floats  # what the news so far justify, bp
    fast: Floats  # average price over `horizon`, bp
    slow: Floats  # average price over `minute`, bp
    flow: Floats  # average net order flow over `horizon`, contracts/s
    pace: Floats  # volume averaged over `minute`, contracts/s
    halt: Floats  # seconds of pause left
    makers: Floats  # (r, 2) bids and asks of the makers, of the undisturbed
    queue: Floats  # (r, 2) net and gross orders that wait for the next auction, contracts
    falls: Falls  # of the price; beside it volume and traders' sides so far, and net position, contracts
    error: Floats  # (r, 2, m) errors of each view in both features, in standard deviations of an innovation
    held: Floats  # (r, m) inventories, contracts
    wait: Floats  # (r, m) seconds of trading until the trader may order again
    bid: Floats  # what makers and traders bid, of the undisturbed
    thinnest: Floats  # the least of it so far
    pauses: Floats  # so far
    sold: Floats  # by the volume-paced seller so far, contracts
    loss: Floats  # so far, million dollars


@final
@dataclass(frozen=True)
class FlashCrash(World[Market]):
    """Algorithmic traders, makers, slow value buyers, noise, news and one volume-paced seller in a batch auction."""

    traders: Annotated[int, Par("1", "algorithmic traders, each with its model", low=1)] = 64
    fast: Annotated[float, Par("1", "share of them that order at every auction: 16", low=0, high=1, source=KKST)] = 0.25
    step_time: Annotated[float, Par("s", "time between auctions", above=0, high=1)] = 0.5
    news: Annotated[float, Par("bp/s^0.5", "volatility due to news", above=0, source=FIT)] = 1.11
    noise_volume: Annotated[float, Par("1/s", "calm volume of noise traders, contracts", above=0, source=FIT)] = 150.0
    trade_size: Annotated[float, Par("1", "contracts in a trade", above=0, source="Nanex 2010")] = 5.7
    book: Annotated[float, Par("1/bp", "undisturbed depth at the price, contracts", above=0, source=FIT)] = 115.0
    deep: Annotated[float, Par("1", "contracts bid in all in the morning: $5.8bn", above=0, source=SEC)] = 105_000.0
    quoted: Annotated[float, Par("1", "traders' part of the calm book near the price", low=0, below=1, source=KKST)] = (
        0.37
    )
    rush: Annotated[float, Par("1", "volume ~ 1/depth^rush: 15-fold at 1%", low=0, source=SEC)] = 0.6
    flee: Annotated[float, Par("s", "time constant of depth leaving", above=0)] = 5.0
    refill: Annotated[float, Par("s", "time constant of depth coming back", above=0)] = 20.0
    minute: Annotated[float, Par("s", "memory of makers, seller and value buyers", above=0, source=SEC)] = 60.0
    seller: Annotated[float, Par("1", "share of volume sold (9%)", low=0, below=1, source=SEC, live=True)] = 0.0
    program: Annotated[float, Par("1", "contracts to be sold in all", low=0, source=SEC)] = 75_000.0
    buyers: Annotated[float, Par("1/s/bp", "value traders' contracts per bp off value: 50,000 in 13 min", low=0)] = 0.3
    limit: Annotated[float, Par("1", "largest inventory of a trader, contracts", low=0, source=KKST)] = 47.0
    half_life: Annotated[float, Par("s", "half-life of inventories", above=0, source=KKST)] = 120.0
    passing: Annotated[float, Par("s", "time a fast trader keeps what came by chance", above=0, source=FIT)] = 2.4
    cooldown: Annotated[float, Par("s", "time from one order of the other traders to its next", above=0)] = 5.0
    error: Annotated[float, Par("1", "error of a view, in calm standard deviations", low=0)] = 1.0
    alike: Annotated[float, Par("1", "correlation of the errors of any two views", low=0, high=1)] = 0.0
    horizon: Annotated[float, Par("s", "how far traders look back and ahead", above=0, source=KKST)] = 10.0
    cost: Annotated[float, Par("bp", "forecast worth the full limit: half a price step", above=0, source="CME")] = 1.1
    stop_move: Annotated[float, Par("bp", "fall below the trend that stops trade", above=0, source="CME")] = 53.0
    stop_pause: Annotated[float, Par("s", "length of that pause; 0 disables", low=0, source=SEC)] = 5.0

    measures: ClassVar[Mapping[str, Measure]] = {
        "drawdown": Measure("1", "deepest fall below the highest price so far", "higher"),
        "plunge": Measure("1", "deepest fall within 15 s so far", "higher"),
        "regained": Measure("1", "part of the deepest fall that is regained"),
        "loss": Measure("M$", "what was sold below the value that the news justify, so far", "higher"),
        "price": Measure("%", "price, of that at the start", "lower"),
        "depth": Measure("1", "contracts bid, of the undisturbed", "lower"),
        "thinnest": Measure("1", "least bid so far, of the undisturbed", "lower"),
        "volume": Measure("1/s", "contracts traded, average of the last minute"),
        "position": Measure("1", "net position of all traders, contracts"),
        "share": Measure("1", "traders' share of what was traded in the last 15 s"),
        "sold": Measure("1", "contracts sold so far by the volume-paced seller"),
        "pauses": Measure("1", "stop-logic pauses so far", "higher"),
        "rush_volume": Measure("1/s", "contracts traded in the worst 15 s so far"),
        "rush_share": Measure("1", "traders' share of that volume"),
        "rush_net": Measure("1", "contracts by which traders' net position changed in it"),
    }

    def check(self) -> None:
        """Refuse a tick that is too long to resolve what happens in seconds, and a book that thins with the distance."""
        for name in ("flee", "refill", "cooldown", "horizon", "minute"):
            if getattr(self, name) < self.step_time:
                raise ParameterError(f"FlashCrash.{name} must be at least step_time ({self.step_time:g} s)")
        if self.deep < (flat := self.book * sum(BANDS)):
            raise ParameterError(f"FlashCrash.deep must be at least {flat:g} (book over {sum(BANDS):g} bp)")

    @property
    def spec(self) -> Spec:
        """Each model forecasts the drift of the price, bp/s, from trend and order flow as its view reads them."""
        return Spec(models=self.traders, views=self.traders, features=2)

    @property
    def tick(self) -> float:
        """Seconds between auctions."""
        return self.step_time

    def start(self, luck: Luck) -> Market:
        """A calm market; view errors have their stationary law, cooldowns end at random."""
        r, m = luck.replications, self.traders
        error = np.stack([self._errors(luck, name, luck.normal(name, (r, m))) for name in ERRORS])
        error /= math.sqrt(1 - self._keep**2)
        wait, none = luck.uniform("wait", (r, m)) * self._period, np.zeros(r)
        still = (*(none,) * 5, none + self.noise_volume, none, np.ones((2, r)).T, np.zeros((2, r)).T)
        rest = error.swapaxes(0, 1), np.zeros((r, m)), wait, none + 1, none + 1, none, none, none
        return Market._make((*still, level(r, round(WINDOW / self.step_time), 4), *rest))

    def settle(self, state: Market) -> Market:
        """What is accumulated begins anew where the market stands."""
        none = np.zeros(len(state.price))
        return state._replace(falls=state.falls.anew(), thinnest=none + 1, pauses=none, sold=none, loss=none)

    def observe(self, state: Market) -> Floats:
        """`(r, m, 2)`: trend and order flow in their calm standard deviations, plus the view's errors."""
        x, trend = np.empty((2, *state.held.shape)), (state.price - state.fast) / (CALM * math.sqrt(self.horizon / 2))
        flow = state.flow / math.sqrt(self.trade_size * self.noise_volume / self.horizon)
        for i, seen in enumerate((trend, flow)):
            np.multiply(state.error[:, i], self.error * math.sqrt(1 - self._keep**2), out=x[i])
            x[i] += seen[:, None]
        return x.transpose(1, 2, 0)  # each feature lies together

    def act(self, state: Market, said: Array, luck: Luck) -> Action:
        """Order part of the way to the inventory that the forecast `said` `(r, m)` justifies, in contracts."""
        want = said * (self.limit * self.horizon / self.cost)
        want.clip(-self.limit, self.limit, out=want)
        want -= state.held
        return Action(self._order(state, want))

    def fallback(self, state: Market, luck: Luck) -> Floats:
        """Without a forecast a trader unwinds what it holds."""
        return self._order(state, -state.held)

    def open_loop(self, state: Market, luck: Luck) -> Floats:
        """Traders stay as active, but take the error of their own view for the forecast."""
        guess = (state.error[:, 0] * math.sqrt(1 - self._keep**2)).clip(-1, 1)
        return self._order(state, guess * self.limit - state.held)

    def step(self, state: Market, action: Action, luck: Luck) -> tuple[Market, Feedback]:
        """One auction; then makers, traders' quotes, pace and stop logic follow the price."""
        s, dt, orders, (r, m) = state, self.step_time, action.value, state.held.shape
        far, near, flee, refill = (1 - math.exp(-dt / t) for t in (self.minute, self.horizon, self.flee, self.refill))
        trading, halted = (s.halt <= 0) * 1.0, s.halt.nonzero()
        strayed = (s.price - s.slow) * (1 / (CALM * math.sqrt(self.minute / 2)))
        stress = np.sqrt(1 + strayed * strayed)  # volatility, of the calm one
        rush = stress**self.rush

        net, gross = orders.sum(axis=1) * trading, np.abs(orders).sum(axis=1) * trading
        selling = np.minimum(self.seller * dt * s.pace, np.maximum(self.program - s.sold, 0)) * trading
        now, then = s.value - s.price, s.value - s.slow
        cheap = np.maximum(np.minimum(now, then), 0) + np.minimum(np.maximum(now, then), 0)
        bargain = (self.buyers * dt) * cheap
        noise = np.sqrt((2 * self.trade_size * self.noise_volume * dt) * rush) * luck.normal("noise", (r,))
        came = s.queue + columns(bargain + noise, np.abs(bargain) + (self.noise_volume * dt) * rush)
        entered = came * trading[:, None]
        left, customers = net - selling + entered[:, 0], gross + selling + entered[:, 1]
        most, holds = m * self.limit, s.falls.sums[:, 3]
        room = columns(most - holds, most + holds) / max(most, 1e-9)  # to buy more, to sell more
        room = np.minimum(np.maximum(room, 0.0), 1.0)
        met = meet(left, s.makers, room, undisturbed(BANDS, self.book, self.deep, NEAR, self.quoted))
        made, passed = met.part.sum(axis=1) / 2, 2 / math.pi * self.fast * m * self.trade_size / self.passing
        volume = hot_potato(customers, made, passed * dt) * trading
        sides = made * volume + (volume - customers) + gross
        gap = (1 / stress)[:, None] - met.others
        makers = met.others + gap * (refill + (gap < 0) * (flee - refill))

        news = self.news * math.sqrt(dt) * luck.normal("news", (r,))
        move, gained = met.move + news * trading, net + met.caught
        price, value = s.price + move, s.value + news
        stop = (price < s.fast - self.stop_move) * trading * (self.stop_pause > 0)
        for kept, change in ((s.held, orders + (met.caught / m)[:, None]), (s.wait, (s.wait <= 0) * self._period - dt)):
            change[halted] = 0
            kept += change
        s.error[:] *= self._keep
        for i, name in enumerate(ERRORS):
            s.error[:, i] += self._errors(luck, name, luck.noise(name, (r, m)))
        ages = (s.fast, near, price), (s.slow, far, price), (s.flow, near, left / dt), (s.pace, far, volume / dt)
        averages = [old + part * (new - old) for old, part, new in ages]
        halt = np.maximum(s.halt - dt, 0) + stop * self.stop_pause
        falls = s.falls.follow(columns(move, volume, sides, gained))
        moved = price, value, *averages, halt, makers, came - entered, falls
        loss = s.loss + volume * np.maximum(value - price, 0) * (4.1e9 / 75_000 / 1e10)  # dollars (SEC-CFTC)
        total = met.bid, np.minimum(s.thinnest, met.bid), s.pauses + stop, s.sold + selling, loss
        return Market._make((*moved, s.error, s.held, s.wait, *total)), Feedback(same_for(move / dt, m))

    def measure(self, state: Market) -> Mapping[str, Floats]:
        """The measures now; shares are 0 before anything was traded, and nothing is regained before a fall."""
        s, falls, worst = state, state.falls, state.falls.worst
        ways = {"price": lambda: 100 * np.exp(s.price / 1e4), "drawdown": lambda: -np.expm1(-falls.deepest / 1e4)}
        ways |= {"plunge": lambda: -np.expm1(worst[:, 0] / 1e4), "rush_volume": lambda: worst[:, 1] / WINDOW}
        ways |= {"rush_share": lambda: worst[:, 2] / np.maximum(2 * worst[:, 1], 1), "rush_net": lambda: worst[:, 3]}
        ways |= {"share": lambda: (x := falls.lately)[:, 2] / np.maximum(2 * x[:, 1], 1), "volume": lambda: s.pace}
        ways |= {"position": lambda: falls.sums[:, 3], "regained": lambda: falls.regained, "depth": lambda: s.bid}
        return Asked(self.measures, ways, state)

    @property
    def _keep(self) -> float:
        """How much of a view's error is left a tick later."""
        return math.exp(-self.step_time / self.horizon)

    @cached_property
    def _period(self) -> Floats:
        """Seconds from one order of each trader to its next, `(m,)`."""
        return self.cooldown + spread(self.traders, self.fast) * (self.step_time - self.cooldown)

    def _errors(self, luck: Luck, name: str, own: Floats) -> Floats:
        """Errors of all views `(r, m)`, from what each drew of its own."""
        return one_factor(luck.normal("common " + name, own.shape[:1])[:, None], own, self.alike) if self.alike else own

    def _order(self, state: Market, gap: Floats) -> Floats:
        """What is ordered now of `gap` `(r, m)`, overwritten: a part, by those whose time has come."""
        gap *= 1 - 0.5 ** (self._period / self.half_life)
        return np.multiply(gap, np.less_equal(state.wait, 0, out=np.empty_like(gap), casting="unsafe"), out=gap)
