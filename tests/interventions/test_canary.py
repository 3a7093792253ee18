"""The canary: how many are exposed, that they stay exposed, and when the share grows."""

from __future__ import annotations

import math

import numpy as np

from simlab.base.world import Action
from simlab.interventions.canary import Canary
from simlab.lab.cohort import play
from tests.interventions.stage import always, choices, moment, numbers, told
from tests.lab.toy import Toy


def test_the_share_grows_by_steps_up_to_all_and_is_nested():
    """Brains say 1 and the fallback 0. 64 x 100 models: 10%, 30% and 90% at steps of 10 s, then all; four standard errors."""
    done = told(numbers((always(Canary(first=0.1, growth=3.0, step=10.0)),), world=Toy(models=100, noise=0.0)), n=64)
    assert set(np.unique(done)) == {0.0, 1.0}
    assert (np.diff(done, axis=0) >= 0).all()  # exposed once, exposed for ever
    for first, share in ((0, 0.1), (10, 0.3), (20, 0.9), (30, 1.0)):
        assert (done[first : first + 10] == done[first]).all()
        assert abs(done[first].mean() - share) <= 4 * math.sqrt(share * (1 - share) / done[first].size)


def test_it_counts_from_when_it_came_on_in_each_replication():
    """Latencies differ: a replication is untouched before its own, and its share grows 10 s later."""
    hand = always(Canary(first=0.5, growth=2.0, step=10.0), median=5, spread=0.6)
    set_up = numbers((hand,), world=Toy(models=40, noise=0.0))
    since = {e.replication: int(e.time) for e in play(set_up, 0, range(8)).events if e.kind == "intervention"}
    assert len(set(since.values())) > 2
    done = told(set_up, n=8)
    for i, tick in since.items():
        assert (done[:tick, i] == 1).all()
        assert (done[tick : tick + 10, i].mean(axis=1) < 0.9).all()
        assert (done[tick + 10 :, i] == 1).all()


def test_cases_are_exposed_one_by_one_where_there_are_any():
    """Of 5 questions a tick to each model it is always the same that the model decides."""
    seen = told(choices((always(Canary(first=0.3, growth=1.0)),)), n=64) == 2
    assert (seen == seen[0]).all()
    assert abs(seen[0].mean() - 0.3) < 4 * math.sqrt(0.3 * 0.7 / seen[0].size)
    assert len(np.unique(seen[0].reshape(-1, 5), axis=0)) > 5


def test_who_is_exposed_does_not_depend_on_when():
    """The draw is of the run, not of the tick, so two replications that start it at other times differ in nothing else."""
    said = Action(np.ones((6, 50)), np.full((6, 50), 0.5))
    on = np.ones((6, 50), dtype=bool)
    early, late = (
        Canary(first=0.4).apply(said, on, moment(6, 50, np.zeros((6, 50)), tick=tick, since=tick)) for tick in (0, 777)
    )
    np.testing.assert_array_equal(early.value, late.value)
    np.testing.assert_array_equal(np.isnan(early.chance), early.value == 0)


def test_a_share_that_does_not_grow_or_is_everything():
    flat = told(numbers((always(Canary(first=0.5, growth=1.0, step=1.0)),), world=Toy(models=50, noise=0.0)))
    assert (flat == flat[0]).all()
    assert (told(numbers((always(Canary(first=1.0)),))) == 1).all()


def test_an_even_share_is_the_same_for_each_model():
    """Of 50 cases 0.1 is 5 and 0.13 is 6 or 7, of three models 19 or 20; who is exposed is drawn in each replication, and nested."""
    said, kept = Action(np.ones((400, 3, 50))), {}
    on, before = np.ones((400, 3), dtype=bool), None
    for share, least, most in ((0.1, 5, 5), (0.13, 6, 7), (0.5, 25, 25), (1.0, 50, 50)):
        hand = Canary(first=share, growth=1.0, even=True)
        done = hand.apply(said, on, moment(400, 3, np.zeros((400, 3, 50)), kept=kept)).value
        count = done.sum(axis=2)
        assert (count.min(), count.max()) == (least, most)
        assert abs(count.sum(axis=1) - 150 * share).max() < 1
        assert abs(count.mean() - 50 * share) < 4 * 0.5 / math.sqrt(400)
        assert before is None or (done >= before).all()
        before = done
        if share < 1:  # each case is as likely as any other: at least 400 independent draws of the share
            assert abs(done.mean(axis=(0, 1)) - share).max() < 5 * math.sqrt(share * (1 - share) / 400)


def test_an_even_share_of_models_without_cases_is_exact():
    done = told(numbers((always(Canary(first=0.1, growth=1.0, even=True)),), world=Toy(models=100, noise=0.0)), n=64)
    assert (done[0].sum(axis=1) == 10).all()
