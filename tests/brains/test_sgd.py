"""Gradient steps against their closed form, against scikit-learn's, and at their edges."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simlab.base.world import Spec
from simlab.brains.sgd import Sgd
from simlab.lab.streams import Streams
from tests.brains.stage import everyone, see

SPEC = Spec(models=2, features=3)
LUCK = Streams(0, range(2))
RNG = np.random.default_rng(1)
X, Y = RNG.normal(size=(2, 2, 1, 30, 3)), RNG.normal(size=(2, 2, 1, 30))


def learnt(brain, x=X, y=Y, weight=None, times=1, b=2):
    mind = brain.start(len(x), b, b, SPEC, LUCK)
    brain.fade(mind)
    see(brain, mind, y, weight, x)
    for _ in range(times):
        brain.retrain(mind, everyone(len(x), b), np.arange(b))
    return mind


def evidence(x=X, y=Y):
    return np.einsum("rbgnf,rbgnh->rbfh", x, x) / 30, np.einsum("rbgnf,rbgn->rbf", x, y) / 30


@pytest.mark.parametrize(("steps", "times"), [(1, 1), (7, 1), (3, 4), (3000, 1)])
def test_goes_so_far_towards_least_squares(steps, times):
    """w + B (c - w) with B = I - (I - rate A)^steps, training after training."""
    a, b = evidence()
    best = np.linalg.solve(a, b[..., None])
    left = np.linalg.matrix_power(np.eye(3) - 0.1 * a, steps * times)
    found = learnt(Sgd(rate=0.1, steps=steps, memory=5.0), times=times).weights
    np.testing.assert_allclose(found, ((np.eye(3) - left) @ best)[..., 0], rtol=1e-9, atol=1e-12)


def test_does_what_scikit_learn_does_case_by_case():
    """SGDRegressor, squared error, constant rate, no penalty; here with a memory of the latest case alone."""
    from sklearn.linear_model import SGDRegressor

    brain = Sgd(rate=0.05, steps=1, memory=1e-3)
    mind = brain.start(1, 1, 1, SPEC, LUCK)
    other = SGDRegressor(
        loss="squared_error", penalty=None, learning_rate="constant", eta0=0.05, fit_intercept=False, shuffle=False
    )
    for x, y in zip(X[0, 0, 0], Y[0, 0, 0], strict=True):
        brain.fade(mind)
        see(brain, mind, y.reshape(1, 1, 1, 1), None, x.reshape(1, 1, 1, 1, 3))
        brain.retrain(mind, everyone(1, 1), np.zeros(1, dtype=int))
        other.partial_fit(x[None], [y])
        np.testing.assert_allclose(mind.weights[0, 0], other.coef_, rtol=1e-9)


def test_older_evidence_counts_less():
    """A case a tick ago counts exp(-1 / memory)."""
    brain, keep = Sgd(rate=0.01, steps=20_000, memory=3.0), math.exp(-1 / 3)
    mind = brain.start(1, 1, 1, Spec(models=1, features=1), Streams(0, [0]))
    for y in (4.0, 1.0):
        brain.fade(mind)
        see(brain, mind, np.full((1, 1, 1, 1), y), None, np.ones((1, 1, 1, 1, 1)))
    brain.retrain(mind, everyone(1, 1), np.zeros(1, dtype=int))
    assert mind.weights[0, 0, 0] == pytest.approx((4 * keep + 1) / (keep + 1))


def test_unseen_answers_teach_nothing_and_weights_count():
    weight = np.ones_like(Y)
    weight[..., 10:] = 0
    spoilt = np.where(weight > 0, Y, np.nan)
    found = learnt(Sgd(), y=spoilt, weight=weight).weights
    plain = learnt(Sgd(), x=X[..., :10, :], y=Y[..., :10]).weights
    np.testing.assert_allclose(found, plain, rtol=1e-12)
    np.testing.assert_allclose(learnt(Sgd(), weight=np.full_like(Y, 3.0)).weights, learnt(Sgd()).weights, rtol=1e-12)
    np.testing.assert_array_equal(learnt(Sgd(), weight=np.zeros_like(Y)).weights, 0)


def test_changes_are_cut_to_a_length_and_keep_their_direction():
    whole, cut = learnt(Sgd()).weights, learnt(Sgd(clip=0.01)).weights
    length = np.linalg.norm(whole, axis=2, keepdims=True)
    assert (length > 0.01).all()
    np.testing.assert_allclose(cut, whole / length * 0.01, rtol=1e-12)
    np.testing.assert_array_equal(learnt(Sgd(clip=10.0)).weights, whole)


def test_noise_is_added_once_a_training_and_is_the_brains_own():
    brain, luck = Sgd(noise=0.5), Streams(3, range(400))
    mind = brain.start(400, 2, 2, SPEC, luck)
    luck.clock.row = 0
    brain.predict(mind, np.zeros((400, 2, 1, 3)), luck)
    brain.retrain(mind, everyone(400, 2), np.arange(2))
    flat = mind.weights.reshape(400, 6)
    assert abs(flat.std() - 0.5) < 4 * 0.5 / math.sqrt(2 * flat.size)
    assert abs(np.corrcoef(flat.T)[np.triu_indices(6, 1)]).max() < 4.5 / math.sqrt(400)


def test_the_bits_do_not_depend_on_how_many_are_batched():
    x, y = RNG.normal(size=(9, 2, 3, 5, 12)), RNG.normal(size=(9, 2, 3, 5))
    spec, brain = Spec(models=6, features=12), Sgd(clip=0.3)
    minds = [brain.start(r, 2, 2, spec, LUCK) for r in (9, 1)]
    for mind, rows in zip(minds, (slice(None), slice(4, 5)), strict=True):
        see(brain, mind, y[rows], None, x[rows])
        brain.retrain(mind, everyone(len(mind.weights), 2), np.arange(2))
    one = brain.start(1, 2, 2, spec, LUCK)
    see(brain, one, y[4:5], None, x[4:5])
    for b in range(2):
        brain.retrain(one, (np.zeros(1, dtype=int), np.array([b])), np.arange(2))
    np.testing.assert_array_equal(minds[0].weights[4:5], minds[1].weights)
    np.testing.assert_array_equal(one.weights, minds[1].weights)


def test_says_which_worlds_it_cannot_serve():
    assert "needs features" in Sgd().why_not(Spec(models=1))
    assert "asks for shares" in Sgd().why_not(Spec(models=1, asks="shares", choices=2, features=1))
    assert Sgd().why_not(SPEC) is None
