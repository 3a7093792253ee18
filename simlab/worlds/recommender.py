"""Recommendation: people are shown what they are expected to like, and come to like what they click on.

Jiang, Chiappa, Lattimore, Gyorgy & Kohli (2019), "Degenerate feedback loops in recommender systems", AIES. A user has an interest mu
in each of K items and clicks on what is shown with probability 1 / (1 + exp(-mu)); a click raises mu by `drift` and its
absence lowers it by as much. So the interest in an item that is always shown drifts by drift x tanh(mu / 2) a day, and in the
mean field sinh(mu / 2) grows as exp(drift x t / 2): interests leave every bound at last, at the speed `drift`, whoever serves. A
list of l items drawn at random shows an item on one day in K / l, and is slower by that factor.

Users are grouped in cohorts with tastes of their own, and each cohort has a model, which says with what shares its list of the day
is to be drawn; all its users see that list. An item is on it with l times its share, and surely from 1 / l on (systematic sampling,
Madow 1949, Annals of Mathematical Statistics 20). A view estimates how much a cohort likes each item now, with an error about the item
that stays, of the same law in every view. In a viral spike everybody clicks more on the first item.

A tick is a day's visit because it is part of the source: one list, one decision on each of its items. Nothing is fitted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Floats, Ints
from simlab.base.errors import ParameterError
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Action, Feedback, Measure, Spec, World

DAY = 86_400.0
VIRAL = 0  # the item that a spike is about


class Tally(NamedTuple):
    """Sums over the days so far."""

    days: Floats  # (r,)
    shown: Floats  # (r, m, k) how often each item was shown
    worth: Floats  # (r, m) clicks of a user that the lists would have had by first interests


class Audience(NamedTuple):
    """The state. Interest now is `first` + drift x `net`."""

    first: Floats  # (r, m, k, u) first interest of each user in each item, log-odds of a click
    net: Floats  # (r, m, k, u) clicks less refusals
    mean: Floats  # (r, m, k) mean first interest of the users
    sum: Floats  # (r, m, k) sum of `net` over users
    square: Floats  # (r, m, u) sum of the squares of `net` over items
    error: Floats  # (r, m, k) of each view, standard normal
    worth: Floats  # (r, m, k) clicks to be expected of a user by first interests
    best: Floats  # (r, m) the same of a list of the best items
    shown: Floats  # (r, m, k) 1 for what was shown today
    clicked: Floats  # (r,) share of what was shown today
    total: Tally


@final
@dataclass(frozen=True)
class Recommender(World[Audience]):
    """Cohorts of users that are each shown a list of items a day."""

    cohorts: Annotated[int, Par("1", "cohorts of users, each served by one model", low=1)] = 8
    users: Annotated[int, Par("1", "users in a cohort", low=1)] = 12
    items: Annotated[int, Par("1", "items to choose from", low=2)] = 40
    length: Annotated[int, Par("1", "items on a list", low=1)] = 4
    drift: Annotated[float, Par("1", "change of an interest, in log-odds, with a click or its absence", low=0)] = 0.06
    spread: Annotated[float, Par("1", "standard deviation of first interests, in log-odds", low=0)] = 1.0
    popular: Annotated[float, Par("1", "share of their variance that all users have in common", low=0, high=1)] = 0.2
    taste: Annotated[float, Par("1", "share that the users of a cohort have in common beside it", low=0, high=1)] = 0.4
    error: Annotated[float, Par("1", "error of a view about an item, in log-odds", low=0)] = 0.5
    viral: Annotated[float, Par("1", "log-odds added to all clicks on the first item", live=True)] = 0.0
    line: Annotated[
        float, Par("1", "a bubble begins where the odds of l items have changed this many-fold", above=1)
    ] = 10.0

    measures: ClassVar[Mapping[str, Measure]] = {
        "moved": Measure("1", "distance of a user's interests from the first ones: Euclidean, in log-odds", "higher"),
        "bubbled": Measure("1", "share of the cohorts whose users' interests are beyond the line", "higher"),
        "alike": Measure(
            "1", "overlap of two cohorts' lists of the day (Jaccard index)", "higher", may_be_undefined=True
        ),
        "variety": Measure(
            "1", "effective number of items that a cohort was shown so far", "lower", may_be_undefined=True
        ),
        "gini": Measure(
            "1", "inequality of items in how often they were shown so far", "higher", may_be_undefined=True
        ),
        "clicks": Measure("1", "share of what was shown today that was clicked on", "lower", may_be_undefined=True),
        "satisfaction": Measure(
            "1",
            "clicks that the lists so far would have had by first interests, of those of the best lists",
            "lower",
            may_be_undefined=True,
        ),
        "lost": Measure(
            "1", "clicks of a user that the best lists would have had beside, by first interests", "higher"
        ),
    }

    def check(self) -> None:
        """Raise ParameterError where a list is too long, or parts of a variance exceed the whole."""
        if self.length > self.items:
            raise ParameterError(f"Recommender.length must be at most items ({self.items}), not {self.length}")
        if self.popular + self.taste > 1:
            raise ParameterError(
                f"Recommender.popular and taste must add up to at most 1, not {self.popular + self.taste:g}"
            )

    @property
    def spec(self) -> Spec:
        """Each model says with what shares to draw its cohort's list, from what its view believes of the click rates."""
        return Spec(self.cohorts, "shares", self.cohorts, features=self.items, choices=self.items)

    @property
    def tick(self) -> float:
        """One day."""
        return DAY

    def start(self, luck: Luck) -> Audience:
        """First interests: what all have in common, what a cohort has, and each user's own, all normal."""
        r, m, k, u = luck.replications, self.cohorts, self.items, self.users
        shared = math.sqrt(self.popular) * luck.normal("popular", (r, k))[:, None]
        shared = shared + math.sqrt(self.taste) * luck.normal("taste", (r, m, k))
        own = math.sqrt(max(1 - self.popular - self.taste, 0.0)) * luck.normal("own", (r, m, k, u))
        first = self.spread * (shared[..., None] + own)
        worth = chance(first).mean(axis=3)
        best = np.sort(worth, axis=2)[:, :, k - self.length :].sum(axis=2)
        net, moves, shown, square = (np.zeros(shape) for shape in ((r, m, k, u), (r, m, k), (r, m, k), (r, m, u)))
        error, unknown = luck.normal("view error", (r, m, k)).copy(), np.full(r, np.nan)
        mean = first.mean(axis=3)
        return Audience(first, net, mean, moves, square, error, worth, best, shown, unknown, none(r, m, k))

    def settle(self, state: Audience) -> Audience:
        """Sums begin anew."""
        return state._replace(total=none(*state.sum.shape))

    def observe(self, state: Audience) -> Floats:
        """`(r, m, k)`: how likely a user of average interest is to click on each item, as the view believes."""
        x = state.mean + self.drift / self.users * state.sum + self.error * state.error
        x[..., VIRAL] += self.viral
        return chance(x)

    def act(self, state: Audience, said: Array, luck: Luck) -> Action:
        """Draw a list for each cohort, `(r, m, l)` items, with the shares `said` `(r, m, k)`; -1 where they do not fill it."""
        (r, m, k), size = said.shape, self.length
        surely = np.fmin(np.fmax(said * size, 0.0), 1.0)  # nothing where it is undefined
        place = np.zeros((r, m, k + 1), dtype=np.int64)
        reach = np.cumsum(surely, axis=2) + luck.uniform("list", (r, m))[..., None]
        place[..., 1:] = np.minimum(reach, size + 0.5)  # a list is full, whatever else was said
        cell = np.flatnonzero(place[..., 1:] > place[..., :-1])
        row, count = cell // k, place[..., -1].ravel()
        slot = np.arange(len(cell)) + (size - np.cumsum(count)).take(row)  # the last of a list stands last
        items, odds = np.full((r, m, size), -1), np.zeros((r, m, size))
        items.reshape(-1)[row * size + slot] = cell - row * k
        odds.reshape(-1)[row * size + slot] = surely.reshape(-1)[cell]
        return Action(items, odds)

    def fallback(self, state: Audience, luck: Luck) -> Ints:
        """Without a model a list is drawn at random, `(r, m, l)`."""
        ranks = luck.uniform("any", (luck.replications, self.cohorts, self.items)).argsort(axis=2, kind="stable")
        return np.sort(ranks[..., : self.length], axis=2)

    def step(self, state: Audience, action: Action, luck: Luck) -> tuple[Audience, Feedback]:
        """Users click or do not; the answer `(r, m, k)` is the share of a cohort's users who clicked, seen where an item was shown."""
        s, total, (r, m, k, u) = state, state.total, state.net.shape
        item = action.value
        even = self.length / k  # the chance of what the plain rule shows
        known = np.full(item.shape, np.nan) if action.chance is None else action.chance
        odds = np.where(np.isnan(known), even, known)
        if (item[..., 1:] < item[..., :-1]).any():  # a hand has mixed lists
            order = item.argsort(axis=2, kind="stable")
            item, odds = (np.take_along_axis(a, order, axis=2) for a in (item, odds))
        there = item >= 0
        there[..., :-1] &= item[..., 1:] != item[..., :-1]  # what stands twice on a list is shown once
        item = np.maximum(item, 0)
        row = item + np.arange(r * m).reshape(r, m, 1) * k
        doubt, net = (a.reshape(-1, u).take(row, axis=0) for a in (s.first, s.net))
        doubt += self.drift * net
        doubt += (self.viral * (item == VIRAL))[..., None]
        np.exp(np.negative(doubt, out=doubt), out=doubt)
        doubt += 1  # now: 1 / chance of a click
        doubt *= luck.uniform("clicks", doubt.shape)
        change = np.copysign(1.0, np.subtract(1, doubt, out=doubt), out=doubt)
        change *= there[..., None]
        square = s.square + 2 * np.einsum("rmlu,rmlu->rmu", net, change) + there.sum(axis=2, keepdims=True)
        net += change
        s.net.reshape(-1, u)[row] = net  # where a row repeats the last counts, which is the one that was shown

        cell, gained = row[there], np.einsum("rmlu->rml", change)[there]
        worth = (s.worth.reshape(-1).take(row) * there).sum(axis=2)
        shown, answers, chances = np.zeros((3, r, m, k))
        shown.reshape(-1)[cell] = 1
        answers.reshape(-1)[cell] = (gained / u + 1) / 2
        s.sum.reshape(-1)[cell] += gained
        total.shown.reshape(-1)[cell] += 1
        chances.reshape(-1)[cell] = odds[there]
        then = s._replace(
            square=square,
            shown=shown,
            clicked=answers.reshape(r, -1).sum(axis=1) / np.maximum(shown.reshape(r, -1).sum(axis=1), 1),
            total=Tally(total.days + 1, total.shown, total.worth + worth),
        )
        return then, Feedback(answers, shown * u, chance=chances)

    def measure(self, state: Audience) -> dict[str, Floats]:
        """The measures now; what depends on lists is undefined before the first."""
        s, t, m, k = state, state.total, self.cohorts, self.items
        days = np.where(t.days > 0, t.days, np.nan)
        moved = self.drift * np.einsum("rmu->rm", np.sqrt(s.square)) / self.users
        beyond = moved > math.log(self.line) * math.sqrt(self.length)
        variety = t.shown.sum(axis=2) ** 2 / np.maximum(np.einsum("rmk,rmk->rm", t.shown, t.shown), 1)
        moved, beyond, variety, best, worth = np.stack([moved, beyond, variety, s.best, t.worth]).mean(axis=2)
        both, size = np.einsum("rik,rjk->rij", s.shown, s.shown), s.shown.sum(axis=2)
        overlap = (both / np.maximum(size[:, :, None] + size[:, None] - both, 1)).reshape(-1, m * m).sum(axis=1) - m
        ranked = np.sort(t.shown.sum(axis=1), axis=1)
        uneven = (np.arange(1 - k, k, 2) * ranked).sum(axis=1) / (k * np.maximum(ranked.sum(axis=1), 1))
        unknown = days * 0
        now = {
            "moved": moved,
            "bubbled": beyond,
            "alike": overlap / (m * (m - 1)) + unknown if m > 1 else np.full(len(days), np.nan),
            "variety": variety + unknown,
            "gini": uneven + unknown,
            "clicks": s.clicked,
            "satisfaction": worth / (days * best),
            "lost": t.days * best - worth,
        }
        return {name: now[name] for name in self.measures}


def chance(interest: Floats) -> Floats:
    """The probability of a click, from its log-odds."""
    return np.asarray(1 / (1 + np.exp(-interest)))


def none(r: int, m: int, k: int) -> Tally:
    """Nothing shown yet."""
    return Tally(np.zeros(r), np.zeros((r, m, k)), np.zeros((r, m)))
