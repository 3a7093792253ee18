"""The mean of the latest answers, against arithmetic and against the algebra of repeated risk minimisation."""

from __future__ import annotations

import numpy as np
import pytest

from simlab.base.world import Spec
from simlab.brains.mean import Mean
from simlab.lab.streams import Streams
from tests.brains.stage import everyone, see

SPEC = Spec(models=4)
LUCK = Streams(0, range(3))


def test_says_the_mean_of_what_came_since_the_last_training():
    brain, luck = Mean(), np.random.default_rng(1)
    mind = brain.start(3, 2, 2, SPEC, LUCK)
    for _ in range(3):
        answers = luck.normal(size=(7, 3, 2, 2, 5))  # ticks, replications, pools, seats, cases
        for each in answers:
            see(brain, mind, each)
        brain.retrain(mind, everyone(3, 2), np.arange(2))
        np.testing.assert_allclose(mind.says, answers.mean(axis=(0, 3, 4)), rtol=1e-12)


@pytest.mark.parametrize("eps", [-1.5, -0.9, 0.0, 0.6, 0.99, 1.2])
@pytest.mark.parametrize("keep", [0.0, 0.5, 0.9])
def test_the_error_shrinks_or_grows_as_the_algebra_says(eps, keep):
    """Outcome m + eps v: E' = keep E + (1 - keep)(m + eps E) in mean, so the distance to m / (1 - eps) takes that factor each time.

    Evidence is steady from the start: as if the model had always been trained, on a world that stood at v.
    """
    brain, m, ticks = Mean(keep=keep), 3.0, 4
    mind = brain.start(1, 1, 1, SPEC, LUCK)
    mind.own_number[:] = ticks / (1 - keep)
    aim, factor = m / (1 - eps), keep + (1 - keep) * eps
    for n in range(1, 12):
        for _ in range(ticks):
            see(brain, mind, m + eps * mind.says[:, :, None])
        brain.retrain(mind, everyone(1, 1), np.zeros(1, dtype=int))
        np.testing.assert_allclose(mind.says[0, 0] - aim, -aim * factor**n, rtol=1e-9, atol=1e-9)


def test_keeping_everything_is_the_mean_of_all():
    brain, answers = Mean(keep=1.0), np.random.default_rng(2).normal(size=(9, 3, 1, 2))
    mind = brain.start(3, 1, 1, SPEC, LUCK)
    for each in answers:
        see(brain, mind, each)
        brain.retrain(mind, everyone(3, 1), np.zeros(1, dtype=int))
    np.testing.assert_allclose(mind.says[:, 0], answers.mean(axis=(0, 2, 3)), rtol=1e-12)


def test_answers_count_by_their_weight_and_unseen_ones_not_at_all():
    brain = Mean()
    mind = brain.start(1, 1, 1, SPEC, LUCK)
    see(brain, mind, np.array([[[2.0, 8.0, np.nan]]]), np.array([[[3.0, 1.0, 0.0]]]))
    brain.retrain(mind, everyone(1, 1), np.zeros(1, dtype=int))
    np.testing.assert_allclose(mind.says, [[14.0 / 4.0]])


def test_without_news_it_says_what_it_said():
    brain = Mean()
    mind = brain.start(2, 1, 1, SPEC, LUCK)
    see(brain, mind, np.full((2, 1, 1), 5.0))
    for _ in range(2):
        brain.retrain(mind, everyone(2, 1), np.zeros(1, dtype=int))
        np.testing.assert_array_equal(mind.says, 5.0)


def test_brains_of_one_pool_train_at_times_of_their_own():
    """What one has learnt from is still new to the other."""
    brain, both = Mean(), np.zeros(2, dtype=int)
    mind = brain.start(1, 2, 1, SPEC, LUCK)
    for value, who in ((1.0, 0), (3.0, 1), (8.0, 0)):
        see(brain, mind, np.full((1, 1, 2), value))
        brain.retrain(mind, (np.array([0]), np.array([who])), both)
    np.testing.assert_allclose(mind.says, [[5.5, 2.0]])  # (3 + 8) / 2, and (1 + 3) / 2


@pytest.mark.parametrize("case", [(), (5,)])
@pytest.mark.parametrize("features", [0, 2])
def test_answers_every_seat_and_case_alike(case, features):
    brain = Mean()
    mind = brain.start(2, 3, 3, SPEC, LUCK)
    mind.says[:] = [1.0, 2.0, 3.0]
    x = np.ones((2, 3, 4, *case, features)) if features else np.ones((2, 3, 4, *case), dtype=np.int64)
    said = brain.predict(mind, x, LUCK)
    assert said.shape == (2, 3, 4, *case)
    np.testing.assert_array_equal(said[1, 2], 3.0)


def test_the_bits_do_not_depend_on_how_many_are_batched():
    outcome = np.random.default_rng(3).normal(size=(20, 9, 2, 5, 3))
    whole, one = (Mean(keep=0.3).start(r, 2, 2, SPEC, LUCK) for r in (9, 1))
    for each in outcome:
        for mind, rows in ((whole, slice(None)), (one, slice(4, 5))):
            see(Mean(), mind, each[rows])
            Mean(keep=0.3).retrain(mind, everyone(len(mind.says), 2), np.arange(2))
    np.testing.assert_array_equal(whole.says[4:5], one.says)


def test_says_which_worlds_it_cannot_serve():
    assert "asks for shares" in Mean().why_not(Spec(models=1, asks="shares", choices=2))
    assert Mean().why_not(SPEC) is None
