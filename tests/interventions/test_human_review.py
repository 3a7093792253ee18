"""Human review: who is looked at first, for how long, and how often the reviewer errs."""

from __future__ import annotations

import math

import numpy as np

from simlab.base.world import Action
from simlab.interventions.human_review import HumanReview
from tests.interventions.stage import always, choices, moment, numbers, told
from tests.lab.toy import Choices, Dice, Picks, Toy


def test_the_most_deviant_are_replaced_in_each_replication():
    """Fallback 0, capacity 2: the two largest of each replication's five, of the four models that are on."""
    done, free = (
        told(numbers(hands, world=Toy(models=5), brains=(Dice(),)))
        for hands in ((always(HumanReview(capacity=2), models=(0, 1, 2, 3)),), ())
    )
    for now, said in zip(done.reshape(-1, 5), free.reshape(-1, 5), strict=True):
        first = np.argsort(-np.abs(said[:4]))[:2]
        expected = said.copy()
        expected[first] = 0
        np.testing.assert_array_equal(now, expected)


def test_a_case_under_review_waits_for_its_verdict():
    """One at a time, 3 s each: against the same rule, one case after the other. The fallback acts 3 ticks, and at the verdict."""
    hand = always(HumanReview(capacity=1, delay=3.0), at=2.0, lasts=25.0)
    given = {"world": Toy(models=6), "brains": (Dice(),)}
    done, free = told(numbers((hand,), **given)), told(numbers(**given))
    for r in range(4):
        taken = {}
        for t in range(40):
            expected = free[t, r].copy()
            if 2 <= t < 27:
                idle = [m for m in range(6) if t > taken.get(m, -9) + 3]
                if idle:
                    taken[max(idle, key=lambda m: abs(free[t, r, m]))] = t
                for m, since in taken.items():
                    if since <= t <= since + 3:
                        expected[m] = 0
            np.testing.assert_array_equal(done[t, r], expected)
    assert (done[10] == 0).sum(axis=1).min() == 4  # three in review and one judged


def test_a_reviewer_errs_now_and_then():
    """Each tick one of 3 is replaced unless the reviewer errs, 0.3 of 40 x 64 verdicts, to 4 standard errors."""
    done = told(numbers((always(HumanReview(capacity=1, error=0.3)),)), n=64)
    replaced = (done == 0).sum(axis=2)
    assert set(np.unique(replaced)) == {0, 1}
    assert abs(replaced.mean() - 0.7) < 4 * math.sqrt(0.3 * 0.7 / replaced.size)
    assert (told(numbers((always(HumanReview(capacity=3, error=1.0)),))) == 1).all()
    assert (told(numbers((always(HumanReview(capacity=0)),))) == 1).all()
    assert (told(numbers((always(HumanReview(capacity=9)),))) == 0).all()


def test_an_error_lets_the_model_pass_only_after_the_wait():
    """Always wrong, 4 s each, one model: 4 ticks of fallback, then one of the model's, and so on."""
    done = told(numbers((always(HumanReview(capacity=1, delay=4.0, error=1.0)),), world=Toy(models=1, noise=0.0)))
    np.testing.assert_array_equal(done[:, 0, 0], np.resize([0, 0, 0, 0, 1], 40))


def test_equal_deviations_are_taken_up_at_random():
    """Choices deviate or not: of 3 x 5 questions that all do, each is as likely among the 3 that are taken up; what agrees never is."""
    done = told(choices((always(HumanReview(capacity=3)),)), n=64)
    assert ((done == 0).sum(axis=(2, 3)) == 3).all()
    often = (done == 0).mean(axis=(0, 1))
    assert np.abs(often - 0.2).max() < 4.5 * math.sqrt(0.2 * 0.8 / (40 * 64))  # 15 cells: a little more than 4
    some = told(choices((always(HumanReview(capacity=3)),), brains=(Picks(),), world=Choices(cases=2)))
    free = told(choices(brains=(Picks(),), world=Choices(cases=2)))
    np.testing.assert_array_equal((some != free).sum(axis=(2, 3)), np.minimum((free != 0).sum(axis=(2, 3)), 3))


def test_what_was_under_review_is_forgotten_when_it_is_off():
    """Taken up at tick 0 for 5 ticks; on again since tick 3 it is a case like the others, and its wait begins anew."""
    hand, kept, on = HumanReview(capacity=1, delay=5.0), {}, np.ones((1, 1), dtype=bool)

    def act(tick, since):
        now = moment(1, 1, np.zeros((1, 1)), tick=tick, since=since, kept=kept)
        return hand.apply(Action(np.ones((1, 1)), np.ones((1, 1))), on, now)

    assert act(0, 0).value[0, 0] == 0
    taken = kept["taken"].copy()
    assert act(3, 3).value[0, 0] == 0
    assert (taken, kept["taken"]) == (0, 3)


def test_the_propensity_of_what_was_replaced_is_unknown():
    said = Action(np.array([[3.0, 1.0]]), np.full((1, 2), 0.5))
    done = HumanReview(capacity=1).apply(said, np.ones((1, 2), dtype=bool), moment(1, 2, np.zeros((1, 2))))
    np.testing.assert_array_equal(done.chance, [[np.nan, 0.5]])
