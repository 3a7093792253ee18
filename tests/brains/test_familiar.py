"""The learner that knows a type from having met it, against Bayes' rule and against the algebra of averaging."""

from __future__ import annotations

import numpy as np
import pytest

from simlab.base.errors import ParameterError
from simlab.base.world import Feedback, Spec
from simlab.brains.brain import average
from simlab.brains.familiar import Familiar
from simlab.lab.streams import Streams
from tests.brains.stage import everyone

TYPES = 7
SPEC = Spec(models=4, case=(5,), states=TYPES)
LUCK = Streams(0, range(3))


def see(brain, mind, x, outcome, weight=None):
    brain.fade(mind)
    brain.witness(mind, x, None, Feedback(outcome, weight), None)


def bayes(labels, right):
    """P(+1) - P(-1) of a type whose labels are right with that chance, from even odds, one label at a time."""
    up = 0.5
    for label in labels:
        fits, other = (right, 1 - right) if label > 0 else (1 - right, right)
        up = up * fits / (up * fits + (1 - up) * other)
    return 2 * up - 1


@pytest.mark.parametrize("right", [0.6, 0.9])
def test_says_what_bayes_rule_says_of_each_type_and_doubts_as_much(right):
    brain, luck = Familiar(right=right), np.random.default_rng(1)
    mind = brain.start(3, 2, 2, SPEC, LUCK)
    x = luck.integers(TYPES - 1, size=(9, 3, 2, 2, 5))  # the last type is never met
    y = luck.choice([-1.0, 1.0], size=x.shape)
    seen = luck.random(x.shape) < 0.3
    for asked, answer, weight in zip(x, y, seen, strict=True):
        see(brain, mind, asked, answer, weight.astype(float))
    assert not brain.predict(mind, x[0], LUCK).any()  # it has not learnt yet
    brain.retrain(mind, everyone(3, 2), np.array([1, 0]))  # each taught by the other's pool
    every = np.broadcast_to(np.arange(TYPES), (3, 2, 1, TYPES))
    said, doubt = brain.predict(mind, every, LUCK), brain.doubt(mind, every)
    for r, b, kind in np.ndindex(3, 2, TYPES):
        mine = (x[:, r, 1 - b] == kind) & seen[:, r, 1 - b]
        expected = bayes(y[:, r, 1 - b][mine], right)
        assert said[r, b, 0, kind] == pytest.approx(expected, abs=1e-6)  # float32
        assert doubt[r, b, 0, kind] == pytest.approx((1 - abs(expected)) / 2, abs=1e-12)
    assert (said[..., -1] == 0).all()
    assert (doubt[..., -1] == 0.5).all()


def test_what_all_seats_are_asked_alike_is_answered_alike():
    """A question that is the same for all seats, by broadcast, is answered as when it is written out."""
    brain, luck = Familiar(), np.random.default_rng(2)
    mind = brain.start(3, 2, 2, SPEC, LUCK)
    see(brain, mind, luck.integers(TYPES, size=(3, 2, 2, 5)), np.ones((3, 2, 2, 5)))
    brain.retrain(mind, everyone(3, 2), np.arange(2))
    x = luck.integers(TYPES, size=(3, 1, 1, 5))
    wide = np.broadcast_to(x, (3, 2, 4, 5))
    for answer in (lambda asked: brain.predict(mind, asked, LUCK), lambda asked: brain.doubt(mind, asked)):
        np.testing.assert_array_equal(answer(wide), answer(wide.copy()))
        assert answer(wide).shape == wide.shape


def known(by):
    """Which types a federated round of five leaves known, where type k was met by k of them, once each."""
    brain = Familiar()
    mind = brain.start(1, 5, 5, Spec(models=5, states=6), LUCK)
    for kind in range(6):
        met = (np.arange(5) < kind).astype(float).reshape(1, 5, 1)
        see(brain, mind, np.full((1, 5, 1), kind), np.ones((1, 5, 1)), met)
    brain.retrain(mind, everyone(1, 5), np.arange(5))
    average(brain, mind, [np.zeros((1, 6))], np.ones((1, 5)), by)
    said = brain.predict(mind, np.broadcast_to(np.arange(6), (1, 5, 1, 6)), LUCK)
    assert (said == said[:, :1]).all()
    return (said[0, 0, 0] > 0).tolist()


def test_a_mean_keeps_what_one_knows_and_a_median_what_half_know():
    assert known("mean") == [False, True, True, True, True, True]
    assert known("median") == [False, False, False, True, True, True]


def test_one_replication_alone_has_the_same_bits():
    brain, luck = Familiar(), np.random.default_rng(3)
    x, y = luck.integers(TYPES, size=(3, 2, 2, 5)), luck.choice([-1.0, 1.0], size=(3, 2, 2, 5))

    def answer(rows):
        mind = brain.start(len(x[rows]), 2, 2, SPEC, LUCK)
        see(brain, mind, x[rows], y[rows])
        brain.retrain(mind, everyone(len(x[rows]), 2), np.arange(2))
        return brain.predict(mind, x[rows], LUCK)

    np.testing.assert_array_equal(answer(slice(1, 2)), answer(slice(None))[1:2])


def test_what_it_cannot_serve():
    assert "by type, and the world offers 2 features" in Familiar().lacks(Spec(models=1, features=2))
    assert Familiar().lacks(SPEC) is None
    with pytest.raises(ParameterError, match=r"Familiar.right must be above 0.5"):
        Familiar(right=0.5)
