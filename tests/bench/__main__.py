"""Speed, side by side in one run: each world's kernel, one replication at a time, its twin, and bare SimPy processes.

    python -m tests.bench [--json]

Nanoseconds per agent-step of one process, each the median of `ROUNDS` rounds played in turn, and the ratios to quote.
Noise is drawn inside the kernels' time and before the twin's. Bare SimPy is what the twin cannot go below:
one process per agent that only waits.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from statistics import median

import simpy
from threadpoolctl import threadpool_limits

from simlab.lab.cohort import play
from simlab.lab.trial import Trial
from simlab.scenario.load import load, shipped
from simlab.studies.runner import COHORT
from tests.twins.flash_crash import Exchange
from tests.twins.policing import City
from tests.worlds import test_flash_crash, test_policing

ROUNDS = 5
TICKS = 2400


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


TWINS = {"flash_crash": flash_crash_twin, "policing": policing_twin}


def bare_simpy(agents: int, ticks: int) -> None:
    """One process per agent that does nothing but wait for the next tick."""
    env = simpy.Environment()

    def agent():
        while True:
            yield env.timeout(1)

    for _ in range(agents):
        env.process(agent())
    env.run(until=ticks)


def nanoseconds(work: Callable[[], object], agent_steps: int) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) / agent_steps * 1e9


def measure(name: str) -> dict[str, float]:
    """Nanoseconds per agent-step of a shipped scenario's first arm."""
    trial = load(name).arms[0].trial
    trial = replace(trial, horizon=TICKS * trial.world.tick)
    agents = trial.topology.models
    found: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        twin = TWINS[name](trial, TICKS)
        works = {
            f"kernel, {COHORT} replications": (lambda: play(trial, 1, range(COHORT)), COHORT),
            "one replication at a time": (lambda: [play(trial, 1, [i]) for i in range(2)], 2),
            "twin": (twin, 1),
            "bare SimPy": (lambda: bare_simpy(agents, TICKS), 1),
        }
        for what, (work, replications) in works.items():
            found.setdefault(what, []).append(nanoseconds(work, agents * TICKS * replications))
    return {what: median(times) for what, times in found.items()}


def main() -> None:
    table = {}
    with threadpool_limits(1):
        for name in shipped():
            table[name] = measure(name)
    if "--json" in sys.argv:
        print(json.dumps(table, indent=1))
        return
    for name, times in table.items():
        kernel, *_ = times.values()
        print(f"{name}, ns per agent-step, median of {ROUNDS}:")
        for what, time_ in times.items():
            print(f"  {what:28s} {time_:10.1f}   {time_ / kernel:7.1f} x the kernel")
        print(f"  the twin costs {times['twin'] / times['bare SimPy']:.1f} x bare SimPy processes")


if __name__ == "__main__":
    main()
