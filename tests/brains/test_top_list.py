"""The list of the best against the algebra of its Beta belief, and what it promises about pools, weights, forgetting and ties."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simlab.base.world import Feedback, Spec
from simlab.brains.top_list import TopList
from simlab.lab.streams import Streams

K = 5
SPEC = Spec(models=2, asks="shares", views=2, features=K, choices=K)
LUCK = Streams(0, range(3))
BOARD = np.array([0.5, 0.4, 0.3, 0.2, 0.1])


def taught(brain, rate, tries, *, pools=1, brains=1, taught_by=None, r=3):
    """The mind after one tick in which each of the seats `(r, p, g, k)` saw `rate` of `tries` succeed, retrained."""
    mind = brain.start(r, brains, pools, SPEC, LUCK)
    shape = (r, pools, 1, K)
    answer = Feedback(np.broadcast_to(rate, shape), np.broadcast_to(tries, shape))
    brain.fade(mind)
    brain.witness(mind, None, None, answer, None)
    rows, ids = np.divmod(np.arange(r * brains), brains)
    brain.retrain(mind, (rows, ids), np.zeros(brains, dtype=int) if taught_by is None else taught_by)
    return mind


def listed(brain, mind, board=BOARD):
    """What it lists, `(r, b, k)`, from one board for all."""
    b = mind.tried.shape[1]
    said = brain.predict(mind, np.broadcast_to(board, (3, b, 1, K)), LUCK)
    np.testing.assert_allclose(said.sum(axis=-1), 1)
    return said[:, :, 0]


def test_before_any_answer_it_lists_what_the_board_says():
    brain = TopList(length=2)
    said = listed(brain, brain.start(3, 1, 1, SPEC, LUCK))
    np.testing.assert_array_equal(said, np.broadcast_to([0.5, 0.5, 0, 0, 0], (3, 1, K)))


@pytest.mark.parametrize(("tries", "first"), [(29.0, 0), (31.0, 4)])
def test_answers_weigh_against_the_board_as_in_a_beta_belief(tries, first):
    """The last has rate 1 in n tries and 0.1 on the board, worth 20: (2 + n) / (20 + n) passes a board of 0.64 at n = 30."""
    board = np.array([0.64, 0.4, 0.3, 0.2, 0.1])
    rate, seen = np.array([0.0, 0, 0, 0, 1.0]), np.array([0.0, 0, 0, 0, tries])
    said = listed(
        TopList(length=1, trust=20.0, memory=1e12), taught(TopList(trust=20.0, memory=1e12), rate, seen), board
    )
    assert (said.argmax(axis=-1) == first).all()


def test_unseen_is_nothing_and_weights_count():
    mind = taught(TopList(), np.full(K, 0.25), np.array([8.0, 4.0, 0.0, 1.0, 2.0]))
    np.testing.assert_allclose(mind.tried[:, 0], [[8.0, 4.0, 0.0, 1.0, 2.0]] * 3)
    np.testing.assert_allclose(mind.good[:, 0], [[2.0, 1.0, 0.0, 0.25, 0.5]] * 3)
    unknown = taught(TopList(), np.array([0.5, np.nan, 0.5, 0.5, 0.5]), np.array([1.0, 0.0, 1.0, 1.0, 1.0]))
    assert np.isfinite(unknown.good).all()


def test_evidence_counts_one_e_th_after_its_memory():
    brain = TopList(memory=7.0)
    mind = taught(brain, np.full(K, 0.5), np.full(K, 10.0))
    for _ in range(7):
        brain.fade(mind)
    np.testing.assert_allclose(mind.seen_tried, 10 / math.e)
    np.testing.assert_allclose(mind.seen_good, 5 / math.e)
    np.testing.assert_allclose(mind.tried, 10)  # what is in service waits for the next training


def test_seats_add_up_and_a_brain_learns_from_its_pool_alone():
    brain = TopList()
    rate = np.random.default_rng(1).random((3, 2, 4, K))
    mind = brain.start(3, 2, 2, SPEC, LUCK)
    brain.witness(mind, None, None, Feedback(rate, np.full(rate.shape, 3.0)), None)
    rows, ids = np.divmod(np.arange(6), 2)
    brain.retrain(mind, (rows, ids), np.array([1, 0]))
    np.testing.assert_allclose(mind.good, 3 * rate.sum(axis=2)[:, ::-1])
    np.testing.assert_allclose(mind.tried, 12)


def test_optimism_prefers_what_was_tried_little():
    """Means 0.5 and 0.48, deviations sqrt(0.25 / 1021) and sqrt(0.2496 / 21): level at optimism 0.02 / (0.1090 - 0.0156) = 0.214."""
    board = np.array([0.5, 0.48, 0.0, 0.0, 0.0])
    rate, seen = np.array([0.5, 0, 0, 0, 0]), np.array([1000.0, 0, 0, 0, 0])
    for optimism, first in ((0.0, 0), (0.2, 0), (0.23, 1)):
        brain = TopList(length=1, trust=20.0, memory=1e12, optimism=optimism)
        assert (listed(brain, taught(brain, rate, seen), board).argmax(axis=-1) == first).all()


def test_ties_for_the_last_place_share_it():
    brain = TopList(length=2)
    said = listed(brain, brain.start(3, 1, 1, SPEC, LUCK), np.array([0.5, 0.3, 0.3, 0.1, 0.1]))
    np.testing.assert_allclose(said, np.broadcast_to([1 / 3, 1 / 3, 1 / 3, 0, 0], (3, 1, K)))


def test_its_bits_do_not_depend_on_how_many_are_batched():
    brain = TopList(length=2, optimism=1.0)
    rng = np.random.default_rng(2)
    rate, x = rng.random((9, 2, 3, K)), rng.random((9, 2, 3, K))

    def said(rows):
        mind = brain.start(len(rows), 2, 2, SPEC, LUCK)
        brain.witness(mind, None, None, Feedback(rate[rows]), None)
        brain.retrain(mind, np.divmod(np.arange(2 * len(rows)), 2), np.arange(2))
        return brain.predict(mind, x[rows], LUCK)

    whole = said(np.arange(9))
    for i in range(9):
        np.testing.assert_array_equal(said(np.array([i])), whole[i : i + 1])


def test_what_it_lacks():
    assert TopList().why_not(SPEC) is None
    assert "lists 9 choices, and the world offers 5" in TopList(length=9).why_not(SPEC)
    assert "needs a board" in TopList().why_not(SPEC._replace(features=1))
    assert "answers shares" in TopList().why_not(SPEC._replace(asks="number"))
