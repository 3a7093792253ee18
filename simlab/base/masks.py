"""Masks of cases of which each comes to one model, or to few: made, searched and looked through without walking over all the others."""

from __future__ import annotations

import numpy as np

from simlab.base.arrays import Array, Bools, Ints
from simlab.base.kernels import once


def one_hot(which: Ints, n: int) -> Bools:
    """True at the place `which` `(r, c)` of `n`, `(r, n, c)`, stored so that the places of one case lie together."""
    found = np.zeros((which.size, n), dtype=np.bool_)
    found.reshape(-1)[np.arange(0, found.size, n) + which.ravel()] = True
    return found.reshape(*which.shape, n).swapaxes(1, 2)


def picked(of: Array, which: Ints) -> Array:
    """Of each case of `of` `(r, n, c)` what stands at its place `which` `(r, c)` of `n`, `(r, c)`; quickest where places lie together."""
    flat, n = of.swapaxes(1, 2).reshape(-1), of.shape[1]
    return np.asarray(flat.take(np.arange(0, len(flat), n).reshape(which.shape) + which))


def _lying(a: Array) -> list[int]:
    """The axes of `a` from the outermost in memory to the innermost, but the replication first, and then those of length 1."""
    return [0, *sorted(range(1, a.ndim), key=lambda axis: (a.shape[axis] > 1, -a.strides[axis]))]


def found_in(true: Array) -> tuple[Ints, ...]:
    """Where `true` `(r, ...)` is, as `np.nonzero` tells it but in the order of memory, and several times faster."""
    order = _lying(true)
    lines = true.transpose(order).reshape(-1, true.shape[order[-1]])
    place = _one_of_each(lines)
    rest = np.flatnonzero(lines) if place is None else np.arange(len(lines))
    at: list[Ints] = [np.zeros_like(rest)] * true.ndim
    if place is not None:
        at[order.pop()] = place
    for axis in reversed(order[1:]):
        if (size := true.shape[axis]) > 1:
            outer = rest // size  # by a constant: NumPy multiplies instead, and does not for `divmod`
            at[axis], rest = rest - outer * size, outer
    return rest, *at[1:]


def fetched(of: Array, at: tuple[Ints, ...]) -> Array:
    """What `of` `(r, ...)` holds at the places `at`, as `of[at]`; what is broadcast is looked up once, and no axis is looked up apart."""
    few = once(of)
    order = _lying(few)
    cell = np.zeros_like(at[0])
    for axis in order:
        if (size := few.shape[axis]) > 1:
            cell = cell * size + at[axis]
    return np.asarray(few.transpose(order).reshape(-1).take(cell))


def _one_of_each(lines: Array) -> Ints | None:
    """Which of each line `(k, n)` is true, `(k,)`, or None where it is not just one of each, or lines are long.

    To look for the few that are true mispredicts a branch for each. Numbered from n on, those of a line add up to the number of the
    one that is, below 2n; without any to 0, and to 2n or more with several: exactly so, in any order, in single precision.
    """
    n = lines.shape[1]
    if n > 2048:
        return None
    number = lines.astype(np.float32) @ np.arange(n, 2 * n, dtype=np.float32)
    alone = number.size and number.min() >= n and number.max() < 2 * n
    return number.astype(np.int64) - n if alone else None
