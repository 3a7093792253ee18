"""The promises a cohort keeps: same bits whatever its size, common random numbers, prefixes, contained failures."""

from __future__ import annotations

import numpy as np
import pytest

from simlab.brains.topology import Schedule
from simlab.lab.cohort import join, play
from simlab.lab.outcome import Outcome
from tests.lab.toy import Dice, Toy, trial


def same(a: Outcome, b: Outcome) -> None:
    assert (a.replications == b.replications).all()
    for name in a.measures:
        np.testing.assert_array_equal(a.measures[name], b.measures[name])
        np.testing.assert_array_equal(a.series[name], b.series[name])
    assert a.events == b.events
    np.testing.assert_array_equal(a.diverged, b.diverged)


CASES = {
    "synchronised": {"schedule": Schedule(every=7)},
    "jitter": {"schedule": Schedule(every=7, jitter=3, busy=2)},
    "random": {"schedule": Schedule(every=4, how="random", chance=0.5)},
    "staggered": {"schedule": Schedule(every=6, how="staggered", size=2)},
    "staggered with jitter": {"schedule": Schedule(every=6, jitter=2, how="staggered", size=2)},
    "dice": {"brains": (Dice(),)},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("size", [1, 2, 7])
def test_cohort_size_never_changes_a_bit(case, size):
    set_up = trial(Toy(models=5), **CASES[case])
    whole = play(set_up, 1, range(16))
    assert not whole.failed
    parts = [play(set_up, 1, range(first, min(first + size, 16))) for first in range(0, 16, size)]
    same(whole, join(parts))


def test_prefix():
    """A run to 2T equals the run to T on [0, T]."""
    short, long = play(trial(horizon=40.0), 3, range(4)), play(trial(horizon=80.0), 3, range(4))
    for name in ("total", "worst"):
        np.testing.assert_array_equal(short.series[name], long.series[name][: len(short.times)])


def test_arms_meet_the_same_luck():
    """Wirings that only differ in who learns from whom see the same noise: with nobody trained they are equal."""
    outcomes = [play(trial(wiring=w), 5, range(6)) for w in ("isolated", "shared_brain", "bulkheads(2)")]
    for other in outcomes[1:]:
        np.testing.assert_array_equal(outcomes[0].measures["total"], other.measures["total"])


def test_random_brains_are_dealt_luck_in_the_order_of_models():
    outcomes = [
        play(trial(wiring=w, brains=(Dice(),)), 5, range(6)) for w in ("isolated", "shared_brain", "bulkheads(2)")
    ]
    for other in outcomes[1:]:
        np.testing.assert_array_equal(outcomes[0].measures["total"], other.measures["total"])


def test_seeds_differ():
    assert (play(trial(), 1, range(4)).measures["total"] != play(trial(), 2, range(4)).measures["total"]).all()


def test_a_replication_that_raises_does_not_stop_the_others():
    calm = play(trial(Toy()), 1, range(12))
    fails = play(trial(Toy(fails=1.85)), 1, range(12))  # 2.8 standard deviations; 120 draws each
    assert 0 < len(fails.failed) < 12
    for number, trace in fails.failed.items():
        assert "a replication that fails" in trace
        assert np.isnan(fails.measures["total"][number])
        assert np.isnan(fails.series["total"][:, number]).all()
        assert np.isnan(fails.alike[number]).all()
        assert np.isnan(fails.diverged[number])
    for name, values in calm.series.items():
        assert (fails.series[name].dtype, fails.series[name].shape) == (values.dtype, values.shape)
    assert (fails.alike.dtype, fails.alike.shape) == (calm.alike.dtype, calm.alike.shape)
    assert fails.replications.tolist() == list(range(12))
    fine = [i for i in range(12) if i not in fails.failed]
    np.testing.assert_array_equal(fails.measures["total"][fine], calm.measures["total"][fine])
