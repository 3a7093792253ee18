"""Q-learning on a grid, against the algebra of known worlds and against itself, looked up the long way."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simlab.base.errors import ParameterError
from simlab.base.world import Feedback, Spec
from simlab.brains.brain import average, leaves
from simlab.brains.q_grid import QGrid
from simlab.lab.streams import Streams

SPEC = Spec(models=2, asks="choice", views=2, features=3, choices=4)
PLAIN = QGrid(cells=(3,), cuts=(0.5, 1.5), initial=0.0)


def begun(brain, r=2, b=2, spec=SPEC, seed=0):
    """A mind, and the luck it meets."""
    luck = Streams(seed, range(r))
    mind = brain.start(r, b, b, spec, luck)
    luck.clock.row = 0
    return mind, luck


def seen(cell):
    """Features of which the first is `cell`; the others mean nothing."""
    return np.stack([np.asarray(cell, dtype=float), *np.full((2, *np.shape(cell)), 7.0)], axis=-1)


def test_with_no_tomorrow_values_are_means_of_what_was_answered():
    """Weights 1/n make plain averages (a power of 1, no floor, no discount), and answers unseen count for nothing."""
    brain, rng = QGrid(cells=(3,), cuts=(0.5, 1.5), rate=0.0, power=1.0, discount=0.0), np.random.default_rng(1)
    mind, _ = begun(brain, 1, 1)
    told: dict[tuple[int, int], list[float]] = {}
    for _ in range(300):
        x, a, y, w = rng.integers(3), rng.integers(4), rng.normal(), rng.integers(2)
        shape = (1, 1, 1)
        answer = Feedback(np.full(shape, y if w else np.nan), np.full(shape, float(w)))
        brain.witness(mind, seen(np.full(shape, x)), np.full(shape, a), answer, seen(np.full(shape, 0)))
        if w:
            told.setdefault((x, a), []).append(y)
    for (x, a), values in told.items():
        assert mind.q[0, 0, x, a] == pytest.approx(np.mean(values))
        assert mind.known[0, 0, x, a] == len(values)


def test_it_finds_the_best_way_round_a_known_world():
    """Three cells in a ring: choice a leads a cells on and brings a number; the values solve Bellman's equation (value iteration)."""
    brain = QGrid(
        cells=(3,), cuts=(0.5, 1.5), rate=1.0, discount=0.8
    )  # nothing is random, so that a full step is exact
    pays = np.array([[1.0, 0.0, 0.5, 0.2], [0.0, 2.0, 0.1, 0.3], [0.4, 0.6, 5.0, 0.0]])
    goes = (np.arange(3)[:, None] + np.arange(4)) % 3
    value = np.zeros(3)
    for _ in range(500):
        value = (pays + 0.8 * value[goes]).max(axis=1)
    mind, luck = begun(brain, 1, 1)
    for s, a in np.random.default_rng(1).integers([3, 4], size=(2500, 2)):
        shape = (1, 1, 1)
        answer, then = Feedback(np.full(shape, pays[s, a])), seen(np.full(shape, goes[s, a]))
        brain.witness(mind, seen(np.full(shape, s)), np.full(shape, a), answer, then)
    np.testing.assert_allclose(mind.q[0, 0].max(axis=1), value, rtol=1e-9)
    said = QGrid(cells=(3,), cuts=(0.5, 1.5), explore=0.0).predict(mind, seen(np.arange(3)[None, None]), luck)
    np.testing.assert_array_equal(said[0, 0], (pays + 0.8 * value[goes]).argmax(axis=1))


def test_seats_learn_one_after_the_other_each_in_the_cell_of_its_features():
    """Against a dictionary, answer by answer: two features cut in three and two, several seats, some answers unseen."""
    brain = QGrid(cells=(3, 2), cuts=(-1.0, 1.0, 0.0), rate=0.1, power=0.7, discount=0.6, initial=2.0)
    rng, (r, b, g) = np.random.default_rng(2), (3, 2, 4)
    mind, _ = begun(brain, r, b)
    by_hand, count = np.full((r, b, 6, 4), 2.0), np.zeros((r, b, 6, 4))

    def cell(x):
        return 2 * (int(x[0] >= -1.0) + int(x[0] >= 1.0)) + int(x[1] >= 0.0)

    for _ in range(100):
        x, then = (rng.integers(-2, 3, size=(r, b, g, 3)).astype(float) for _ in range(2))
        action, outcome, weight = (
            rng.integers(4, size=(r, b, g)),
            rng.normal(size=(r, b, g)),
            rng.integers(2, size=(r, b, g)),
        )
        brain.witness(mind, x, action, Feedback(outcome, weight * 1.0), then)
        for i in np.ndindex(r, b):
            for seat in range(g):
                at, j = (*i, cell(x[*i, seat]), action[*i, seat]), (*i, seat)
                if weight[j]:
                    count[at] += 1
                    target = outcome[j] + 0.6 * by_hand[*i, cell(then[j])].max()
                    by_hand[at] += max(0.1, count[at] ** -0.7) * (target - by_hand[at])
    np.testing.assert_allclose(mind.q, by_hand, rtol=1e-12)
    np.testing.assert_array_equal(mind.known, count)


def test_it_explores_as_often_as_it_should_and_evenly():
    """explore x exp(-decay t) of the choices are any one of k: four standard errors of a binomial."""
    brain, r = QGrid(cells=(1,), cuts=(), explore=0.5, decay=0.1), 4_000
    mind, luck = begun(brain, r, 1)
    mind.q[..., 1] = 1.0
    x = seen(np.zeros((r, 1, 1)))
    for tick in (0, 3, 12):
        luck.clock.row = tick
        mind.answers[:] = tick
        said = brain.predict(mind, x, luck).ravel()
        chance = 0.5 * math.exp(-0.1 * tick)
        for choice in range(4):
            p = chance / 4 + (1 - chance) * (choice == 1)
            assert abs((said == choice).mean() - p) < 4 * math.sqrt(p * (1 - p) / r), (tick, choice)


def test_a_round_moves_tables_by_the_mean_of_what_they_learnt():
    """What one of two met moves both by half of it; what neither met stays."""
    mind, _ = begun(PLAIN, 1, 2)
    globe = [leaf.mean(axis=1) for leaf in leaves(PLAIN, mind)]
    mind.q[0, 0, 1, 2] = 4.0
    average(PLAIN, mind, globe, np.ones((1, 2)), "mean")
    assert (mind.q[0, :, 1, 2] == 2.0).all()
    assert mind.q.sum() == 4.0


def test_the_bits_do_not_depend_on_how_many_are_batched():
    brain, rng, shape = QGrid(cells=(3,), cuts=(0.5, 1.5), explore=0.5), np.random.default_rng(3), (9, 2, 2)
    minds = {}
    for rows in (range(9), range(4, 5)):
        luck = Streams(5, rows)
        minds[rows] = brain.start(len(rows), 2, 2, SPEC, luck), luck
    for tick in range(60):
        x, then, outcome = (
            seen(rng.integers(3, size=shape)),
            seen(rng.integers(3, size=shape)),
            rng.normal(size=shape),
        )
        said = {}
        for rows, (mind, luck) in minds.items():
            luck.clock.row, mine = tick, slice(rows.start, rows.stop)
            said[rows] = brain.predict(mind, x[mine], luck)
            brain.fade(mind)
            brain.witness(mind, x[mine], said[rows], Feedback(outcome[mine]), then[mine])
        whole, one = said.values()
        np.testing.assert_array_equal(whole[4:5], one)
    whole, one = (mind for mind, _ in minds.values())
    np.testing.assert_array_equal(whole.q[4:5], one.q)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"cells": (3, 2), "cuts": (1.0, 2.0)}, r"2 \+ 1 numbers"),
        ({"cells": (3,), "cuts": (2.0, 2.0)}, "rise"),
        ({"cells": (1000, 1000), "cuts": tuple(map(float, range(999))) * 2}, "fewer"),
        ({"cells": (2,), "cuts": (1.0,), "discount": 1.0}, "below 1"),
    ],
)
def test_refuses_what_is_no_grid(given, match):
    with pytest.raises(ParameterError, match=match):
        QGrid(**given)


def test_says_which_worlds_it_cannot_serve():
    assert PLAIN.why_not(SPEC) is None
    assert "asks for number" in PLAIN.why_not(Spec(models=1))
    assert "at least 1 features" in PLAIN.why_not(SPEC._replace(features=0, states=3))
    assert "one question" in PLAIN.why_not(SPEC._replace(case=(3,)))
