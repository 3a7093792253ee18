"""House pricing: firms whose models value homes buy them from sellers who know them better, and resell them weeks later.

Every week some sellers ask all firms for an offer. An offer is what a firm's model says the home is worth, plus the growth that the firm
expects until it resells, less its margin; the best one is taken if it reaches the seller's reservation, that is worth + reserve z.
With a valuation error e of spread s, a reservation of spread r and one bidder, the homes that are bought were overvalued by

    E[e | e + a S > r z] = s^2 / S  phi(a) / Phi(a),   S^2 = s^2 + r^2,   a = (growth expected - margin) / S

by the algebra of normals (selection as in Heckman 1979, Econometrica 47): adverse selection. Of n bids whose errors are correlated by c
the highest is too high by s sqrt(1 - c) m_n, m_n the mean of the highest of n standard normals (1.539 for ten), before any seller
selects: the winner's curse (Capen, Clapp & Campbell 1971, J. Petroleum Technology 23). Equal offers share the home equally.

What a public assessment leaves open of a home has the standard deviation `spread`, and a view reads it with an error of which a share
`alike` is common to all views. A model that has learnt how far to trust its reading is wrong by s^2 = spread^2 error^2 / (spread^2 +
error^2), whatever it says, and c = alike + (1 - alike) s^2 / spread^2. What it learns from are sales: a home stands for its like, of
which a share `reach` asks for offers and all others sell for what they are worth. So firms' own prices are in the evidence by their share
of the market. By the weight `own_books` models learn instead what homes that their firm bought turned out to be worth.

The market pays the level, a random walk with a drift, plus a premium that follows what was paid above it: premium = anchor
(premium + share x overpayment) once it is at rest, so share x overpayment x anchor / (1 - anchor). Firms expect the market's recent
growth to go on. Money is in % of a price, that is hundredths of its logarithm. Homes and errors are bulk noise (none beyond 4.3 standard
deviations); nothing is fitted, and there are no costs of holding or selling a home.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Floats
from simlab.base.errors import ParameterError
from simlab.base.kernels import one_factor
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Action, Feedback, Measure, Spec, World

WEEK = 7 * 86_400.0
NO_OFFER = -1_000.0  # % above the assessment: nobody sells for e^-10 of it


class Books(NamedTuple):
    """Sums over homes so far, each `(r,)`."""

    asked: Floats
    bought: Floats
    highest: Floats  # highest valuation less worth, where there was an offer
    curse: Floats  # valuation less worth, of homes bought
    resold: Floats
    lost: Floats  # paid less resale price


class Town(NamedTuple):
    """The state: this week's homes, the market, what firms hold `(r, m, hold)`, and sums."""

    worth: Floats  # (r, n) above the assessment
    error: Floats  # (r, m, n) of each view, standard normal
    market: Floats  # (r,) price level that is paid, with the premium
    premium: Floats  # (r,)
    growth: Floats  # (r,) of the market, of late, in a tick
    off: Floats  # (r,) valuation less worth, mean of all homes and firms, now
    tick: Floats  # (r,)
    held: Floats  # homes by when they were bought
    paid: Floats  # what was paid for them above worth, plus the market level then
    resold: Floats  # (r, m) of late
    lost: Floats  # (r, m) on these
    total: Books


@final
@dataclass(frozen=True)
class HousePricing(World[Town]):
    """Firms that each have a model to value homes, and one market."""

    firms: Annotated[int, Par("1", "firms that all bid for every home, each with a model", low=1, high=200)] = 10
    homes: Annotated[int, Par("1", "homes in a tick whose sellers ask for offers", low=1)] = 20
    step_time: Annotated[float, Par("s", "time between two rounds of offers", above=0)] = WEEK
    spread: Annotated[float, Par("%", "standard deviation of worth above the assessment", above=0, high=100)] = 30.0
    error: Annotated[float, Par("%", "error of a view", low=0)] = 5.0
    alike: Annotated[float, Par("1", "share of the error's variance that views have in common", low=0, high=1)] = 0.0
    reserve: Annotated[float, Par("%", "standard deviation of reservations about what homes are worth", low=0)] = 5.0
    margin: Annotated[float, Par("%", "how far offers are below the expected resale price", live=True)] = 5.0
    outlook: Annotated[float, Par("1", "share of recent growth that firms expect to go on", low=0, live=True)] = 1.0
    hold: Annotated[float, Par("s", "time from buying a home to its resale", above=0)] = 13 * WEEK
    recall: Annotated[float, Par("s", "age at which growth and prices paid count 1/e", above=0)] = 13 * WEEK
    drift: Annotated[float, Par("%/week", "growth of prices, of itself", live=True)] = 0.35
    shake: Annotated[float, Par("%", "standard deviation of the level's step in a week", low=0)] = 0.2
    reach: Annotated[float, Par("1", "share of all sellers who ask for offers", low=0, high=1, live=True)] = 0.02
    anchor: Annotated[float, Par("1", "share of an overpayment that the market follows", low=0, below=1)] = 0.5
    own_books: Annotated[float, Par("1", "weight of own purchases, as appraised, in evidence", low=0, high=1)] = 0.0
    line: Annotated[float, Par("%", "loss on homes resold lately above which a firm is losing")] = 5.0

    measures: ClassVar[Mapping[str, Measure]] = {
        "recent_loss": Measure("%", "loss on homes resold lately, mean", "higher"),
        "losing": Measure("1", "share of the firms whose homes resold lately lost more than the line", "higher"),
        "loss": Measure("%", "paid less resale price, mean of homes resold so far", "higher"),
        "bill": Measure("%", "paid less resale price so far, per home asked about", "higher"),
        "curse": Measure("%", "valuation less worth, mean of homes bought so far", "higher"),
        "highest": Measure("%", "highest valuation less worth, mean of homes so far; 0 without an offer", "higher"),
        "off": Measure("%", "valuation less worth, mean of all homes and firms, now", bound=1e6),
        "bought": Measure("1", "share of the homes asked about so far that were bought"),
        "share": Measure("1", "share of all sales so far that were to a firm"),
        "prices_moved": Measure("%", "rise of prices that comes of what firms paid, now", "higher", bound=1e6),
        "expected": Measure("%", "growth expected until resale, now", bound=1e6),
    }

    def check(self) -> None:
        """Raise ParameterError where homes are resold before the next offers."""
        if self.hold < self.step_time:
            raise ParameterError(
                f"HousePricing.hold must be at least step_time ({self.step_time:g} s), not {self.hold:g} s"
            )

    @property
    def spec(self) -> Spec:
        """Each model says what each home is worth, in % above its assessment, from a 1 and its view's reading, scaled."""
        return Spec(models=self.firms, views=self.firms, case=(self.homes,), features=2)

    @property
    def tick(self) -> float:
        """Seconds between two rounds of offers."""
        return self.step_time

    @property
    def rounds(self) -> int:
        """Ticks to resale."""
        return round(self.hold / self.step_time)

    def start(self, luck: Luck) -> Town:
        """Growth is what it always was, and firms hold nothing."""
        r = luck.replications
        growth = np.full(r, self.drift * self.step_time / WEEK)
        market, premium, off, tick = np.zeros((4, r))
        held, paid = np.zeros((2, r, self.firms, self.rounds))
        resold, lost = np.zeros((2, r, self.firms))
        return Town(*self._asked(luck), market, premium, growth, off, tick, held, paid, resold, lost, _none(r))

    def settle(self, state: Town) -> Town:
        """Sums begin anew."""
        return state._replace(total=_none(len(state.tick)))

    def observe(self, state: Town) -> Floats:
        """`(r, m, n, 2)`: 1, and the reading of each home, in units of the spread."""
        x = np.ones((2, *state.error.shape))  # a feature of all models lies together
        np.multiply(state.error, self.error / self.spread, out=x[1])
        x[1] += (state.worth / self.spread)[:, None]
        return x.transpose(1, 2, 3, 0)

    def act(self, state: Town, said: Array, luck: Luck) -> Action:
        """Offers `(r, m, n)`, in % above the assessment: what is `said`, plus expected growth, less the margin."""
        state.off[:] = (said - state.worth[:, None]).mean(axis=(1, 2))
        return Action(said + (self._expected(state) - self.margin)[:, None, None])

    def fallback(self, state: Town, luck: Luck) -> Floats:
        """Without a model no offer is made, `(r, m, n)`."""
        return np.full(state.error.shape, NO_OFFER)

    def step(self, state: Town, action: Action, luck: Luck) -> tuple[Town, Feedback]:
        """Sellers take the best offer if it will do, homes bought long enough ago are resold, and the market moves."""
        s, t, offer = state, state.total, action.value
        best, cell = offer.max(axis=1), int(s.tick[0]) % self.rounds
        sold = best >= s.worth + self.reserve * luck.noise("reservation", s.worth.shape)
        buys = (offer == best[:, None]).astype(np.float64)
        buys *= (sold / buys.sum(axis=1))[:, None]
        over = best - s.worth
        beyond = over + (self.margin - self._expected(s))[:, None]
        resold = s.held[..., cell].copy()
        lost = s.paid[..., cell] - resold * s.market[:, None]
        s.held[..., cell] = buys.sum(axis=2)
        s.paid[..., cell] = (buys * over[:, None]).sum(axis=2) + s.held[..., cell] * s.market[:, None]
        more, newer = self.reach * sold * over, -math.expm1(-self.step_time / self.recall)
        premium = s.premium + newer * (self.anchor * (s.premium + more.mean(axis=1)) - s.premium)
        market = s.market + premium - s.premium + self._news(luck)
        then = Town(
            *self._asked(luck),
            market=market,
            premium=premium,
            growth=s.growth + newer * (market - s.market - s.growth),
            off=s.off,
            tick=s.tick + 1,
            held=s.held,
            paid=s.paid,
            resold=s.resold + newer * (resold - s.resold),
            lost=s.lost + newer * (lost - s.lost),
            total=Books(
                asked=t.asked + self.homes,
                bought=t.bought + sold.sum(axis=1),
                highest=t.highest + (beyond * (best > NO_OFFER / 2)).sum(axis=1),
                curse=t.curse + (beyond * sold).sum(axis=1),
                resold=t.resold + resold.sum(axis=1),
                lost=t.lost + lost.sum(axis=1),
            ),
        )
        return then, self._sales(s.worth, more, buys)

    def measure(self, state: Town) -> dict[str, Floats]:
        """The measures now; 0 where there is no home to speak of."""
        s, t = state, state.total
        bought = _mean(t.bought, t.asked)
        return {
            "recent_loss": _mean(s.lost.sum(axis=1), s.resold.sum(axis=1)),
            "losing": (_mean(s.lost, s.resold) > self.line).mean(axis=1),
            "loss": _mean(t.lost, t.resold),
            "bill": _mean(t.lost, t.asked),
            "curse": _mean(t.curse, t.bought),
            "highest": _mean(t.highest, t.asked),
            "off": s.off.copy(),
            "bought": bought,
            "share": self.reach * bought,
            "prices_moved": s.premium.copy(),
            "expected": self._expected(s),
        }

    def _expected(self, state: Town) -> Floats:
        """Growth that firms expect until resale, `(r,)`."""
        return self.outlook * self.rounds * state.growth

    def _asked(self, luck: Luck) -> tuple[Floats, Floats]:
        """The next homes, what they are worth `(r, n)`, and the errors of the views, standard normal `(r, m, n)`."""
        r = luck.replications
        worth, error = luck.noise("home", (r, self.homes)), luck.noise("view error", (r, self.firms, self.homes))
        if self.alike:
            common = luck.noise("common error", (r, self.homes))
            return self.spread * worth, one_factor(common[:, None], error, self.alike)
        return self.spread * worth, error.copy()

    def _news(self, luck: Luck) -> Floats:
        """The level's step in a tick, `(r,)`."""
        weeks = self.step_time / WEEK
        return self.drift * weeks + self.shake * math.sqrt(weeks) * luck.normal("level", (luck.replications,))

    def _sales(self, worth: Floats, more: Floats, buys: Floats) -> Feedback:
        """Prices on record, mean of the homes alike, `(r, m, n)`; `more` `(r, n)` is what firms' purchases add to that mean."""
        if not self.own_books:
            return Feedback(np.broadcast_to((worth + more)[:, None], buys.shape))
        weight = 1 - self.own_books + self.own_books * buys
        priced = worth[:, None] + (1 - self.own_books) * more[:, None] / np.maximum(weight, 1e-12)
        return Feedback(priced, weight)


def _mean(total: Floats, number: Floats) -> Floats:
    return np.asarray(total / np.where(number > 1e-9, number, np.inf))


def _none(r: int) -> Books:
    return Books(*(np.zeros(r) for _ in Books._fields))
