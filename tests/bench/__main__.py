"""Speed, side by side in one run: each world's kernel, one replication at a time, its twin, and bare SimPy processes.

    python -m tests.bench [--json]

Nanoseconds per agent-step (or per request) of one process, each the median of `ROUNDS` rounds played in turn, and the ratios to
quote. The kernel is bare of detectors and hands; beside it stands what four detectors and a kill switch that is never pulled
add. Noise is drawn inside the kernels' time and before the twin's. Bare SimPy is what the twin cannot go below:
one process per agent that only waits, or one per request that only queues.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from statistics import median
from types import ModuleType
from typing import NamedTuple

import simpy
from threadpoolctl import threadpool_limits

from simlab.interventions.kill_switch import KillSwitch
from simlab.lab.cohort import play
from simlab.lab.trial import Hand, Trial, Trigger
from simlab.scenario.load import load
from simlab.studies.runner import COHORT
from tests.twins.flash_crash import Exchange
from tests.twins.policing import City
from tests.worlds import (
    test_cascade,
    test_collapse,
    test_emissions,
    test_flash_crash,
    test_goodhart,
    test_hiring,
    test_load_balancer,
    test_performative,
    test_policing,
    test_pricing_collusion,
    test_recommender,
    test_retraining,
)

ROUNDS = 5
WATCHED = "kernel, watched"


def flash_crash_twin(trial: Trial, ticks: int) -> Callable[[], None]:
    """The twin of one replication, ready to go."""
    brain = trial.brains[0]
    twin = Exchange(
        asdict(trial.world),
        test_flash_crash.noise_of(trial.world, 1, 0, ticks),
        asdict(trial.topology),
        penalty=brain.penalty,
        memory=brain.memory,
        retrain=trial.ticks(trial.schedule.every),
        sell_from=trial.ticks(trial.shocks[0].start),
        pace=trial.shocks[0].values["seller"],
    )
    return lambda: twin.run(ticks)


def policing_twin(trial: Trial, ticks: int) -> Callable[[], None]:
    """The twin of one replication, ready to go."""
    noise = test_policing.noise_of(trial.world, 1, 0, ticks)
    twin = City(asdict(trial.world), asdict(trial.brains[0]), asdict(trial.topology), noise)
    return lambda: twin.run(ticks)


def ready(tests: ModuleType) -> Callable[[Trial, int], Callable[[], None]]:
    """Makes the twin of one replication, ready to go, as a world's tests make it."""

    def make(trial: Trial, ticks: int) -> Callable[[], None]:
        twin = tests.twin_of(trial, 1, 0, ticks)
        return lambda: twin.run(ticks)

    return make


def bare_items(trial: Trial, ticks: int) -> None:
    """The same for a chain: one process for each item at each stage."""
    bare_processes(trial.world.models * trial.world.items, ticks)


def bare_pieces(trial: Trial, ticks: int) -> None:
    """The same for publishers: one process for each piece."""
    bare_processes(trial.world.models * trial.world.pieces, ticks)


def bare_producers(trial: Trial, ticks: int) -> None:
    """One process per candidate that does nothing but wait for the next round."""
    bare_processes(trial.world.slots * trial.world.candidates, ticks)


def bare_agents(trial: Trial, ticks: int) -> None:
    """One process per agent that does nothing but wait for the next tick."""
    bare_processes(trial.topology.models, ticks)


def bare_markets(trial: Trial, ticks: int) -> None:
    """The same for a world whose models serve many agents each."""
    bare_processes(trial.world.models * trial.world.agents, ticks)


def bare_users(trial: Trial, ticks: int) -> None:
    """The same for a world whose models serve many users each."""
    bare_processes(trial.world.cohorts * trial.world.users, ticks)


def bare_processes(count: int, ticks: int) -> None:
    """So many processes that do nothing but wait for the next tick."""
    env = simpy.Environment()

    def agent():
        while True:
            yield env.timeout(1)

    for _ in range(count):
        env.process(agent())
    env.run(until=ticks)


def bare_requests(trial: Trial, ticks: int) -> None:
    """One process per request that waits until it comes, queues for a backend and is served; nobody decides or learns anything."""
    env, world = simpy.Environment(), trial.world
    count = round(world.arrivals * world.tick)
    backends = [simpy.Resource(env) for _ in world.rates]

    def request(i):
        yield env.timeout(i / count)
        env.timeout(world.deadline / world.tick)
        with backends[i % len(backends)].request() as turn:
            yield turn
            yield env.timeout(0.5 * len(backends) / count)

    def source():
        while True:
            for i in range(count):
                env.process(request(i))
            yield env.timeout(1)

    env.process(source())
    env.run(until=ticks)


class Case(NamedTuple):
    """How a world is measured: its twin, bare SimPy, over how many ticks, and how many units of what a tick holds."""

    twin: Callable[[Trial, int], Callable[[], None]]
    bare: Callable[[Trial, int], None]
    ticks: int
    unit: str
    units: Callable[[Trial], float]


TWINS = {
    "cascade": Case(
        ready(test_cascade), bare_items, 80, "item at a stage", lambda trial: trial.world.models * trial.world.items
    ),
    "collapse": Case(
        ready(test_collapse), bare_pieces, 100, "piece", lambda trial: trial.world.models * trial.world.pieces
    ),
    "emissions": Case(ready(test_emissions), bare_agents, 240, "agent-step", lambda trial: trial.topology.models),
    "flash_crash": Case(flash_crash_twin, bare_agents, 2400, "agent-step", lambda trial: trial.topology.models),
    "hiring": Case(ready(test_hiring), bare_agents, 260, "agent-step", lambda trial: trial.topology.models),
    "goodhart": Case(
        ready(test_goodhart),
        bare_producers,
        40,
        "candidate",
        lambda trial: trial.world.slots * trial.world.candidates,
    ),
    "load_balancer": Case(
        ready(test_load_balancer), bare_requests, 240, "request", lambda trial: trial.world.arrivals * trial.world.tick
    ),
    "performative": Case(
        ready(test_performative), bare_markets, 240, "agent-step", lambda trial: trial.world.models * trial.world.agents
    ),
    "policing": Case(policing_twin, bare_agents, 1000, "agent-step", lambda trial: trial.topology.models),
    "pricing_collusion": Case(
        ready(test_pricing_collusion), bare_agents, 2000, "seller-period", lambda trial: trial.world.sellers
    ),
    "retraining": Case(ready(test_retraining), bare_agents, 1000, "agent-step", lambda trial: trial.topology.models),
    "recommender": Case(
        ready(test_recommender), bare_users, 90, "user-day", lambda trial: trial.world.cohorts * trial.world.users
    ),
}


def nanoseconds(work: Callable[[], object], units: float) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) / units * 1e9


def measure(name: str) -> dict[str, float]:
    """Nanoseconds per unit of a shipped scenario's first arm."""
    case = TWINS[name]
    trial = load(name).arms[0].trial
    trial = replace(trial, horizon=case.ticks * trial.world.tick, warmup=0.0)
    units = case.units(trial) * case.ticks
    found: dict[str, list[float]] = {}
    idle = Hand(
        "idle", KillSwitch(), Trigger(measure=next(iter(trial.world.measures)), above=1e300, scrape=trial.stride)
    )
    bare, watched = replace(trial, instruments=(), hands=()), replace(trial, hands=(idle,))
    for _ in range(ROUNDS):
        twin = case.twin(trial, case.ticks)
        works = {
            f"kernel, {COHORT} replications": (lambda: play(bare, 1, range(COHORT)), COHORT),
            WATCHED: (lambda: play(watched, 1, range(COHORT)), COHORT),
            "one replication at a time": (lambda: [play(bare, 1, [i]) for i in range(2)], 2),
            "twin": (twin, 1),
            "bare SimPy": (lambda: case.bare(trial, case.ticks), 1),
        }
        for what, (work, replications) in works.items():
            found.setdefault(what, []).append(nanoseconds(work, units * replications))
    return {what: median(times) for what, times in found.items()}


def main() -> None:
    table = {}
    with threadpool_limits(1):
        for name in [given for given in sys.argv[1:] if given != "--json"] or TWINS:
            table[name] = measure(name)
    if "--json" in sys.argv:
        print(json.dumps(table, indent=1))
        return
    for name, times in table.items():
        kernel, *_ = times.values()
        print(f"{name}, ns per {TWINS[name].unit}, median of {ROUNDS}:")
        for what, time_ in times.items():
            print(f"  {what:28s} {time_:10.1f}   {time_ / kernel:7.1f} x the kernel")
        print(f"  watching adds {100 * (times[WATCHED] / kernel - 1):.0f}% to the kernel")
        print(f"  the twin costs {times['twin'] / times['bare SimPy']:.1f} x bare SimPy processes")


if __name__ == "__main__":
    main()
