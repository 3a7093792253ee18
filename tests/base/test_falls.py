"""Falls against their definition, tick by tick in plain Python."""

from __future__ import annotations

import numpy as np
import pytest

from simlab.base.falls import level


@pytest.mark.parametrize(("window", "ticks"), [(1, 50), (7, 200), (40, 30)])
def test_against_the_definition(window, ticks):
    changes = np.random.default_rng(1).normal(size=(ticks, 5, 3))
    falls = level(5, window, 3)
    for change in changes:
        falls = falls.follow(change)
    paths = np.concatenate([np.zeros((1, 5, 3)), np.cumsum(changes, axis=0)])
    for i in range(5):
        path = paths[:, i, 0]
        fall = np.maximum.accumulate(path) - path
        at = fall.argmax()
        assert falls.deepest[i] == pytest.approx(fall[at])
        assert falls.regained[i] == pytest.approx((path[-1] - path[at]) / fall[at])
        spans = [paths[t, i] - paths[max(t - window, 0), i] for t in range(1, ticks + 1)]
        worst = min([np.zeros(3), *spans], key=lambda span: span[0])
        np.testing.assert_allclose(falls.worst[i], worst, atol=1e-12)
        np.testing.assert_allclose(falls.lately[i], paths[-1, i] - paths[max(ticks - window + 1, 0), i], atol=1e-12)


def test_a_path_that_only_rises_never_fell():
    falls = level(2, 3, 1)
    for _ in range(10):
        falls = falls.follow(np.ones((2, 1)))
    np.testing.assert_array_equal([falls.deepest, falls.worst[:, 0], falls.regained], 0)


def test_anew_forgets_earlier_falls_and_keeps_the_path():
    falls = level(1, 4, 2).follow(np.array([[-5.0, 2.0]])).anew().follow(np.array([[-1.0, 3.0]]))
    assert (falls.deepest[0], falls.sums[0].tolist()) == (1.0, [-6.0, 5.0])
    assert falls.regained[0] == 0
