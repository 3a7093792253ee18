"""The load balancer against its slow twin and against queueing theory."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

from simlab.brains.epsilon_greedy import EpsilonGreedy
from simlab.brains.least_loaded import LeastLoaded
from simlab.brains.power_of_two import PowerOfTwo
from simlab.brains.thompson import Thompson
from simlab.brains.topology import wire
from simlab.lab.cohort import play
from simlab.lab.shocks import Shock
from simlab.lab.streams import Streams
from simlab.lab.trial import Trial
from simlab.worlds.load_balancer import LoadBalancer
from tests.twins.load_balancer import Greedy, Least, Site, Two
from tests.twins.load_balancer import Thompson as Believer

DECIDE = {
    EpsilonGreedy: {"explore": "uniform"},
    Thompson: {"draw": "noise"},
    LeastLoaded: {"ties": "uniform"},
    PowerOfTwo: {"look 0": "uniform", "look 1": "uniform"},
}


def trial(world=None, brain=None, wiring="isolated", *, horizon=60.0, **given):
    world = world or LoadBalancer()
    topology = wire(wiring, world.balancers).canonical(world.spec)
    fields = {"stride": world.tick * max(round(horizon / world.tick / 60), 1)} | given
    return Trial(world, (brain or EpsilonGreedy(),), topology, horizon=horizon, **fields)


def noise_of(world, brain, seed, number, ticks):
    """The numbers that replication `number` is dealt, for the twin."""
    luck, m, n, k = Streams(seed, [number]), world.balancers, world.slots, len(world.rates)
    own = luck.named("brain")
    dealt = {name: luck.uniform(name, (1, m))[0].tolist() for name in ("phase", "turn")}
    dealt["start"] = own.uniform("ties", (1, m, k))[0].tolist()
    dealt |= {
        "gaps": [],
        "work": [],
        "errors": [],
        "fallback": [],
        "decide": {name: [] for name in DECIDE[type(brain)]},
    }
    for tick in range(ticks):
        luck.clock.row = tick
        dealt["gaps"].append(luck.exponential("gaps", (1, m, n)).ravel().tolist())
        dealt["work"].append(luck.exponential("work", (1, m, n)).ravel().tolist())
        dealt["errors"].append(luck.uniform("errors", (1, m, n)).ravel().tolist())
        dealt["fallback"].append(luck.uniform("fallback", (1, m, n))[0].tolist())
        for name, kind in DECIDE[type(brain)].items():
            shape = (1, m, n, 2, k) if kind == "noise" else (1, m, n)
            dealt["decide"][name].append(getattr(own, kind)(name, shape)[0].tolist())
    return dealt


def decider(brain, dice, k):
    if isinstance(brain, EpsilonGreedy):
        return Greedy(k, dice, **asdict(brain))
    if isinstance(brain, Thompson):
        return Believer(k, brain.forget)
    return Least() if isinstance(brain, LeastLoaded) else Two()


def twin_of(set_up, seed, number, ticks, brownout=(1 << 60, 1.0)):
    """The twin of one replication, ready to go."""
    world, brain, wiring = set_up.world, set_up.brains[0], set_up.topology
    noise = noise_of(world, brain, seed, number, ticks)
    firsts = [wiring.brain_of.index(b) for b in range(wiring.brains)] if set_up.closed else []
    deciders = [decider(brain, noise["start"][first], len(world.rates)) for first in firsts]
    return Site(asdict(world), noise, deciders, wiring.brain_of, wiring.view_of, brownout)


SMALL = LoadBalancer(
    balancers=6, rates=(40.0, 20.0, 20.0, 10.0), load=0.7, refresh=1.5, lag=0.2, error=0.02, faulty=0.05
)


@pytest.mark.parametrize("wiring", ["isolated", "feature_store", "shared"])
@pytest.mark.parametrize(
    "brain", [EpsilonGreedy(), Thompson(forget=0.05), LeastLoaded(), PowerOfTwo()], ids=lambda b: type(b).__name__
)
def test_kernel_equals_its_twin(brain, wiring):
    """On equal noise, through a brownout, request by request: the same choices, so the same queues, to rounding."""
    against_twin(
        trial(SMALL, brain, wiring, shocks=(Shock("brownout", "world", "set", start=20.0, values={"brownout": 0.5}),))
    )


@pytest.mark.parametrize("rule", ["random", "weighted", "round_robin"])
def test_plain_rules_equal_the_twins(rule):
    against_twin(trial(replace(SMALL, fallback_rule=rule), closed=False))


def against_twin(set_up):
    seed, number, ticks, world = 5, 3, set_up.ticks(60.0), set_up.world
    outcome = play(set_up, seed, [number])
    assert not outcome.failed, outcome.failed
    twin = twin_of(set_up, seed, number, ticks, (set_up.ticks(20.0), 0.5) if set_up.shocks else (1 << 60, 1.0))
    twin.run(ticks)
    served, present = twin.served, sum(twin.present)
    said = {name: float(outcome.measures[name][0]) for name in world.measures}
    assert served > 2000
    assert said["throughput"] * 60 == pytest.approx(served, abs=1e-6)
    assert said["crowd"] * (served + present) == pytest.approx(twin.crowd, abs=1e-6)
    twin.drain()  # the kernel books a request when it is sent
    np.testing.assert_allclose(said["latency"], np.mean(twin.latencies), rtol=1e-9)
    assert said["timeouts"] * len(twin.latencies) == pytest.approx(twin.timeouts, abs=1e-6)
    assert said["lost"] == pytest.approx(twin.timeouts + twin.errors, abs=1e-6)
    for name, level in (("p50", 50), ("p95", 95), ("p99", 99)):
        assert said[name] == pytest.approx(np.percentile(twin.latencies, level), rel=0.07), name
