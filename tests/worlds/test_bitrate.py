"""Adaptive streaming against its slow twin, against value iteration, and against the algebra of a shared link."""

from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np
import pytest

from simlab.base.errors import ParameterError
from simlab.base.world import Action
from simlab.brains.bola import Bola
from simlab.brains.buffer_based import BufferBased
from simlab.brains.q_grid import QGrid
from simlab.brains.rate_based import RateBased
from simlab.brains.topology import wire
from simlab.lab.cohort import play
from simlab.lab.shocks import Shock
from simlab.lab.streams import Streams
from simlab.lab.traces import Trace
from simlab.lab.trial import Trial
from simlab.worlds.bitrate import Bitrate
from tests.twins.bitrate import Streaming

SORTED = QGrid(cells=(4, 5), cuts=(0.6, 1.5, 3.0, 6.0, 10.0, 20.0, 40.0), initial=20.0, explore=0.3, decay=0.01)
SMALL = {"players": 6, "together": 3, "bandwidth": 6.0}


def trial(wiring="isolated", brain=SORTED, *, ticks=150, average_every=0, shocks=(), closed=True, stride=1, **given):
    """Players of a small world; ticks and strides in chunks."""
    world = Bitrate(**(SMALL | given))
    brains = brain if isinstance(brain, tuple) else (brain,)
    topology = wire(wiring, world.players, kinds=len(brains), average_every=average_every * world.chunk)
    return Trial(
        world,
        brains,
        topology.canonical(world.spec),
        horizon=ticks * world.chunk,
        stride=stride * world.chunk,
        shocks=tuple(shocks),
        closed=closed,
    )


def noise_of(world, seed, number, ticks):
    """The numbers that replication `number` is dealt, for the twin."""
    luck, m, links = Streams(seed, [number]), world.players, world.players // world.together
    own = luck.named("brain")
    dealt = {
        "links": luck.normal("links", (1, links))[0].tolist(),
        "first levels": luck.uniform("first levels", (1, links))[0].tolist(),
        "levels": [],
        "explore": [],
    }
    for tick in range(ticks):
        luck.clock.row = tick
        dealt["levels"].append(luck.uniform("levels", (1, links))[0].tolist())
        dealt["explore"].append(own.uniform("explore", (1, m))[0].tolist())
    return dealt


def twin_of(set_up, seed, number, ticks):
    """The twin of one replication, ready to go."""
    world, wiring, tick = set_up.world, set_up.topology, set_up.world.tick
    changes = [(round(s.start / tick), *pair) for s in set_up.shocks for pair in s.values.items()]
    garbled = [
        (round(s.start / tick), round(min((s.start + s.duration) / tick, 1e9)), s.models or range(world.players))
        for s in set_up.shocks
        if s.effect == "garbled"
    ]
    return Streaming(
        asdict(world),
        noise_of(world, seed, number, ticks),
        asdict(wiring),
        [(type(brain).__name__, asdict(brain)) for brain in set_up.brains],
        changes=changes,
        garbled=garbled[0] if garbled else (0, 0, ()),
        closed=set_up.closed,
        average_every=set_up.ticks(wiring.average_every),
    )


SQUEEZE = Shock("squeeze", "world", "set", start=200.0, values={"bandwidth": 2.0, "rtt": 0.5})
PUSH = Shock("push", "brain", "garbled", start=160.0, duration=80.0, models=(0, 4))


@pytest.mark.parametrize(
    ("wiring", "brain", "given"),
    [
        ("isolated", SORTED, {"shocks": (SQUEEZE, PUSH)}),
        ("shared", SORTED, {"together": 2, "shocks": (SQUEEZE,)}),
        ("shared_brain", SORTED, {"together": 1, "window": 1.0}),
        ("feature_store", SORTED, {"rtt": 0.0}),
        ("bulkheads(2)", SORTED, {"together": 6, "unequal": 0.0, "shocks": (PUSH,)}),
        ("federated", SORTED, {"average_every": 20}),
        ("isolated", BufferBased(), {"shocks": (SQUEEZE,)}),
        ("isolated", Bola(), {"together": 2}),
        ("isolated", RateBased(), {"stay": 0.5}),
        ("isolated", (SORTED, Bola(), BufferBased()), {"shocks": (PUSH,)}),
        ("isolated", SORTED, {"closed": False, "most": 16.0}),
    ],
)
def test_kernel_equals_its_twin(wiring, brain, given):
    """On equal noise, chunk by chunk, bit by bit of each download: to rounding."""
    set_up = trial(wiring, brain, **given)
    seed, number, ticks = 9, 2, 150
    outcome = play(set_up, seed, [number])
    assert not outcome.failed, outcome.failed
    twin, chunk = twin_of(set_up, seed, number, ticks), set_up.world.chunk
    for tick in range(1, ticks + 1):
        twin.run(tick)
        still = [s / (s + tick * chunk) for s in twin.still]
        expected = {
            "quality": twin.quality / tick,
            "rate": twin.rate / tick,
            "change": twin.change / tick,
            "stalled": np.mean(still),
            "worst": max(still),
            "stalling": twin.lately / (twin.lately + chunk),
            "still": np.mean(twin.still),
            "buffer": np.mean(twin.buffer),
        }
        for name, value in expected.items():
            assert outcome.series[name][tick, 0] == pytest.approx(value, rel=2e-6, abs=1e-6), (name, tick)
    for name, value in expected.items():
        assert outcome.measures[name][0] == pytest.approx(value, rel=1e-9, abs=1e-9), name
