"""Stragglers in federated rounds: who is late, that the late do not count, and that luck is of the round."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simlab.base.errors import InputError
from simlab.brains.topology import Schedule, wire
from simlab.lab.cohort import play
from simlab.lab.conductor import Conductor
from simlab.lab.loop import Loop
from simlab.lab.shocks import Shock
from simlab.lab.streams import Streams
from tests.lab.toy import Toy, trial


def federated(stragglers, models=3, every=5.0, **given):
    topology = wire("federated", models, average_every=every, stragglers=stragglers)
    plan = {"schedule": Schedule(every=5), "topology": topology}
    return trial(given.pop("world", None) or Toy(models=models, noise=0.0), **(plan | given))


def late(set_up, rows):
    """Who was late in each round, `(rounds, r, b)`, with the weights of every brain after it."""
    luck = Streams(1, rows)
    loop = Loop(set_up, luck)
    seen, after, average = [], [], loop.average

    def watch(late=None):
        seen.append(None if late is None else late.copy())
        average(late)
        after.append(loop.casts[0].mind.level.copy())

    loop.average = watch
    Conductor(set_up, loop, luck).play()
    return seen, np.array(after)


def test_a_brain_is_late_with_that_probability_independently():
    """40 rounds of 32 x 16 brains: a share of 0.2, and of 0.04 for two in a row or two at once; four standard errors."""
    found = np.array(late(federated(0.2, models=16, every=1.0), range(32))[0])
    assert found.shape == (39, 32, 16)
    assert abs(found.mean() - 0.2) < 4 * math.sqrt(0.2 * 0.8 / found.size)
    for both in (found[1:] & found[:-1], found[..., 1:] & found[..., :-1], found[:, 1:] & found[:, :-1]):
        assert abs(both.mean() - 0.04) < 4 * math.sqrt(0.04 * 0.96 / both.size) * 1.5  # neighbours overlap


def test_the_late_do_not_count_and_are_handed_the_mean_of_the_others():
    """Only model 0 gets answers, which are 1 and more: brains 1 and 2 stay behind. Each round is replayed by hand."""
    lost = Shock("lost", "feedback", "lost", models=(1, 2))
    set_up = federated(0.5, shocks=(lost,), schedule=Schedule(every=5, busy=0), horizon=60.0)
    rounds, after = late(set_up, range(16))
    before = np.zeros((16, 3))
    world_mean, ticks = np.zeros(16), 0
    total = np.zeros(16)
    for k, absent in enumerate(rounds):
        for _ in range(5):  # ticks until the round: outcomes are 1 + 0.5 x what all say on average
            total += 1 + 0.5 * before.mean(axis=1)
            ticks += 1
        trained = before.copy()
        trained[:, 0] = total / ticks
        present = (~absent).sum(axis=1)
        mean = (trained * ~absent).sum(axis=1) / np.maximum(present, 1)
        world_mean = np.where(present > 0, mean, world_mean)  # where all are late, the last global weights stay
        before = np.repeat(world_mean[:, None], 3, axis=1)
        np.testing.assert_allclose(after[k], before, rtol=1e-12)
    assert any((absent.all(axis=1)).any() for absent in rounds)


def test_nobody_is_late_by_default_and_nothing_is_drawn():
    assert all(one is None for one in late(federated(0.0), range(3))[0])
    none, plain = federated(0.0), wire("federated", 3, average_every=5.0)
    assert none.topology == plain


def test_who_is_late_depends_on_the_round_and_the_brain_alone():
    """Other cohorts, more brains, or rounds at other times: the same brains are late in the same rounds."""
    whole = np.array(late(federated(0.3), range(6))[0])
    np.testing.assert_array_equal(np.array(late(federated(0.3), [4, 2])[0]), whole[:, [4, 2]])
    np.testing.assert_array_equal(np.array(late(federated(0.3, models=20), range(6))[0])[..., :3], whole)
    rare = np.array(late(federated(0.3, every=10.0), range(6))[0])
    np.testing.assert_array_equal(rare, whole[: len(rare)])


@pytest.mark.parametrize("by", ["mean", "median", "trimmed", "krum"])
def test_cohort_size_never_changes_a_bit(by):
    topology = wire("federated", 5, average_every=2.0, average_by=by, stragglers=0.4)
    plan = Schedule(every=9, jitter=2)  # a round and a turn often fall together
    set_up = federated(0.0, world=Toy(models=5), topology=topology, schedule=plan)
    whole = play(set_up, 1, range(8)).series["total"]
    for some in ([0], [5], [2, 3], list(range(1, 8))):
        np.testing.assert_array_equal(play(set_up, 1, some).series["total"], whole[:, some])


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match=r"topology\.stragglers must be a probability from 0 to 1, not 1\.5"):
        federated(1.5)
    with pytest.raises(InputError, match=r"topology\.stragglers: nobody is late without rounds; add e\.g\."):
        wire("isolated", 3, stragglers=0.2)
