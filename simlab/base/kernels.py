"""Numerical tricks with their derivations, so that worlds can stay the method section of a paper."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Any

import numpy as np

from simlab.base.arrays import Array, Floats, Ints

CELLS = 65_536
_BLOCK = 1 << 15  # numbers of one array, a quarter of a megabyte, where several must fit the cache
_ROWS = 32  # replications at a time where several arrays must fit the cache; the bits do not depend on it


@cache
def keep_heap() -> None:
    """Have memory that arrays gave back kept for the next ones, so that not every temporary is made of fresh pages.

    A fresh page costs a fault, about as long as adding up its 512 numbers ten times. The C library of Linux maps blocks above a
    threshold one by one, and gives back what is free at the end of the heap; both limits follow the largest mapped block that was
    freed, up to 32 MB (`man mallopt`, M_MMAP_THRESHOLD). So one such block is made and freed. Elsewhere it does nothing.
    """
    np.empty(31 << 20, np.uint8)


@cache
def normal_cells() -> Floats:
    """The standard normal in `CELLS` cells of equal probability: the mean of each cell, rescaled to variance 1, `(65536,)`.

    The mean of a standard normal between quantiles a and b is (phi(a) - phi(b)) / (Phi(b) - Phi(a)). A 16-bit word
    picks a cell, so one 64-bit random word gives four numbers.
    """
    from scipy.special import ndtri

    edges = ndtri(np.arange(CELLS + 1) / CELLS)
    density = np.exp(-(edges**2) / 2) / np.sqrt(2 * np.pi)
    means = (density[:-1] - density[1:]) * CELLS
    means = (means - means[::-1]) / 2  # exactly odd, so that the mean is exactly 0
    means /= np.sqrt(np.mean(means**2))
    means.flags.writeable = False
    return np.asarray(means)


@cache
def _cells_as(dtype: np.dtype[Any]) -> Array:
    """`normal_cells` in that precision."""
    cells = normal_cells().astype(dtype)
    cells.flags.writeable = False
    return cells


def normals(cells: Array, out: Array) -> Array:
    """Standard normals of `cells` (see `Luck.cells`) into `out`, a contiguous array of floats in their shape.

    The table of single precision is half as large, and fits the cache beside what is worked on. It moves a number by at most
    6e-8 of itself, and cells are at least 3.8e-5 apart.
    """
    return _cells_as(out.dtype).take(
        cells, out=out, mode="wrap"
    )  # each word is a cell: of NumPy's modes this checks least


@contextmanager
def uncopied() -> Iterator[None]:
    """Within, NumPy works on rows of a few hundred numbers where they lie.

    Its iterator hands a ufunc up to 8,192 numbers at a time. Shorter rows that do not follow on each other (`a[..., :k]`), or that
    meet one number each (`b[..., None]`), it copies to a buffer and back for that, which takes up to twice as long as the work
    itself. With a buffer smaller than a row it does not; much shorter rows are better off with it. No element's bits depend on
    the buffer, but those of sums may: take none within.
    """
    before = np.setbufsize(256)
    try:
        yield
    finally:
        np.setbufsize(before)


@cache
def poisson_cells(rate: float) -> Floats:
    """P(N <= n) of a Poisson variable with mean `rate` for n = 0, 1, ... up to where nothing is left to a float, `(n,)`."""
    from scipy.special import pdtr

    cells = pdtr(np.arange(int(rate + 12 * np.sqrt(rate) + 40)), rate)
    cells = cells[: int(np.searchsorted(cells, 1.0)) or None]
    cells.flags.writeable = False
    return np.asarray(cells)


def poisson(u: Floats, rate: float) -> Ints:
    """Poisson numbers with mean `rate` from uniforms on [0, 1), in their shape.

    Inverse CDF: the smallest n with u < P(N <= n). The same uniforms give, at a higher rate, nowhere smaller a number.
    """
    return _guided(u, *_poisson_guide(rate))


@lru_cache(64)
def zipf_cells(types: int, exponent: float) -> Floats:
    """P(type < k) for k = 1 .. types - 1 under Zipf's law, p_k ~ 1 / k^exponent for k = 1 .. types, `(types - 1,)`."""
    total = np.cumsum(np.arange(1, types + 1) ** -float(exponent))
    cells = np.asarray(total[:-1] / total[-1])
    cells.flags.writeable = False
    return cells


def zipf(u: Floats, types: int, exponent: float) -> Ints:
    """Types from 0, the most frequent, by Zipf's law, from uniforms on [0, 1), in their shape, by inverse CDF."""
    return _guided(u, *_zipf_guide(types, exponent))


def _guided(u: Floats, steps: Floats, least: Ints) -> Ints:
    """How many `steps` are no larger than each of the uniforms `u`, in their shape.

    Which of equal slots a uniform lies in says between which two n that is, and one comparison which (Chen & Asau 1974, AIIE
    Transactions 6); where a slot holds several steps, as at the ends, it is searched, which mispredicted branches make dear.
    """
    found = least.take((u * len(least)).astype(np.int64))  # the slot is exact, as their number is a power of two
    found += u >= steps.take(found, mode="wrap")
    rare = np.flatnonzero(found < 0)
    if len(rare):
        found.reshape(-1)[rare] = steps.searchsorted(u.reshape(-1)[rare], side="right")
    return found


def _guide(cells: Floats, slots: int) -> tuple[Floats, Ints]:
    """The steps of a distribution and, last, one that is never reached, `(n + 1,)`; and how many lie below each slot, or -1, `(slots,)`."""
    steps = np.append(cells, np.inf)
    edges = np.arange(slots + 1) / slots
    least = steps.searchsorted(edges[:-1], side="right")
    least[steps.searchsorted(edges[1:], side="left") > least + 1] = -1  # the last step, then, which adds nothing
    least.flags.writeable = steps.flags.writeable = False
    return steps, least


@lru_cache(64)  # 8 kB each, and rates may change all the time
def _poisson_guide(rate: float) -> tuple[Floats, Ints]:
    return _guide(poisson_cells(rate), 1024)


@lru_cache(64)  # at most half a megabyte each, beside what the types themselves take
def _zipf_guide(types: int, exponent: float) -> tuple[Floats, Ints]:
    """At least 8 slots for each type, as long as they fit the cache: then few hold several steps."""
    return _guide(zipf_cells(types, exponent), 1 << min((8 * types - 1).bit_length(), 16))


def binomial(u: Floats, n: Floats, p: Floats) -> Floats:
    """Binomial numbers from uniforms on [0, 1), in their shape; `n` whole numbers of trials and `p` chances, in that shape too.

    Inverse CDF, by adding up chances from 0 (from n, where p is above a half): about as many turns as the largest number, for all
    at once, so meant for n p in the tens. Above 500 the quantile comes from scipy's inverse of the incomplete beta function.
    """
    from scipy.special import bdtrik

    turned = p > 0.5
    q, v = np.where(turned, 1 - p, p), np.where(turned, np.nextafter(1 - u, 0), u)
    many = n * q > 500
    odds, k = q / (1 - q), np.zeros(u.shape)
    term = np.exp(n * np.log1p(-q)) * ~many
    total = term.copy()
    going = (v >= total) & ~many
    while going.any():
        k += going
        term *= going * (n - k + 1) / np.maximum(k, 1) * odds
        total += term
        going &= (v >= total) & (k < n) & (term > 0)
    if many.any():
        k[many] = np.ceil(np.maximum(bdtrik(v[many], n[many], q[many]), 0))
    return np.where(turned, n - k, k)


def one_factor(common: Floats, own: Floats, share: float) -> Floats:
    """Standard normals of which every two are correlated by `share`: a `common` one and each its `own` (Vasicek 2002, Risk 15(12))."""
    return np.asarray(math.sqrt(share) * common + math.sqrt(1 - share) * own)


@cache
def spread(m: int, share: float) -> Floats:
    """1 for a `share` of `m` agents, rounded down, and 0 for the others, `(m,)`; evenly, so that blocks of neighbours hold as many."""
    chosen = np.diff(np.floor(np.arange(m + 1) * share))
    chosen.flags.writeable = False
    return np.asarray(chosen)


def wide(a: Array, shape: tuple[int, ...]) -> Array:
    """`np.broadcast_to`, but where nothing is to be done: that takes as long as to add up ten thousand numbers."""
    return a if a.shape == shape else np.broadcast_to(a, shape)


def once(a: Array) -> Array:
    """`a` with every axis along which it is broadcast cut to length 1: what is the same for all is then computed once."""
    return a[_cut(a.strides)]


@lru_cache(256)
def _cut(strides: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(0, 1) if step == 0 else slice(None) for step in strides)


def columns(*vectors: Array) -> Floats:
    """Vectors `(r,)` side by side, `(r, n)`, stored so that each lies together: what is done to all of them is done in long rows.

    A sum over up to 7 of them is the same, to the bit, as along short rows, in a fourth of the time; of more the order would depend on r.
    """
    return np.array(vectors, dtype=np.float64).T


def same_for(a: Floats, n: int) -> Floats:
    """`a` `(r,)` as the number of each of `n` agents, `(r, n)`: one number lies where all are read, and none can be written.

    As `np.broadcast_to(a[:, None], (r, n))`, which is written in Python and takes as long as adding up 16,384 numbers.
    """
    line = np.ascontiguousarray(a)
    found: Floats = np.ndarray((len(a), n), a.dtype, line, 0, (line.strides[0], 0))
    found.flags.writeable = False
    return found


def counted(true: Array) -> Floats:
    """How many of the last axis are true, `(r, ..., n)` to `(r, ...)`: products with 1 add up several times faster than booleans.

    Whole numbers add up exactly in any order, so that here the order of a matrix product does no harm to the bits; in single precision
    up to 2^24 of them.
    """
    ones = _ones(true.shape[-1])
    return np.asarray(true.astype(ones.dtype) @ ones, np.float64)


@lru_cache(64)
def _ones(n: int) -> Array:
    ones = np.ones(n, np.float32 if n < 1 << 24 else np.float64)
    ones.flags.writeable = False
    return ones


@cache
def blocks(r: int, width: int) -> tuple[slice, ...]:
    """Rows of so many, of `width` numbers each, in blocks of which a few arrays fit the cache; what is done row by row keeps its bits."""
    rows = max(_BLOCK // max(width, 1), 1)
    return tuple(slice(first, min(first + rows, r)) for first in range(0, r, rows))


def sum_by_choice(action: Array, choices: int, *values: Array) -> list[Floats]:
    """Each of `values` `(r, p, ...)` summed by the choice it is about, `(r, p, choices)`; `action` names the choices.

    Answers pooled by choice, whose last axis is the choice itself (`np.arange(choices)`, broadcast), need no scattering.
    """
    r, p = action.shape[:2]
    once_each = [step for step, size in zip(action.strides, action.shape, strict=True) if size > 1][:-1]
    if action.shape[-1] == choices > 1 and not any(once_each) and (once(action).ravel() == np.arange(choices)).all():
        return [_slices(v.reshape(r, p, -1, choices)) for v in values]
    cell = action.reshape(r * p, -1) + np.arange(r * p)[:, None] * choices
    found = []
    for v in values:
        total = np.zeros(r * p * choices)
        np.add.at(total, cell.ravel(), np.asarray(v, dtype=np.float64).ravel())
        found.append(total.reshape(r, p, choices))
    return found


def how_often(action: Array, choices: int) -> Ints:
    """How often each of `choices` stands in the last axis of `action` `(r, p, n)`, `(r, p, choices)`."""
    r, p, n = action.shape
    cell = action.reshape(r * p, n) + np.arange(r * p)[:, None] * choices
    return np.bincount(cell.ravel(), minlength=r * p * choices).reshape(r, p, choices)


def _slices(a: Array) -> Floats:
    """The sum over the third axis, slice by slice: several times faster than a reduction over a short axis in the middle."""
    total = a[:, :, 0].astype(np.float64)
    for i in range(1, a.shape[2]):
        total += a[:, :, i]
    return total


_SHIFT = 52 - 4  # of the 52 bits of a float64's mantissa, the first 4 choose one of 16 bins an octave


def log_bin(value: Floats, low: float, bins: int) -> Ints:
    """The bin of each positive `value`, 16 bins to an octave from `low` (a power of two) up, the ends open.

    Read off the float itself: exponent and leading mantissa bits, as an integer, count bins whose edges
    lie evenly within an octave (the layout of HdrHistogram). No logarithm is taken.
    """
    at = value.view(np.int64) >> _SHIFT
    at -= np.float64(low).view(np.int64) >> _SHIFT
    np.maximum(at, 0, out=at)
    np.minimum(at, bins - 1, out=at)
    return at


def log_count(counts: Floats, kind: Ints, value: Floats, low: float, how_many: Array) -> None:
    """Count each `value` `(r, j)` in its bin by `log_bin` and under its `kind`, `how_many` times, in `counts` `(r, kinds, bins)`."""
    r, kinds, bins = counts.shape
    cell = (kind + np.arange(r)[:, None] * kinds) * bins
    cell += log_bin(value, low, bins)
    add_at(counts, cell, how_many)


def log_quantiles(counts: Floats, low: float, levels: Sequence[float]) -> Floats:
    """Quantiles from whole numbers counted by `log_bin` `(r, bins)`, `(levels, r)`: linear within a bin (at most 6% wide), 0 for none."""
    r, bins = counts.shape
    edges = _log_edges(low, bins)
    total = np.cumsum(counts)  # through all rows: sums of whole numbers are exact
    last = np.arange(1, r + 1) * bins - 1
    upto = total[last]
    before = np.append(0.0, upto[:-1])
    want = np.array(levels)[:, None] * (upto - before)
    cell = np.minimum(total.searchsorted(before + np.ceil(want)), last)
    inside, at = counts.reshape(-1)[cell], cell % bins
    part = 1 - (total[cell] - before - want) / np.maximum(inside, 1.0)
    return np.asarray((edges[at] + part * (edges[at + 1] - edges[at])) * (upto > before))


@cache
def _log_edges(low: float, bins: int) -> Floats:
    """Where the bins of `log_bin` begin, and where the last one ends, `(bins+1,)`."""
    edges = (((np.float64(low).view(np.int64) >> _SHIFT) + np.arange(bins + 1)) << _SHIFT).view(np.float64)
    edges.flags.writeable = False
    return np.asarray(edges)


def quantiles(values: Array, levels: Sequence[float]) -> Floats:
    """Quantiles of each row of `values` `(r, ...)`, `(r, levels)`: the least value that at least a share `level` does not exceed.

    An infinite value is nobody's, and a row without values has quantiles of 0.
    """
    known = values < np.inf
    there = known.reshape(len(values), -1).sum(axis=1)[:, None]
    used = np.flatnonzero(known.reshape(-1, values.shape[-1]).any(axis=0))
    last = used[-1] + 1 if len(used) else 1  # columns at the end that are nobody's in any row need no sorting
    line = np.sort(values[..., :last].reshape(len(values), -1), axis=1)
    at = np.ceil(there * np.array(levels) - 1e-9).astype(np.int64) - 1  # 20 x 0.95 is 19, not a little more
    return np.where(there > 0, np.take_along_axis(line, np.maximum(at, 0), axis=1), 0.0)


def best_beta(a: Floats, b: Floats, z: Floats) -> Ints:
    """Which of `k` draws from Beta(a, b) is the highest, `(r, ...)`, from standard normals `z` `(r, ..., 2, k)`; `a` and `b` at least 1.

    A Beta is G_a / (G_a + G_b) with independent gammas, and so ordered as the odds G_a / G_b. Wilson & Hilferty (1931, PNAS 17): the cube
    root of G_a / a is nearly normal with mean 1 - 1/(9a) and variance 1/(9a). The cube root keeps the order, so none is undone;
    a root below 0 (3 in 1000 draws at a = 1) counts as a tiny one. The number of normals does not depend on a and b.
    """
    r = len(z)
    if r > _ROWS // 2:
        parts = (slice(first, first + _ROWS // 2) for first in range(0, r, _ROWS // 2))
        return np.concatenate([best_beta(a[part], b[part], z[part]) for part in parts])
    up, down = _root(a, z[..., 0, :]), _root(b, z[..., 1, :])
    return np.asarray(np.divide(up, down, out=up).argmax(axis=-1))


def _root(shape: Floats, z: Floats) -> Floats:
    third = 1 / (3 * np.sqrt(shape))
    scale = np.cbrt(shape)
    root = z * (scale * third)
    root += scale * (1 - third * third)
    return np.maximum(root, 1e-3, out=root)


def turned(at: Floats, dt: float, tick: Ints, size: int, stride: int) -> Ints:
    """Where on a wheel of `size` ticks, `stride` cells each, the instants `at` are kept; those too far ahead in its last tick.

    `at` counts from the beginning of `tick` `(r,)`, the same in all replications. What is due after tick t stands at t modulo `size`.
    """
    ahead = np.minimum(at * (1 / dt), size - 1).astype(np.int64)
    return np.asarray(((int(tick[0]) + np.arange(size)) % size * stride).take(ahead))


def emptied(wheel: Floats, tick: Ints, k: int) -> Floats:
    """The first `k` columns of what a wheel `(r, size, ..., columns)` holds for `tick` `(r,)`, the same for all; it is then empty."""
    at = int(tick[0]) % wheel.shape[1]
    found = wheel[:, at, ..., :k].copy()
    wheel[:, at] = 0
    return found


def window_quantiles(window: Array, tick: Ints, values: Array, levels: Sequence[float], before: Floats) -> Floats:
    """Keep the `values` `(r, j)` of `tick` `(r,)` in a `window` `(r, ticks, j)`: its `quantiles` when it is full, else those `before`."""
    size = window.shape[1]
    at = int(tick[0]) % size
    window[:, at] = values
    return quantiles(window, levels) if at == size - 1 else before


def add_at(where: Floats, cell: Ints, what: Array | float) -> None:
    """Add to the cells of a C-ordered array, in place, each as often as it is named."""
    np.add.at(where.reshape(-1), cell.ravel(), what if isinstance(what, float) else what.ravel())


def everyone(row: Ints, brain: Ints, r: int, b: int) -> bool:
    """Whether these pairs are all of `r` times `b`, each once and in order; as many pairs may be others, some of them twice."""
    return np.array_equal(row * b + brain, np.arange(r * b))


def planes(r: int, rows: int, *features: int) -> Array:
    """Zeros `(r, rows, *features)`, stored so that one feature of all rows lies together: learning goes plane by plane."""
    flat = np.zeros((*features, r, rows))
    return flat.transpose(*range(len(features), flat.ndim), *range(len(features)))


def solved(a: Floats, y: Floats) -> Floats:
    """The solutions `(f, ...)` of positive definite systems `a` `(f, f, ...)`, `y` `(f, ...)`, each number of all systems stored together.

    Gaussian elimination without pivots, which is safe for such matrices (Golub & Van Loan, Matrix Computations, 4.2), a number of
    all matrices at a time: 4 f calls of NumPy, whatever their number, where LAPACK is called for each. Nothing but the four
    operations of IEEE 754 in a fixed order, so the bits are the same in any company and on any machine.
    """
    a, y, f = a.copy(), y.copy(), len(y)
    for i in range(f - 1):
        share = a[i + 1 :, i] / a[i, i]
        a[i + 1 :, i + 1 :] -= share[:, None] * a[i, i + 1 :]
        y[i + 1 :] -= share * y[i]
    for i in range(f - 1, -1, -1):
        y[i] /= a[i, i]
        y[:i] -= a[:i, i] * y[i]
    return y


Pairs = tuple[tuple[int, tuple[int, ...]], ...]  # numbers, each with those that go with it


def met(x: Array, y: Array) -> Pairs:
    """Which products of features `x` `(r, p, ..., f)` a least squares has to add up: each feature i with those j up to i that it meets.

    All, but where many features are asked alike of all rows. There it is cheap to look which are never met, as where each type of
    question has features of its own: their products are 0 whatever the weights, unless an answer of `y` is not finite (which a
    sum keeps).
    """
    f = x.shape[-1]
    if f < 4 or 4 * once(x).size > x.size or not np.isfinite(once(y).sum()):
        return _pairs(f)
    few = once(x)
    some = [few[..., i] != 0 for i in range(f)]
    return tuple((i, tuple(j for j in range(i + 1) if (some[i] & some[j]).any())) for i in range(f) if some[i].any())


@cache
def _pairs(f: int) -> Pairs:
    return tuple((i, tuple(range(i + 1))) for i in range(f))


def first_fit(size: Floats, machines: int) -> tuple[Ints, Floats]:
    """Items `size` `(..., n)`, in their order, each put on the first of so many machines of size 1 with room for it.

    Returns on which machine each is, `(..., n)`, `machines` for nowhere (as is an infinite size), and what room is left, `(..., machines)`.
    Items are taken one after the other, in all packings at once (Johnson et al. 1974, SIAM J. Comput. 3).
    """
    *shape, n = size.shape
    rows = size.reshape(math.prod(shape), n)
    room = np.ones((len(rows), machines + 1))
    room[:, machines] = np.inf
    flat, first = room.reshape(-1), np.arange(len(rows)) * (machines + 1)
    at = np.empty((n, len(rows)), dtype=np.int64)
    for i, item in enumerate(rows.T):
        np.greater_equal(room, item[:, None]).argmax(axis=1, out=at[i])
        fits = at[i] < machines
        flat[first + at[i]] -= np.where(fits, item, 0.0)
    return np.ascontiguousarray(at.T).reshape(size.shape), room[:, :machines].reshape(*shape, machines)


def places(key: Ints) -> Ints:
    """How many earlier entries of a flat, non-negative `key` are the same, `(n,)`: each one's place in the line of its own kind."""
    order = np.argsort(key, kind="stable")
    line = key[order]
    first = np.maximum.accumulate(np.arange(len(key)) * (np.diff(line, prepend=-1) != 0))  # where its kind begins
    place = np.empty(len(key), np.int64)
    place[order] = np.arange(len(key)) - first
    return place
