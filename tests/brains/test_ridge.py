"""The ridge against the normal equations, and what it promises about pools, weights and forgetting."""

from __future__ import annotations

import numpy as np
import pytest

from simlab.base.world import Feedback, Spec
from simlab.brains.ridge import Ridge
from simlab.lab.streams import Streams
from tests.brains.stage import everyone

SPEC = Spec(models=4, features=3, views=4)
LUCK = Streams(0, range(2))


def taught(brain, x, y, weight=None, pools=1, brains=1, taught_by=None):
    """The mind after the answers `y` `(t, r, p, g, *c)` to `x` `(t, r, p, g, *c, f)`."""
    r = x.shape[1]
    mind = brain.start(r, brains, pools, SPEC, LUCK)
    for t in range(len(x)):
        seen = Feedback(y[t], None if weight is None else weight[t])
        with np.errstate(all="ignore"):  # as the loop does
            brain.fade(mind)
            brain.witness(mind, x[t], y[t], seen, x[t])
    brain.retrain(mind, everyone(r, brains), np.zeros(brains, dtype=int) if taught_by is None else taught_by)
    return mind


def cases(t=50, r=2, p=1, g=4, f=3, seed=1):
    g_ = np.random.default_rng(seed)
    x = g_.normal(size=(t, r, p, g, f))
    return x, x @ np.array([1.0, -2.0, 0.5])[:f] + g_.normal(size=(t, r, p, g))


def solved(x, y, weight, penalty):
    """Weighted ridge by the textbook, for one replication: cases `(n, f)`."""
    return np.linalg.solve(x.T @ (weight[:, None] * x) + penalty * np.eye(x.shape[1]), x.T @ (weight * y))


def test_equals_the_normal_equations_with_exponential_forgetting():
    """Hoerl & Kennard 1970: w = (X'WX + k I)^-1 X'Wy, with weights exp(-age / memory), and k for each of the 4 seats."""
    x, y = cases()
    mind = taught(Ridge(penalty=3.0, memory=20.0), x, y)
    fade = np.repeat(np.exp(-np.arange(len(x))[::-1] / 20.0), 4)
    for i in range(2):
        expected = solved(x[:, i].reshape(-1, 3), y[:, i].ravel(), fade, 4 * 3.0)
        np.testing.assert_allclose(mind.weights[i, 0], expected, rtol=1e-10)


def test_recovers_a_linear_law():
    """With n cases of unit variance the error of each weight is about 1/sqrt(n)."""
    x, y = cases(t=2000)
    mind = taught(Ridge(penalty=1e-6, memory=1e9), x, y)
    assert (np.abs(mind.weights - [1.0, -2.0, 0.5]) < 4 / np.sqrt(8000)).all()


def test_a_weight_of_two_is_two_cases_and_unseen_is_none():
    x, y = cases(t=1, g=3)
    y[..., 2] = np.nan  # nobody saw it
    weight = np.broadcast_to([2.0, 1.0, 0.0], y.shape)
    mind = taught(Ridge(penalty=0.1, memory=1e12), x, y, weight)
    twice = x[0, 0, 0][[0, 0, 1]]
    np.testing.assert_allclose(mind.weights[0, 0], solved(twice, y[0, 0, 0][[0, 0, 1]], np.ones(3), 3 * 0.1), rtol=1e-9)


def test_nobody_told_anything_is_no_evidence():
    """Said once for all or to each in turn, it fades what was there, and no more; said once, not even what is infinite is looked at."""
    x, y = cases(t=4)
    weight = np.ones_like(y)
    weight[1:] = 0
    before = taught(Ridge(), x, y, weight)
    brain, nobody = Ridge(), np.broadcast_to(0.0, y[0].shape)
    mind = taught(Ridge(), x[:1], y[:1])
    for t in range(1, 4):
        brain.fade(mind)
        brain.witness(mind, np.full_like(x[t], np.inf), y[t], Feedback(y[t], nobody), x[t])
    np.testing.assert_array_equal(mind.xx, before.xx)
    np.testing.assert_array_equal(mind.xy, before.xy)


def test_case_axes_are_pooled():
    x, y = cases(t=30, g=6)
    flat = taught(Ridge(memory=1e9), x, y).weights
    cased = taught(Ridge(memory=1e9), x.reshape(30, 2, 1, 2, 3, 3), y.reshape(30, 2, 1, 2, 3)).weights
    np.testing.assert_allclose(cased, flat, rtol=1e-12)


def test_a_brain_learns_from_its_pool_alone():
    x, y = cases(p=2, g=1)
    both = taught(Ridge(), x, y, pools=2, brains=2, taught_by=np.array([1, 0])).weights
    for brain, pool in ((0, 1), (1, 0)):
        own = taught(Ridge(), x[:, :, pool : pool + 1], y[:, :, pool : pool + 1]).weights
        np.testing.assert_allclose(both[:, brain], own[:, 0], rtol=1e-12)


def test_only_those_asked_retrain():
    x, y = cases(p=3, g=1)
    brain = Ridge()
    mind = brain.start(2, 3, 3, SPEC, LUCK)
    for t in range(len(x)):
        brain.witness(mind, x[t], y[t], Feedback(y[t]), x[t])
    brain.retrain(mind, (np.array([1]), np.array([2])), np.arange(3))
    assert (mind.weights[1, 2] != 0).all()
    mind.weights[1, 2] = 0
    assert (mind.weights == 0).all()


@pytest.mark.parametrize("taught_by", [[0, 1, 2], [2, 0, 1], [1, 1, 1]])
def test_all_together_learn_what_each_would_alone(taught_by):
    """To the bit, in whatever order they are named; one who is named twice is not mistaken for two."""
    x, y = cases(p=3, g=1)
    brain, taught_by, (rows, brains) = Ridge(), np.array(taught_by), everyone(2, 3)
    mind = brain.start(2, 3, 3, SPEC, LUCK)
    for t in range(len(x)):
        brain.witness(mind, x[t], y[t], Feedback(y[t]), x[t])
    for pair in zip(rows, brains, strict=True):
        brain.retrain(mind, tuple(np.array([i]) for i in pair), taught_by)
    alone = [leaf.copy() for leaf in (mind.weights, mind.known)]
    assert (alone[0] != 0).all()
    for order in (slice(None), slice(None, None, -1)):
        mind.weights[:] = mind.known[:] = 0
        brain.retrain(mind, (rows[order], brains[order]), taught_by)
        for found, expected in zip((mind.weights, mind.known), alone, strict=True):
            np.testing.assert_array_equal(found, expected)
    mind.weights[:] = 0
    brain.retrain(mind, (rows, np.array([0, 1, 1, 0, 1, 2])), taught_by)
    assert (mind.weights[0, 2] == 0).all()
    np.testing.assert_array_equal(mind.weights[1], alone[0][1])


def test_predicts_the_weighted_sum_for_every_seat():
    brain = Ridge()
    mind = brain.start(2, 2, 1, SPEC, LUCK)
    mind.weights[...] = np.arange(12).reshape(2, 2, 3)
    x = np.random.default_rng(3).normal(size=(2, 2, 5, 7, 3))
    np.testing.assert_allclose(brain.predict(mind, x, LUCK), np.einsum("rbgcf,rbf->rbgc", x, mind.weights), rtol=1e-12)


def test_predicts_nothing_before_it_has_learnt():
    brain = Ridge()
    assert (brain.predict(brain.start(2, 1, 1, SPEC, LUCK), np.ones((2, 1, 4, 3)), LUCK) == 0).all()


def test_evidence_that_is_not_finite_gives_weights_that_are_not():
    """A runaway world is recorded as diverged; the learner must not raise or warn on the way."""
    x, y = cases(t=3)
    y[1, 0] = np.inf
    mind = taught(Ridge(), x, y)
    assert not np.isfinite(mind.weights[0]).any()
    assert np.isfinite(mind.weights[1]).all()


@pytest.mark.parametrize(
    ("spec", "says"),
    [(Spec(models=2, asks="choice", choices=3, features=1), "choice"), (Spec(models=2, states=4), "features")],
)
def test_says_which_worlds_it_cannot_serve(spec, says):
    assert says in Ridge().why_not(spec)
    assert Ridge().why_not(SPEC) is None


@pytest.mark.parametrize("bounds", [1.0, 1.2, 0.0])
def test_an_answer_that_is_only_a_bound_counts_as_said(bounds):
    """As the value, as so many times the bound, or not at all: then the penalty alone is for as many cases as before."""
    x, y = cases(t=1, g=6)
    cut = y > 0
    brain = Ridge(penalty=3.0, memory=20.0, bounds=bounds)
    mind = brain.start(2, 1, 1, SPEC, LUCK)
    brain.witness(mind, x[0], y[0], Feedback(y[0], censored=cut[0]), x[0])
    brain.retrain(mind, everyone(2, 1), np.zeros(1, dtype=int))
    for i in range(2):
        bound, told = cut[0, i, 0], y[0, i, 0]
        weight = np.where(bound & (bounds == 0), 0.0, 1.0)
        expected = solved(x[0, i, 0], np.where(bound, bounds * told, told), weight, 6 * 3.0)
        np.testing.assert_allclose(mind.weights[i, 0], expected, rtol=1e-10)


def test_products_that_are_nothing_are_left_out_without_a_trace():
    """Two types of question with two features each never meet: who looks, since all rows are asked alike, learns the same to the bit."""
    rng = np.random.default_rng(5)
    types = rng.integers(0, 2, size=(6, 3, 1, 1, 9))
    x = np.zeros((6, 3, 1, 1, 9, 4))
    for k in (0, 1):
        x[..., 2 * k], x[..., 2 * k + 1] = types == k, (types == k) * rng.normal(size=types.shape)
    alike = np.broadcast_to(x, (6, 3, 5, 1, 9, 4))
    y, weight = rng.normal(size=alike.shape[:-1]), rng.integers(0, 3, size=alike.shape[:-1]).astype(float)
    spec, brain = Spec(models=5, case=(9,), features=4), Ridge()
    for answers in (y, np.where(y > 2, np.nan, y)):
        minds = [brain.start(3, 5, 5, spec, Streams(0, range(3))) for _ in range(2)]
        for mind, asked in zip(minds, (alike, alike.copy()), strict=True):
            for t in range(6):
                brain.witness(mind, asked[t], answers[t], Feedback(answers[t], weight[t]), asked[t])
        for a, b in zip(*minds, strict=True):
            np.testing.assert_array_equal(a, b)
    assert minds[0].xx.any()
