"""Luck is a pure function of (seed, replication, purpose, kind, tick, agent), whatever else is drawn and whoever else is there."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from simlab.base.arrays import Floats
from simlab.lab.streams import Streams
from tests.examples import examples

KINDS = st.sampled_from(["uniform", "normal", "exponential", "noise", "cells"])
TICKS = st.lists(st.integers(1, 200), min_size=1, max_size=4).map(lambda steps: [t - 1 for t in accumulate(steps)])
AGENTS = st.sampled_from([1, 3, 4, 5, 16, 17, 64, 65, 128, 131]) | st.integers(1, 200)
REST = st.sampled_from([(), (1,), (3,), (2, 3)])


def drawn(luck: Streams, kind: str, n: int, rest: tuple[int, ...], purpose: str = "x") -> Floats:
    found: Floats = getattr(luck, kind)(purpose, (luck.replications, n, *rest))
    return found.copy()


@examples(40)
@given(
    KINDS, st.integers(0, 2**64 - 1), st.lists(st.integers(0, 10**6), min_size=2, max_size=3, unique=True),
    AGENTS, AGENTS, REST, TICKS, st.data(),
)  # fmt: skip
def test_an_agents_luck_depends_on_nothing_but_itself(kind, seed, numbers, few, more, rest, ticks, data):
    """A crowd draws at every tick of `ticks`, with others' purposes between; a few of its agents alone, at some ticks only."""
    crowd = Streams(seed, numbers)
    seen = {}
    for tick in ticks:
        crowd.clock.row = tick
        drawn(crowd, kind, 2, (), "another's")
        crowd.named("another's").normal("x", (len(numbers), 2))
        seen[tick] = drawn(crowd, kind, max(few, more), rest)
        crowd.fixed().uniform("x", (len(numbers), 2))
    at = data.draw(st.integers(0, len(numbers) - 1))
    alone = Streams(seed, [numbers[at]])
    for tick in data.draw(st.lists(st.sampled_from(ticks), min_size=1, unique=True).map(sorted)):
        alone.clock.row = tick
        np.testing.assert_array_equal(drawn(alone, kind, few, rest)[0], seen[tick][at, :few])


@examples(20)
@given(KINDS, st.integers(2, 40), st.integers(1, 40), AGENTS)
def test_any_split_of_the_replications_deals_the_same(kind, r, size, n):
    """As cohorts do, while worlds start and afterwards."""
    for row in (-1, 3):
        whole = Streams(7, range(r))
        whole.clock.row = row
        dealt = []
        for first in range(0, r, size):
            part = Streams(7, range(first, min(first + size, r)))
            part.clock.row = row
            dealt.append(drawn(part, kind, n, ()))
        np.testing.assert_array_equal(np.concatenate(dealt), drawn(whole, kind, n, ()))


@examples(20)
@given(KINDS, AGENTS, TICKS)
def test_fixed_luck_is_the_same_at_every_tick_and_no_other_is(kind, n, ticks):
    luck = Streams(7, range(2))
    fixed, every = luck.fixed(), []
    first = drawn(fixed, kind, n, ())
    for tick in ticks:
        luck.clock.row = tick
        np.testing.assert_array_equal(drawn(fixed, kind, n, ()), first)
        every.append(drawn(luck, kind, n, ()).tobytes())
    if kind not in ("noise", "cells"):  # of which there are 65,536
        assert len({first.tobytes(), *every}) == 1 + len(ticks)
