"""Limits: bounds, and the largest change, against the same rule written out for one action after the other."""

from __future__ import annotations

import numpy as np
import pytest

from simlab.base.errors import InputError, ParameterError
from simlab.base.world import Action
from simlab.interventions.limits import Limits
from tests.interventions.stage import always, choices, moment, numbers, told
from tests.lab.test_shares import Fork
from tests.lab.toy import Dice, Toy


def test_bounds_and_steps_are_those_of_a_slow_loop():
    """On from tick 10 to 30 for models 0 and 2: there the change from tick 10 on is at most 0.4, within -0.5 and 0.8."""
    limits = Limits(low=-0.5, high=0.8, step=0.4)
    given = {"brains": (Dice(),), "world": Toy()}
    free = told(numbers(**given))
    done = told(numbers((always(limits, models=(0, 2), at=10.0, lasts=20.0),), **given))
    expected = free.copy()
    for r in range(free.shape[1]):
        for m in (0, 2):
            for t in range(10, 30):
                want = free[t, r, m]
                if t > 10:
                    want = min(max(want, expected[t - 1, r, m] - 0.4), expected[t - 1, r, m] + 0.4)
                expected[t, r, m] = min(max(want, -0.5), 0.8)
    np.testing.assert_array_equal(done, expected)
    assert (np.abs(np.diff(free[10:30], axis=0)) > 0.4).mean() > 0.3  # there was something to hold back


def test_it_begins_anew_when_it_comes_on_again():
    """Off for a while: the first change after that is not limited, whatever the hand let through long ago."""
    limits, kept = Limits(step=0.1), {}
    on, plain = np.ones((1, 1), dtype=bool), np.zeros((1, 1))
    for tick, since, said, done in (
        (0, 0, 1.0, 1.0),
        (1, 0, 2.0, 1.1),
        (9, 9, 5.0, 5.0),
        (10, 9, 5.0, 5.0),
        (11, 9, 0, 4.9),
    ):
        now = moment(1, 1, plain, tick=tick, since=since, kept=kept)
        assert limits.apply(Action(np.full((1, 1), float(said))), on, now).value[0, 0] == pytest.approx(done)


def test_what_is_within_is_untouched_and_keeps_its_propensity():
    said = np.array([[0.2, 0.9]])
    done = Limits(high=0.5).apply(Action(said, np.full((1, 2), 0.7)), np.ones((1, 2), dtype=bool), moment(1, 2))
    np.testing.assert_array_equal(done.value, [[0.2, 0.5]])
    np.testing.assert_array_equal(done.chance, [[0.7, np.nan]])
    free, none = (told(numbers(hands, brains=(Dice(),))) for hands in ((), (always(Limits()),)))
    np.testing.assert_array_equal(free, none)


def test_choices_and_bounds_that_contradict_are_refused():
    with pytest.raises(InputError, match="hand `hand` bounds actions that are numbers, and those of the world Choices"):
        choices((always(Limits(high=1.0)),))
    way = Action(np.zeros((2, 4), dtype=np.int8))
    with pytest.raises(InputError, match="Limits bounds actions that are numbers, and those of the world Fork"):
        Limits().apply(way, np.ones((2, 4), dtype=bool), moment(2, 4, world=Fork()))
    with pytest.raises(ParameterError, match=r"Limits\.low must be at most high \(1\), not 2"):
        Limits(low=2.0, high=1.0)
