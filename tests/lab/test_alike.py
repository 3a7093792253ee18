"""How alike models answer: held against NumPy's own correlations, pair by pair."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from simlab.brains.topology import Schedule, wire
from simlab.lab.alike import Alike, blocks
from simlab.lab.cohort import join, play
from tests.lab.toy import Dice, Toy, trial


def correlated(ticks, r, m):
    rng = np.random.default_rng(3)
    return 5 + rng.normal(size=(ticks, r, 1)) + rng.normal(size=(ticks, r, m))


def summed(said):
    kept = Alike(*said.shape[1:])
    for one in said:
        kept.take(one)
    return kept.matrix()


@pytest.mark.parametrize("m", [1, 2, 8])
def test_few_models_are_correlated_pair_by_pair(m):
    said = correlated(40, 3, m)
    for i, found in enumerate(summed(said)):
        np.testing.assert_allclose(found, np.corrcoef(said[:, i].T).reshape(m, m), atol=1e-5)


@pytest.mark.parametrize("m", [16, 20, 64])
def test_many_models_are_averaged_in_blocks(m):
    """The mean covariance of every pair of two blocks over their mean variances; within a block, of every pair but itself."""
    said = correlated(40, 2, m)
    for i, found in enumerate(summed(said)):
        cov = np.cov(said[:, i].T, bias=True)
        for j, (a, b) in enumerate(blocks(m)):
            for k, (c, d) in enumerate(blocks(m)):
                pairs = cov[a:b, c:d][~np.eye(b - a, d - c, dtype=bool)] if j == k else cov[a:b, c:d]
                scale = np.sqrt(np.diag(cov)[a:b].mean() * np.diag(cov)[c:d].mean())
                assert found[j, k] == pytest.approx(pairs.mean() / scale, abs=1e-5)


def test_blocks_cover_every_model_once():
    for m in range(1, 70):
        edges = blocks(m)
        assert edges[0][0] == 0
        assert edges[-1][1] == m
        assert all(b == c for (_, b), (c, _) in pairwise(edges))
        assert len(edges) <= 8
        assert m <= 8 or all(b - a > 1 for a, b in edges)


def test_what_never_changes_is_undefined():
    assert np.isnan(summed(np.ones((5, 2, 3)))).all()
    assert np.isnan(summed(correlated(1, 2, 3))).all()


@pytest.mark.parametrize("models", [3, 20])
def test_a_run_keeps_it_at_any_cohort_size(models):
    """One brain and one view say the same: 1. Each brain's own dice: alike only with itself."""
    world = Toy(models=models)
    given = {"schedule": Schedule(every=7), "horizon": 60.0, "topology": wire("shared", models)}
    same = play(trial(world, **given), 1, range(5))
    assert same.alike.shape == (5, len(blocks(models)), len(blocks(models)))
    np.testing.assert_allclose(same.alike, 1, atol=1e-5)
    dice = {"brains": (Dice(),), "horizon": 200.0}
    whole = play(trial(world, **dice), 1, range(5))
    single = join([play(trial(world, **dice), 1, [i]) for i in range(5)])
    np.testing.assert_array_equal(whole.alike, single.alike)
    off = ~np.eye(len(blocks(models)), dtype=bool)
    assert abs(whole.alike[:, off].mean()) < 0.15


def test_a_run_of_models_that_say_the_same_is_all_alike_and_of_dice_it_is_not():
    """One brain for all, taught at every tick, against models that throw their own."""
    same = play(trial(Toy(), "shared", schedule=Schedule(every=1), stride=1.0), 1, range(2)).alike
    np.testing.assert_allclose(same, 1.0, atol=1e-5)
    dice = play(trial(Toy(), brains=(Dice(),), stride=1.0, horizon=400.0), 1, range(2)).alike
    assert np.abs(dice - np.eye(3)).max() < 4 / np.sqrt(400)
