"""Flash crash: traders forecast the price that their own orders move, in a book that thins as it falls.

After 6 May 2010 in the E-Mini S&P 500 future. Each tick is an auction at one price: what buys and sells leave over walks a
book of equal depth on all price levels, so the price moves by (net orders) / depth (Kyle 1985, Econometrica 53). Makers
judge volatility by how far the price has strayed from its average of the last minute; depth is inverse to it (Kyle: noise
trading over volatility) and volume rises with it (Clark 1973, Econometrica 41). A seller paced by volume alone then sells
faster into less, held only by slow value buyers and the exchange's stop logic, a pause of seconds. Traders hold what their
models' forecasts justify and close the gap with the inventory half-life of Kirilenko, Kyle, Samadi & Tuzun (2017, J.
Finance 72). Each feature view reads trend and order flow with errors of its own, of the same law in every view (bulk noise;
news and order noise are exactly normal). Prices are in logarithmic bp of the start.

Fitted, to calm alone and with every trader on its own (`isolated`): `noise_volume` to 237 contracts/s (75,000 were 1.3% of
the day, over 6.75 h), `book` to a volatility of 33% a year over minutes (VIX at that day's close), `limit` to a net
position of 3,000 contracts at its 95th percentile. Inputs from the event itself: the seller, `floor` and `rush` (depth and
volume at the trough), `buyers` (purchases during the fall). Nothing is fitted to a difference between wirings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Floats
from simlab.base.errors import ParameterError
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Action, Feedback, Measure, Spec, World

CONTRACT = 4.1e9 / 75_000  # dollars (SEC-CFTC)
ERRORS = ("trend error", "flow error")
SEC, KKST, FIT = "SEC-CFTC report of 2010", "Kirilenko et al. 2017", "fitted to calm"


class Tally(NamedTuple):
    """What is accumulated for the measures, each `(r,)`."""

    peak: Floats  # highest price, bp
    drawdown: Floats  # deepest fall from the peak, share
    thinnest: Floats  # least depth, share of the undisturbed
    widest: Floats  # largest net position of the traders, contracts
    pauses: Floats
    sold: Floats  # by the volume-paced seller, contracts
    traded: Floats  # by all, contracts
    orders: Floats  # of the traders, contracts
    push: Floats  # price moved by the traders' net orders, bp
    loss: Floats  # million dollars


class Market(NamedTuple):
    """The state: per replication `(r,)`, and per trader where said."""

    price: Floats  # bp above the start
    value: Floats  # what the news so far justify, bp
    fast: Floats  # average price over `horizon`, bp
    slow: Floats  # average price over `minute`, bp
    flow: Floats  # average net order flow over `horizon`, contracts/s
    depth: Floats  # contracts/bp
    pace: Floats  # volume averaged over `minute`, contracts/s
    halt: Floats  # seconds of pause left
    position: Floats  # of all traders, contracts
    error: Floats  # (r, 2, m) errors of each view in both features, in standard deviations of an innovation
    held: Floats  # (r, m) inventories, contracts
    wait: Floats  # (r, m) seconds of trading until the trader may order again
    due: Floats  # (r, m) 1 where that time has come
    total: Tally


@final
@dataclass(frozen=True)
class FlashCrash(World[Market]):
    """Algorithmic traders, slow value buyers, noise, news and one volume-paced seller in a batch auction."""

    traders: Annotated[int, Par("1", "algorithmic traders, each with its model", low=1)] = 64
    step_time: Annotated[float, Par("s", "time between auctions", above=0, high=1)] = 0.5
    news: Annotated[float, Par("bp/s^0.5", "volatility due to news", above=0)] = 1.0
    noise_volume: Annotated[float, Par("1/s", "calm volume of noise traders, contracts", above=0, source=FIT)] = 178.0
    trade_size: Annotated[float, Par("1", "contracts in a trade", above=0, source="Nanex 2010")] = 5.7
    book: Annotated[float, Par("1/bp", "undisturbed depth, contracts", above=0, source=FIT)] = 420.0
    floor: Annotated[float, Par("1", "share of depth that never leaves", above=0, high=1, source=SEC)] = 0.01
    rush: Annotated[float, Par("1", "volume ~ 1/depth^rush: 15-fold at 1%", low=0, source=SEC)] = 0.6
    flee: Annotated[float, Par("s", "time constant of depth leaving", above=0)] = 5.0
    refill: Annotated[float, Par("s", "time constant of depth coming back", above=0)] = 20.0
    minute: Annotated[float, Par("s", "memory of makers, seller and value buyers", above=0, source=SEC)] = 60.0
    seller: Annotated[float, Par("1", "share of volume sold (9%)", low=0, below=1, source=SEC, live=True)] = 0.0
    program: Annotated[float, Par("1", "contracts to be sold in all", low=0, source=SEC)] = 75_000.0
    buyers: Annotated[float, Par("1/s/bp", "value traders' contracts per bp off value: 50,000 in 13 min", low=0)] = 0.3
    limit: Annotated[float, Par("1", "largest inventory of a trader, contracts", low=0, source=FIT)] = 140.0
    half_life: Annotated[float, Par("s", "half-life of inventories", above=0, source=KKST)] = 120.0
    cooldown: Annotated[float, Par("s", "time from one order of a trader to its next", above=0)] = 5.0
    error: Annotated[float, Par("1", "error of a view, in calm standard deviations", low=0)] = 1.0
    horizon: Annotated[float, Par("s", "how far traders look back and ahead", above=0, source=KKST)] = 10.0
    cost: Annotated[float, Par("bp", "forecast worth the full limit: half a price step", above=0, source="CME")] = 1.1
    stop_move: Annotated[float, Par("bp", "fall below the trend that stops trade", above=0, source="CME")] = 53.0
    stop_pause: Annotated[float, Par("s", "length of that pause; 0 disables", low=0, source=SEC)] = 5.0

    measures: ClassVar[Mapping[str, Measure]] = {
        "drawdown": Measure("1", "deepest fall below the highest price so far", "higher"),
        "loss": Measure("M$", "what was sold below the value that the news justify, so far", "higher"),
        "price": Measure("%", "price, of that at the start", "lower"),
        "depth": Measure("1", "depth, of the undisturbed", "lower"),
        "thinnest": Measure("1", "least depth so far, of the undisturbed", "lower"),
        "volume": Measure("1/s", "contracts traded, average of the last minute"),
        "position": Measure("1", "net position of all traders, contracts"),
        "widest": Measure("1", "largest net position so far, either way, contracts"),
        "share": Measure("1", "share of the volume so far that the traders' orders began"),
        "push": Measure("bp", "price move so far due to the traders' net orders", "lower"),
        "sold": Measure("1", "contracts sold so far by the volume-paced seller"),
        "pauses": Measure("1", "stop-logic pauses so far", "higher"),
    }

    def check(self) -> None:
        """Refuse a tick that is too long to resolve what happens in seconds."""
        for name in ("flee", "refill", "cooldown", "horizon", "minute"):
            if getattr(self, name) < self.step_time:
                raise ParameterError(f"FlashCrash.{name} must be at least step_time ({self.step_time:g} s)")

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
        shape = (luck.replications, self.traders)
        price, value, fast, slow, flow, halt, position = (np.zeros(shape[0]) for _ in range(7))
        depth, pace = np.full(shape[0], self.book), np.full(shape[0], self.noise_volume)
        error = np.stack([luck.normal(name, shape) for name in ERRORS], axis=1) / math.sqrt(1 - self._keep**2)
        wait = luck.uniform("wait", shape) * self.cooldown
        held, due, total = np.zeros(shape), (wait <= 0).astype(np.float64), _nothing(price)
        return Market(price, value, fast, slow, flow, depth, pace, halt, position, error, held, wait, due, total)

    def settle(self, state: Market) -> Market:
        """Tallies begin anew where the market stands."""
        return state._replace(total=_nothing(state.price))

    def observe(self, state: Market) -> Floats:
        """`(r, m, 2)`: trend and order flow in their calm standard deviations, plus the view's errors."""
        x = state.error * (self.error * math.sqrt(1 - self._keep**2))
        x[:, 0] += ((state.price - state.fast) / (self.news * math.sqrt(self.horizon / 2)))[:, None]
        x[:, 1] += (state.flow / math.sqrt(self._noise / (2 * self.horizon)))[:, None]
        return x.swapaxes(1, 2)  # rows of models stay contiguous

    def act(self, state: Market, said: Array, luck: Luck) -> Action:
        """Order part of the way to the inventory that the forecast `said` `(r, m)` justifies, in contracts."""
        want = said * (self.limit * self.horizon / self.cost)
        np.maximum(np.minimum(want, self.limit, out=want), -self.limit, out=want)
        want -= state.held
        return Action(self._order(state, want))

    def fallback(self, state: Market, luck: Luck) -> Floats:
        """Without a forecast a trader unwinds what it holds."""
        return self._order(state, -state.held)

    def open_loop(self, state: Market, luck: Luck) -> Floats:
        """Traders stay as active, but take the error of their own view for the forecast."""
        guess = np.minimum(np.maximum(state.error[:, 0] * math.sqrt(1 - self._keep**2), -1), 1)
        return self._order(state, guess * self.limit - state.held)

    def step(self, state: Market, action: Action, luck: Luck) -> tuple[Market, Feedback]:
        """One auction; then makers, pace and stop logic follow the price."""
        s, total, dt = state, state.total, self.step_time
        r, m = s.held.shape
        far, near, flee, refill = (1 - math.exp(-dt / t) for t in (self.minute, self.horizon, self.flee, self.refill))
        trading = (s.halt <= 0) * 1.0
        strayed = (s.price - s.slow) * (1 / (self.news * math.sqrt(self.minute / 2)))
        stress = np.minimum(np.sqrt(1 + strayed * strayed), 1 / self.floor)  # volatility, of the calm one
        rush = stress**self.rush
        orders = action.value * trading[:, None]
        net, gross = orders.sum(axis=1), np.abs(orders).sum(axis=1)
        selling = np.minimum(self.seller * dt * s.pace, np.maximum(self.program - total.sold, 0)) * trading
        bargain = (self.buyers * dt) * (s.value - s.slow) * trading
        noise = np.sqrt(self._noise * dt * rush) * luck.normal("noise", (r,)) * trading
        left = net - selling + bargain + noise
        volume = (self.noise_volume * dt) * rush * trading + gross + selling + np.abs(bargain)

        news = self.news * math.sqrt(dt) * luck.normal("news", (r,))
        move = left / s.depth + news * trading
        price, value, position = s.price + move, s.value + news, s.position + net
        stop = (price < s.fast - self.stop_move) * trading * (self.stop_pause > 0)
        gap = self.book / stress - s.depth
        depth = s.depth + gap * (refill + (gap < 0) * (flee - refill))

        np.add(s.held, orders, out=s.held)
        np.add(s.wait, (s.due * self.cooldown - dt) * trading[:, None], out=s.wait)
        np.less_equal(s.wait, 0, out=s.due)
        np.multiply(s.error, self._keep, out=s.error)
        for i, name in enumerate(ERRORS):
            s.error[:, i] += luck.noise(name, (r, m))
        peak = np.maximum(total.peak, price)
        then = s._replace(  # what each trader has was changed in place
            price=price,
            value=value,
            fast=s.fast + near * (price - s.fast),
            slow=s.slow + far * (price - s.slow),
            flow=s.flow + near * (left / dt - s.flow),
            depth=depth,
            pace=s.pace + far * (volume / dt - s.pace),
            halt=np.maximum(s.halt - dt, 0) + stop * self.stop_pause,
            position=position,
            total=Tally(
                peak=peak,
                drawdown=np.maximum(total.drawdown, -np.expm1((price - peak) / 1e4)),
                thinnest=np.minimum(total.thinnest, depth / self.book),
                widest=np.maximum(total.widest, np.abs(position)),
                pauses=total.pauses + stop,
                sold=total.sold + selling,
                traded=total.traded + volume,
                orders=total.orders + gross,
                push=total.push + net / s.depth,
                loss=total.loss + volume * np.maximum(value - price, 0) * (CONTRACT / 1e10),
            ),
        )
        return then, Feedback(np.zeros((r, m)) + (move / dt)[:, None])

    def measure(self, state: Market) -> dict[str, Floats]:
        """The measures now; the share is 0 before anything was traded."""
        t = state.total
        now = {"price": 100 * np.exp(state.price / 1e4), "depth": state.depth / self.book, "volume": state.pace}
        now |= {"position": state.position, "share": t.orders / np.maximum(t.traded, 1.0)}
        return {name: now[name] if name in now else getattr(t, name) for name in self.measures}

    @property
    def _keep(self) -> float:
        """How much of a view's error is left a tick later."""
        return math.exp(-self.step_time / self.horizon)

    @property
    def _noise(self) -> float:
        """Variance of the calm net flow of noise traders, contracts^2/s (exponential sizes)."""
        return 2 * self.trade_size * self.noise_volume

    def _order(self, state: Market, gap: Floats) -> Floats:
        """What is ordered now of `gap` `(r, m)`, overwritten: a fixed part, by those whose cooldown is over."""
        gap *= state.due
        gap *= 1 - 0.5 ** (self.cooldown / self.half_life)
        return gap


def _nothing(price: Floats) -> Tally:
    zero = np.zeros(len(price))
    return Tally(price, zero, zero + 1, zero, zero, zero, zero, zero, zero, zero)
