"""Thinning and importance weighting: what they do to the weights of answers, by algebra."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simlab.base.errors import InputError
from simlab.base.world import Feedback
from simlab.interventions.importance_weight import ImportanceWeight
from simlab.interventions.thinning import Thinning
from tests.interventions import stage

R = 4000


def moment(r=R):
    return stage.moment(r, 2, world="a world", seed=3)


def censored(p, r=R, seed=1):
    """Two choices, of which the first is tried, and its answer 3 seen, with probability `p`, else the second and its 5: `(r, 2, 2)`."""
    first = np.random.default_rng(seed).random((r, 2)) < p
    seen = np.stack([first, ~first], axis=-1)
    chance = np.broadcast_to([p, 1 - p], seen.shape)
    return Feedback(np.array([3.0, 5.0]) * seen, seen.astype(float), chance=chance)


ON = np.array([True, False])  # the first model only


def on(r=R):
    return np.broadcast_to(ON, (r, 2))


@pytest.mark.parametrize("p", [0.1, 0.5, 0.93])
def test_weighted_totals_are_unbiased(p):
    """Horvitz & Thompson 1952: the mean of y/p over what is seen is y, with variance y^2 (1-p)/p; four standard errors."""
    was = censored(p)
    now = ImportanceWeight().apply(was, on(), moment())
    total = (now.outcome * now.weight)[:, 0].mean(axis=0)
    for y, q, found in zip((3.0, 5.0), (p, 1 - p), total, strict=True):
        assert abs(found - y) < 4 * y * math.sqrt((1 - q) / q / R)
    np.testing.assert_array_equal(now.weight[:, 1], was.weight[:, 1])


def test_a_bounded_weight_is_biased_towards_nothing():
    """With `least` 0.5 an answer of chance 0.1 counts twice instead of ten times: a fifth of its total."""
    was = censored(0.1)
    now = ImportanceWeight(least=0.5).apply(was, on(), moment())
    assert now.weight[:, 0, 0].max() == 2.0
    np.testing.assert_allclose((now.weight * was.outcome)[:, 0, 0].mean(), 3 / 5, atol=4 * 6 * math.sqrt(0.09 / R))


@pytest.mark.parametrize("p", [0.1, 0.5, 0.93])
def test_thinning_makes_two_choices_equally_likely_to_count(p):
    """Ensign 2018, section 5: both are counted with probability p (1 - p), so the totals are in the true ratio."""
    was = censored(p)
    now = Thinning().apply(was, on(), moment())
    q = p * (1 - p)
    for choice in range(2):
        assert abs(now.weight[:, 0, choice].mean() - q) < 4 * math.sqrt(q * (1 - q) / R)
    np.testing.assert_array_equal(now.weight[:, 1], was.weight[:, 1])


@pytest.mark.parametrize("hand", [ImportanceWeight(), Thinning()])
def test_what_comes_anyway_or_with_unknown_chance_stays(hand):
    for chance in (1.0, np.nan):
        was = Feedback(np.ones((R, 2)), chance=np.full((R, 2), chance))
        now = hand.apply(was, np.ones((R, 2), dtype=bool), moment())
        np.testing.assert_array_equal(now.weight, 1.0)


@pytest.mark.parametrize("hand", [ImportanceWeight(), Thinning()])
def test_a_chance_for_each_model_serves_all_its_answers(hand):
    """A propensity `(r, m)` holds for every answer of the tick, `(r, m, 3)`: they are kept, dropped or weighted together."""
    was = Feedback(np.ones((R, 2, 3)), chance=np.full((R, 2), 0.25))
    now = hand.apply(was, on(), moment())
    assert now.weight.shape == (R, 2, 3)
    np.testing.assert_array_equal(now.weight, now.weight[..., :1] * np.ones(3))
    expected = 4.0 if isinstance(hand, ImportanceWeight) else 0.75
    assert abs(now.weight[:, 0].mean() - expected) < 4 * math.sqrt(0.25 * 0.75 / R)


@pytest.mark.parametrize("hand", [ImportanceWeight(), Thinning()])
def test_a_world_that_tells_no_chance_is_named(hand):
    with pytest.raises(InputError, match=f"{type(hand).__name__} needs the chance .* the world str does not tell it"):
        hand.apply(Feedback(np.ones((2, 2))), on(2), moment(2))
