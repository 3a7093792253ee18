"""Table noise against the normal distribution it stands for, and Poisson numbers against their quantiles."""

from __future__ import annotations

import math
from itertools import permutations, product

import numpy as np
import pytest
from scipy.stats import beta, kstest

from simlab.base.kernels import (
    add_at,
    best_beta,
    binomial,
    counted,
    emptied,
    how_often,
    log_bin,
    log_quantiles,
    normal_cells,
    normals,
    once,
    one_factor,
    places,
    poisson,
    poisson_cells,
    quantiles,
    same_for,
    solved,
    spread,
    sum_by_choice,
    turned,
    uncopied,
    window_quantiles,
    zipf,
    zipf_cells,
)
from simlab.base.queues import fifo, soonest
from simlab.base.sums import dots, sum_and_square, summed
from simlab.lab.streams import Streams


def test_moments_of_the_table():
    """Exactly mean 0 and variance 1; kurtosis short of 3 only by the tails that are cut."""
    z = normal_cells()
    assert z.mean() == pytest.approx(0, abs=1e-15)
    assert (z**2).mean() == pytest.approx(1, abs=1e-12)
    assert (z**4).mean() == pytest.approx(3, abs=0.01)
    assert 4.3 < z.max() < 4.5  # the mean of the outermost of 65,536 cells


def test_noise_is_not_told_from_a_normal_at_a_million_draws():
    luck = Streams(7, range(100))
    luck.clock.row = 0
    z = luck.noise("x", (100, 10_000)).ravel()
    assert kstest(z, "norm").pvalue > 1e-4
    assert abs(np.corrcoef(z[:-1], z[1:])[0, 1]) < 4 / np.sqrt(z.size)


@pytest.mark.parametrize("rate", [0.01, 1.0, 3.68511, 40.0, 1000.0])
def test_poisson_by_inverse_cdf(rate):
    """Against scipy's quantiles, at the edges too; mean and variance are the rate to 4 standard errors."""
    from scipy.stats import poisson as reference

    u = np.random.default_rng(1).random(20_000)
    found = poisson(u, rate)
    np.testing.assert_array_equal(found, reference.ppf(np.nextafter(u, 1), rate))
    assert abs(found.mean() - rate) < 4 * np.sqrt(rate / len(u))
    assert poisson(np.array([np.nextafter(1, 0)]), rate)[0] < rate + 12 * np.sqrt(rate) + 40


def test_poisson_keeps_arms_paired():
    """The same luck at a higher rate gives nowhere fewer."""
    u = np.random.default_rng(2).random(5000)
    assert (poisson(u, 3.0) <= poisson(u, 3.5)).all()


def test_binomial_by_inverse_cdf():
    """Against scipy's quantiles for chances and numbers of all sizes, below and above a half and where its inverse takes over."""
    from scipy.stats import binom as reference

    g = np.random.default_rng(3)
    u, n, p = g.random(4000), g.integers(0, 200, 4000) * 1.0, g.random(4000) ** 4
    p[:2000] = 1 - p[:2000]
    n[::50] = 20_000.0
    found = binomial(u, n, p)
    np.testing.assert_array_equal(found, reference.ppf(np.nextafter(u, 1), n, p))
    edges = binomial(
        np.array([0.0, 0.0, 0.5, 0.5, np.nextafter(1, 0)]),
        np.array([5.0, 5, 5, 0, 100]),
        np.array([0.0, 1, 1, 0.3, 0.02]),
    )
    np.testing.assert_array_equal(edges[:4], [0, 5, 5, 0])
    assert 10 < edges[4] < 40
    assert (binomial(u, n, p) <= binomial(u, n, np.sqrt(p))).all()  # arms stay paired


@pytest.mark.parametrize("rate", [1e-9, 0.5, 3.685, 60.0, 900.0])
def test_poisson_is_the_inverse_of_its_distribution_at_every_edge(rate):
    """Where a chance is met exactly, just missed, and at the ends of every slot of uniforms."""
    cells = poisson_cells(rate)
    u = np.concatenate([np.random.default_rng(1).random(10_000), cells, np.arange(1024) / 1024, [0.0]])
    u = np.concatenate([u, np.nextafter(u, 0), np.nextafter(u, 1)])
    u = u[u < 1]
    expected = [int((cells <= one).sum()) for one in u]
    assert poisson(u.reshape(1, -1), rate)[0].tolist() == expected


@pytest.mark.parametrize(
    ("types", "exponent"), [(1, 1.1), (2, 0.0), (80, 0.7), (1000, 1.1), (1000, 5.0), (20_000, 1.1)]
)
def test_types_are_the_inverse_of_zipfs_law_at_every_edge(types, exponent):
    """As `searchsorted` finds them, also where a slot holds many types and at the ends of slots."""
    cells = zipf_cells(types, exponent)
    u = np.concatenate([np.random.default_rng(1).random(10_000), cells, np.arange(65_536) / 65_536, [0.0]])
    u = np.concatenate([u, np.nextafter(u, 0), np.nextafter(u, 1)])
    u = u[u < 1]
    np.testing.assert_array_equal(zipf(u.reshape(1, -1), types, exponent)[0], np.searchsorted(cells, u, side="right"))


def test_many_that_are_true_are_counted_exactly():
    true = np.ones((2, 100_003), bool)
    true[1, ::7] = False
    np.testing.assert_array_equal(counted(true), true.sum(axis=1))
    assert counted(true).dtype == np.float64


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1)])  # in which axes lie in memory
@pytest.mark.parametrize("shape", [(5, 20, 40), (5, 3, 20_001)])
def test_sums_over_cases_are_the_same_in_any_company_however_they_lie(shape, order):
    a = (np.random.default_rng(1).standard_normal(shape) + 0.5).astype(np.float32)
    total = summed(a.transpose(order).copy().transpose(order))
    np.testing.assert_allclose(total, a.astype(float).sum(axis=2), rtol=1e-5, atol=1e-3)
    for rows in (slice(2, 3), slice(1, 5)):
        np.testing.assert_array_equal(summed(a[rows].transpose(order).copy().transpose(order)), total[rows])


@pytest.mark.parametrize("f", [1, 2, 3, 8])
def test_positive_definite_systems_are_solved_in_any_company(f):
    """Against LAPACK, which pivots, up to a condition of 1e8; nothing given is written, and no bit depends on who is solved beside."""
    g = np.random.default_rng(f)
    x = g.standard_normal((40, 50, f)) * np.geomspace(1, 1e-4, f)
    a, y = x.swapaxes(1, 2) @ x, g.standard_normal((40, f))
    given = a.transpose(1, 2, 0).copy(), y.T.copy()
    found = solved(*given)
    np.testing.assert_array_equal(given[0], a.transpose(1, 2, 0))
    np.testing.assert_array_equal(given[1], y.T)
    np.testing.assert_allclose(found.T, np.linalg.solve(a, y[..., None])[..., 0], rtol=1e-6)
    np.testing.assert_allclose(np.einsum("ijn,jn->in", given[0], found), given[1], atol=1e-9 * np.abs(found).max())
    alone = [solved(given[0][..., [i]], given[1][:, [i]])[:, 0] for i in range(40)]
    np.testing.assert_array_equal(np.stack(alone, axis=1), found)


def queues(r, j, k, seed=1):
    g = np.random.default_rng(seed)
    comes = g.exponential(size=(r, j)).cumsum(axis=1)
    return comes, g.integers(0, k + 1, (r, j)), g.exponential(2.0, (r, j)), g.exponential(3.0, (r, k))


@pytest.mark.parametrize(("r", "j", "k"), [(1, 1, 1), (3, 2, 1), (5, 64, 4), (70, 65, 9), (2, 40, 2000)])
def test_fifo_equals_lindleys_recursion_customer_by_customer(r, j, k):
    comes, server, work, free = queues(r, j, k)
    served = fifo(comes, server, work, free)
    for i in range(r):
        busy = free[i].tolist()
        for c in range(j):
            at = server[i, c]
            if at < k:
                busy[at] = max(busy[at], comes[i, c]) + work[i, c]
                assert served.leaves[i, c] == pytest.approx(busy[at], rel=1e-9)
        np.testing.assert_allclose(served.free[i], busy, rtol=1e-9)


def test_rows_in_order_are_not_sorted_and_end_alike():
    """Servers in turn, where a row out of order puts all through the sort."""
    comes, server, work, free = queues(6, 40, 3)
    server.sort(axis=1)
    served = fifo(comes, server, work, free)
    wild = server.copy()
    wild[5, :2] = 3, 0
    for before, after in zip(served, fifo(comes, wild, work, free), strict=True):
        np.testing.assert_array_equal(before[:5], after[:5])


def test_fifo_leaves_its_input_alone_and_its_bits_to_the_row():
    given = queues(100, 30, 5)
    before = [a.copy() for a in given]
    whole = fifo(*given)
    for a, b in zip(given, before, strict=True):
        np.testing.assert_array_equal(a, b)
    for first, last in ((0, 1), (1, 50), (50, 100)):
        part = fifo(*(a[first:last] for a in given))
        np.testing.assert_array_equal(part.leaves, whole.leaves[first:last])
        np.testing.assert_array_equal(part.free, whole.free[first:last])


def test_who_has_no_server_goes_where_it_is_done_soonest():
    comes, server, work, free = queues(5, 80, 3)
    rng = np.random.default_rng(4)
    server = np.where(rng.random(server.shape) < 0.5, -1, server)
    mean, each, before = np.array([1.0, 0.5, 2.0]), np.array([1.0, 0.6, 2.0, 1e-9]), server.copy()
    chosen, leaves, busy = soonest(comes, server, work, free, mean, each)
    assert (server == before).all()
    for i in range(5):
        until = list(free[i])
        for at, given, found, takes in zip(comes[i], server[i], chosen[i], work[i], strict=True):
            done = [max(busy, at) + one for busy, one in zip(until, mean, strict=True)]
            assert found == (given if given >= 0 else done.index(min(done)))
            if found < 3:
                until[found] = max(until[found], at) + takes * each[found]
        assert busy[i].tolist() == until
    served = fifo(comes, chosen, work * each[chosen], free)
    np.testing.assert_allclose(leaves[chosen < 3], served.leaves[chosen < 3], rtol=1e-12)
    np.testing.assert_allclose(busy, served.free, rtol=1e-12)


def test_exact_quantiles_and_windows():
    rng = np.random.default_rng(5)
    values = rng.random((4, 3, 7))
    values[1, 1:], values[2] = np.inf, np.inf
    levels = (0.0, 0.5, 0.95, 1.0)
    for row, found in zip(values, quantiles(values, levels), strict=True):
        there = row[np.isfinite(row)]
        expected = np.quantile(there, levels, method="inverted_cdf") if len(there) else np.zeros(4)
        np.testing.assert_array_equal(found, expected)
    assert quantiles(np.arange(1.0, 21.0)[None], [0.95])[0, 0] == 19
    window, before = np.full((4, 3, 7), np.inf), np.full((4, 2), 8.0)
    for tick in range(6):
        now = window_quantiles(window, np.full(4, tick), values[:, tick % 3], levels[1:3], before)
        np.testing.assert_array_equal(now, quantiles(values, levels[1:3]) if tick % 3 == 2 else before)


def test_a_wheel_is_emptied_where_it_is_read():
    wheel = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(emptied(wheel, np.array([4, 4]), 3), [[4, 5, 6], [16, 17, 18]])
    assert (wheel[:, 1] == 0).all()
    assert wheel[:, [0, 2]].min(axis=(1, 2)).tolist() == [0, 12]


def test_what_is_broadcast_is_taken_once():
    a = np.arange(6.0).reshape(2, 3)
    seen = once(np.broadcast_to(a[:, None, :], (2, 7, 3)))
    assert seen.shape == (2, 1, 3)
    np.testing.assert_array_equal(seen[:, 0], a)
    assert once(a).shape == a.shape


@pytest.mark.parametrize("pooled", [True, False])
def test_sums_by_choice(pooled):
    g = np.random.default_rng(2)
    shape = (3, 2, 4, 2, 5)
    action = np.broadcast_to(np.arange(5), shape) if pooled else g.integers(0, 5, shape)
    values = [g.normal(size=shape), np.broadcast_to(True, shape)]
    for found, value in zip(sum_by_choice(action, 5, *values), values, strict=True):
        expected = np.stack([(value * (action == c)).reshape(3, 2, -1).sum(axis=2) for c in range(5)], axis=-1)
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_log_bins_and_quantiles():
    """A uniform sample: quantiles to a bin's width (1/16 of an octave), the ends to what lies beyond them."""
    value = np.random.default_rng(3).uniform(0.5, 4.0, (2, 20_000))
    counts = np.zeros((2, 16 * 6))
    add_at(counts, log_bin(value, 2.0**-3, 96) + np.arange(2)[:, None] * 96, np.ones(value.shape))
    assert counts.sum() == value.size
    for level, found in zip((0.01, 0.5, 0.99), log_quantiles(counts, 2.0**-3, (0.01, 0.5, 0.99)), strict=True):
        np.testing.assert_allclose(found, np.quantile(value, level, axis=1), rtol=0.01)
    ends = log_bin(np.array([[1e-9, 0.125, 0.1329, 1e9]]), 2.0**-3, 96)
    assert ends.tolist() == [[0, 0, 1, 95]]
    assert (log_quantiles(np.zeros((2, 96)), 2.0**-3, (0.5,))[0] == 0).all()


def test_a_wheel_keeps_what_is_due_until_its_tick_comes():
    at = np.array([[0.0, 0.49, 0.5, 1.3, 99.0]])
    assert turned(at, 0.5, np.array([0]), 4, 10).tolist() == [[0, 0, 10, 20, 30]]
    assert turned(at, 0.5, np.array([6]), 4, 10).tolist() == [[20, 20, 30, 0, 10]]


@pytest.mark.parametrize(
    "beliefs", [((1, 1), (1, 1), (1, 1)), ((20, 1), (12, 2)), ((100, 3), (60, 1), (300, 20)), ((4, 9), (3, 5), (1, 1))]
)
def test_draws_are_the_best_as_often_as_betas_are(beliefs):
    """Against quadrature of the exact law, P(k is best) = integral of f_k times the others' F: within 0.01 (see `Thompson`)."""
    a, b = (np.array(side, dtype=float) for side in zip(*beliefs, strict=True))
    x = (np.arange(200_000) + 0.5) / 200_000
    below = np.stack([beta.cdf(x, *belief) for belief in beliefs])
    exact = [np.mean(beta.pdf(x, a[k], b[k]) * np.delete(below, k, axis=0).prod(axis=0)) for k in range(len(a))]
    z = np.random.default_rng(4).normal(size=(20, 20_000, 2, len(a)))
    sides = (np.broadcast_to(side, (20, 1, len(a))) for side in (a, b))
    found = np.bincount(best_beta(*sides, z).ravel(), minlength=len(a)) / 400_000
    assert np.abs(found - exact).max() < 0.01 + 4 * 0.5 / np.sqrt(400_000)


def test_how_often_counts_each_choice():
    action = np.random.default_rng(5).integers(4, size=(3, 2, 50))
    counted = [[[int((row == k).sum()) for k in range(4)] for row in block] for block in action]
    np.testing.assert_array_equal(how_often(action, 4), counted)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_one_factor_gives_normals_of_one_variance_and_that_correlation(share):
    """Four standard errors: sqrt(2/n) of a variance, about 1/sqrt(n) of a correlation."""
    n = 40_000
    luck = np.random.default_rng(5)
    x = one_factor(luck.normal(size=(n, 1)), luck.normal(size=(n, 2)), share)
    assert np.abs(x.var(axis=0) - 1).max() < 4 * np.sqrt(2 / n)
    assert abs(np.corrcoef(x.T)[0, 1] - share) < 4 / np.sqrt(n)


@pytest.mark.parametrize(
    ("m", "share", "count"), [(64, 0.25, 16), (10, 0.25, 2), (4, 0.0, 0), (5, 1.0, 5), (1, 0.5, 0)]
)
def test_a_share_of_agents_is_spread_evenly(m, share, count):
    chosen = spread(m, share)
    assert (chosen.sum(), set(chosen)) == (count, set(chosen) & {0.0, 1.0})
    gaps = np.diff(np.flatnonzero(chosen))
    assert gaps.size == 0 or gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize("a", [np.arange(4.0), np.arange(12.0).reshape(4, 3)[:, 1]])
def test_one_number_for_all_is_what_numpy_broadcasts_and_cannot_be_written(a):
    found = same_for(a, 5)
    np.testing.assert_array_equal(found, np.broadcast_to(a[:, None], (4, 5)))
    assert found.strides == (8, 0)
    with pytest.raises(ValueError, match="read-only"):
        found += 1


def test_places_count_those_of_its_kind_that_came_before():
    assert places(np.array([7, 0, 7, 7, 0, 3])).tolist() == [0, 0, 1, 2, 1, 0]
    assert places(np.zeros(0, dtype=np.int64)).tolist() == []


def test_normals_of_cells_are_the_table_in_either_precision():
    cells = np.arange(65_536, dtype=np.uint16).reshape(4, 2, -1)
    double, single = (normals(cells, np.empty(cells.shape, dtype)) for dtype in (np.float64, np.float32))
    np.testing.assert_array_equal(double.ravel(), normal_cells())
    np.testing.assert_array_equal(single, double.astype(np.float32))
    assert np.diff(normal_cells()).min() > 3.8e-5  # between neighbours: a float32 tells them apart
    assert len(np.unique(single)) == 65_536


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 625, 20_001])
def test_sums_and_squares_are_exact_to_rounding_and_the_same_in_any_company(n, dtype):
    a = (np.random.default_rng(1).standard_normal((5, 3, n)) + 0.5).astype(dtype)
    total, square = sum_and_square(a)
    assert total.dtype == square.dtype == np.float64
    few = 4 * float(np.finfo(dtype).eps)
    for row in np.ndindex(5, 3):
        line = a[row].astype(float)
        assert total[row] == pytest.approx(math.fsum(line), abs=few * math.fsum(np.abs(line)))
        assert square[row] == pytest.approx(math.fsum(line * line), rel=few)
    for rows in (slice(2, 3), slice(1, 5)):
        np.testing.assert_array_equal(sum_and_square(a[rows]), (total[rows], square[rows]))
    np.testing.assert_array_equal(sum_and_square(a[:, 1:2].copy()), (total[:, 1:2], square[:, 1:2]))


@pytest.mark.parametrize("n", [1, 7, 213, 20_001])
def test_sums_of_products_are_exact_to_rounding_and_the_same_in_any_company(n):
    """Also of features that lie side by side or are the same for all, and however replications lie; rows may be longer than a buffer."""
    g = np.random.default_rng(1)
    a, b = g.standard_normal((5, 3, n, 2))[..., 1], np.broadcast_to(g.standard_normal((5, 1, n)), (5, 3, n))
    found = dots(a, b)
    for row in np.ndindex(5, 3):
        each = a[row] * b[row]
        assert found[row] == pytest.approx(math.fsum(each), abs=1e-15 * (n + 1) * np.abs(each).max())
    for rows, order in product((slice(2, 3), slice(1, 5)), permutations(range(3))):
        some, more = (v.transpose(order).copy() for v in (a, b))
        back = np.argsort(order)
        together = dots(some.transpose(back), more.transpose(back))
        some, more = (v[rows].transpose(order).copy().transpose(back) for v in (a, b))
        np.testing.assert_array_equal(dots(some, more), together[rows])
        np.testing.assert_allclose(together, found, atol=1e-11)


def test_rows_that_are_not_copied_come_out_the_same():
    a, b = np.random.default_rng(1).standard_normal((2, 6, 7, 300))
    before, expected = np.getbufsize(), a.copy()
    expected[..., :290] += b[..., :1]
    with uncopied():
        assert np.getbufsize() < 290
        np.add(a[..., :290], b[..., :1], out=a[..., :290])
    np.testing.assert_array_equal(a, expected)
    with pytest.raises(ZeroDivisionError), uncopied():
        raise ZeroDivisionError
    assert np.getbufsize() == before
