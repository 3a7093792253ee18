"""Masks are made and searched as NumPy's own functions would, only faster."""

from __future__ import annotations

import numpy as np
import pytest

from simlab.base.masks import fetched, found_in, one_hot, picked

LAYOUTS = [(0, 1, 2), (0, 2, 1), (2, 1, 0)]  # in which order axes lie in memory


def laid(a, order):
    """The same numbers, stored otherwise."""
    return a.transpose(order).copy().transpose(np.argsort(order))


@pytest.mark.parametrize("shape", [(4, 7, 9), (1, 7, 9), (4, 1, 9), (4, 7, 1), (1, 1, 1), (2, 2100, 3)])
@pytest.mark.parametrize("order", LAYOUTS)
def test_what_is_true_is_found_however_it_lies(shape, order):
    """Where few, one of each line, none or all are; and what other arrays hold there, be they broadcast or not."""
    luck = np.random.default_rng(3)
    r, m, n = shape
    which, values = luck.integers(m, size=(r, n)), luck.random(shape)
    one = np.arange(m)[:, None] == which[:, None]
    np.testing.assert_array_equal(one_hot(which, m), one)
    np.testing.assert_array_equal(
        picked(laid(values, order), which), np.take_along_axis(values, which[:, None], 1)[:, 0]
    )
    for true in (one, luck.random(shape) < 0.1, luck.random(shape) < 0.9, np.zeros(shape, bool), np.ones(shape, bool)):
        at = found_in(laid(true, order))
        assert sorted(zip(*(axis.tolist() for axis in at), strict=True)) == list(zip(*true.nonzero(), strict=True))
        assert (np.diff(at[0]) >= 0).all()  # replication by replication
        for few in (values, values[:, :1], values[:1], values[:1, :1, :1]):
            wide = np.broadcast_to(few, shape)
            np.testing.assert_array_equal(fetched(wide, at), wide[at])
            np.testing.assert_array_equal(fetched(laid(wide, order), at), wide[at])
