"""Brains that choose, against closed forms: epsilon-greedy, Thompson sampling, least loaded, power of two choices, fill up."""

from __future__ import annotations

import numpy as np
import pytest

from simlab.base.world import Feedback, Spec
from simlab.brains.epsilon_greedy import EpsilonGreedy
from simlab.brains.fill_up import FillUp
from simlab.brains.least_loaded import LeastLoaded
from simlab.brains.power_of_two import PowerOfTwo
from simlab.brains.thompson import Thompson
from simlab.lab.streams import Streams

K = 5
SPEC = Spec(models=1, asks="choice", case=(400,), features=K, choices=K)
BRAINS = [EpsilonGreedy(), EpsilonGreedy(unbiased=True), Thompson(), LeastLoaded(), PowerOfTwo(), FillUp()]


def names(brain):
    return type(brain).__name__


def asked(board=(3.0, 1.0, 2.0, 1.0, 4.0), r=50, g=1):
    return np.broadcast_to(np.array(board), (r, 1, g, 400, K))


def luck(r=50, tick=0):
    found = Streams(3, range(r))
    found.clock.row = tick
    return found


def shares(brain, mind, x=None):
    x = asked() if x is None else x
    said = brain.predict(mind, x, luck(len(x)))
    assert said.shape == x.shape[:-1]
    assert said.dtype == np.int64
    return np.bincount(said.ravel(), minlength=K) / said.size


def born(brain, r=50):
    return brain.start(r, 1, 1, SPEC, Streams(3, range(r)))


def answers(choice, outcome, weight, failed, r=50):
    """One answer about one choice for every replication, `(r, p, g, 1)`."""
    whole = (r, 1, 1, 1)
    feedback = Feedback(np.full(whole, outcome), np.full(whole, float(weight)), censored=np.full(whole, failed))
    return np.full(whole, choice), feedback


def near(found, expected, n=20_000):
    expected = np.array(expected)
    assert (np.abs(found - expected) <= 4 * np.sqrt(expected * (1 - expected) / n) + 1e-12).all(), found


def test_ten_percent_explore_ninety_exploit():
    """The best gets 1 - e + e/k, each other e/k."""
    brain = EpsilonGreedy(explore=0.1)
    mind = born(brain)
    mind.value[:] = [0.3, 0.2, 0.1, 0.4, 0.5]
    near(shares(brain, mind), [0.02, 0.02, 0.92, 0.02, 0.02])
    mind.failed[:] = [0, 0, 0.5, 0, 0]  # 0.1 + 1 x 0.5
    near(shares(brain, mind), [0.02, 0.92, 0.02, 0.02, 0.02])
    near(shares(EpsilonGreedy(explore=1.0), mind), [0.2] * 5)
    near(shares(EpsilonGreedy(explore=0.0), mind), [0, 1, 0, 0, 0])


def test_averages_move_by_the_closed_form():
    """After n equal answers an average that began at 0 is y (1 - (1 - a)^n), in one batch or one by one."""
    brain = EpsilonGreedy(rate=0.1)
    batch, single = born(brain), born(brain)
    x = asked()
    brain.witness(batch, x, *answers(2, 4.0, 7, True), x)
    for _ in range(7):
        brain.witness(single, x, *answers(2, 4.0, 1, True), x)
    for mind in (batch, single):
        np.testing.assert_allclose(mind.value[:, 0, 2], 4 * (1 - 0.9**7), rtol=1e-6)
        np.testing.assert_allclose(mind.failed[:, 0, 2], 1 - 0.9**7)
        assert (mind.failed[:, 0, [0, 1, 3, 4]] == 0).all()


def test_unbiased_averages_are_weighted_means_of_the_answers():
    """The n-th last answer weighs (1 - a)^n, over the sum of weights; in batches or one by one. The other choices stay untried."""
    brain, x, a = EpsilonGreedy(rate=0.1, unbiased=True), asked(), 0.1
    batch, single = born(brain), born(brain)
    for y, n in ((4.0, 1), (7.0, 3), (1.0, 2)):
        brain.witness(batch, x, *answers(2, y, n, y > 5), x)
        for _ in range(n):
            brain.witness(single, x, *answers(2, y, 1, y > 5), x)
    weights = (1 - a) ** np.arange(5, -1, -1.0)
    expected = (weights * [4, 7, 7, 7, 1, 1]).sum() / weights.sum()
    for mind in (batch, single):
        np.testing.assert_allclose(mind.value[:, 0, 2], expected, rtol=1e-12)
        np.testing.assert_allclose(mind.failed[:, 0, 2], weights[1:4].sum() / weights.sum(), rtol=1e-12)
        assert (mind.value[:, 0, [0, 1, 3, 4]] < 1e-9).all()


def test_the_untried_look_best_in_an_order_of_their_own():
    brain = EpsilonGreedy(explore=0.0)
    first = brain.predict(born(brain), asked(), luck())[:, 0, 0, 0]
    assert len(set(first.tolist())) == K


def test_thompson_counts_successes_and_failures():
    """Beta(1 + good, 1 + bad); with forgetting of a tenth a tick both fade towards the prior."""
    brain, x = Thompson(forget=0.1), asked()
    mind = born(brain)
    brain.witness(mind, x, *answers(1, 0.2, 10, False), x)
    brain.witness(mind, x, *answers(1, 0.2, 4, True), x)
    brain.witness(mind, x, *answers(3, np.nan, 0, True), x)
    np.testing.assert_allclose(mind.good[:, 0], np.broadcast_to([0, 8.1, 0, 0, 0], (50, K)))
    np.testing.assert_allclose(mind.bad[:, 0], np.broadcast_to([0, 3.6, 0, 0, 0], (50, K)))


def test_thompson_matches_the_probability_of_being_best():
    """Without evidence every choice is the best equally often; Beta(2, 1) beats Beta(1, 1) in 2 of 3 draws (algebra)."""
    brain = Thompson()
    mind = born(brain)
    near(shares(brain, mind), [0.2] * K)
    mind.bad[:, :, 2:] = 1e6
    mind.good[:, :, 0] = 1
    assert shares(brain, mind)[0] == pytest.approx(2 / 3, abs=0.01 + 4 * np.sqrt(2 / 9 / 20_000))


def test_least_loaded_breaks_ties_at_random():
    near(shares(LeastLoaded(), born(LeastLoaded())), [0, 0.5, 0, 0.5, 0])
    near(shares(LeastLoaded(), born(LeastLoaded()), asked([2.0] * K)), [0.2] * K)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_the_better_of_d(d):
    """With distinct numbers the h-th smallest of k is taken with probability ((k-h+1)^d - (k-h)^d) / k^d."""
    board = [30.0, 10.0, 20.0, 0.0, 40.0]
    rank = np.argsort(np.argsort(board))
    near(
        shares(PowerOfTwo(choices=d), born(PowerOfTwo()), asked(board)),
        ((K - rank) ** d - (K - rank - 1.0) ** d) / K**d,
    )


@pytest.mark.parametrize(
    ("expected", "taken"),
    [
        (1e-6, [0, 0.5, 0, 0.5, 0]),  # the least loaded
        (1.0, [0, 0.5, 0, 0.5, 0]),  # up to 1.5
        (5.0, [0, 2 / 5, 1 / 5, 2 / 5, 0]),  # up to 3
        (9.0, [1 / 9, 3 / 9, 2 / 9, 3 / 9, 0]),  # up to 4
        (1e9, [0.2] * K),  # any
    ],
)
def test_filling_up_brings_all_to_one_level(expected, taken):
    """Dahlin 2000, basic load interpolation, on a board of 3, 1, 2, 1 and 4; levels worked out by hand."""
    brain = FillUp(expected)
    np.testing.assert_allclose(brain.shares(asked()[0, 0, 0, 0]), taken, atol=1e-6)
    near(shares(brain, born(brain)), taken)


def test_choices_do_not_depend_on_how_the_board_is_stored():
    """Broadcast over the questions of a tick, or written out for each."""
    for brain in (LeastLoaded(), PowerOfTwo(), FillUp(2.0)):
        mind, x = born(brain), asked()
        np.testing.assert_array_equal(brain.predict(mind, x, luck()), brain.predict(mind, x.copy(), luck()))


@pytest.mark.parametrize("brain", BRAINS, ids=names)
def test_bits_do_not_depend_on_how_many_replications_are_batched(brain):
    whole = brain.predict(born(brain), asked(), luck())
    for r in (1, 7):
        np.testing.assert_array_equal(brain.predict(born(brain, r), asked(r=r), luck(r)), whole[:r])


@pytest.mark.parametrize("brain", BRAINS, ids=names)
def test_says_which_worlds_it_cannot_serve(brain):
    assert brain.why_not(SPEC) is None
    assert "the world asks for number" in brain.why_not(Spec(models=2, features=K))
    blind = brain.why_not(SPEC._replace(features=2))
    assert blind is None if brain.online else "board" in blind
