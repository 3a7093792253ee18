"""The auction kernel against a plain book of single orders, and against what an auction must satisfy."""

from __future__ import annotations

import numpy as np
import pytest

from simlab.base.auction import clear, cross, filled, growing, hot_potato, meet, undisturbed, walk
from tests.bench.book import Book


def orders(seed, rows, levels, most=6):
    """Sizes at each level, many of them 0, whole numbers so that ties occur."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(0, most, (2, rows, levels)) * (rng.random((2, rows, levels)) < 0.6)
    return sizes[0].astype(float), sizes[1].astype(float)


def executable(buys, sells):
    """What could trade at each level, by definition: the smaller of demand and supply."""
    demand = np.cumsum(buys[::-1])[::-1]
    return np.minimum(demand, np.cumsum(sells))


@pytest.mark.parametrize("levels", [1, 2, 7, 40])
def test_no_price_trades_more(levels):
    """The principle of call auctions, by trying every level; and every level from `low` to `high` trades as much."""
    buys, sells = orders(levels, 300, levels)
    found = clear(buys, sells)
    for i in range(len(buys)):
        can = executable(buys[i], sells[i])
        assert found.volume[i] == can.max()
        if can.max() > 0:
            assert (can[found.low[i] : found.high[i] + 1] == can.max()).all() or found.low[i] == found.high[i]


def test_equals_a_plain_book_of_single_orders():
    """Each unit an order of its own, matched best against best in a heap until prices no longer cross."""
    buys, sells = orders(1, 200, 12)
    found = clear(buys, sells)
    for i in range(len(buys)):
        book = Book()
        for level in range(12):
            for _ in range(int(buys[i, level])):
                book.buy(level, 1.0)
            for _ in range(int(sells[i, level])):
                book.sell(level, 1.0)
        volume, bid, ask = book.cross()
        assert found.volume[i] == volume
        if volume:  # the last pair that traded encloses the price
            assert ask <= found.high[i]
            assert bid >= found.low[i]


@pytest.mark.parametrize(("b", "s", "levels"), [(1, 1, 1), (7, 3, 5), (40, 40, 128), (2100, 5000, 100), (2, 1, 30_000)])
@pytest.mark.parametrize("dtype", [np.int8, np.int16])
def test_orders_for_a_piece_each_clear_as_their_histogram(b, s, levels, dtype):
    """Many of them, so that no byte of a count may overflow; few, so that nothing may cross."""
    if levels > np.iinfo(dtype).max + 1:
        dtype = np.uint16
    rng = np.random.default_rng(b + levels)
    sides = [
        np.clip(rng.normal(at, levels / 6, (30, n)), 0, levels - 1).astype(dtype)
        for at, n in ((0.45 * levels, b), (0.55 * levels, s))
    ]
    sides[0][:2], sides[1][0], sides[1][1] = 0, levels - 1, 0  # the furthest apart, and all at one level
    found = cross(*sides, levels)
    expected = clear(*(np.stack([np.bincount(row, minlength=levels) for row in side]).astype(float) for side in sides))
    np.testing.assert_array_equal(found.level, expected.low)
    np.testing.assert_array_equal(found.volume, expected.volume)


def test_the_price_is_the_order_statistic_of_all_limits():
    """With B units to buy, the B-th lowest of all limits pooled; the next one where they tie."""
    buys, sells = orders(5, 200, 9)
    found = clear(buys, sells)
    for i in range(len(buys)):
        b = int(buys[i].sum())
        limits = np.repeat(np.arange(9), (buys[i] + sells[i]).astype(int))
        if 0 < b < limits.size:
            assert found.low[i] == limits[b - 1]
            assert found.high[i] == limits[b]


def test_fills_balance_and_respect_limits():
    rng = np.random.default_rng(3)
    buys, sells = rng.exponential(size=(2, 100, 15))
    low, high, volume, bought, sold = clear(buys, sells)
    np.testing.assert_allclose(bought.sum(axis=1), volume, rtol=1e-12)
    np.testing.assert_allclose(sold.sum(axis=1), volume, rtol=1e-12)
    level = np.arange(15)
    assert bought[level < low[:, None]].max() < 1e-12
    assert sold[level > high[:, None]].max() < 1e-12
    better = level > high[:, None]
    np.testing.assert_allclose(bought[better], buys[better], rtol=1e-12)
    better = level < low[:, None]
    np.testing.assert_allclose(sold[better], sells[better], rtol=1e-12)


@pytest.mark.parametrize(("buys", "sells"), [([0, 0], [0, 0]), ([3, 0], [0, 0]), ([0, 0], [0, 4]), ([5, 0], [0, 5])])
def test_nothing_trades_without_a_crossing(buys, sells):
    found = clear(np.array([buys], float), np.array([sells], float))
    assert found.volume[0] == 0
    assert (found.bought == 0).all()
    assert (found.sold == 0).all()


def test_rows_do_not_know_each_other():
    buys, sells = orders(4, 64, 10)
    whole = clear(buys, sells)
    for part in (slice(0, 1), slice(3, 20)):
        for a, b in zip(clear(buys[part], sells[part]), whole, strict=True):
            np.testing.assert_array_equal(a, b[part])


def test_a_rung_gives_what_those_before_it_left():
    ladder = np.array([[4.0, 2.0, 5.0]] * 5)
    gives = filled(ladder, np.array([0.0, 3.0, 5.0, 9.0, 99.0]))
    np.testing.assert_array_equal(gives, [[0, 0, 0], [3, 0, 0], [4, 1, 0], [4, 2, 3], [4, 2, 5]])


def test_a_walk_is_the_auction_with_ever_finer_levels():
    """Market sells against bids in bands of unequal depth: levels of 0.01 bp clear within 0.01 bp of the walk."""
    widths, bids = np.array([2.0, 10.0, 50.0]), np.array([[300.0, 90.0, 700.0]] * 3)
    amount = np.array([120.0, 333.0, 900.0])
    far, gives = walk(bids, widths, amount)
    np.testing.assert_allclose(far, [120 / 150, 2 + 33 / 9, 12 + 510 / 14], rtol=1e-12)
    np.testing.assert_allclose(gives.sum(axis=1), amount)
    steps = (widths / 0.01).round().astype(int)
    fine = np.repeat(bids / steps, steps, axis=1)[:, ::-1]  # ascending: the best bid last
    market = np.zeros_like(fine)
    market[:, 0] = amount
    found = clear(fine, market)
    np.testing.assert_allclose((fine.shape[1] - found.low) * 0.01, far, atol=0.0101)


def test_beyond_the_last_band_the_ladder_goes_on():
    far, _ = walk(np.array([[10.0, 20.0]]), np.array([1.0, 4.0]), np.array([40.0]))
    assert far[0] == pytest.approx(1 + 4 + 10 / 5)


def test_a_growing_ladder_holds_what_it_should():
    widths = np.array([1.0, 2.0, 4.0])
    np.testing.assert_allclose(growing(widths, 10.0, 70.0), widths * 10)
    ladder = growing(widths, 10.0, 168.0)  # density 10 + 4 y
    np.testing.assert_allclose(ladder, [10 + 2, 20 + 16, 40 + 80])


@pytest.mark.parametrize("left", [30.0, -30.0])
def test_both_kinds_of_quotes_give_in_proportion(left):
    book = undisturbed((1.0, 4.0), 110.0, 300.0, 1, 0.4)  # in the bands 110 - 20 / 2 and 4 (110 - 20 x 3): 100 and 200
    near, others = np.array([[0.5, 1.0]]), np.array([[1.0, 0.25]])
    met = meet(np.array([left]), others, near, book)
    near_, other = (40.0, 15.0) if left > 0 else (20.0, 60.0)  # asks, bids
    assert met.move[0] == pytest.approx(np.sign(left) * 30 / (near_ + other))
    assert met.caught[0] == pytest.approx(-left * near_ / (near_ + other))
    taken = (others - met.others)[0]
    assert taken.sum() == pytest.approx(30 * other / (near_ + other) / 260)
    assert taken[0 if left > 0 else 1] == 0
    np.testing.assert_allclose(met.part, [[0.25, 40 / 55]])
    assert met.bid[0] == pytest.approx((260 - max(-left, 0) * 0.75 + 20) / 300)


def test_an_order_beyond_the_near_bands_takes_all_of_theirs_and_goes_on_with_the_others():
    """Of 100 and 200, 40 of the first are theirs: 150 contracts take those 40, the other 60, and 50 of 50 a unit beyond."""
    book = undisturbed((1.0, 4.0), 110.0, 300.0, 1, 0.4)
    met = meet(np.array([-150.0, 150.0]), np.ones((2, 2)), np.ones((2, 2)), book)
    np.testing.assert_allclose(met.move, [-2, 2])
    np.testing.assert_allclose(met.caught, [40, -40])
    np.testing.assert_allclose(met.others, [[1 - 110 / 260, 1], [1, 1 - 110 / 260]])
    np.testing.assert_allclose(met.bid, [(260 - 110 + 40) / 300, 1])


def test_hot_potatoes_are_solved_for():
    """V = customers + sqrt(rate share V); nothing is passed on by those who catch nothing."""
    customers, share = np.array([10.0, 100.0, 0.0, 5.0]), np.array([0.3, 0.9, 0.5, 0.0])
    volume = hot_potato(customers, share, 40.0)
    np.testing.assert_allclose(volume, customers + np.sqrt(40.0 * share * volume))
    assert volume[3] == pytest.approx(5.0)


def test_what_is_passed_on_by_dealers_dealt_trades_at_random():
    """Ten dealers, 200 trades a second of mean size 5, a third of them theirs, passed on within 4 s: the formula without feedback."""
    rng, n, size, within, step = np.random.default_rng(4), 10, 5.0, 4.0, 0.05
    held, passed = np.zeros((200, n)), []
    for tick in range(800):
        trades = rng.random((200, n)) < 200 / 3 / n * step
        held += trades * rng.exponential(size, (200, n)) * rng.choice([-1.0, 1.0], (200, n))
        gone = held * (1 - np.exp(-step / within))
        held -= gone
        if tick >= 400:
            passed.append(np.abs(gone).sum(axis=1).mean() / step)
    # volume 1000/s, of which a third; 27 trades within 4 s are nearly normal, so within 3%
    assert np.mean(passed) == pytest.approx(np.sqrt(2 / np.pi * n * size / within * 1000 / 3), rel=0.03)
