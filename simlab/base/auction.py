"""Auctions at one price, for a whole cohort at once: orders in a histogram over price levels or one by one, and a ladder that is walked.

Shapes: `r` replications, `k` price levels. Sizes are non-negative floats; nothing loops over orders or replications.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from simlab.base.arrays import Array, Floats, Ints
from simlab.base.kernels import columns


class Cleared(NamedTuple):
    """An auction's outcome. Any level from `low` to `high` clears it; where nothing trades `volume` is 0."""

    low: Ints  # (r,) the lowest level that clears
    high: Ints  # (r,) the highest; the same unless supply meets demand exactly at `low`
    volume: Floats  # (r,) traded
    bought: Floats  # (r, k) what is filled of the buy orders at each level
    sold: Floats  # (r, k) and of the sell orders


def clear(buys: Floats, sells: Floats) -> Cleared:
    """Clear call auctions at the one price that trades most; `buys` and `sells` `(r, k)` are sizes by their limit, levels ascending.

    Demand at level l, D(l), is all buys with a limit of l or more, supply S(l) all sells with a limit of l or less. With B all buys
    and C(l) all orders, of either side, with a limit of l or less, S(l) - D(l+1) = C(l) - B. So the lowest l with C(l) >= B has
    S(l) >= D(l+1) and S(l-1) < D(l): orders strictly better than l are filled, and no other level trades more, since volume above is
    at most D(l+1) and below at most S(l-1). The price is thus one order statistic, the B-th, of the pooled limits, found by a
    cumulative sum and a count. It stays so up to the level where C exceeds B. At the margin the longer side is filled pro rata;
    priority is by price alone. Fills of sizes that are not whole numbers are exact to rounding.
    """
    r, k = buys.shape
    pooled = np.cumsum(buys + sells, axis=1)
    best = buys[:, ::-1]
    falling, supply = np.cumsum(best, axis=1), np.cumsum(sells, axis=1)
    demand = falling[:, ::-1]
    want, row = demand[:, :1], np.arange(r)
    low = np.minimum((pooled < want).sum(axis=1), k - 1)
    high = np.maximum(np.minimum((pooled <= want).sum(axis=1), k - 1), low)
    volume = np.minimum(demand[row, low], supply[row, low])
    bought = _filled(best, falling.copy(), volume)[:, ::-1]
    return Cleared(low, high, volume, bought, _filled(sells, supply, volume))


class Crossed(NamedTuple):
    """The lowest level that clears an auction, `(r,)`, and how many pieces are traded, `(r,)`."""

    level: Ints
    volume: Ints


def cross(buys: Array, sells: Array, levels: int) -> Crossed:
    """Clear call auctions of orders for one piece each: `buys` `(r, b)` and `sells` `(r, s)` are their limits, from 0 to `levels` - 1.

    The price is that of `clear`, the b-th lowest of all limits. No histogram is needed: where it lies is halved again and again, by
    counting the limits at or below the middle, of either side. The last counts are those of the price: what is sold at it
    or lower, and what is bought lower, which leaves the demand. A count is a comparison, for which limits had better be of few
    bytes (int8 up to 128 levels), and its truths, bytes of 0 or 1, are added up eight at a time. Orders that should be sorted or
    told apart by size or time need `clear`.
    """
    (r, b), s = buys.shape, sells.shape[1]
    low, high = np.zeros(r, np.int64), np.full(r, levels - 1)
    cheaper, supply = np.zeros(r, np.int64), np.full(r, s)
    sides = [(side, np.zeros((r, -(-side.shape[1] // 8) * 8), dtype=bool)) for side in (buys, sells)]
    for _ in range((levels - 1).bit_length()):
        middle = (low + high) >> 1
        bought, sold = (_at_most(side, middle, scratch) for side, scratch in sides)
        above = bought + sold < b
        above &= low < high
        np.copyto(low, middle + 1, where=above)
        np.copyto(cheaper, bought, where=above)
        np.logical_not(above, out=above)
        np.copyto(high, middle, where=above)
        np.copyto(supply, sold, where=above)
    return Crossed(low, np.minimum(b - cheaper, supply))


def _at_most(limits: Array, level: Ints, scratch: Array) -> Ints:
    """How many of each row of `limits` `(r, n)` are at most its `level` `(r,)`; `scratch` `(r, 8 n')` is 0 from n on."""
    np.less_equal(limits, level.astype(limits.dtype)[:, None], out=scratch[:, : limits.shape[1]])
    words = scratch.view(np.uint64)
    some = np.arange(0, words.shape[1], 255)  # words at a time, so that no byte overflows
    return np.asarray(np.add.reduceat(words, some, axis=1).view(np.uint8).sum(axis=1, dtype=np.int64))


def filled(ladder: Floats, amount: Floats) -> Floats:
    """How much of each rung of a `ladder` `(r, k)`, best price first, an `amount` `(r,)` takes, `(r, k)`."""
    return _filled(ladder, np.cumsum(ladder, axis=1), amount)


def _filled(ladder: Floats, taken: Floats, amount: Floats) -> Floats:
    """The same, from the cumulative sum of the ladder, which is written over."""
    taken -= ladder
    np.subtract(amount[:, None], taken, out=taken)
    np.maximum(taken, 0, out=taken)
    return np.minimum(taken, ladder, out=taken)


def walk(ladder: Floats, widths: Floats, amount: Floats) -> tuple[Floats, Floats]:
    """How far the price goes when `amount` `(r,)` of market orders meets a `ladder` `(r, k)`: `(r,)`, and what each rung gives, `(r, k)`.

    `ladder` holds what is offered in bands of `widths` `(k,)`, best price first, spread evenly over each band (all rungs above 0). This is
    `clear` with market orders on one side and ever finer levels. Beyond the last band the ladder goes on as thick as in it.
    """
    far, gives = _walk(np.ascontiguousarray(ladder.T), widths[:, None], amount)
    return far, gives.T


def _walk(ladder: Floats, widths: Floats, amount: Floats) -> tuple[Floats, Floats]:
    """The same with rungs on the first axis, `(k, r)` and `(k, 1)`: few long rows, which are added up one by one in half the time."""
    gives = ladder.copy()
    for before, rung in pairwise(gives):
        rung += before
    beyond = amount - gives[-1]
    _filled(ladder.T, gives.T, amount)
    thin = widths / ladder
    far = np.add.reduce(gives * thin)
    far += np.maximum(beyond, 0.0) * thin[-1]
    return far, gives


def growing(widths: Floats, density: float, total: float) -> Floats:
    """A ladder in bands of `widths` `(k,)` that holds `total`: of `density` at the price and growing linearly from there, `(k,)`."""
    reach, middle = widths.sum(), np.cumsum(widths) - widths / 2
    return np.asarray(widths * (density + middle * (2 * (total / reach - density) / reach)))


class Book(NamedTuple):
    """A side of an undisturbed book, bids or asks alike, in `k` bands, of which `share` of the first `n` are one kind of quotes."""

    widths: Floats  # (k, 1) of the bands, best price first
    theirs: Floats  # (n, 1) what those who quote near the price offer in each
    others: Floats  # (k, 1) what the others do
    share: float
    sums: tuple[float, float, float]  # of `theirs`, of `others`, of both


@lru_cache(64)
def undisturbed(widths: tuple[float, ...], density: float, total: float, near: int, share: float) -> Book:
    """A side that is `growing`, of whose first `near` bands a `share` is theirs who quote there."""
    bands = np.array(widths)
    ladder, quoted = growing(bands, density, total), np.where(np.arange(len(bands)) < near, share, 0.0)
    theirs, others = ladder * quoted, ladder * (1 - quoted)
    sums = float(theirs.sum()), float(others.sum()), float(ladder.sum())
    for kept in (bands, theirs, others):
        kept.flags.writeable = False
    return Book(bands[:, None], theirs[:near, None], others[:, None], share, sums)


class Met(NamedTuple):
    """What market orders did to a book that two kinds of quotes make up; sides are bids and asks."""

    move: Floats  # (r,) of the price
    caught: Floats  # (r,) bought (sold, if negative) by those who quote near the price
    part: Floats  # (r, 2) their part of what is near the price
    others: Floats  # (r, 2) what then stands of the others' quotes
    bid: Floats  # (r,) bids after that, share of the undisturbed


def meet(left: Floats, others: Floats, near: Floats, book: Book) -> Met:
    """Market orders of `left` net contracts `(r,)`, positive to buy, walk the side they hit.

    `others` and `near` `(r, 2)` say how much of their bids and asks stands, of the undisturbed `book`. Each band gives of both kinds in
    proportion. `others` must be above 0.
    """
    up, theirs, rest = left > 0, book.theirs, book.others
    quotes = book.share * near
    part = quotes / (quotes + (1 - book.share) * others)
    mine, yours, ours = (np.where(up, sides[:, 1], sides[:, 0]) for sides in (near, others, part))
    ladder = rest * yours
    ladder[: len(theirs)] += theirs * mine
    run, gives = _walk(ladder, book.widths, np.abs(left))
    caught = np.add.reduce(gives[: len(theirs)] * ours)
    gone = (np.add.reduce(gives) - caught) / book.sums[1]
    left_over = columns(others[:, 0] - gone * ~up, others[:, 1] - gone * up)
    bid = (left_over[:, 0] * book.sums[1] + near[:, 0] * book.sums[0]) / book.sums[2]
    return Met(np.copysign(run, left), np.copysign(caught, -left), part, left_over, bid)


def hot_potato(customers: Floats, share: Floats, rate: float) -> Floats:
    """Volume when intermediaries pass on what they were dealt by chance, `(r,)`, for a volume of `customers` `(r,)` in units of `rate`.

    Of a volume V they catch a `share` as it comes, in trades of exponential size with mean q, so that each of n is dealt a random
    imbalance of variance 2 q share V / n a second. Each passes it on within a time T, hence holds a standard deviation of
    sqrt(q share V T / n) and all together pass on U = sqrt(rate share V) a second, with rate = (2/pi) n q / T (the mean of |normal|).
    Part of that falls to them again (Lyons 1997, J. International Economics 42), so V = customers + U is solved for V. Exact for many
    trades within T; 8% too much for three.
    """
    half = np.sqrt(rate * share) / 2
    return np.asarray((half + np.sqrt(half * half + customers)) ** 2)
