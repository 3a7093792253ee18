"""Clients that learn apart, averaged or together: against their slow twin, fixed points, breakdown points, and what updates tell."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy.special import ndtri

from simlab.base.errors import ParameterError
from simlab.brains.sgd import Sgd
from simlab.brains.topology import Schedule, wire
from simlab.lab.cohort import play
from simlab.lab.conductor import Conductor
from simlab.lab.loop import Loop
from simlab.lab.shocks import Shock
from simlab.lab.streams import Streams
from simlab.lab.traces import Trace
from simlab.lab.trial import Trial
from simlab.scenario.load import load
from simlab.worlds.federated import Federated
from tests.twins.federated import Federation

DAY = 86_400.0
DAILY = {"wiring": "federated", "average_every": DAY}


def by(rule, **more):
    return {**DAILY, "average_by": rule, **more}


def lie(size, models=(0,), start=0):
    """What these clients learn from says `size` from that day on."""
    return (Shock("lies", "evidence", "poisoned", start * DAY, size=size, models=tuple(models)),)


def trial(wiring="isolated", brain=None, *, days=30, warmup=0, every=1, stride=1, shocks=(), traces=(), **parameters):
    """Clients that train every day."""
    world = Federated(**parameters)
    how = {"wiring": wiring} if isinstance(wiring, str) else dict(wiring)
    return Trial(
        world,
        (brain or Sgd(),),
        wire(how.pop("wiring"), world.clients, **how).canonical(world.spec),
        horizon=days * DAY,
        stride=stride * DAY,
        warmup=warmup * DAY,
        schedule=Schedule(every=every * DAY),
        shocks=shocks,
        traces=traces,
    )


def noise_of(world, seed, number, days):
    """The numbers that replication `number` is dealt, for the twin: an entry a day, and a round."""
    luck, m, n, f = Streams(seed, [number]), world.clients, world.cases, world.features + 1
    brain, rounds = luck.named("brain", again=True), luck.named("federated rounds").paced()
    dealt = {
        "common optimum": luck.normal("common optimum", (1, f))[0].tolist(),
        "own optimum": luck.normal("own optimum", (1, m, f))[0].tolist(),
        "scale": luck.normal("scale", (1, m, f))[0].tolist(),
    }
    daily = {name: [] for name in ("answer", "label", "update", "late", *(f"feature {i}" for i in range(1, f)))}
    for day in range(-1, days):  # what is asked on a day is drawn at the end of the one before
        luck.clock.row = rounds.clock.row = day
        for i in range(1, f):
            daily[f"feature {i}"].append(luck.noise(f"feature {i}", (1, m, n))[0].tolist())
        if day >= 0:
            daily["answer"].append(luck.noise("answer", (1, m, n))[0].tolist())
            daily["label"].append(luck.uniform("label", (1, m, n))[0].tolist())
            daily["update"].append(brain.normal("update", (1, m, f))[0].tolist())
            daily["late"].append(rounds.uniform("late", (1, m))[0].copy())
    return dealt | daily


def twin_of(set_up, seed, number, days):
    """The twin of one replication, ready to go."""
    wiring, noise = set_up.topology, noise_of(set_up.world, seed, number, days)
    noise["late"] = [(u[: wiring.brains] < wiring.stragglers).tolist() for u in noise["late"]]
    lies = {"lies": (set_up.ticks(s.start), s.size, s.models) for s in set_up.shocks}
    levels = {round(t / DAY): v for trace in set_up.traces for t, v in zip(trace.times, trace.values, strict=True)}
    return Federation(
        asdict(set_up.world),
        noise,
        asdict(wiring),
        asdict(set_up.brains[0]),
        every=set_up.ticks(set_up.schedule.every),
        average=set_up.ticks(wiring.average_every),
        levels=levels,
        **lies,
    )


@pytest.mark.parametrize(
    ("wiring", "given"),
    [
        ("isolated", {"level": 0.7, "tilt": 0.0}),
        (by("mean", stragglers=0.4), {"brain": Sgd(clip=0.4, noise=0.2, steps=3)}),
        (by("median"), {"alike": 0.3, "every": 2}),
        (by("trimmed"), {"features": 0, "labelled": 1.0, "traces": (Trace("level", (0.0, 4 * DAY), (0.5, -1.0)),)}),
        (by("krum", average_every=3 * DAY), {"features": 1, "alike": 0.5}),
        ("shared_data", {"brain": Sgd(memory=1.5, rate=0.2, noise=0.1)}),
        ("shared_brain", {"alike": 1.0}),
        ("shared", {"labelled": 0.1}),
    ],
)
def test_kernel_equals_its_twin(wiring, given):
    """On equal noise, day by day, with one client that is lied to, to rounding."""
    set_up = trial(wiring, days=10, shocks=lie(5.0, (1,), 3), **({"clients": 6, "cases": 4, "labelled": 0.5} | given))
    outcome, twin = play(set_up, 3, [5]), twin_of(set_up, 3, 5, 10)
    for day in range(1, 11):
        twin.run(day)
        for name, value in twin.measures().items():
            assert outcome.series[name][day, 0] == pytest.approx(value, rel=1e-6, abs=1e-9), (name, day)
    for name, value in twin.measures().items():
        assert outcome.measures[name][0] == pytest.approx(value, rel=1e-9, abs=1e-12), name
