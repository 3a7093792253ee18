"""Call auctions of `base/auction.py` against C, against books of single orders in Python, and against a process for each order.

Everybody is given the same orders, a thousand a side in each of 256 markets, with limits on 128 levels around a price of the
market's own; all must trade the same. `clear` takes orders of any size, put into its histogram within its time, and tells what is
filled; `cross` takes orders for a piece each and tells price and volume; C does either by a histogram, and tells price and volume.
These are orders cleared in one auction. A continuous book answers each message by itself: it is another market, whose trades are
held against a second book's, and its messages are no orders of an auction. Books, and the twin, play one market.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import simpy

from simlab.base.auction import clear, cross
from simlab.studies.runner import COHORT
from tests.bench.book import Book
from tests.bench.rivals import left_out
from tests.bench.rivals.with_c import library

MARKETS, ORDERS, LEVELS = COHORT, 1000, 128
SHORT = 10  # times that what takes a millisecond is played in a row


class Orders(NamedTuple):
    """Limits `(markets, orders)` of those who buy and of those who sell, and for how much."""

    buys: np.ndarray
    sells: np.ndarray
    to_buy: np.ndarray
    to_sell: np.ndarray


def orders(markets: int = MARKETS, count: int = ORDERS) -> Orders:
    rng = np.random.default_rng(1)
    price = rng.uniform(0.3, 0.7, (markets, 1)) * LEVELS
    limits = (np.clip(rng.normal(price, LEVELS / 8, (markets, count)), 0, LEVELS - 1).astype(np.int8) for _ in range(2))
    return Orders(*limits, *rng.exponential(size=(2, markets, count)))


def sized(o: Orders) -> np.ndarray:
    """What trades in each market, by `clear`."""
    first = np.arange(len(o.buys))[:, None] * LEVELS
    pooled = (
        np.bincount((limit + first).ravel(), size.ravel(), minlength=len(first) * LEVELS).reshape(-1, LEVELS)
        for limit, size in ((o.buys, o.to_buy), (o.sells, o.to_sell))
    )
    return clear(*pooled).volume


def pieces(o: Orders) -> np.ndarray:
    """The same by `cross`, where each order is for a piece."""
    return cross(o.buys, o.sells, LEVELS).volume


def in_c(o: Orders, *, whole: bool) -> np.ndarray:
    volume = np.empty(len(o.buys), np.int64 if whole else np.float64)
    price = np.empty(len(o.buys), np.int64)
    given = o[:2] if whole else o
    play = library("auction").auction_of_pieces if whole else library("auction").auction_of_sizes
    sizes = (ctypes.c_int64(n) for n in (*o.buys.shape, LEVELS))
    play(*sizes, *(a.ctypes.data_as(ctypes.c_void_p) for a in (*given, price, volume)))
    return volume


def messages(o: Orders, *, whole: bool) -> list[tuple[bool, int, float]]:
    """The first market's orders, a buyer's and a seller's in turn: whether it buys, at which limit, how much."""
    sizes = np.ones((2, o.buys.shape[1])) if whole else np.stack([o.to_buy[0], o.to_sell[0]])
    limits = np.stack([o.buys[0], o.sells[0]])
    sides = np.broadcast_to([[True], [False]], limits.shape)
    return list(zip(*(a.T.ravel().tolist() for a in (sides, limits, sizes)), strict=True))


def in_heaps(told: list[tuple[bool, int, float]], *, continuous: bool = False) -> float:
    book, volume = Book(), 0.0
    for buys, limit, size in told:
        (book.buy if buys else book.sell)(limit, size)
        if continuous:
            volume += book.cross()[0]
    return volume + book.cross()[0]


def in_sorted_dicts(told: list[tuple[bool, int, float]], *, continuous: bool = False) -> float:
    from tests.bench.rivals.with_sortedcontainers import Book as Ladder

    book = Ladder()
    take = book.trade if continuous else book.rest
    for buys, limit, size in told:
        take(buys, limit, size)
    return book.traded if continuous else book.cross()


def in_simpy(told: list[tuple[bool, int, float]]) -> float:
    env, book = simpy.Environment(), Book()

    def order(i: int, buys: bool, limit: int, size: float) -> Any:
        yield env.timeout(i / len(told))
        (book.buy if buys else book.sell)(limit, size)

    for i, one in enumerate(told):
        env.process(order(i, *one))
    env.run(until=1)
    return book.cross()[0]


def measure(rounds: int) -> dict[str, dict[str, float]]:
    """Nanoseconds of CPU per order, or message, medians of `rounds`, each played in turn."""
    o, table = orders(), {}
    for name, whole in {"any size": False, "a piece each": True}.items():
        told, kernel = messages(o, whole=whole), pieces if whole else sized
        volume, everything = kernel(o), 2 * o.buys.size
        worth = in_heaps(told, continuous=True)
        works: dict[str, tuple[Callable[[], Any], int, Any]] = {
            "kernel": (lambda kernel=kernel: kernel(o), everything, volume),
            "C": (lambda whole=whole: in_c(o, whole=whole), everything, volume),
            "two heaps": (lambda told=told: in_heaps(told), len(told), volume[0]),
            "SortedDict": (lambda told=told: in_sorted_dicts(told), len(told), volume[0]),
            "SimPy": (lambda told=told: in_simpy(told), len(told), volume[0]),
            "SortedDict, continuous": (lambda told=told: in_sorted_dicts(told, continuous=True), len(told), worth),
        }
        found: dict[str, list[float]] = {}
        for what, (work, _, expected) in list(works.items()):
            try:
                theirs = work()
            except (ImportError, OSError) as missing:
                left_out(what, str(missing))
                del works[what]
                continue
            np.testing.assert_allclose(theirs, expected, rtol=1e-9, err_msg=f"{what} clears otherwise")
        for _ in range(rounds):
            for what, (work, count, _) in works.items():
                turns = SHORT if what in ("kernel", "C") else 1
                began = time.process_time()
                for _ in range(turns):
                    work()
                found.setdefault(what, []).append((time.process_time() - began) / (turns * count) * 1e9)
        table[name] = {what: median(each) for what, each in found.items()}
    return table
