"""A fitted normal, against NumPy's mean and variance of the pieces it was fitted to."""

from __future__ import annotations

import numpy as np
import pytest

from simlab.base.world import Spec
from simlab.brains.brain import average, leaves
from simlab.brains.gaussian import Gaussian
from simlab.lab.streams import Streams
from tests.brains.stage import everyone, see

SPEC = Spec(models=4, case=(2,), states=2)
LUCK = Streams(0, range(3))


def pieces(ticks, *shape, seed=1):
    return 3.0 + 2.0 * np.random.default_rng(seed).normal(size=(ticks, *shape))


def test_it_fits_what_came_since_the_last_training():
    brain = Gaussian()
    mind = brain.start(3, 2, 2, SPEC, LUCK)
    for turn in range(3):
        came = pieces(4, 3, 2, 2, 5, seed=turn)  # ticks, replications, pools, seats, pieces
        for each in came:
            see(brain, mind, each)
        brain.retrain(mind, everyone(3, 2), np.arange(2))
        np.testing.assert_allclose(mind.says[..., 0], came.mean(axis=(0, 3, 4)), rtol=1e-12)
        np.testing.assert_allclose(mind.says[..., 1], came.std(axis=(0, 3, 4)), rtol=1e-10)


def test_kept_pieces_count_as_much_as_they_are_kept():
    """With keep k a batch that is n trainings old has the weight k^n; with 1 it is the fit to all that ever came."""
    for keep in (0.5, 1.0):
        brain, came = Gaussian(keep=keep), pieces(6, 3, 1, 1, 8)
        mind = brain.start(3, 1, 1, SPEC, LUCK)
        for each in came:
            see(brain, mind, each)
            brain.retrain(mind, everyone(3, 1), np.zeros(1, dtype=int))
        weight = np.repeat(keep ** np.arange(5, -1, -1.0), 8)
        flat = came[:, :, 0, 0].transpose(1, 0, 2).reshape(3, -1)
        for row in range(3):
            mean = np.average(flat[row], weights=weight)
            spread = np.sqrt(np.average((flat[row] - mean) ** 2, weights=weight))
            np.testing.assert_allclose(mind.says[row, 0], [mean, spread], rtol=1e-10)


def test_pieces_count_by_their_weight_and_unseen_ones_not_at_all():
    brain = Gaussian()
    mind = brain.start(1, 1, 1, SPEC, LUCK)
    see(brain, mind, np.array([[[[1.0, 5.0, np.nan]]]]), np.array([[[[3.0, 1.0, 0.0]]]]))
    brain.retrain(mind, everyone(1, 1), np.zeros(1, dtype=int))
    np.testing.assert_allclose(mind.says[0, 0], [2.0, np.sqrt(3.0)])  # (3 x 1 + 5) / 4; (3 x 1 + 9) / 4


def test_before_training_and_without_news_it_says_what_it_said():
    brain = Gaussian(mean=1.5, spread=0.5)
    mind = brain.start(2, 2, 1, SPEC, LUCK)
    brain.retrain(mind, everyone(2, 2), np.zeros(2, dtype=int))
    np.testing.assert_array_equal(mind.says, np.broadcast_to([1.5, 0.5], (2, 2, 2)))
    see(brain, mind, pieces(1, 2, 1, 2, 4)[0])
    brain.retrain(mind, everyone(2, 2), np.zeros(2, dtype=int))
    once = mind.says.copy()
    brain.retrain(mind, everyone(2, 2), np.zeros(2, dtype=int))
    np.testing.assert_array_equal(mind.says, once)


def test_brains_of_one_pool_train_at_times_of_their_own():
    """The second brain's turn comes two ticks later: it takes all that came since its own last turn."""
    brain, came = Gaussian(), pieces(4, 1, 1, 2, 3)
    mind = brain.start(1, 2, 1, SPEC, LUCK)
    one, other = ((np.zeros(1, dtype=int), np.array([b])) for b in range(2))
    for tick, each in enumerate(came):
        see(brain, mind, each)
        if tick == 1:
            brain.retrain(mind, one, np.zeros(2, dtype=int))
    brain.retrain(mind, one, np.zeros(2, dtype=int))
    brain.retrain(mind, other, np.zeros(2, dtype=int))
    np.testing.assert_allclose(mind.says[0, :, 0], [came[2:].mean(), came.mean()], rtol=1e-12)


def test_it_answers_each_question_at_every_seat():
    brain = Gaussian()
    mind = brain.start(3, 2, 2, SPEC, LUCK)
    mind.says[:] = np.arange(12).reshape(3, 2, 2)
    asked = np.broadcast_to(np.arange(2), (3, 2, 2, 2))
    said = brain.predict(mind, asked, LUCK)
    np.testing.assert_array_equal(said, np.broadcast_to(mind.says[:, :, None], (3, 2, 2, 2)))


def test_what_averaging_averages_is_what_it_says():
    brain = Gaussian()
    mind = brain.start(2, 2, 2, SPEC, LUCK)
    mind.says[:] = [[1.0, 2.0], [3.0, 6.0]]
    globe = [leaf.mean(axis=1) for leaf in leaves(brain, mind)]
    average(brain, mind, globe, np.ones((2, 2)), "mean")
    np.testing.assert_allclose(mind.says, np.broadcast_to([2.0, 4.0], (2, 2, 2)))


def test_the_bits_do_not_depend_on_how_many_are_batched():
    came, brain, found = pieces(3, 9, 2, 2, 50), Gaussian(keep=0.3), []
    for rows in (slice(None), slice(4, 5)):
        some = came[:, rows]
        r = some.shape[1]
        mind = brain.start(r, 2, 2, SPEC, LUCK)
        for each in some:
            see(brain, mind, each)
            brain.retrain(mind, everyone(r, 2), np.arange(2))
        found.append(mind.says)
    np.testing.assert_array_equal(found[0][4:5], found[1])


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        (Spec(models=1, features=2), "answers two questions"),
        (Spec(models=1, asks="choice", choices=2), "answers number"),
    ],
)
def test_says_which_worlds_it_cannot_serve(spec, why):
    assert why in Gaussian().why_not(spec)
    assert Gaussian().why_not(SPEC) is None
