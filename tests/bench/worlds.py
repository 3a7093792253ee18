"""Each world's kernel, one replication at a time, its twin, and bare SimPy processes.

Nanoseconds per agent-step (or per request) of one process, each the median of `ROUNDS` rounds played in turn, and the ratios to
quote. The kernel is bare of detectors and hands; what four detectors and a kill switch that is never pulled add to it is the
median over pairs of CPU time watched, over that of two bare runs just before and after. Noise is drawn inside the kernels'
time and before the twin's. Bare SimPy is what the twin cannot go below: one process per agent that only waits, or one per
request that only queues.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from statistics import median
from types import ModuleType
from typing import NamedTuple

import simpy

from simlab.interventions.kill_switch import KillSwitch
from simlab.lab.cohort import play
from simlab.lab.trial import Hand, Trial, Trigger
from simlab.scenario.load import load
from simlab.studies.runner import COHORT
from tests.twins.policing import City
from tests.worlds import (
    test_ab_test,
    test_bitrate,
    test_cascade,
    test_cluster,
    test_collapse,
    test_credit_bubble,
    test_ddos,
    test_driving,
    test_emissions,
    test_federated,
    test_flash_crash,
    test_goodhart,
    test_hiring,
    test_house_pricing,
    test_load_balancer,
    test_oversight,
    test_performative,
    test_policing,
    test_pricing_collusion,
    test_recommender,
    test_retraining,
    test_retry_storm,
    test_rollout,
    test_supply_chain,
    test_trading_runaway,
)

ROUNDS = 5
WATCHED = "watched / bare"


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
    ticks: int
    unit: str
    units: Callable[[Trial], float]
    bare: Callable[[Trial, int], None] | None = (
        None  # by default one process for each unit, which does nothing but wait
    )


TWINS = {
    "ab_test": Case(ready(test_ab_test), 400, "visitor", lambda trial: trial.world.segments * trial.world.visitors),
    "bitrate": Case(ready(test_bitrate), 200, "chunk", lambda trial: trial.world.players),
    "cascade": Case(ready(test_cascade), 80, "item at a stage", lambda trial: trial.world.models * trial.world.items),
    "cluster": Case(ready(test_cluster), 40, "job slot", lambda trial: trial.world.cells * trial.world.slots),
    "collapse": Case(ready(test_collapse), 100, "piece", lambda trial: trial.world.models * trial.world.pieces),
    "driving": Case(ready(test_driving), 40, "case at a car", lambda trial: trial.world.cars * trial.world.cases),
    "credit_bubble": Case(
        ready(test_credit_bubble),
        40,
        "class at a bank",
        lambda trial: trial.world.models * trial.world.classes,
    ),
    "ddos": Case(ready(test_ddos), 48, "client at a site", lambda trial: trial.world.sites * trial.world.clients),
    "emissions": Case(ready(test_emissions), 240, "agent-step", lambda trial: trial.topology.models),
    "federated": Case(
        ready(test_federated), 60, "case at a client", lambda trial: trial.world.clients * trial.world.cases
    ),
    "flash_crash": Case(ready(test_flash_crash), 2400, "agent-step", lambda trial: trial.topology.models),
    "hiring": Case(ready(test_hiring), 260, "agent-step", lambda trial: trial.topology.models),
    "goodhart": Case(
        ready(test_goodhart),
        40,
        "candidate",
        lambda trial: trial.world.slots * trial.world.candidates,
    ),
    "house_pricing": Case(ready(test_house_pricing), 80, "bid", lambda trial: trial.world.firms * trial.world.homes),
    "load_balancer": Case(
        ready(test_load_balancer), 240, "request", lambda trial: trial.world.arrivals * trial.world.tick, bare_requests
    ),
    "oversight": Case(ready(test_oversight), 100, "case", lambda trial: trial.world.desks * trial.world.cases),
    "performative": Case(
        ready(test_performative), 240, "agent-step", lambda trial: trial.world.models * trial.world.agents
    ),
    "policing": Case(policing_twin, 1000, "agent-step", lambda trial: trial.topology.models),
    "pricing_collusion": Case(ready(test_pricing_collusion), 2000, "seller-period", lambda trial: trial.world.sellers),
    "retraining": Case(ready(test_retraining), 1000, "agent-step", lambda trial: trial.topology.models),
    "rollout": Case(ready(test_rollout), 120, "slice", lambda trial: trial.world.cells * trial.world.slices),
    "retry_storm": Case(ready(test_retry_storm), 240, "request", lambda trial: trial.world.arrivals * trial.world.tick),
    "recommender": Case(ready(test_recommender), 90, "user-day", lambda trial: trial.world.cohorts * trial.world.users),
    "trading_runaway": Case(
        ready(test_trading_runaway),
        45,
        "order at a server",
        lambda trial: trial.world.servers * trial.world.parents,
    ),
    "supply_chain": Case(ready(test_supply_chain), 200, "order", lambda trial: trial.world.items),
}


def nanoseconds(work: Callable[[], object], units: float) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) / units * 1e9


def cpu(trial: Trial) -> float:
    """Seconds of CPU for one cohort."""
    began = time.process_time()
    play(trial, 1, range(COHORT))
    return time.process_time() - began


def measure(name: str, rounds: int = ROUNDS) -> dict[str, float]:
    """Nanoseconds per unit of a shipped scenario's first arm, and the ratio `WATCHED`."""
    case = TWINS[name]
    trial = load(name).arms[0].trial
    trial = replace(trial, horizon=case.ticks * trial.world.tick, warmup=0.0)
    units = case.units(trial) * case.ticks
    found: dict[str, list[float]] = {}
    idle = Hand(
        "idle", KillSwitch(), Trigger(measure=next(iter(trial.world.measures)), above=1e300, scrape=trial.stride)
    )
    plain = case.bare or (lambda trial, ticks: bare_processes(round(case.units(trial)), ticks))
    bare, watched = replace(trial, instruments=(), hands=()), replace(trial, hands=(idle,))
    for _ in range(rounds):
        twin = case.twin(trial, case.ticks)
        works = {
            f"kernel, {COHORT} replications": (lambda: play(bare, 1, range(COHORT)), COHORT),
            "one replication at a time": (lambda: [play(bare, 1, [i]) for i in range(2)], 2),
            "twin": (twin, 1),
            "bare SimPy": (lambda: plain(trial, case.ticks), 1),
        }
        for what, (work, replications) in works.items():
            found.setdefault(what, []).append(nanoseconds(work, units * replications))
    pairs = [2 * cpu(watched) / (before + cpu(bare)) for before in (cpu(bare) for _ in range(2 * rounds - 1))]
    return {what: median(times) for what, times in found.items()} | {WATCHED: median(pairs)}
