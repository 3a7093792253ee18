"""The constraint: what is learnt is the outcome less a price, and what is scored is the outcome."""

from __future__ import annotations

import numpy as np
import pytest

from simlab.base.errors import InputError
from simlab.base.world import Feedback
from simlab.brains.topology import Schedule
from simlab.interventions.constraint import Constraint
from simlab.lab.cohort import play
from tests.interventions.stage import always, moment, numbers, told
from tests.lab.toy import Place, Toy


def test_what_is_learnt_is_the_outcome_less_its_price():
    """Outcomes are 1.5, and so is `latest`: 1.5 - 2 (1.5 - 1.2) = 0.9 for the models it is on for, from tick 10 on."""
    hand = always(Constraint(measure="latest", bound=1.2, price=2.0), models=(1,), at=10.0)
    learnt = told(numbers((hand,)), "react")
    np.testing.assert_allclose(learnt[10:, :, 1], 0.9)
    assert (learnt[:10, :, 1] == 1.5).all()
    assert (learnt[:, :, [0, 2]] == 1.5).all()


def test_nothing_is_paid_while_it_holds_and_costs_take_a_negative_price():
    kept = always(Constraint(measure="latest", bound=1.6, price=2.0))
    assert (told(numbers((kept,)), "react") == 1.5).all()
    costs = always(Constraint(measure="latest", bound=1.2, price=-2.0))
    np.testing.assert_allclose(told(numbers((costs,)), "react"), 1.5 + 0.6)
    above = always(Constraint(measure="latest", bound=2.0, price=1.0, side="above"))
    np.testing.assert_allclose(told(numbers((above,)), "react"), 1.5 - 0.5)


def test_the_brains_feel_it_and_the_score_does_not():
    """Trained at tick 5 on 0.9: the models then say 0.9, are scored against 1 + 0.45, and pay for that."""
    hand = always(Constraint(measure="latest", bound=1.2, price=2.0))
    set_up = numbers((hand,), schedule=Schedule(every=5), horizon=9.0, stride=1.0)
    np.testing.assert_allclose(told(set_up, "predict")[5:], 0.9)
    error = play(set_up, 0, range(2)).measures["prediction_error"]
    np.testing.assert_allclose(error, np.sqrt((5 * 0.5**2 + 4 * (1.45 - 0.9) ** 2) / 9))


def test_a_measure_is_that_after_the_action_and_may_be_undefined():
    """`worst` of the state as it is now; where it is NaN nothing is paid."""
    state = Place(np.zeros((2, 3)), np.zeros((2, 3, 1)), np.zeros(2), np.array([4.0, np.nan]))
    hand, on = Constraint(measure="worst", bound=1.0, price=0.5), np.ones((2, 3), dtype=bool)
    was = Feedback(np.full((2, 3, 2), 7.0))
    now = hand.apply(was, on, moment(2, 3, world=Toy(), state=state))
    np.testing.assert_allclose(now.outcome[0], 7 - 1.5)
    np.testing.assert_array_equal(now.outcome[1], 7)


def test_an_unknown_measure_is_refused():
    text = "hand `hand` constrains `wurst`, no measure of the world Toy; did you mean `worst`"
    with pytest.raises(InputError, match=text):
        numbers((always(Constraint(measure="wurst", bound=1.0, price=1.0)),))
