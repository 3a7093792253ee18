"""Auctions at one price, for a whole cohort at once: orders in a histogram over price levels, and a ladder that is walked.

Shapes: `r` replications, `k` price levels. Sizes are non-negative floats; nothing loops over orders or replications.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simlab.base.arrays import Floats, Ints


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
    demand = np.cumsum(buys[:, ::-1], axis=1)[:, ::-1]
    supply = np.cumsum(sells, axis=1)
    want, row = demand[:, :1], np.arange(r)
    low = np.minimum((pooled < want).sum(axis=1), k - 1)
    high = np.maximum(np.minimum((pooled <= want).sum(axis=1), k - 1), low)
    volume = np.minimum(demand[row, low], supply[row, low])
    bought = filled(buys[:, ::-1], volume)[:, ::-1]
    return Cleared(low, high, volume, bought, filled(sells, volume))


def filled(ladder: Floats, amount: Floats) -> Floats:
    """How much of each rung of a `ladder` `(r, k)`, best price first, an `amount` `(r,)` takes, `(r, k)`."""
    taken = np.cumsum(ladder, axis=1)
    taken -= ladder
    np.subtract(amount[:, None], taken, out=taken)
    np.maximum(taken, 0, out=taken)
    return np.minimum(taken, ladder, out=taken)


def walk(ladder: Floats, widths: Floats, amount: Floats) -> tuple[Floats, Floats]:
    """How far the price goes when `amount` `(r,)` of market orders meets a `ladder` `(r, k)`: `(r,)`, and what each rung gives, `(r, k)`.

    `ladder` holds what is offered in bands of `widths` `(k,)`, best price first, spread evenly over each band (all rungs above 0). This is
    `clear` with market orders on one side and ever finer levels. Beyond the last band the ladder goes on as thick as in it.
    """
    gives = filled(ladder, amount)
    thin = widths / ladder
    far = (gives * thin).sum(axis=1)
    far += np.maximum(amount - ladder.sum(axis=1), 0) * thin[:, -1]
    return far, gives
