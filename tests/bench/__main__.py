"""Speed, side by side in one run: each world's kernel, one replication at a time, its twin, and bare SimPy processes.

    python -m tests.bench [--json] [WORLD... | auction]

Nanoseconds per agent-step (or per request) of one process, each the median of `ROUNDS` rounds played in turn, and the ratios to
quote. The kernel is bare of detectors and hands; beside it stands what four detectors and a kill switch that is never pulled
add. Noise is drawn inside the kernels' time and before the twin's. Bare SimPy is what the twin cannot go below:
one process per agent that only waits, or one per request that only queues. `auction` holds the call auction of
`base/auction.py` against a plain book and one SimPy process per order.
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

import numpy as np
import simpy
from threadpoolctl import threadpool_limits

from simlab.base.auction import clear
from simlab.base.kernels import add_at
from simlab.interventions.kill_switch import KillSwitch
from simlab.lab.cohort import play
from simlab.lab.trial import Hand, Trial, Trigger
from simlab.scenario.load import load
from simlab.studies.runner import COHORT
from tests.bench.book import Book
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
    test_recommender,
    test_retraining,
)

ROUNDS = 5
WATCHED = "kernel, watched"
AUCTION = "auction"


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
    "flash_crash": Case(ready(test_flash_crash), bare_agents, 2400, "agent-step", lambda trial: trial.topology.models),
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


def auction() -> dict[str, float]:
    """Nanoseconds per order of call auctions: `markets` of 256 single orders each, with limits on 128 levels around one price.

    The kernel pools the orders into its histogram within its time, and clears; the book matches them one by one; in the twin
    each order is a process that comes at an instant of its own.
    """
    markets, count, levels = 256, 256, 128
    rng = np.random.default_rng(1)
    limit = np.clip(rng.normal(levels / 2, levels / 8, (markets, count)), 0, levels - 1).astype(np.int64)
    size, side = rng.exponential(size=(markets, count)), rng.random((markets, count)) < 0.5
    cell = limit + (2 * np.arange(markets)[:, None] + side) * levels

    def kernel():
        pooled = np.zeros((markets, 2, levels))
        add_at(pooled, cell, size)
        return clear(pooled[:, 1], pooled[:, 0]).volume

    def plain():
        book = Book()
        for level, amount, buys in zip(limit[0].tolist(), size[0].tolist(), side[0].tolist(), strict=True):
            (book.buy if buys else book.sell)(level, amount)
        return book.cross()[0]

    def twin():
        env, book = simpy.Environment(), Book()

        def order(i, level, amount, buys):
            yield env.timeout(i / count)
            (book.buy if buys else book.sell)(level, amount)

        for i, it in enumerate(zip(limit[0].tolist(), size[0].tolist(), side[0].tolist(), strict=True)):
            env.process(order(i, *it))
        env.run(until=1)
        return book.cross()[0]

    np.testing.assert_allclose([plain(), twin()], kernel()[0])
    works = {f"kernel, {markets} markets": (kernel, markets), "plain book": (plain, 1), "twin": (twin, 1)}
    found: dict[str, list[float]] = {what: [] for what in works}
    for _ in range(5 * ROUNDS):
        for what, (work, times) in works.items():
            found[what].append(nanoseconds(work, times * count))
    return {what: median(times) for what, times in found.items()}


def main() -> None:
    table = {}
    with threadpool_limits(1):
        for name in [given for given in sys.argv[1:] if given != "--json"] or [*TWINS, AUCTION]:
            table[name] = auction() if name == AUCTION else measure(name)
    if "--json" in sys.argv:
        print(json.dumps(table, indent=1))
        return
    for name, times in table.items():
        kernel, *_ = times.values()
        if name == AUCTION:
            print(f"{name}, million orders per second, median of {5 * ROUNDS}:")
            for what, time_ in times.items():
                print(f"  {what:28s} {1e3 / time_:10.2f}   {time_ / kernel:7.1f} x the kernel's time")
            continue
        print(f"{name}, ns per {TWINS[name].unit}, median of {ROUNDS}:")
        for what, time_ in times.items():
            print(f"  {what:28s} {time_:10.1f}   {time_ / kernel:7.1f} x the kernel")
        print(f"  watching adds {100 * (times[WATCHED] / kernel - 1):.0f}% to the kernel")
        print(f"  the twin costs {times['twin'] / times['bare SimPy']:.1f} x bare SimPy processes")


if __name__ == "__main__":
    main()
