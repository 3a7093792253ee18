"""House pricing against its slow twin, against the algebra of selected normals, and against the fixed points of its loops."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.stats import norm

from simlab.base.errors import ParameterError
from simlab.brains.ridge import Ridge
from simlab.brains.topology import Schedule, wire
from simlab.interventions.kill_switch import KillSwitch
from simlab.interventions.limits import Limits
from simlab.lab.cohort import play
from simlab.lab.shocks import Shock
from simlab.lab.streams import Streams
from simlab.lab.trial import Hand, Trial, Trigger
from simlab.worlds.house_pricing import WEEK, HousePricing
from tests.twins.house_pricing import Town

FLAT = {"drift": 0.0, "shake": 0.0, "margin": 0.0, "outlook": 0.0, "anchor": 0.0, "reach": 0.0}
PURPOSES = ("home", "common error", "view error")


def trial(wiring="isolated", *, ticks=60, warmup=0, every=4, turn=None, pause=None, cap=None, brain=None, **parameters):
    """Firms that learn every four weeks; the drift turns, offers stop or are capped where said, as ticks and values."""
    world = HousePricing(**parameters)
    tick = world.tick
    shocks = (Shock("turn", "world", "set", start=turn[0] * tick, values={"drift": turn[1]}),) if turn else ()
    stop = (Hand("pause", KillSwitch(), Trigger(at=pause * tick)),) if pause is not None else ()
    high = (Hand("cap", Limits(high=cap), Trigger(at=0.0)),) if cap is not None else ()
    return Trial(
        world,
        (brain or Ridge(penalty=1e-3, memory=26.0),),
        wire(wiring, world.firms).canonical(world.spec),
        horizon=ticks * tick,
        stride=tick,
        warmup=warmup * tick,
        schedule=Schedule(every=every * tick),
        shocks=shocks,
        hands=high + stop,
    )


def noise_of(world, seed, number, ticks):
    """The numbers that replication `number` is dealt, for the twin: an entry a tick."""
    luck, m, n = Streams(seed, [number]), world.firms, world.homes
    dealt = {name: [] for name in (*PURPOSES, "reservation", "level")}
    for tick in range(-1, ticks):  # what is met at a tick is drawn at the one before
        luck.clock.row = tick
        for name in PURPOSES:
            shape = (1, m, n) if name == "view error" else (1, n)
            dealt[name].append(luck.noise(name, shape)[0].tolist())
        if tick >= 0:
            dealt["reservation"].append(luck.noise("reservation", (1, n))[0].tolist())
            dealt["level"].append(float(luck.normal("level", (1,))[0]))
    return dealt


def twin_of(set_up, seed, number, ticks):
    """The twin of one replication, ready to go."""
    hands = {hand.name: hand for hand in set_up.hands}
    turns = [s for s in set_up.shocks if "drift" in s.values]
    return Town(
        asdict(set_up.world),
        noise_of(set_up.world, seed, number, ticks),
        asdict(set_up.topology),
        asdict(set_up.brains[0]),
        every=set_up.ticks(set_up.schedule.every),
        turn=(set_up.ticks(turns[0].start), turns[0].values["drift"]) if turns else (10**9, 0.0),
        pause=set_up.ticks(hands["pause"].trigger.at) if "pause" in hands else 10**9,
        cap=hands["cap"].intervention.high if "cap" in hands else math.inf,
    )


@pytest.mark.parametrize(
    ("wiring", "given"),
    [
        ("isolated", {"alike": 0.4, "turn": (20, -0.5)}),
        ("isolated", {"own_books": 0.7, "reach": 0.6}),
        ("isolated", {"own_books": 1.0, "hold": 5.4 * WEEK}),
        ("feature_store", {"reach": 0.3, "anchor": 0.9}),
        ("shared_data", {"own_books": 0.3, "line": -1.0}),
        ("shared_brain", {"step_time": WEEK / 2, "pause": 25}),
        ("shared", {"own_books": 0.5, "cap": 20.0}),
        ("bulkheads(2)", {"turn": (13, 1.0), "outlook": 0.5, "reach": 1.0}),
    ],
)
def test_kernel_equals_its_twin(wiring, given):
    """On equal noise, tick by tick, to rounding."""
    set_up = trial(wiring, ticks=40, firms=4, homes=5, **given)
    outcome = play(set_up, 5, [2])
    twin = twin_of(set_up, 5, 2, 40)
    for tick in range(1, 41):
        twin.run(tick)
        for name, expected in twin.measures().items():
            found = outcome.series[name][tick, 0]
            assert found == pytest.approx(expected, rel=2e-6, abs=2e-6), (tick, name)
    for name, expected in twin.measures().items():
        assert outcome.measures[name][0] == pytest.approx(expected, rel=1e-8, abs=1e-8), name
