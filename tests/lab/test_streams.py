"""Luck: a pure function of (seed, replication, purpose, tick)."""

from __future__ import annotations

import numpy as np
import pytest

from simlab.base.kernels import normal_cells
from simlab.lab.streams import Streams, generator, generators, parts


def ticks(luck, count, draw):
    seen = []
    for row in range(count):
        luck.clock.row = row
        seen.append(draw(luck).copy())
    return np.stack(seen)


def test_replications_are_dealt_the_same_in_any_company():
    alone = ticks(Streams(1, [5]), 40, lambda luck: luck.normal("x", (1, 3)))
    together = ticks(Streams(1, range(8)), 40, lambda luck: luck.normal("x", (8, 3)))
    np.testing.assert_array_equal(alone[:, 0], together[:, 5])


@pytest.mark.parametrize("seed", [0, 7, 2**32, 2**64 + 5, 2**128 - 1, 2**130 + 9])
def test_seeds_hashed_together_are_those_of_numpy(seed):
    """Six seeds of one to five words, part 0 and others, and a replication whose number needs all 32 bits."""
    replications = [*range(5, 20), 2**32 - 1]
    for part, made in enumerate(generators(seed, replications, "world/x", 3)):
        for i, g in zip(replications, made, strict=True):
            assert g.random(3).tolist() == generator(seed, i, "world/x", part).random(3).tolist()


def test_another_agent_does_not_shift_the_luck_of_the_others():
    few, many = (ticks(Streams(1, range(2)), 70, lambda luck, n=n: luck.uniform("x", (2, n))) for n in (63, 200))
    np.testing.assert_array_equal(few, many[:, :, :63])


def test_a_tick_at_which_nobody_draws_shifts_nothing():
    every = ticks(Streams(1, range(2)), 600, lambda luck: luck.exponential("x", (2, 4)))
    luck = Streams(1, range(2))
    for row in (0, 7, 599):
        luck.clock.row = row
        np.testing.assert_array_equal(luck.exponential("x", (2, 4)), every[row])


def test_purposes_kinds_seeds_and_starts_are_independent():
    luck, other = Streams(1, range(1)), Streams(2, range(1))
    start = luck.normal("x", (1, 500))
    luck.clock.row = other.clock.row = 0
    draws = [
        start,
        luck.normal("x", (1, 500)),
        luck.normal("y", (1, 500)),
        other.normal("x", (1, 500)),
        luck.named("b").normal("x", (1, 500)),
    ]
    correlation = np.corrcoef(np.concatenate(draws))
    assert np.abs(correlation - np.eye(5)).max() < 4 / np.sqrt(500)


def test_two_draws_for_one_purpose_in_a_tick_are_refused():
    luck = Streams(1, range(2))
    luck.clock.row = 0
    luck.normal("x", (2, 3))
    with pytest.raises(ValueError, match="drawn twice in one tick"):
        luck.normal("x", (2, 3))
    luck.clock.row = 1
    with pytest.raises(ValueError, match="cannot change"):
        luck.normal("x", (2, 4))
    with pytest.raises(ValueError, match="read-only"):
        luck.normal("z", (2, 3))[0, 0] = 1


def test_parts_do_not_depend_on_how_many_agents_there_are():
    assert parts(0) == parts(4) == [(0, 4)]
    assert parts(10) == [(0, 4), (4, 16)]
    assert parts(130) == [(0, 4), (4, 16), (16, 64), (64, 128), (128, 192)]
    assert parts(64) == parts(130)[:3]


@pytest.mark.parametrize("n", [3, 20, 700])
def test_cells_are_the_same_luck_as_noise(n):
    """Ticks in one block and in several, agents in one part and in several; while worlds start, too."""
    shape = (3, n, 25)
    noise, cells = (
        ticks(Streams(1, range(3)), 90, lambda luck, kind=kind: getattr(luck, kind)("x", shape))
        for kind in ("noise", "cells")
    )
    assert cells.dtype == np.uint16
    np.testing.assert_array_equal(normal_cells()[cells], noise)
    started = Streams(1, range(3))
    np.testing.assert_array_equal(normal_cells()[started.cells("x", shape)], Streams(1, range(3)).noise("x", shape))
    with pytest.raises(ValueError, match="read-only"):
        started.cells("y", shape)[0, 0] = 1
