"""A moving average against its definition, tick by tick."""

from __future__ import annotations

import numpy as np
import pytest

from simlab.base.world import Feedback, Spec
from simlab.brains.moving_average import MovingAverage
from simlab.lab.streams import Streams
from tests.brains.stage import everyone, see

SPEC = Spec(models=4, case=(5,))
LUCK = Streams(0, range(3))


def learnt(brain, mind, answers, weights=None, pools=2):
    """A tick for each of the answers, and then a training."""
    for tick, each in enumerate(answers):
        brain.fade(mind)
        see(brain, mind, each, None if weights is None else weights[tick])
    brain.retrain(mind, everyone(len(mind.says), pools), np.arange(pools))
    return mind.says


@pytest.mark.parametrize("ticks", [1, 4, 7, 8, 23])
def test_says_the_mean_of_the_last_ticks_case_by_case(ticks):
    brain, luck = MovingAverage(window=7), np.random.default_rng(1)
    answers = luck.normal(size=(ticks, 3, 2, 2, 5))  # ticks, replications, pools, seats, cases
    says = learnt(brain, brain.start(3, 2, 2, SPEC, LUCK), answers)
    np.testing.assert_allclose(says, answers[-7:].mean(axis=(0, 3)), rtol=1e-12, atol=1e-15)


def test_a_change_is_what_came_less_what_left():
    """(newest - the one that leaves) / p: Brown 1963."""
    brain, p = MovingAverage(window=5), 5
    mind = brain.start(1, 1, 1, Spec(models=1), LUCK)
    answers = np.random.default_rng(2).normal(size=(40, 1, 1, 1))
    said = [learnt(brain, mind, answers[i : i + 1], pools=1).item() for i in range(40)]
    np.testing.assert_allclose(np.diff(said)[p:], (answers[p + 1 :] - answers[1:-p]).ravel() / p, rtol=1e-9, atol=1e-15)


def test_what_nobody_saw_takes_up_time_and_does_not_count():
    brain = MovingAverage(window=4, prior=7.0)
    mind = brain.start(1, 1, 1, Spec(models=1, case=(2,)), LUCK)
    answers = np.array([[1.0, np.nan], [2.0, 8.0], [np.nan, np.nan], [6.0, 4.0]])[:, None, None, None, :]
    weights = np.array([[1.0, 0.0], [3.0, 1.0], [0.0, 0.0], [1.0, 1.0]])[:, None, None, None, :]
    np.testing.assert_array_equal(learnt(brain, mind, [], pools=1), 7.0)
    np.testing.assert_allclose(learnt(brain, mind, answers, weights, pools=1), [[[13 / 5, 6.0]]])
    nothing = np.zeros((4, 1, 1, 1, 2))
    np.testing.assert_allclose(learnt(brain, mind, nothing, nothing, pools=1), [[[13 / 5, 6.0]]])  # as it was
    assert mind.number.max() == 0


@pytest.mark.parametrize(("bounds", "expected"), [(True, 4.0), (False, 6.0)])
def test_bounds_count_as_values_or_not_at_all(bounds, expected):
    brain = MovingAverage(window=9, bounds=bounds)
    mind = brain.start(1, 1, 1, Spec(models=1), LUCK)
    for value, bound in ((2.0, True), (6.0, False)):
        brain.fade(mind)
        censored = np.full((1, 1, 1), bound)
        brain.witness(mind, None, None, Feedback(np.full((1, 1, 1), value), censored=censored), None)
    brain.retrain(mind, everyone(1, 1), np.zeros(1, dtype=int))
    assert mind.says.item() == expected


def test_nothing_stays_longer_than_a_round():
    """A number that is no number leaves with the window, at the latest when the ring begins anew."""
    brain = MovingAverage(window=3)
    mind = brain.start(1, 1, 1, Spec(models=1), LUCK)
    answers = np.array([np.inf, 1.0, 1.0, 1.0, 1.0, 2.0, 3.0, 4.0])[:, None, None, None]
    with np.errstate(invalid="ignore"):
        assert learnt(brain, mind, answers, pools=1).item() == 3.0


def test_answers_about_other_cases_are_pooled():
    """Answers for seven questions where five were asked: all cases get the mean of all."""
    brain = MovingAverage(window=2)
    answers = np.random.default_rng(3).normal(size=(2, 3, 2, 2, 7))
    says = learnt(brain, brain.start(3, 2, 2, SPEC, LUCK), answers)
    np.testing.assert_allclose(says, np.broadcast_to(answers.mean(axis=(0, 3, 4))[..., None], (3, 2, 5)), rtol=1e-12)


def test_one_pool_may_teach_all():
    brain = MovingAverage(window=2)
    mind = brain.start(3, 4, 1, SPEC, LUCK)
    see(brain, mind, np.full((3, 1, 1, 5), 4.0))
    brain.retrain(mind, everyone(3, 4), np.zeros(4, dtype=int))
    np.testing.assert_array_equal(mind.says, 4.0)


@pytest.mark.parametrize("features", [0, 1])
def test_a_feature_converts(features):
    brain = MovingAverage(prior=3.0)
    mind = brain.start(2, 2, 2, SPEC, LUCK)
    x = np.full((2, 2, 2, 5, 1), 0.5) if features else np.ones((2, 2, 2, 5), dtype=np.int64)
    said = brain.predict(mind, x, LUCK)
    assert said.shape == (2, 2, 2, 5)
    np.testing.assert_array_equal(said, 1.5 if features else 3.0)


def test_the_bits_do_not_depend_on_how_many_are_batched():
    outcome = np.random.default_rng(4).normal(size=(20, 9, 2, 3, 5))
    whole, one = (MovingAverage(window=6).start(r, 2, 2, SPEC, LUCK) for r in (9, 1))
    for mind, rows in ((whole, slice(None)), (one, slice(4, 5))):
        learnt(MovingAverage(window=6), mind, outcome[:, rows])
    np.testing.assert_array_equal(whole.says[4:5], one.says)


def test_says_which_worlds_it_cannot_serve():
    assert "asks for shares" in MovingAverage().why_not(Spec(models=1, asks="shares", choices=2))
    assert "gives 2" in MovingAverage().why_not(Spec(models=1, features=2))
    assert MovingAverage().why_not(SPEC) is None
