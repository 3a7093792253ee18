"""The exploration floor: shares and choices mixed with the uniform law, by algebra."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simlab.base.errors import InputError
from simlab.interventions.explore import Explore
from tests.interventions.stage import always, choices, moment, numbers, told
from tests.lab.test_shares import Fork


def test_shares_keep_their_sum_and_none_is_below_the_floor():
    """0.9 and 0.1 with a floor of 0.2 over two choices: 0.82 and 0.18."""
    said = np.broadcast_to([0.9, 0.1], (4, 3, 5, 2))
    on = np.array([True, True, False]) & np.ones((4, 1), dtype=bool)
    told = Explore(floor=0.2).apply(said, on, moment(4, 3, world=Fork()))
    np.testing.assert_allclose(told[:, :2], np.broadcast_to([0.82, 0.18], (4, 2, 5, 2)))
    np.testing.assert_array_equal(told[:, 2], said[:, 2])


def test_a_choice_is_replaced_by_any_of_all():
    """40 x 32 x 3 x 5 questions, of which 2 is said of four: the others come with 0.4 / 4 each, to 4 standard errors."""
    seen = told(choices((always(Explore(floor=0.4)),)), n=32)
    for choice, chance in ((0, 0.1), (1, 0.1), (2, 0.7), (3, 0.1)):
        assert abs((seen == choice).mean() - chance) < 4 * math.sqrt(chance * (1 - chance) / seen.size)


def test_the_ends():
    """A floor of 0 leaves every choice; a floor of 1 leaves none to the model."""
    assert (told(choices((always(Explore(floor=0.0)),))) == 2).all()
    seen = told(choices((always(Explore(floor=1.0)),)), n=32)
    for choice in range(4):
        assert abs((seen == choice).mean() - 0.25) < 4 * math.sqrt(0.25 * 0.75 / seen.size)


def test_more_exploration_explores_what_less_did():
    """The same luck decides: what a floor of 0.1 replaces, a floor of 0.3 does too."""
    little, much = (told(choices((always(Explore(floor=floor)),)), n=8) for floor in (0.1, 0.3))
    assert (much[little != 2] != 2).all()
    assert 0 < (little != 2).sum() < (much != 2).sum()


def test_numbers_are_refused():
    with pytest.raises(
        InputError, match=r"hand `hand` explores choices, and the world Toy asks for numbers; .* `probe`"
    ):
        numbers((always(Explore()),))
