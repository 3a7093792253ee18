"""Learnt limits against their slow twin, against the fixed points of what is censored, and against another library's regression."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import ndtr
from sklearn.linear_model import Ridge as Outside

from simlab.base.errors import ParameterError
from simlab.base.kernels import first_fit
from simlab.base.world import Action
from simlab.brains.ridge import Ridge
from simlab.brains.topology import Schedule, wire
from simlab.interventions.holdout import Holdout
from simlab.lab.cohort import play
from simlab.lab.shocks import Shock
from simlab.lab.streams import Streams
from simlab.lab.traces import Trace
from simlab.lab.trial import Hand, Trial, Trigger
from simlab.worlds.cluster import Cluster
from tests.twins.cluster import Fleet

DAY, WEEK = 86_400.0, 604_800.0


def trial(
    wiring="isolated",
    *,
    brain=None,
    every=7,
    ticks=60,
    warmup=0,
    grows=None,
    held=None,
    closed=True,
    stride=1,
    traces=(),
    **parameters,
):
    """Cells that learn limits; demand grows from tick to tick as (first, last, growth), and jobs are held out as (share, weight of others)."""
    world = Cluster(**parameters)
    growing = ()
    if grows:
        first, last, growth = grows
        long = (last - first) * world.tick
        growing = (Shock("grows", "world", "set", start=first * world.tick, duration=long, values={"growth": growth}),)
    hands = (Hand("holdout", Holdout(share=held[0], others=held[1]), Trigger(at=0.0), None),) if held else ()
    return Trial(
        world,
        (brain or Ridge(penalty=0.001, memory=7.0),),
        wire(wiring, world.cells).canonical(world.spec),
        horizon=ticks * world.tick,
        stride=stride * world.tick,
        warmup=warmup * world.tick,
        schedule=Schedule(every=every * world.tick),
        shocks=growing,
        hands=hands,
        closed=closed,
        traces=traces,
    )


def noise_of(world, seed, number, ticks):
    """The numbers that replication `number` is dealt, for the twin: an entry a tick."""
    luck, n, m = Streams(seed, [number]), world.slots, world.cells
    hand = luck.named("hand holdout")
    dealt = {name: [] for name in ("type", "hour", "jobs", "cell", "walk", "demand", "held")}
    for tick in range(-1, ticks):  # what is met at a tick is drawn at the one before
        luck.clock.row = tick
        dealt["type"].append(luck.uniform("type", (1, n))[0].tolist())
        dealt["hour"].append(luck.uniform("hour", (1, n))[0].tolist())
        dealt["jobs"].append(float(luck.uniform("jobs", (1,))[0]))
        dealt["cell"].append(luck.normal("cell", (1, m))[0].tolist())
        dealt["walk"].append(float(luck.normal("walk", (1,))[0]) if tick >= 0 else 0.0)
        if tick >= 0:
            dealt["demand"].append(luck.noise("demand", (1, m, n))[0].tolist())
            dealt["held"].append(hand.uniform("held out", (1, m, n))[0].tolist())
    return dealt


def twin_of(set_up, seed, number, ticks):
    """The twin of one replication, ready to go."""
    shock = set_up.shocks[0] if set_up.shocks else None
    hand = set_up.hands[0].intervention if set_up.hands else None
    return Fleet(
        asdict(set_up.world),
        noise_of(set_up.world, seed, number, ticks),
        asdict(set_up.topology),
        asdict(set_up.brains[0]),
        every=set_up.ticks(set_up.schedule.every),
        grows=(set_up.ticks(shock.start), set_up.ticks(shock.start + shock.duration), shock.values["growth"])
        if shock
        else (0, 0, 0.0),
        held=(hand.share, hand.others) if hand else None,
        closed=set_up.closed,
    )


@pytest.mark.parametrize(
    ("wiring", "given"),
    [
        ("isolated", {}),
        ("isolated", {"closed": False, "step_time": DAY / 2}),
        ("shared", {"grows": (12, 24, 0.2), "sizes": (0.2, 0.1, 0.5), "rigid": 2}),
        ("shared", {"brain": Ridge(penalty=0.01, memory=5.0, bounds=1.2), "machines": 4}),
        ("bulkheads(2)", {"brain": Ridge(penalty=0.01, memory=5.0, bounds=0.0), "dip": 0.0}),
        ("shared", {"held": (0.3, 0.0), "level": 1.5, "margin": 0.3}),
        ("isolated", {"held": (0.2, 0.5), "rigid": 0}),
    ],
)
def test_kernel_equals_its_twin(wiring, given):
    """On equal noise, job by job, to rounding."""
    set_up = trial(wiring, ticks=30, **({"cells": 4, "arrivals": 9.0, "slots": 12, "machines": 6} | given))
    outcome, twin = play(set_up, 5, [2]), twin_of(set_up, 5, 2, 30)
    for tick in range(1, 31):
        twin.run(tick)
        for name, expected in twin.measures().items():
            found = outcome.series[name][tick, 0]
            assert found == pytest.approx(expected, rel=2e-6, abs=1e-6), (name, tick)
    for name, expected in twin.measures().items():
        assert outcome.measures[name][0] == pytest.approx(expected, rel=1e-9, abs=1e-12), name
