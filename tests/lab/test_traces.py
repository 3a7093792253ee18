"""Live parameters follow what was recorded, tick for tick."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simlab.base.errors import InputError
from simlab.lab.cohort import play
from simlab.lab.shocks import Shock
from simlab.lab.traces import Trace
from tests.lab.toy import Toy, trial

QUIET = Toy(noise=0.0, pull=0.0)  # the outcome is the drift
RAMP = Trace("drift", (0.0, 3.0, 7.0), (2.0, 5.0, -1.0))


def latest(**given):
    """The outcome of each tick, and after none."""
    return play(trial(QUIET, **{"horizon": 10.0, "stride": 1.0} | given), 0, range(2)).series["latest"][:, 1]


def test_a_value_holds_until_the_next():
    np.testing.assert_allclose(latest(traces=(RAMP,)), [0, 2, 2, 2, 5, 5, 5, 5, -1, -1, -1])


def test_a_record_that_repeats_begins_anew():
    again = Trace("drift", (0.0, 2.0), (1.0, 4.0), period=3.0)
    np.testing.assert_allclose(latest(traces=(again,)), [0, 1, 1, 4, 1, 1, 4, 1, 1, 4, 1])
    assert again.changes(5.0) == [(0.0, 1.0), (2.0, 4.0), (3.0, 1.0)]
    assert Trace("drift", (0.0, 2.0), (4.0, 4.0), period=3.0).changes(100.0) == [(0.0, 4.0)]  # nothing changes


def test_a_shock_goes_before_while_it_is_on():
    shock = Shock("drop", "world", "set", start=2.0, duration=3.0, values={"drift": 9.0})
    np.testing.assert_allclose(latest(traces=(RAMP,), shocks=(shock,)), [0, 2, 2, 9, 9, 9, 5, 5, -1, -1, -1])


def test_the_first_value_holds_through_the_warm_up():
    seen = play(trial(QUIET, horizon=4.0, stride=1.0, warmup=3.0, traces=(RAMP,)), 0, range(2))
    np.testing.assert_allclose(seen.series["total"][:, 0], [6, 8, 10, 12, 17])


def test_times_between_two_ticks_are_rounded_to_the_nearest():
    slow = Toy(noise=0.0, pull=0.0, seconds=2.0)
    off = Trace("drift", (0.0, 2.9, 5.1), (1.0, 2.0, 3.0))
    seen = play(trial(slow, horizon=8.0, stride=2.0, traces=(off,)), 0, range(1)).series["latest"][:, 0]
    np.testing.assert_allclose(seen, [0, 1, 2, 2, 3])


def test_replications_and_cohorts_do_not_matter():
    noisy = trial(Toy(), traces=(RAMP,))
    whole = play(noisy, 5, range(7)).series["total"]
    parts = [play(noisy, 5, [i]).series["total"] for i in range(7)]
    np.testing.assert_array_equal(whole, np.concatenate(parts, axis=1))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("drfit", (0.0,), (1.0,)), "not a live parameter; did you mean `drift`"),
        (("noise", (0.0,), (1.0,)), "not a live parameter"),
        (("drift", (1.0,), (1.0,)), "the first of them 0"),
        (("drift", (0.0, 1.0), (1.0,)), "a time for each value"),
        (("drift", (0.0, 2.0, 2.0), (1.0, 2.0, 3.0)), "strictly increase"),
        (("drift", (0.0, 2.0), (1.0, 2.0), 2.0), "strictly increase"),
        (("drift", (0.0,), (math.nan,)), "finite"),
    ],
)
def test_what_cannot_be_followed_is_refused(given, says):
    with pytest.raises(InputError, match=says):
        trial(QUIET, traces=(Trace(*given),))
