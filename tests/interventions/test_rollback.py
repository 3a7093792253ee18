"""Rollback: which weights come back, where and when, and what happens to retrainings meanwhile.

The toy's drift grows by 1 every 10 s, so brains that are retrained every 10 s say something else after each turn.
"""

from __future__ import annotations

import numpy as np
import pytest

from simlab.base.errors import InputError, ParameterError
from simlab.brains.thompson import Thompson
from simlab.brains.topology import Schedule, wire
from simlab.interventions.rollback import Rollback
from simlab.lab.shocks import Shock
from simlab.lab.snapshots import Snapshots
from simlab.lab.streams import Streams
from tests.interventions.stage import always, choices, moment, numbers, told
from tests.lab.toy import Dice, Mean, Toy

GROWS = tuple(
    Shock(f"drift {i}", "world", "set", start=10.0 * i, duration=10.0, values={"drift": 1.0 + i}) for i in range(1, 4)
)
PLAN = {"schedule": Schedule(every=10), "shocks": GROWS}


def said(hands=(), n=4, **given):
    """What each model is told, `(ticks, r, m)`."""
    return told(numbers(hands, **(PLAN | given)), "predict", n=n)


FREE = said()


def test_brains_get_the_weights_of_then():
    """On at 25 s: the weights of 16 s ago are those from before the first turn at 10 s, those of 14 s ago from after it."""
    assert len(set(FREE[::10, 0, 0])) == 4  # every turn tells
    for back, then in ((16.0, 9), (14.0, 11), (8.0, 17), (5.0, 20), (4.0, 21)):
        seen = said((always(Rollback(back=back, every=1.0), at=25.0),))
        np.testing.assert_array_equal(seen[:25], FREE[:25])
        assert (seen[25:30] == FREE[then]).all()


def test_a_snapshot_is_of_the_end_of_its_instant():
    """At 25 s, 15 s ago is 10 s: the turn of 10 s is in that snapshot."""
    seen = said((always(Rollback(back=15.0, every=5.0), at=25.0),))
    np.testing.assert_array_equal(seen[25], FREE[10])
    assert (FREE[10] != FREE[9]).all()


def test_the_newest_that_is_old_enough_or_else_the_oldest():
    """Snapshots at 0, 20, ...: at least 4 s before 25 is that of 20; at least 10 s, or 100 s, that of the start."""
    for back, then in ((4.0, 20), (10.0, 0), (100.0, 0)):
        seen = said((always(Rollback(back=back, every=20.0), at=25.0),))
        np.testing.assert_array_equal(seen[25], FREE[then])


def test_evidence_stays_and_the_next_retraining_learns_from_it_all():
    """The turn at 30 s learns from all ticks; the acts of the 5 ticks before were other ones, so the outcomes were too."""
    seen = said((always(Rollback(back=15.0, every=1.0), at=25.0),))
    outcome = told(numbers((always(Rollback(back=15.0, every=1.0), at=25.0),), **PLAN), "react")
    np.testing.assert_allclose(seen[30], outcome[:30].mean(axis=0))


def test_frozen_brains_do_not_retrain_while_it_is_on():
    hand = always(Rollback(back=15.0, every=1.0, freeze=True), at=15.0, lasts=10.0, models=(0, 1))
    seen = said((hand,))
    assert (seen[15:30, :, :2] == FREE[0, :, :2]).all()  # the turn at 20 s is dropped, and that at 30 s is taken
    assert (seen[30:, :, :2] != FREE[0, :, :2]).all()
    assert (seen[20, :, 2] != FREE[0, :, 2]).all()


def test_it_concerns_the_brains_of_its_models_in_each_replication_at_its_own_time():
    """Two blocks of models; the first is rolled back, after latencies that differ."""
    world = Toy(models=4, noise=0.3)
    given = {"world": world, "topology": wire("bulkheads(2)", 4).canonical(world.spec), "n": 8}
    hand = always(Rollback(back=100.0), models=(1,), at=12.0, median=4.0, spread=0.6)
    free, seen = said(**given), said((hand,), **given)
    since = np.round(4 * np.exp(0.6 * Streams(0, range(8)).normal("latency hand", (8,)))).astype(int) + 12
    assert len(set(since)) > 2
    for r in range(8):
        end = 20 if since[r] < 20 else since[r]
        np.testing.assert_array_equal(seen[: since[r], r], free[: since[r], r])
        assert (seen[since[r] : end, r, :2] == 1).all()
        np.testing.assert_array_equal(seen[:20, r, 2:], free[:20, r, 2:])


def test_it_comes_back_each_time_that_it_comes_on():
    """Outcomes stay above 1: on for 5 s at a time, rolled back at 0, 6, 12 ... What was learnt at 10 s lasts for 2 s.

    At 30 s a turn and a rollback fall together, and the rollback comes last.
    """
    hand = always(Rollback(back=1000.0), at=np.inf, measure="latest", above=0.5, scrape=6.0, lasts=5.0)
    seen = said((hand,))
    learnt = (seen != 1).all(axis=(1, 2))
    np.testing.assert_array_equal(np.flatnonzero(learnt), [10, 11, 20, 21, 22, 23])


def test_a_retraining_that_was_being_done_is_lost():
    """Turns take 4 s: that of 20 s would serve from 24 s on, and is lost to a rollback at 22 s; that of 30 s serves from 34 s."""
    plan = {"schedule": Schedule(every=10, busy=4)}
    seen = said((always(Rollback(back=100.0), at=22.0),), **plan)
    assert (seen[14:22] != 1).all()
    assert (seen[22:34] == 1).all()
    assert (seen[34:] != 1).all()


def test_a_round_at_its_tick_comes_before_it():
    """Federated rounds every 5 s: at 25 s the average is taken, then the weights of the start come back; the next round is at 30 s."""
    topology = wire("federated", 3, average_every=5.0)
    seen = said((always(Rollback(back=100.0), at=25.0, models=(0,)),), topology=topology)
    assert (seen[25:30, :, 0] == 1).all()
    assert (seen[25:30, :, 1] == said(topology=topology)[25:30, :, 1]).all()
    assert (seen[30, :, 0] == seen[30, :, 1]).all()


def test_no_more_snapshots_are_kept_than_can_be_asked_for():
    kept = Snapshots([], reach=10)
    for tick in range(0, 100, 3):
        kept.take(tick)
        ages = kept.ages(tick)
        assert ages[-1] == 0
        assert (ages >= 10).sum() == (1 if tick >= 10 else 0)
    np.testing.assert_array_equal(kept.ages(100), [13, 10, 7, 4, 1])


def test_which_snapshot_is_chosen():
    on = np.array([[True, False]])
    for ages, which in (([30, 20, 10, 0], 1), ([9, 4], 0), ([15], 0), ([14, 0], 0)):
        chosen = Rollback(back=15.0).apply(np.array(ages), on, moment(1, 2))
        np.testing.assert_array_equal(chosen, [[which, -1]])


def test_brains_with_nothing_to_go_back_to_are_refused():
    text = "hand `hand` gives back earlier weights, and Dice has none; use a brain that learns weights"
    with pytest.raises(InputError, match=text):
        numbers((always(Rollback(back=10.0)),), brains=(Dice(),))
    with pytest.raises(InputError, match=r"cannot freeze Thompson, .*; write `freeze: false`"):
        choices((always(Rollback(back=10.0, freeze=True)),), brains=(Thompson(),))
    both = wire("isolated", 3, kind_of=(0, 1, 1))
    numbers(
        (always(Rollback(back=10.0), models=(0,)),), brains=(Mean(), Dice()), topology=both
    )  # its own brain has some


def test_more_snapshots_than_anybody_should_pay_for_are_refused():
    with pytest.raises(
        ParameterError, match=r"Rollback\.every must be at least 3\.6 s, not 1 s: at most 1000 snapshots"
    ):
        Rollback(back=3600.0, every=1.0)
