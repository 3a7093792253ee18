"""Each world's kernel, one replication at a time, its twin, and bare SimPy processes.

Nanoseconds of CPU per unit of what a tick holds (an agent-step, a request, ...) of one process, medians over rounds in which all
take their turns, and the ratios to quote. The kernel is bare of detectors and hands; what four detectors and a kill switch that
is never pulled add to it is the median over pairs of time watched, over that of two bare runs just before and after. Making is
timed apart from stepping, and seeding random streams is making, whenever it happens.

The kernel draws its random numbers within its time; the twin is given them before its own. Bare SimPy is what no twin can go below:
as many processes, started when the twin's are, that wait for the same timeouts, wait not at all as often as the twin triggers any
other event, and draw as many numbers of the same kinds as the kernel draws for one replication, but decide and learn nothing.

Two parts of the kernel's time are no world's: its random numbers, drawn once more from the same streams, purpose by purpose and tick
by tick, with nothing done to them; and the loop, its calendar and recording, by samples of the rest. `twin / numbers` is
then the most that a kernel could reach which does nothing but draw, and `twin / (numbers + loop)` one whose world takes no time.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from math import prod
from statistics import median
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import simpy
from simpy.events import Initialize

from simlab.interventions.kill_switch import KillSwitch
from simlab.lab import streams
from simlab.lab.conductor import Conductor
from simlab.lab.loop import Loop
from simlab.lab.streams import Clock, Streams
from simlab.lab.trial import Hand, Trial, Trigger
from simlab.scenario.load import load
from simlab.studies.profile import profiled
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
MUCH = 1.2e5  # units in a tick of all replications, from which on a kernel should be MANY times its twin, else FEW
MANY, FEW = 100, 15
AIMS = {"flash_crash": 150}
LOOP = ("loop", "calendar", "recording", "store")  # floors of a profile that are no world's


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


class Draw(NamedTuple):
    """One draw of a run, for all its replications."""

    luck: Streams
    kind: str
    purpose: str
    shape: tuple[int, ...]
    row: int


@contextmanager
def overheard(draws: list[Draw]) -> Iterator[None]:
    """Keep all that is drawn from any streams within the block."""
    before = {kind: getattr(Streams, kind) for kind in KINDS}

    def listening(kind: str) -> Callable[[Streams, str, tuple[int, ...]], Any]:
        def draw(self: Streams, purpose: str, shape: tuple[int, ...]) -> Any:
            draws.append(Draw(self, kind, purpose, shape, self.clock.row))
            return before[kind](self, purpose, shape)

        return draw

    try:
        for kind in KINDS:
            setattr(Streams, kind, listening(kind))
        yield
    finally:
        for kind, draw in before.items():
            setattr(Streams, kind, draw)


@contextmanager
def seeding(spent: list[float]) -> Iterator[None]:
    """Keep the seconds that the streams of each source take to be seeded within the block."""
    before = streams.generators

    def timed(*given: Any) -> list[list[np.random.Generator]]:
        began = time.process_time()
        made = before(*given)
        spent.append(time.process_time() - began)
        return made

    try:
        streams.generators = timed
        yield
    finally:
        streams.generators = before


class Spent(NamedTuple):
    """Seconds of CPU."""

    making: float
    stepping: float


def stepped(trial: Trial, numbers: Sequence[int]) -> Spent:
    """What one cohort takes."""
    seeds: list[float] = []
    with np.errstate(all="ignore"), seeding(seeds):
        began = time.process_time()
        luck = Streams(1, numbers)
        loop = Loop(trial, luck)
        conductor = Conductor(trial, loop, luck)
        made, early = time.process_time(), sum(seeds)
        conductor.play()
        loop.measures()
        ended, late = time.process_time(), sum(seeds) - early
    return Spent(made - began + late, ended - made - late)


def samples(trial: Trial, numbers: Sequence[int]) -> Counter[str]:
    """What is being done, by floor, while a cohort is stepped; streams are seeded among what counts as noise."""
    with np.errstate(all="ignore"):
        luck = Streams(1, numbers)
        loop = Loop(trial, luck)
        conductor = Conductor(trial, loop, luck)
        with profiled() as found:
            conductor.play()
            loop.measures()
    return found


def draws_of(trial: Trial, numbers: Sequence[int]) -> list[Draw]:
    """All that a cohort draws, in order."""
    draws: list[Draw] = []
    with overheard(draws):
        stepped(trial, numbers)
    return draws


def numbers_alone(draws: Sequence[Draw]) -> float:
    """Seconds of CPU to draw what a cohort draws from its first tick on, with nothing done to it, and its streams seeded before."""
    clocks, luck = dict[int, Clock](), dict[int, Streams]()
    for draw in draws:
        clock = clocks.setdefault(id(draw.luck.clock), Clock())
        if id(draw.luck) not in luck:
            old = draw.luck
            luck[id(old)] = Streams(old.seed, old.numbers, old.prefix, clock, again=True)
    seeds: list[float] = []
    with seeding(seeds):
        began = time.process_time()
        for draw in draws:
            if draw.row >= 0:
                one = luck[id(draw.luck)]
                one.clock.row = draw.row
                getattr(one, draw.kind)(draw.purpose, draw.shape)
        return time.process_time() - began - sum(seeds)


KINDS: dict[str, Callable[[], float]] = {
    "uniform": random.random,
    "normal": random.gauss,
    "noise": random.gauss,
    "cells": random.gauss,
    "exponential": partial(random.expovariate, 1.0),
}


def one_by_one(draws: Sequence[Draw]) -> list[Callable[[], float]]:
    """How a plain program draws what one replication draws from its first tick on, number by number."""
    once = {(d.luck.prefix, d.kind, d.purpose, d.row): d for d in draws if d.row >= 0}
    return [KINDS[d.kind] for d in once.values() for _ in range(prod(d.shape[1:]))]


Script = list[Any]  # delays to wait for, and the scripts of processes to start


@contextmanager
def watched_calendar(scripts: dict[simpy.Process | None, Script]) -> Iterator[None]:
    """Keep what each process of any calendar waits for and starts within the block; None is who is no process."""
    before = simpy.Environment.schedule

    def schedule(self: simpy.Environment, event: Any, *given: Any, **named: Any) -> None:
        mine = scripts.setdefault(self.active_process, [])
        if isinstance(event, simpy.Timeout):
            mine.append(event._delay)
        elif isinstance(event, Initialize):
            mine.append(scripts.setdefault(event.callbacks[0].__self__, []))
        elif not isinstance(event, simpy.Process):  # which ends by itself in the bare run, too
            mine.append(0)
        before(self, event, *given, **named)

    try:
        simpy.Environment.schedule = schedule
        yield
    finally:
        simpy.Environment.schedule = before


def bare(scripts: Sequence[Script], draws: Sequence[Callable[[], float]]) -> Callable[[], None]:
    """SimPy processes that wait as they are told by `scripts`, the first by those who start at once, and draw when they wake."""
    wakes = sum(not isinstance(step, list) for script in scripts for step in script)
    woken, told = 0, {id(script): list[Any]() for script in scripts}
    for script in scripts:
        for step in script:
            if isinstance(step, list):
                told[id(script)].append((None, told[id(step)]))
            else:
                now, woken = draws[len(draws) * woken // wakes : len(draws) * (woken + 1) // wakes], woken + 1
                told[id(script)].append((step, now))

    def process(env: simpy.Environment, steps: list[Any]) -> Generator[simpy.Event, Any, None]:
        for delay, rest in steps:
            if delay is None:
                env.process(process(env, rest))
            else:
                for draw in rest:
                    draw()
                yield env.timeout(delay)

    def run() -> None:
        env = simpy.Environment()
        env.process(process(env, told[id(scripts[0])]))
        env.run()

    return run


class Case(NamedTuple):
    """How a world is measured: its twin, over how many ticks, and how many units a tick holds."""

    twin: Callable[[Trial, int], Callable[[], None]]
    ticks: int
    unit: str
    units: Callable[[Trial], float]


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
        ready(test_load_balancer), 240, "request", lambda trial: trial.world.arrivals * trial.world.tick
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


def cpu(work: Callable[[], object]) -> float:
    """Seconds of CPU."""
    began = time.process_time()
    work()
    return time.process_time() - began


def aim(name: str, units: float) -> int:
    """How many times its twin's speed a kernel should have, with so many units in a tick of all replications."""
    return AIMS.get(name, MANY if units >= MUCH else FEW)


def measure(name: str, rounds: int = ROUNDS) -> dict[str, float]:
    """Nanoseconds per unit of a shipped scenario's first arm, the first that of the kernel; and what holds it."""
    case = TWINS[name]
    trial = load(name).arms[0].trial
    trial = replace(trial, horizon=case.ticks * trial.world.tick, warmup=0.0)
    units = case.units(trial)
    idle = Hand(
        "idle", KillSwitch(), Trigger(measure=next(iter(trial.world.measures)), above=1e300, scrape=trial.stride)
    )
    alone, watched = replace(trial, instruments=(), hands=()), replace(trial, hands=(idle,))
    everyone = range(COHORT)
    draws = draws_of(alone, everyone)
    each, scripts = one_by_one(draws), dict[simpy.Process | None, Script]({None: []})
    with watched_calendar(scripts):
        case.twin(trial, case.ticks)()
    plain = bare(list(scripts.values()), each)
    found: dict[str, list[float]] = {}
    shares: Counter[str] = Counter()
    for _ in range(rounds):
        twin = case.twin(trial, case.ticks)
        kernel, single = stepped(alone, everyone), [stepped(alone, [i]) for i in range(2)]
        for what, seconds, replications in (
            (f"kernel, {COHORT} replications", kernel.stepping, COHORT),
            ("its random numbers", numbers_alone(draws), COHORT),
            ("one replication at a time", sum(one.stepping for one in single), len(single)),
            ("twin", cpu(twin), 1),
            ("bare SimPy", cpu(plain), 1),
            ("its draws", cpu(lambda: [draw() for draw in each]), 1),
        ):
            found.setdefault(what, []).append(1e9 * seconds / (units * case.ticks * replications))
        found.setdefault("making, us", []).append(1e6 * kernel.making / COHORT)
        shares += samples(alone, everyone)
    pairs = [
        2 * stepped(watched, everyone).stepping / (before + stepped(alone, everyone).stepping)
        for before in (stepped(alone, everyone).stepping for _ in range(2 * rounds - 1))
    ]
    times = {what: median(all_of) for what, all_of in found.items()}
    loop = sum(shares[floor] for floor in LOOP) / max(shares.total() - shares["noise"], 1)
    return times | {
        "loop": loop * max(times[f"kernel, {COHORT} replications"] - times["its random numbers"], 0.0),
        "R x N": COHORT * units,
        "events": sum(len(script) for script in scripts.values()),
        "draws": len(each),
        "aim": aim(name, COHORT * units),
        WATCHED: median(pairs),
    }


class Standing(NamedTuple):
    """A world's ratios."""

    kernel: float  # nanoseconds a unit
    reached: float  # twin / kernel
    numbers: float  # share of the kernel's time
    loop: float  # share of the kernel's time
    at_most: float  # twin / numbers
    with_loop: float  # twin / (numbers + loop)
    of_bare: float  # (twin + its draws) / bare SimPy

    def reason(self, aim: float) -> str:
        """Whether the aim is met, and if not what holds it."""
        if self.reached >= aim:
            return "met"
        if self.at_most < aim:
            return "missed: random numbers alone"
        if self.with_loop < aim:
            return "missed: numbers and loop"
        return "missed: the world and its brains"


def standing(times: dict[str, float]) -> Standing:
    """The ratios of what was measured of a world."""
    kernel, numbers, twin = next(iter(times.values())), times["its random numbers"], times["twin"]
    return Standing(
        kernel,
        twin / kernel,
        numbers / kernel,
        times["loop"] / kernel,
        twin / numbers,
        twin / (numbers + times["loop"]),
        (twin + times["its draws"]) / times["bare SimPy"],
    )


def show(name: str, times: dict[str, float]) -> None:
    """Print what was measured of a world."""
    now, unit = standing(times), TWINS[name].unit
    print(f"{name}, ns per {unit}; {times['R x N']:,.0f} in a tick of {COHORT} replications:")
    kernel = f"kernel, {COHORT} replications"
    for what in (kernel, "its random numbers", "one replication at a time", "twin", "its draws", "bare SimPy"):
        print(f"  {what:28s} {times[what]:10.1f} {times[what] / now.kernel:9.2f} x the kernel")
    print(f"  making adds {times['making, us']:,.0f} us a replication, and watching {100 * (times[WATCHED] - 1):.0f}%")
    print(f"  the twin and its draws cost {now.of_bare:.1f} x bare SimPy processes that wait and draw as often")
    print(
        f"  twin / kernel {now.reached:.0f}, aim {times['aim']:.0f}: {now.reason(times['aim'])} (random numbers"
        f" {100 * now.numbers:.0f}% and loop {100 * now.loop:.0f}% of the kernel; without the rest at most {now.with_loop:.0f},"
        f" with numbers alone {now.at_most:.0f})"
    )


def show_all(found: dict[str, dict[str, float]]) -> None:
    """Print one line for each world that was measured, the lowest first."""
    print(
        f"{'':18s} {'R x N':>8s} {'ns':>7s} {'twin/':>7s} {'aim':>4s} {'twin/':>6s} {'numbers':>8s} {'loop':>5s}"
        f" {'twin/':>8s} {'twin/(numbers':>13s}\n"
        f"{'':18s} {'':8s} {'a unit':>7s} {'kernel':>7s} {'':4s} {'bare':>6s} {'share':>8s} {'share':>5s}"
        f" {'numbers':>8s} {'and loop)':>13s}"
    )
    for name, times in sorted(found.items(), key=lambda item: standing(item[1]).reached):
        now = standing(times)
        print(
            f"{name:18s} {times['R x N']:8,.0f} {now.kernel:7.1f} {now.reached:7.1f} {times['aim']:4.0f} {now.of_bare:6.2f}"
            f" {now.numbers:8.0%} {now.loop:5.0%} {now.at_most:8.0f} {now.with_loop:13.0f}  {now.reason(times['aim'])}"
        )
