"""Sums whose bits do not depend on what else is summed beside them, quicker than NumPy's own along long rows."""

from __future__ import annotations

import numpy as np

from simlab.base.arrays import Array, Floats

# numbers added in one go: above 10,000 BLAS takes threads, and the bits would depend on how many there are
_LINE = 8192


def sum_and_square(a: Array) -> tuple[Floats, Floats]:
    """The sums of `a` `(r, m, n)` and of its squares along the last axis, `(r, m)` each, float64.

    A stack of products of a row and a column is a dot product for each row, whatever stands beside it: the bits do not depend on
    `r`. Lines are added in the precision of `a`, in dozens of running sums at a time, and their sums in float64.
    """
    found = np.zeros((2, *a.shape[:2]))
    for first in range(0, a.shape[2], _LINE):
        line = a[..., first : first + _LINE]
        found[0] += np.einsum("rmn->rm", line)
        found[1] += np.matmul(line[:, :, None], line[..., None])[:, :, 0, 0]
    return found[0], found[1]


def summed(a: Array) -> Floats:
    """The first of `sum_and_square` alone; several times faster than `a.sum(axis=2)`, too, where `m` is what lies together."""
    total = np.zeros(a.shape[:2])
    for first in range(0, a.shape[2], _LINE):
        total += np.einsum("rmn->rm", a[..., first : first + _LINE])
    return total


def dots(a: Array, b: Array) -> Floats:
    """The sums of the products of `a` and `b` `(r, p, ...)` over all but their first two axes, `(r, p)`; no array of products is made.

    In which order NumPy adds depends on how numbers lie, and for rows beyond its buffer of 8,192 perhaps on where that ends. Neither may
    depend on `r`: rows are cut here, and those of which replications lie between the numbers are copied first.
    """
    rows_a, rows_b = _rows(a), _rows(b)
    found = np.einsum("rpn,rpn->rp", rows_a[..., :_LINE], rows_b[..., :_LINE])
    for first in range(_LINE, rows_a.shape[2], _LINE):
        line = slice(first, first + _LINE)
        found += np.einsum("rpn,rpn->rp", rows_a[..., line], rows_b[..., line])
    return np.asarray(found)


def _rows(a: Array) -> Array:
    """All but the first two axes as one, `(r, p, n)`, whose numbers lie no further apart than rows do."""
    rows = a.reshape(*a.shape[:2], -1)
    r, p, n = rows.strides  # 0 where all are the same
    return np.ascontiguousarray(rows) if n > r > 0 or n > p > 0 else rows
