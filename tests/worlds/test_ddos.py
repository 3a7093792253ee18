"""Filtered sites against their slow twin, against the arithmetic of quantiles, and with a forest from another library."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pytest

from simlab.base.errors import InputError, ParameterError
from simlab.brains import isolation_forest
from simlab.brains.histogram import Histogram
from simlab.brains.topology import Schedule, wire
from simlab.interventions.holdout import Holdout
from simlab.lab.cohort import play
from simlab.lab.shocks import Shock
from simlab.lab.streams import Streams
from simlab.lab.traces import Trace
from simlab.lab.trial import Hand, Trial, Trigger
from simlab.scenario.load import load
from simlab.worlds.ddos import Ddos
from tests.twins.ddos import Edge

PLAIN = {"drift": 0.0, "site_spread": 0.0, "challenge": 0.0}


def trial(wiring="isolated", brain=None, *, ticks=40, cycle=8, shocks=(), probe=None, stride=1, topology=None, **parameters):
    """Filters that learn every `cycle` ticks; shocks are (tick, parameter, value), a probe a share and whether it is weighted."""
    world = Ddos(**parameters)
    hands = () if probe is None else (Hand("holdout", Holdout(probe[0], weighted=probe[1]), Trigger(at=0.0)),)
    return Trial(
        world,
        (brain or Histogram(),),
        (topology or wire(wiring, world.sites)).canonical(world.spec),
        horizon=ticks * world.tick,
        stride=stride * world.tick,
        schedule=Schedule(every=cycle * world.tick),
        shocks=tuple(
            Shock(f"shock {i}", "world", "set", start=at * world.tick, values={name: value})
            for i, (at, name, value) in enumerate(shocks)
        ),
        hands=hands,
    )


def twin_of(set_up, seed, number, ticks):
    """The twin of one replication, dealt the same numbers and ready to go."""
    luck, world = Streams(seed, [number]), set_up.world
    m, n = world.sites, world.clients
    hand = luck.named("hand holdout")
    dealt = {"site": luck.normal("site", (1, m, 3))[0].tolist(), "oddness": float(luck.uniform("oddness", (1,))[0])}
    dealt |= {name: [] for name in ("client", "own", "hostile", "crowd", "solve", "drift", "held out")}
    for tick in range(-1, ticks):  # who comes at a tick is drawn at the one before
        luck.clock.row = tick
        dealt["client"].append(luck.noise("client", (1, 3, n))[0].tolist())
        dealt["own"].append(luck.noise("own", (1, m, 3, n))[0].tolist())
        dealt["hostile"].append(luck.uniform("hostile", (1, n))[0].tolist())
        dealt["crowd"].append(luck.uniform("crowd", (1, n))[0].tolist())
        if tick >= 0:
            dealt["solve"].append(luck.uniform("solve", (1, m, n))[0].tolist())
            dealt["drift"].append(luck.normal("drift", (1, m, 3))[0].tolist())
            dealt["held out"].append(hand.uniform("held out", (1, m, n))[0].tolist())
    hands = [hand.intervention for hand in set_up.hands]
    return Edge(
        asdict(world),
        dealt,
        asdict(set_up.topology),
        asdict(set_up.brains[0]),
        every=set_up.schedule.every,
        shocks=[
            (set_up.ticks(shock.start), name, value) for shock in set_up.shocks for name, value in shock.values.items()
        ],
        probe=(hands[0].share, hands[0].weighted) if hands else None,
    )


@pytest.mark.parametrize(
    ("wiring", "brain", "probe"),
    [
        ("isolated", Histogram(), None),
        ("shared", Histogram(bins=6, keep=0.5), (0.3, True)),
        ("shared_brain", Histogram(bins=8, prior=2.0), (0.2, False)),
        ("bulkheads(2)", Histogram(bins=5, low=-3.0, high=2.0), (0.25, True)),
    ],
)
def test_kernel_equals_its_twin(wiring, brain, probe):
    """On equal noise, client by client: the same are let in, so all measures agree, to rounding."""
    shocks = ((9, "attack", 0.3), (14, "crowd", 0.6), (20, "attack", 0.05), (25, "bots_solve", 0.5))
    set_up = trial(wiring, brain, ticks=32, cycle=6, shocks=shocks, probe=probe, sites=3, clients=20, block=0.1, challenge=0.1)
    outcome, twin = play(set_up, 5, [2]), twin_of(set_up, 5, 2, 32)
    assert not outcome.failed
    for tick in range(1, 33):
        twin.run(tick)
        for name, value in twin.measures().items():
            assert outcome.series[name][tick, 0] == pytest.approx(value, rel=2e-6, abs=1e-7), (name, tick)
    assert outcome.measures["peak"][0] > outcome.measures["turned_away"][0] > 0
    assert 0 < outcome.measures["missed"][0] < 1
    assert outcome.measures["challenged"][0] > 0
