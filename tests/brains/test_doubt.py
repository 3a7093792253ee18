"""Doubt: the standard errors that brains tell, against textbook formulas and independent linear algebra."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simlab.base.world import Feedback, Spec
from simlab.brains.brain import Brain
from simlab.brains.ridge import Ridge
from simlab.brains.thompson import Beliefs, Thompson
from simlab.lab.streams import Streams
from simlab.scenario.registry import HOUSE

R, B, F = 3, 2, 4


def learnt(ridge, cases=6):
    """A ridge that was trained on `cases` questions, one a tick, and those questions `(cases, r, b, 1, f)`."""
    x = np.random.default_rng(3).normal(size=(cases, R, B, 1, F))
    mind = ridge.start(R, B, B, Spec(models=B, features=F), Streams(1, range(R)))
    for now in x:
        ridge.fade(mind)
        ridge.witness(mind, now, None, Feedback(now.sum(axis=-1)), None)
    rows, brains = (each.ravel() for each in np.indices((R, B)))
    ridge.retrain(mind, (rows, brains), np.arange(B))
    return mind, x


def test_a_ridge_tells_the_standard_error_of_its_prediction():
    """sqrt(x' (X'X + penalty I)^-1 x) by lstsq on [X; sqrt(penalty) I], a row at a time."""
    ridge = Ridge(penalty=0.7, memory=1e12)
    mind, x = learnt(ridge)
    asked = np.random.default_rng(4).normal(size=(R, B, 5, F))
    found = ridge.doubt(mind, asked)
    assert found.shape == (R, B, 5)
    for r, b, g in np.ndindex(R, B, 5):
        rows = np.vstack([x[:, r, b, 0], math.sqrt(0.7) * np.eye(F)])
        u = np.linalg.lstsq(rows.T, asked[r, b, g], rcond=None)[0]  # least norm with rows' u = x: its norm is the error
        assert found[r, b, g] == pytest.approx(np.linalg.norm(u), rel=1e-6)


def test_it_is_the_size_of_the_question_before_anything_was_learnt():
    ridge = Ridge(penalty=4.0)
    mind = ridge.start(R, B, B, Spec(models=B, features=F), Streams(1, range(R)))
    x = np.random.default_rng(5).normal(size=(R, B, 3, 2, F))
    np.testing.assert_allclose(ridge.doubt(mind, x), np.linalg.norm(x, axis=-1) / 2)


def test_it_covers_the_truth():
    """Data with noise of 1 and a weight from the prior N(0, 1/penalty): the error over the doubt is a standard normal."""
    r, ridge, g = 4000, Ridge(penalty=0.5, memory=1e12), np.random.default_rng(6)
    w = g.normal(size=(r, 1, 1, 2)) / math.sqrt(0.5)
    mind = ridge.start(r, 1, 1, Spec(models=1, features=2), Streams(1, range(r)))
    for _ in range(5):
        x = g.normal(size=(r, 1, 1, 2))
        ridge.witness(mind, x, None, Feedback((x * w).sum(axis=-1) + g.normal(size=(r, 1, 1))), None)
    ridge.retrain(mind, (np.arange(r), np.zeros(r, dtype=np.int64)), np.zeros(1, dtype=np.int64))
    x = g.normal(size=(r, 1, 1, 2))
    z = (ridge.predict(mind, x, None) - (x * w).sum(axis=-1)) / ridge.doubt(mind, x)
    assert abs(z.std() - 1) < 4 / math.sqrt(2 * r)
    assert abs(z.mean()) < 4 / math.sqrt(r)


def test_its_bits_do_not_depend_on_the_batch():
    ridge = Ridge(penalty=0.7)
    mind, _ = learnt(ridge)
    x = np.random.default_rng(7).normal(size=(R, B, 2, F))
    whole = ridge.doubt(mind, x)
    for i in range(R):
        one = type(mind)(*(leaf[i : i + 1] for leaf in mind))
        np.testing.assert_array_equal(ridge.doubt(one, x[i : i + 1])[0], whole[i])


def test_thompson_tells_the_spread_of_its_belief_in_the_best():
    """Beta(a, b) has the variance ab / ((a+b)^2 (a+b+1)); the best on average is Beta(9, 3), not the unknown Beta(1, 1)."""
    mind = Beliefs(np.array([[[8.0, 0.0]]]), np.array([[[2.0, 0.0]]]))
    found = Thompson().doubt(mind, np.zeros((1, 1, 4, 3, 2)))
    assert found.shape == (1, 1, 4, 3)
    np.testing.assert_allclose(found, math.sqrt(9 * 3 / (12**2 * 13)))
    nothing = Beliefs(np.zeros((1, 1, 2)), np.zeros((1, 1, 2)))
    np.testing.assert_allclose(Thompson().doubt(nothing, np.zeros((1, 1, 1, 2))), math.sqrt(1 / 12))


@pytest.mark.parametrize("name", HOUSE.brains.names())
def test_a_brain_declares_whether_it_can_tell(name):
    brain = HOUSE.brains.find(name)
    assert (brain.doubt is not Brain.doubt) == (brain.doubts is not None)
