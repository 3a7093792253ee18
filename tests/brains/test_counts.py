"""The counting brain against Polya's urn, and what it promises about pools, weights and forgetting."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simlab.base.world import Feedback, Spec
from simlab.brains.counts import Counts
from simlab.lab.streams import Streams
from tests.brains.stage import everyone

SPEC = Spec(models=4, asks="shares", states=1, choices=2)
LUCK = Streams(0, range(2))


def taught(brain, outcome, weight=None, brains=1, taught_by=None, spec=SPEC):
    """The mind after the counts `outcome` `(t, r, p, g, ..., k)`, retrained after each tick."""
    r, p = outcome.shape[1:3]
    mind = brain.start(r, brains, p, spec, LUCK)
    for t, seen in enumerate(outcome):
        brain.witness(mind, None, None, Feedback(seen, None if weight is None else weight[t]), None)
        brain.retrain(mind, everyone(r, brains), np.zeros(brains, dtype=int) if taught_by is None else taught_by)
    return mind


def test_one_ball_a_time_is_polyas_urn():
    """Eggenberger & Polya 1923: after n draws the balls added are beta-binomial. Mean n a/(a+b), variance as below; 4 standard errors."""
    r, n, a, b = 4000, 60, 3.0, 2.0
    luck = np.random.default_rng(5).random((n, r))
    brain = Counts(prior=(a, b))
    mind = brain.start(r, 1, 1, SPEC, LUCK)
    for u in luck:
        first = u < mind.shares[:, 0, 0]
        drawn = np.stack([first, ~first], axis=-1).astype(float)[:, None, None]
        brain.witness(mind, None, None, Feedback(drawn), None)
        brain.retrain(mind, everyone(r, 1), np.array([0]))
    added = mind.balls[:, 0, 0] - a
    variance = n * a * b * (a + b + n) / ((a + b) ** 2 * (a + b + 1))
    assert abs(added.mean() - n * a / (a + b)) < 4 * math.sqrt(variance / r)
    assert abs(added.var() / variance - 1) < 4 * math.sqrt(2 / r)


def test_forgetting_is_geometric_and_stops_at_the_floor():
    """After t ticks with c each: (1-f)^t prior + c (1-f) (1 - (1-f)^t) / f; with nothing to add, the floor."""
    outcome = np.zeros((500, 1, 1, 1, 2))
    outcome[..., 0] = 3.0
    mind = taught(Counts(prior=(50.0, 7.0), forget=0.02), outcome)
    keep = 0.98**500
    assert mind.balls[0, 0, 0] == pytest.approx(50 * keep + 3 * 0.98 * (1 - keep) / 0.02)
    assert mind.balls[0, 0, 1] == 1.0
    assert mind.shares[0, 0].sum() == pytest.approx(1.0)


def test_weights_count_and_unseen_is_nothing():
    outcome = np.array([5.0, 9.0]) * np.ones((1, 2, 1, 1, 2))
    weight = np.array([2.0, 0.0]) * np.ones((1, 2, 1, 1, 2))
    mind = taught(Counts(prior=(1.0, 1.0)), outcome, weight)
    np.testing.assert_allclose(mind.balls[:, 0], [[11.0, 1.0]] * 2)


def test_sources_add_up_and_seats_are_averaged():
    """Two sources of three seats: what a seat saw is the sum over sources, what a pool keeps is the mean over seats."""
    outcome = np.random.default_rng(1).integers(0, 9, size=(1, 2, 1, 3, 2, 2)).astype(float)
    mind = taught(Counts(prior=(4.0, 4.0)), outcome)
    np.testing.assert_allclose(mind.balls[:, 0], 4 + outcome[0, :, 0].sum(axis=2).mean(axis=1))


def test_a_brain_learns_from_its_pool_alone():
    outcome = np.random.default_rng(2).integers(0, 9, size=(5, 2, 2, 1, 2)).astype(float)
    both = taught(Counts(), outcome, brains=2, taught_by=np.array([1, 0])).shares
    for brain, pool in ((0, 1), (1, 0)):
        np.testing.assert_allclose(both[:, brain], taught(Counts(), outcome[:, :, pool : pool + 1]).shares[:, 0])


def test_only_those_asked_retrain():
    brain = Counts(prior=(3.0, 1.0))
    mind = brain.start(2, 3, 3, SPEC, LUCK)
    brain.witness(mind, None, None, Feedback(np.ones((2, 3, 1, 2))), None)
    brain.retrain(mind, (np.array([1]), np.array([2])), np.arange(3))
    np.testing.assert_allclose(mind.shares[1, 2], [4 / 6, 2 / 6])
    mind.shares[1, 2] = [0.75, 0.25]
    np.testing.assert_allclose(mind.shares, np.broadcast_to([0.75, 0.25], (2, 3, 2)))


@pytest.mark.parametrize("case", [(), (5,)])
def test_answers_every_seat_and_case_with_its_shares(case):
    brain = Counts(prior=(1.0, 2.0, 5.0))
    mind = brain.start(2, 3, 3, SPEC._replace(choices=3), LUCK)
    said = brain.predict(mind, np.zeros((2, 3, 4, *case), dtype=int), LUCK)
    assert said.shape == (2, 3, 4, *case, 3)
    np.testing.assert_allclose(said, np.broadcast_to(np.array([1, 2, 5]) / 8, said.shape))


def test_the_bits_do_not_depend_on_how_many_are_batched():
    outcome = np.random.default_rng(3).random((20, 9, 2, 5, 3, 2))
    brain = Counts(forget=0.1)
    whole = taught(brain, outcome, brains=2, taught_by=np.arange(2))
    one = taught(brain, outcome[:, 4:5], brains=2, taught_by=np.arange(2))
    np.testing.assert_array_equal(whole.balls[4:5], one.balls)
    np.testing.assert_array_equal(whole.shares[4:5], one.shares)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (Spec(models=2, features=1), "asks for number"),
        (SPEC._replace(choices=3), "prior for 2 choices, and the world offers 3"),
    ],
)
def test_says_which_worlds_it_cannot_serve(spec, says):
    assert says in Counts().why_not(spec)
    assert Counts().why_not(SPEC) is None
