"""Kernels against plain loops and against what defines them, on inputs that nobody thought of.

Instants, sizes and values are small whole numbers (or 64ths), so that sums are exact and the bits must agree.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from simlab.base.kernels import (
    binomial,
    first_fit,
    once,
    places,
    poisson,
    quantiles,
    sum_by_choice,
    window_quantiles,
)
from simlab.base.queues import fifo, soonest
from tests.examples import examples

FEW = examples(40)


def whole(shape, low=0, high=20, dtype=np.float64):
    return arrays(dtype, shape, elements=st.integers(low, high), fill=st.nothing())


@st.composite
def queue(draw):
    """Arrivals, whose server each is (k: nobody), service times, and until when servers are busy: ties and zeros are frequent."""
    r, j, k = draw(st.integers(1, 3)), draw(st.integers(1, 12)), draw(st.integers(1, 4))
    comes = np.cumsum(draw(whole((r, j), 0, 3)), axis=1)
    return comes, draw(whole((r, j), 0, k, np.int64)), draw(whole((r, j), 0, 9)), draw(whole((r, k)))


def served(comes, server, work, free):
    """One customer after the other, as in any textbook."""
    leaves, busy = np.full(comes.shape, np.nan), free.copy()
    for i, row in enumerate(comes):
        for c, comes_at in enumerate(row):
            if server[i, c] < free.shape[1]:
                leaves[i, c] = busy[i, server[i, c]] = max(busy[i, server[i, c]], comes_at) + work[i, c]
    return leaves, busy


@FEW
@given(queue(), st.data())
def test_fifo_is_the_loop_and_may_be_cut_anywhere(given_queue, data):
    comes, server, work, free = given_queue
    leaves, busy = served(*given_queue)
    cut = data.draw(st.integers(0, comes.shape[1] - 1))
    done, until = [], free
    for part in (slice(0, cut), slice(cut, None))[cut == 0 :]:
        found, until = fifo(comes[:, part], server[:, part], work[:, part], until)
        done.append(found)
    somebody = server < free.shape[1]
    np.testing.assert_array_equal(np.concatenate(done, axis=1)[somebody], leaves[somebody])
    np.testing.assert_array_equal(until, busy)


@FEW
@given(queue())
def test_soonest_with_equal_servers_is_one_queue_for_all(given_queue):
    """M/G/k in order of arrival: each customer begins when the first server is free (Kiefer & Wolfowitz 1955)."""
    comes, _, work, free = given_queue
    k = free.shape[1]
    leaves = soonest(comes, np.full(comes.shape, -1), work, free, np.ones(k), np.ones(k + 1)).leaves
    for i, row in enumerate(comes):
        busy = sorted(free[i])
        for c, comes_at in enumerate(row):
            done = max(busy[0], comes_at) + work[i, c]
            assert leaves[i, c] == done
            busy = sorted([*busy[1:], done])


GRID = (np.arange(1024) + 0.5) / 1024


@FEW
@given(st.floats(0, 200), st.floats(0, 200))
def test_poisson_rises_in_u_and_in_the_rate_and_has_the_right_mean(a, b):
    """The mean of a rising function over the middles of n cells is its integral to (last - first) / n, and its tail."""
    low, high = (poisson(GRID, rate) for rate in sorted((a, b)))
    assert (low <= high).all()
    for rate, found in zip(sorted((a, b)), (low, high), strict=True):
        assert (np.diff(found) >= 0).all()
        assert abs(found.mean() - rate) <= (found[-1] - found[0] + 12 * math.sqrt(rate) + 40) / len(GRID)


@FEW
@given(st.integers(0, 1500), st.floats(0, 1), st.floats(0, 1))
def test_binomial_rises_in_u_and_in_the_chance_and_has_the_right_mean(n, a, b):
    trials = np.full(GRID.shape, float(n))
    low, high = (binomial(GRID, trials, np.full(GRID.shape, p)) for p in sorted((a, b)))
    assert (low <= high).all()
    for p, found in zip(sorted((a, b)), (low, high), strict=True):
        assert ((found >= 0) & (found <= n) & (found == np.round(found))).all()
        assert (np.diff(found) >= 0).all()
        spread = math.sqrt(n * p * (1 - p))
        assert abs(found.mean() - n * p) <= (found[-1] - found[0] + 12 * spread + 40) / len(GRID)


LEVELS = st.lists(st.integers(0, 100), min_size=1, max_size=3)  # in percent


@FEW
@given(array_shapes(min_dims=2, max_dims=3, max_side=9), LEVELS, st.data())
def test_quantiles_are_the_least_value_that_a_share_does_not_exceed(shape, levels, data):
    """In exact arithmetic, and as NumPy's inverted CDF has it; what is infinite is nobody's."""
    values = data.draw(arrays(np.float64, shape, elements=st.integers(-9, 9) | st.just(math.inf), fill=st.nothing()))
    found = quantiles(values, [level / 100 for level in levels])
    for row, told in zip(values.reshape(shape[0], -1), found, strict=True):
        line = sorted(row[np.isfinite(row)])
        ranks = [max(math.ceil(Fraction(level, 100) * len(line)), 1) for level in levels]
        assert told.tolist() == [line[rank - 1] if line else 0 for rank in ranks]
        if line:
            inside = [(rank - 0.5) / len(line) for rank in ranks]  # at the end of a step NumPy may round to the next
            np.testing.assert_array_equal(np.quantile(line, inside, method="inverted_cdf"), told)


@FEW
@given(st.integers(1, 4), st.integers(1, 12), LEVELS, st.data())
def test_a_window_tells_the_quantiles_of_the_ticks_it_is_full_of(size, ticks, levels, data):
    values = data.draw(whole((ticks, 2, 3)))
    at = [level / 100 for level in levels]
    window, told = np.full((2, size, 3), np.inf), np.full((2, len(at)), -1.0)
    for tick in range(ticks):
        told = window_quantiles(window, np.full(2, tick), values[tick], at, told)
        full = (tick + 1) // size * size  # how many ticks there were when it was last full
        expected = quantiles(np.moveaxis(values[full - size : full], 0, 1), at) if full else np.full(told.shape, -1.0)
        np.testing.assert_array_equal(told, expected)


@FEW
@given(st.integers(1, 5), st.integers(0, 12), st.integers(1, 3), st.data())
def test_first_fit_is_the_loop(machines, n, packings, data):
    parts = st.integers(0, 64).map(lambda part: part / 64) | st.just(math.inf)
    size = data.draw(arrays(np.float64, (packings, n), elements=parts, fill=st.nothing()))
    where, room = first_fit(size, machines)
    for items, at, left in zip(size, where, room, strict=True):
        free, found = [1.0] * machines, []
        for item in items:
            found.append(next((k for k in range(machines) if free[k] >= item), machines))
            if found[-1] < machines:
                free[found[-1]] -= item
        assert (at.tolist(), left.tolist()) == (found, free)


@FEW
@given(st.lists(st.integers(0, 6), max_size=40))
def test_places_count_the_same_before(key):
    assert places(np.array(key, dtype=np.int64)).tolist() == [key[:i].count(one) for i, one in enumerate(key)]


@st.composite
def broadcast(draw, shape, elements, dtype):
    """An array of this shape that may be the same along any of its axes, as worlds hand them on."""
    cut = [draw(st.sampled_from([1, size])) for size in shape]
    return np.broadcast_to(draw(arrays(dtype, cut, elements=elements, fill=st.nothing())), shape)


@FEW
@given(array_shapes(min_dims=3, max_dims=5, max_side=4), st.booleans(), st.data())
def test_sums_by_choice_are_the_loop_however_the_arrays_are_laid_out(shape, pooled, data):
    choices = shape[-1] if pooled else data.draw(st.integers(1, 4))
    chosen = broadcast(shape, st.integers(0, choices - 1), np.int64)
    action = np.broadcast_to(np.arange(choices), shape) if pooled else data.draw(chosen)
    value = data.draw(broadcast(shape, st.integers(-9, 9), np.float64))
    expected = np.zeros((*shape[:2], choices))
    for place in np.ndindex(shape):
        expected[(*place[:2], action[place])] += value[place]
    np.testing.assert_array_equal(sum_by_choice(action, choices, value)[0], expected)


@FEW
@given(array_shapes(max_dims=4, max_side=4), st.data())
def test_once_holds_all_there_is(shape, data):
    a = data.draw(broadcast(shape, st.integers(-9, 9), np.float64))
    np.testing.assert_array_equal(np.broadcast_to(once(a), shape), a)
    assert all(step != 0 or size == 1 for step, size in zip(a.strides, once(a).shape, strict=True))
