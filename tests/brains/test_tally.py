"""The tally, against arithmetic and against the algebra of a conjugate prior."""

from __future__ import annotations

import numpy as np
import pytest

from simlab.base.errors import ParameterError
from simlab.base.world import Feedback, Spec
from simlab.brains.tally import Tally
from simlab.lab.streams import Streams
from tests.brains.stage import everyone

ONE, TWO = Spec(models=4, states=1), Spec(models=4, states=2)
LUCK = Streams(0, range(3))


def see(brain, mind, x, outcome, weight=None):
    brain.fade(mind)
    brain.witness(mind, x, None, Feedback(outcome, weight), None)


@pytest.mark.parametrize("case", [(), (5,)])
def test_says_the_mean_of_each_state_and_of_what_it_presumed(case):
    """As if `size` answers of mean `prior` had come first (Gelman et al., section 2.5)."""
    brain, luck = Tally(prior=0.3, size=4.0), np.random.default_rng(1)
    mind = brain.start(3, 2, 2, TWO, LUCK)
    np.testing.assert_allclose(mind.says, 0.3)
    x, y = luck.integers(2, size=(9, 3, 2, 2, *case)), luck.normal(size=(9, 3, 2, 2, *case))
    for asked, answer in zip(x, y, strict=True):
        see(brain, mind, asked, answer)
    brain.retrain(mind, everyone(3, 2), np.array([1, 0]))  # each taught by the other's pool
    for r in range(3):
        for b, pool in ((0, 1), (1, 0)):
            for state in (0, 1):
                those = y[:, r, pool][x[:, r, pool] == state].tolist()
                expected = np.mean([*those, 0.3, 0.3, 0.3, 0.3])
                assert mind.says[r, b, state] == pytest.approx(expected, rel=1e-12)
    said = brain.predict(mind, x[0], LUCK)
    assert said.shape == x[0].shape
    for at in np.ndindex(x[0].shape):
        assert said[at] == mind.says[at[0], at[1], x[0][at]]


def test_is_above_nothing_as_long_as_the_lead_is():
    """Answers +1 and -1: the sign of head start + won - lost, to the bit, also where it is 0."""
    brain, luck, lead = Tally(prior=0.2, size=10.0), np.random.default_rng(2), 2
    mind = brain.start(1, 1, 1, ONE, LUCK)
    zeros = 0
    for answer in luck.choice([-1.0, 1.0], size=400):
        see(brain, mind, np.zeros((1, 1, 1), dtype=int), np.full((1, 1, 1), answer))
        brain.retrain(mind, everyone(1, 1), np.zeros(1, dtype=int))
        lead += answer
        assert np.sign(mind.says[0, 0, 0]) == np.sign(lead)
        zeros += lead == 0
    assert zeros > 3


def test_a_pool_adds_up_what_its_seats_saw():
    """Ten seats that see the same: ten times the answers, one head start."""
    brain = Tally(prior=0.2, size=10.0)
    mind = brain.start(1, 1, 1, ONE, LUCK)
    see(brain, mind, np.zeros((1, 1, 10), dtype=int), np.full((1, 1, 10), -1.0))
    brain.retrain(mind, everyone(1, 1), np.zeros(1, dtype=int))
    assert mind.says[0, 0, 0] == pytest.approx((2 - 10) / 20)


def test_answers_count_by_their_weight_and_unseen_ones_not_at_all():
    brain = Tally(prior=0.0, size=1.0)
    mind = brain.start(1, 1, 1, ONE, LUCK)
    see(brain, mind, np.zeros((1, 1, 3), dtype=int), np.array([[[2.0, 8.0, np.nan]]]), np.array([[[3.0, 1.0, 0.0]]]))
    brain.retrain(mind, everyone(1, 1), np.zeros(1, dtype=int))
    assert mind.says[0, 0, 0] == pytest.approx(14 / 5)


def test_forgets_what_it_saw_and_not_what_it_presumed():
    """After n ticks without an answer the mean is (prior size + y keep^n) / (size + keep^n)."""
    brain = Tally(prior=0.5, size=2.0, forget=0.1)
    mind = brain.start(1, 1, 1, ONE, LUCK)
    x = np.zeros((1, 1, 1), dtype=int)
    see(brain, mind, x, np.full((1, 1, 1), -4.0))
    for n in range(1, 30):
        see(brain, mind, x, np.full((1, 1, 1), np.nan), np.zeros((1, 1, 1)))
        brain.retrain(mind, everyone(1, 1), np.zeros(1, dtype=int))
        assert mind.says[0, 0, 0] == pytest.approx((1 - 4 * 0.9**n) / (2 + 0.9**n))


def test_optimism_adds_a_standard_error():
    brain = Tally(prior=0.0, size=4.0, optimism=1.5)
    mind = brain.start(1, 1, 1, ONE, LUCK)
    assert mind.says[0, 0, 0] == pytest.approx(1.5 / 2)
    see(brain, mind, np.zeros((1, 1, 12), dtype=int), np.full((1, 1, 12), 1.0))
    brain.retrain(mind, everyone(1, 1), np.zeros(1, dtype=int))
    assert mind.says[0, 0, 0] == pytest.approx(12 / 16 + 1.5 / 4)


def test_the_bits_do_not_depend_on_how_many_are_batched():
    luck, brain = np.random.default_rng(3), Tally(forget=0.01, optimism=0.5)
    x, y = luck.integers(2, size=(20, 9, 2, 5, 3)), luck.normal(size=(20, 9, 2, 5, 3))
    whole, one = (brain.start(r, 2, 2, TWO, LUCK) for r in (9, 1))
    for asked, answer in zip(x, y, strict=True):
        for mind, rows in ((whole, slice(None)), (one, slice(4, 5))):
            see(brain, mind, asked[rows], answer[rows])
            brain.retrain(mind, everyone(len(mind.says), 2), np.arange(2))
    np.testing.assert_array_equal(whole.says[4:5], one.says)


def test_says_which_worlds_it_cannot_serve():
    assert "asks for shares" in Tally().why_not(Spec(models=1, asks="shares", states=1, choices=2))
    assert "2 features and 0 states" in Tally().why_not(Spec(models=1, features=2))
    assert Tally().why_not(TWO) is None
    with pytest.raises(ParameterError):
        Tally(size=0.0)
