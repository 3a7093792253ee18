"""The probe: noise on numbers, logged by whoever watches; its size and its sharing by algebra."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simlab.base.errors import InputError
from simlab.interventions.probe import Probe
from tests.interventions.stage import always, choices, moment, numbers, told


def test_noise_has_its_size_and_is_the_same_for_all_models_or_for_none():
    """40 ticks of 64 replications: a standard deviation of 0.3 to 4 standard errors, sd / sqrt(2 n)."""
    for common in (True, False):
        noise = told(numbers((always(Probe(size=0.3, common=common)),)), "predict", n=64) - 1
        assert ((noise == noise[..., :1]).all()) == common
        draws = noise[..., 0] if common else noise
        assert abs(draws.std() - 0.3) < 4 * 0.3 / math.sqrt(2 * draws.size)
        assert abs(draws.mean()) < 4 * 0.3 / math.sqrt(draws.size)


def test_it_is_acted_on_and_its_gain_is_the_worlds():
    """The toy's outcome is 1 + pull x mean(act): regressed on common noise the slope is pull, exactly."""
    set_up = numbers((always(Probe(size=0.5)),))
    noise, outcome = told(set_up, "predict")[..., 0] - 1, told(set_up, "react")[..., 0]
    np.testing.assert_allclose(outcome - 1.5, 0.5 * noise, atol=1e-12)


def test_it_concerns_its_models_alone_and_every_case_of_them():
    said = np.random.default_rng(1).random((5, 3, 7))
    on = np.array([True, False, True]) & np.ones((5, 1), dtype=bool)
    served = Probe(size=1.0, common=False).apply(said, on, moment(5, 3))
    np.testing.assert_array_equal(served[:, 1], said[:, 1])
    added = (served - said)[:, [0, 2]]
    np.testing.assert_allclose(added, np.broadcast_to(added[..., :1], added.shape), atol=1e-12)
    assert (added != 0).all()


def test_what_it_adds_is_logged():
    assert Probe.randomised


def test_choices_take_no_noise():
    with pytest.raises(InputError, match="hand `hand` adds noise to numbers, and the world Choices asks for choice"):
        choices((always(Probe(size=0.1)),))
