"""The holdout: how many are left alone, which, and how they count in learning."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simlab.base.errors import InputError, ParameterError
from simlab.base.world import Action, Feedback
from simlab.brains.topology import Schedule
from simlab.interventions.holdout import Holdout
from simlab.lab.cohort import play
from tests.interventions.stage import always, choices, moment, numbers, told
from tests.lab.toy import Toy


@pytest.mark.parametrize("fixed", [False, True])
def test_a_random_share_is_left_to_the_fallback(fixed):
    """30% of 64 x 20 models at every one of 40 ticks, to 4 standard errors; the same all the time, or drawn anew."""
    done = told(numbers((always(Holdout(share=0.3, fixed=fixed)),), world=Toy(models=20, noise=0.0)), n=64)
    held = done == 0
    assert (held == held[0]).all() == fixed
    draws = held[0] if fixed else held
    assert abs(draws.mean() - 0.3) < 4 * math.sqrt(0.3 * 0.7 / draws.size)
    if not fixed:  # held out at one tick says nothing about the next
        again = (held[1:] & held[:-1]).mean()
        assert abs(again - 0.09) < 4 * math.sqrt(0.09 * 0.91 / held[1:].size)


def test_cases_are_held_out_one_by_one():
    held = told(choices((always(Holdout(share=0.3)),)), n=16) == 0
    assert abs(held.mean() - 0.3) < 4 * math.sqrt(0.3 * 0.7 / held.size)
    assert held.mean(axis=-1).std() > 0


def test_the_others_count_less_in_learning():
    """Weights 2 and 3 of the answers to a case: kept where it was held out or the hand is off, else times 0.25."""
    hand, r, m, c = Holdout(share=0.5, others=0.25), 6, 3, 4
    on = np.array([True, True, False]) & np.ones((r, 1), dtype=bool)
    now = moment(r, m, np.zeros((r, m, c)))
    done = hand.apply(Action(np.ones((r, m, c))), on, now).value
    outcome, weight = np.ones((r, m, c, 2)), np.broadcast_to([2.0, 3.0], (r, m, c, 2))
    learnt = hand.apply(Feedback(outcome, weight), on, now).weight
    held = (done == 0)[..., None] | ~on[:, :, None, None]
    np.testing.assert_array_equal(learnt, np.where(held, weight, weight / 4))
    assert (done[:, 2] == 1).all()
    assert 0 < (done == 0).mean() < 1


def test_learning_from_the_held_out_alone():
    """Mean brains with a holdout of nobody learn nothing and stay at 1; with a holdout of all they learn the drift."""
    plan = {"schedule": Schedule(every=5), "world": Toy(noise=0.0, drift=3.0)}
    nobody, everybody = (
        told(numbers((always(Holdout(share=share, others=0.0)),), **plan), "predict") for share in (0.0, 1.0)
    )
    assert (nobody == 1).all()
    assert (everybody[:5] == 1).all()
    assert (everybody[6:] == 3).all()


def test_where_nobody_listens_to_the_models_nobody_is_held_out():
    hand = always(Holdout(share=0.5, others=0.0))
    given = {"closed": False, "schedule": Schedule(every=5), "world": Toy()}
    free, held = (play(numbers(hands, **given), 1, range(3)).measures for hands in ((), (hand,)))
    np.testing.assert_array_equal(free["prediction_error"], held["prediction_error"])


def test_answers_about_other_cases_cannot_be_weighted():
    with pytest.raises(InputError, match=r"the answers of the world Choices are not about .* write `others: 1`"):
        told(choices((always(Holdout(others=0.0)),)))
    assert len(told(choices((always(Holdout(others=1.0)),)))) == 40


def test_weighted_the_answers_are_those_of_everybody_left_alone():
    """Cases that the model leaves alone count once, of others only the held out, 1 / share; where the hand is off nothing changes.

    Horvitz & Thompson: the totals are those of all cases, to 4 standard errors.
    """
    hand, r, m, c = Holdout(share=0.2, weighted=True), 40, 3, 50
    on = np.array([True, True, False]) & np.ones((r, 1), dtype=bool)
    said = np.broadcast_to(np.arange(c) < 20, (r, m, c)).astype(np.int8)  # of 50 cases 20 are not left alone
    now = moment(r, m, np.zeros((r, m, c), dtype=np.int8))
    done = hand.apply(Action(said), on, now).value
    weight = hand.apply(Feedback(np.ones((r, m, c))), on, now).weight
    held = (done == 0) & (said == 1)
    assert (weight[:, :2][said[:, :2] == 0] == 1).all()
    np.testing.assert_array_equal(weight[:, :2][said[:, :2] == 1], 5.0 * held[:, :2][said[:, :2] == 1])
    assert (weight[:, 2] == 1).all()
    error = 5 * math.sqrt(0.2 * 0.8 * 20 * r * 2)
    assert abs(weight[:, :2].sum() - c * r * 2) < 4 * error


def test_two_weights_are_one_too_many():
    with pytest.raises(ParameterError, match=r"others must be 1 where answers are weighted by chance, not 0\.5"):
        Holdout(others=0.5, weighted=True)
