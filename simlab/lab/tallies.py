"""How often each value occurred at each instant: what remains of series when only their quantiles are wanted.

Values are rounded to ten significant bits, which moves none by more than 2^-10 of itself (0.1%; below 10^-38, where the format ends, by
10^-41; the largest 0.1% of the format by 2^-9), and counted. Counts are whole numbers, so
cohorts can be added in any order and size and the result is the same, bit for bit; and however many replications there are, an
instant has at most 512 values from any number to its double. It is the histogram of Masson, Rim & Lee (2019), "DDSketch", PVLDB 12,
2195-2205, with buckets that end where the bits of the number format do, so that no logarithm is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simlab.base.arrays import Floats, Ints
from simlab.lab.outcome import LEVELS, Outcome, Tally

_SHIFT = 14  # of the 23 bits after the leading one of a float32, those that are rounded away
_HALF, _SIGN = 1 << (_SHIFT - 1), 1 << 31
_LARGEST = (0x7F800000 >> _SHIFT) - 1  # the next is infinity


def tally(series: NDArray[np.float32]) -> Tally:
    """How often each value occurs in each row of `series` `(t, r)`; what is not finite is left out."""
    rows, columns = np.nonzero(np.isfinite(series))
    bits = (series[rows, columns] + np.float32(0)).view(np.uint32).astype(np.int64)  # + 0: there is but one zero
    size = np.minimum(((bits & (_SIGN - 1)) + _HALF) >> _SHIFT, _LARGEST)
    code = np.where(bits & _SIGN, -size, size)
    return _counted(rows * (1 << 32) + code, np.ones(len(code), np.int64))


def added(tallies: Sequence[Tally]) -> Tally:
    """Several tallies as one."""
    if len(tallies) == 1:
        return tallies[0]
    return _counted(np.concatenate([t.keys for t in tallies]), np.concatenate([t.counts for t in tallies]))


def _counted(keys: Ints, counts: Ints) -> Tally:
    order = np.argsort(keys, kind="stable")  # which merges what is already in order
    keys, counts = keys[order], counts[order]
    first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else np.zeros(0, np.int64)
    return Tally(keys[first], np.add.reduceat(counts, first) if len(keys) else counts)


def quantiles(found: Tally, times: int) -> NDArray[np.float32]:
    """The quantiles at LEVELS in each of so many rows, `(t, 101)`, interpolated between neighbours; NaN where nothing was counted."""
    out = np.full((times, len(LEVELS)), np.nan, np.float32)
    rows = (found.keys + (1 << 31)) >> 32
    code = found.keys - (rows << 32)
    values = np.sign(code) * (np.abs(code) << _SHIFT).astype(np.uint32).view(np.float32).astype(np.float64)
    edges = np.searchsorted(rows, np.arange(times + 1))
    for row, (first, stop) in enumerate(pairwise(edges.tolist())):
        if first < stop:
            upto = np.cumsum(found.counts[first:stop])
            at: Floats = LEVELS * (upto[-1] - 1)
            below = np.floor(at)
            low = values[first + np.searchsorted(upto, below, side="right")]
            high = values[first + np.searchsorted(upto, np.minimum(below + 1, upto[-1] - 1), side="right")]
            out[row] = low + (at - below) * (high - low)
    return out


def gathered(outcomes: Iterable[Outcome]) -> tuple[list[Outcome], dict[str, Tally]]:
    """Outcomes without their tallies, and these added up on the way, so that only a few of them are held at a time."""
    bare, sums, waiting = list[Outcome](), dict[str, Tally](), dict[str, list[Tally]]()
    for outcome in outcomes:
        bare.append(outcome._replace(tallies={}))
        for name, one in outcome.tallies.items():
            queue = waiting.setdefault(name, [])
            queue.append(one)
            if sum(len(t.keys) for t in queue[1:]) >= len(queue[0].keys):
                waiting[name] = [added(queue)]
    sums = {name: added(queue) for name, queue in waiting.items()}
    return bare, sums


def play_folded(
    play: Callable[[Any, int, Sequence[int]], Outcome], trial: Any, seed: int, replications: Sequence[int], size: int
) -> Outcome:
    """Play replications in cohorts of `size`, and count the values of each one's series before the next is played."""
    from simlab.lab.cohort import join

    def cohorts() -> Iterable[Outcome]:
        for first in range(0, len(replications), size):
            outcome = play(trial, seed, replications[first : first + size])
            yield outcome._replace(series={}, tallies={name: tally(one) for name, one in outcome.series.items()})

    bare, sums = gathered(cohorts())
    return join(bare)._replace(tallies=sums)
