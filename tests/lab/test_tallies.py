"""Quantiles of counted values: near the exact ones, and the same however replications were cut."""

from __future__ import annotations

import numpy as np
import pytest

from simlab.lab.outcome import LEVELS, Outcome
from simlab.lab.tallies import added, gathered, quantiles, tally


@pytest.fixture(scope="module")
def series():
    rng = np.random.Generator(np.random.Philox(5))
    rows = [rng.normal(size=3000), rng.lognormal(2, 3, size=3000), np.zeros(3000), -rng.exponential(size=3000) * 1e-30]
    found = np.array([*rows, np.full(3000, np.nan), np.r_[rng.normal(size=1), np.full(2999, np.nan)]], np.float32)
    found[0, [3, 7]] = np.inf, np.nan
    found[2, 5] = -0.0
    return found


def test_quantiles_are_within_a_tenth_of_a_percent(series):
    found = quantiles(tally(series), len(series))
    for row, own in zip(found, series, strict=True):
        seen = own[np.isfinite(own)].astype(float)
        if not len(seen):
            assert np.isnan(row).all()
            continue
        at = LEVELS * (len(seen) - 1)
        low, high = np.sort(seen)[np.floor(at).astype(int)], np.sort(seen)[np.ceil(at).astype(int)]
        exact = low + (at % 1) * (high - low)
        np.testing.assert_array_less(
            abs(row - exact), np.maximum(abs(low), abs(high)) * 2**-10 * 1.0001 + np.finfo(np.float32).tiny
        )


@pytest.mark.parametrize("edges", [[1000, 2000], [1], [7, 2999], list(range(100, 3000, 100))])
def test_any_cut_in_any_order_gives_the_same_tally(series, edges):
    pieces = np.split(series, edges, axis=1)
    whole = tally(series)
    for order in (pieces, pieces[::-1]):
        one = added([tally(piece) for piece in order])
        nothing = np.zeros(0)
        outcomes = [Outcome(nothing, {}, nothing, {}, [], nothing, {}, tallies={"x": tally(p)}) for p in order]
        (_, sums) = gathered(outcomes)
        for found in (one, sums["x"]):
            np.testing.assert_array_equal(found.keys, whole.keys)
            np.testing.assert_array_equal(found.counts, whole.counts)


def test_every_finite_value_is_counted_and_nothing_else(series):
    assert tally(series).counts.sum() == np.isfinite(series).sum()


def test_the_number_of_counted_values_is_bounded():
    """From 1 to 2 there are 512 of them, however many replications there are, and the end belongs to the next."""
    assert len(tally(np.linspace(1, 2, 1_000_000, dtype=np.float32)[None]).keys) == 513


def test_the_largest_numbers_stay_finite():
    largest = np.finfo(np.float32).max
    found = quantiles(tally(np.array([[-largest, *[largest] * 9]], np.float32)), 1)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[0, [0, -1]], [-largest, largest], rtol=2**-9)
