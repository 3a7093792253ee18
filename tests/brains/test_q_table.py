"""Q-learning on a table, against the algebra of known worlds and against itself, looked up the long way."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simlab.base.world import Feedback, Spec
from simlab.brains.q_table import QTable
from simlab.brains.topology import wire
from simlab.lab.loop import Loop
from simlab.lab.streams import Streams
from simlab.lab.trial import Trial
from simlab.worlds.pricing_collusion import PricingCollusion

SPEC = Spec(models=2, asks="choice", states=3, choices=4)


def begun(brain, r=2, b=2, spec=SPEC, seed=0):
    """A mind, and the luck it meets."""
    luck = Streams(seed, range(r))
    mind = brain.start(r, b, b, spec, luck)
    luck.clock.row = 0
    return mind, luck


def worth(mind):
    return np.take_along_axis(mind.q, mind.best[..., None].astype(int), axis=3)[..., 0]


def rest(mind):
    return mind.rest


def best(mind):
    return mind.best


def turn(brain, mind, x, action, outcome, then, weight=None):
    """An answer comes in."""
    brain.fade(mind)
    brain.witness(mind, x, action, Feedback(outcome, weight), then)


def test_one_choice_for_ever_is_worth_what_it_brings_over_one_less_the_discount():
    """y / (1 - discount), and the distance to it shrinks by 1 - rate (1 - discount) a tick."""
    brain = QTable(rate=0.2, discount=0.9, initial=(0.0,))
    mind, _ = begun(brain)
    x = np.zeros((2, 2, 1), dtype=np.int64)
    for n in range(1, 200):
        turn(brain, mind, x, x, np.full((2, 2, 1), 3.0), x)
        np.testing.assert_allclose(mind.q[:, :, 0, 0], 30 * (1 - (1 - 0.2 * 0.1) ** n), rtol=1e-10)
    assert (mind.q[:, :, 1:] == 0).all()
    assert (best(mind) == 0).all()


def test_it_finds_the_best_way_round_a_known_world():
    """Three states in a ring: choice a leads a states on and brings a number; the values solve Bellman's equation (value iteration)."""
    brain = QTable(rate=1.0, discount=0.8, initial=(0.0,))  # nothing is random, so that a full step is exact
    pays = np.array([[1.0, 0.0, 0.5, 0.2], [0.0, 2.0, 0.1, 0.3], [0.4, 0.6, 5.0, 0.0]])
    goes = (np.arange(3)[:, None] + np.arange(4)) % 3
    value = np.zeros(3)
    for _ in range(500):
        value = (pays + 0.8 * value[goes]).max(axis=1)
    mind, _ = begun(brain, 1, 1)
    every = np.random.default_rng(1)
    for s, a in every.integers([3, 4], size=(6000, 2)):
        shape = (1, 1, 1)
        turn(brain, mind, np.full(shape, s), np.full(shape, a), np.full(shape, pays[s, a]), np.full(shape, goes[s, a]))
    np.testing.assert_allclose(worth(mind)[0, 0], value, rtol=1e-9)
    np.testing.assert_array_equal(best(mind)[0, 0], (pays + 0.8 * value[goes]).argmax(axis=1))


@pytest.mark.parametrize("seats", [1, 3])
def test_what_is_read_off_the_table_is_what_stands_in_it(seats):
    """The highest, the first that has it, and no other above `rest`: after every answer, with ties and with answers unseen."""
    brain, rng = QTable(rate=0.5, discount=0.5, initial=(1.0,)), np.random.default_rng(2)
    mind, _ = begun(brain, 3, 2)
    by_hand = np.ones((3, 2, 3, 4))
    shape = (3, 2, seats)
    for _ in range(400):
        x, then, action = rng.integers(3, size=shape), rng.integers(3, size=shape), rng.integers(4, size=shape)
        outcome, weight = rng.integers(3, size=shape) / 2, rng.integers(2, size=shape)
        turn(brain, mind, x, action, np.where(weight > 0, outcome, np.nan), then, weight)
        for i in np.ndindex(3, 2):
            for g in range(seats):
                cell = (*i, x[*i, g], action[*i, g])
                target = outcome[*i, g] + 0.5 * by_hand[*i, then[*i, g]].max()
                by_hand[cell] += 0.5 * (target - by_hand[cell]) * weight[*i, g]
        np.testing.assert_allclose(mind.q, by_hand, rtol=1e-12)
        np.testing.assert_array_equal(worth(mind), mind.q.max(axis=3))
        np.testing.assert_array_equal(best(mind), mind.q.argmax(axis=3))
        second = np.sort(mind.q, axis=3)[..., -2]
        assert ((second <= rest(mind)) & (rest(mind) <= worth(mind))).all()


def test_it_explores_as_often_as_it_should_and_evenly():
    """exp(-decay t) of the choices are any one of k, so 1 - chance (1 - 1/k) are the best: four standard errors of a binomial."""
    brain, r = QTable(decay=0.1, initial=(0.0, 1.0, 0.5, 0.2)), 20_000
    mind, luck = begun(brain, r, 1)
    x = np.zeros((r, 1, 1), dtype=np.int64)
    for tick in (0, 3, 12):
        luck.clock.row = tick
        mind.answers[:] = tick
        said = brain.predict(mind, x, luck).ravel()
        chance = math.exp(-0.1 * tick)
        for choice in range(4):
            p = chance / 4 + (1 - chance) * (choice == 1)
            assert abs((said == choice).mean() - p) < 4 * math.sqrt(p * (1 - p) / r), (tick, choice)
    assert best(mind).max() == best(mind).min() == 1  # what is said is a copy


def test_settled_once_nothing_has_changed_for_long_enough():
    """Changes at ticks 1, 6 and 25 with a patience of 5: at 11. What stood still for the 4 ticks between 1 and 6 had not settled."""
    brain = QTable(rate=1.0, discount=0.0, initial=(0.0,), patience=5)
    mind, _ = begun(brain, 2, 1)
    x = np.zeros((2, 1, 1), dtype=np.int64)
    for tick in range(1, 30):
        better = tick in (1, 6) or tick == 25
        action, outcome = (
            np.full_like(x, min(tick // 5 + 1, 3) if better else 0),
            np.full(x.shape, float(tick) if better else -1.0),
        )
        turn(brain, mind, x, action, outcome, x)
        expected = 11.0 if tick >= 11 else np.nan
        np.testing.assert_array_equal(brain.tell(mind)["settled"], expected, err_msg=str(tick))


def test_begins_where_it_is_told_and_where_chance_has_it():
    mind, _ = begun(QTable(initial=(0.0, 4.0, 1.0, 2.0)))
    assert (best(mind) == 1).all()
    spread, _ = begun(QTable(initial=(2.0,), spread=3.0), r=200)
    assert 2 <= spread.q.min() < 2.1
    assert 4.9 < spread.q.max() < 5
    np.testing.assert_array_equal(worth(spread), spread.q.max(axis=3))


def test_the_bits_do_not_depend_on_how_many_are_batched():
    brain, rng, shape = QTable(rate=0.4, decay=0.02, initial=(0.0,), spread=1.0), np.random.default_rng(3), (9, 2, 2)
    minds = {}
    for rows in (range(9), range(4, 5)):
        luck = Streams(5, rows)
        minds[rows] = brain.start(len(rows), 2, 2, SPEC, luck), luck
    for tick in range(60):
        x, then, outcome = rng.integers(3, size=shape), rng.integers(3, size=shape), rng.normal(size=shape)
        said = {}
        for rows, (mind, luck) in minds.items():
            luck.clock.row, mine = tick, slice(rows.start, rows.stop)
            said[rows] = brain.predict(mind, x[mine], luck)
            turn(brain, mind, x[mine], said[rows], outcome[mine], then[mine])
        whole, one = said.values()
        np.testing.assert_array_equal(whole[4:5], one)
    whole, one = (mind for mind, _ in minds.values())
    np.testing.assert_array_equal(whole.q[4:5], one.q)
    np.testing.assert_array_equal(brain.tell(whole)["settled"][4:5], brain.tell(one)["settled"])


def test_what_brains_of_two_kinds_tell_is_the_later():
    """Settled are all strategies once the last is; each kind on its own tells what is recorded for its part."""
    kinds = QTable(decay=0.05, initial=(5.0,), patience=20), QTable(decay=0.02, initial=(5.0,), patience=30)
    world = PricingCollusion(prices=4)
    mixed = wire("isolated", 2, kinds=2).canonical(world.spec)
    loop = Loop(Trial(world, kinds, mixed, horizon=600.0, stride=100.0), Streams(6, range(8)))
    loop.run(600)
    each = [cast.brain.tell(cast.mind)["settled"] for cast in loop.casts]
    assert len(each) == 2
    np.testing.assert_array_equal(loop.measures()["settled"], np.maximum(*each))
    assert np.isfinite(each).any()


def test_says_which_worlds_it_cannot_serve():
    assert QTable().why_not(SPEC) is None
    assert "asks for number" in QTable().why_not(Spec(models=1))
    assert "one of a number of states" in QTable().why_not(SPEC._replace(states=0, features=2))
    assert "one of a number of states" in QTable().why_not(SPEC._replace(case=(3,)))
    assert "2 initial values" in QTable(initial=(0.0, 1.0)).why_not(SPEC)
