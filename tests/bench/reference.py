"""The reference world, 10,000 agents and 16 models, played by the kernel and by everybody else.

Before a rival is timed it plays the kernel's own numbers, and must end with the kernel's expected outcomes at every tick. Importing
(declaring), making and stepping are timed apart, in CPU time; ratios are of stepping alone.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from simlab.brains.ridge import Ridge
from simlab.brains.topology import wire
from simlab.lab.cohort import play
from simlab.lab.conductor import Conductor
from simlab.lab.loop import Loop
from simlab.lab.streams import Streams
from simlab.lab.trial import Trial
from simlab.scenario.load import load
from simlab.studies.workers import Crew
from tests.bench.rivals import left_out
from tests.bench.rivals.market import Dealt, Parameters
from tests.twins.performative import Town
from tests.worlds import test_performative

ROOT = Path(__file__).parents[2]
MODELS, AGENTS, REPLICATIONS = 16, 625, 32
MEMORY = 50  # ticks after which evidence has faded to 1/e: the window of the models
TICKS = {"kernel": 240, "C": 240, "numba": 120, "mesa-frames": 60, "Mesa": 8, "AgentPy": 8, "SimPy": 8}
MODULES = {
    "numba": "with_numba",
    "mesa-frames": "with_frames",
    "Mesa": "with_mesa",
    "AgentPy": "with_agentpy",
    "C": "with_c",
}


def trial(ticks: int, *, models: int = MODELS, agents: int = AGENTS, stride: int | None = None) -> Trial:
    """The shipped `performative` with so many agents, whose models all learn at every tick; the base has shifted before the first."""
    given = load("performative").arms[0].trial
    world = replace(given.world, models=models, agents=agents, base=2.0)
    return replace(
        given,
        world=world,
        brains=(Ridge(penalty=0.2, memory=MEMORY),),
        topology=wire("isolated", models).canonical(world.spec),
        schedule=replace(given.schedule, every=world.tick),
        horizon=ticks * world.tick,
        stride=(stride or ticks) * world.tick,
        shocks=(),
        instruments=(),
        hands=(),
        harm=None,
    )


def parameters(of: Trial) -> Parameters:
    """What the rivals are told."""
    w, brain = of.world, of.brains[0]
    numbers = {name: getattr(w, name) for name in Parameters._fields if name in ("base", "response", "cross", "trust")}
    numbers |= {name: getattr(w, name) for name in ("spread", "bound", "context", "alike", "error", "noise", "agents")}
    listeners = round(w.listening * w.agents)
    return Parameters(
        markets=w.models, listeners=listeners, penalty=brain.penalty, keep=float(np.exp(-1 / brain.memory)), **numbers
    )


def dealt(of: Trial, ticks: int) -> Dealt:
    """The numbers of replication 0."""
    noise = test_performative.noise_of(of.world, 1, 0, ticks)
    names = {
        "weather": "weather",
        "conditions": "conditions",
        "error": "view error",
        "belief": "belief",
        "noise": "noise",
    }
    return Dealt(**{name: np.array(noise[purpose]) for name, purpose in names.items()})


def theta(of: Trial) -> np.ndarray:
    """The kernel's expected outcomes of replication 0, one a tick."""
    return play(of, 1, [0]).series["theta"][1:, 0]


def check(name: str, make: Callable[..., Any], ticks: int = 12) -> None:
    """Hold a rival against the kernel on the kernel's numbers; raises AssertionError where they differ by more than single precision."""
    few = trial(ticks, models=3, agents=10, stride=1)
    ours, theirs = theta(few), np.array(make(parameters(few), dealt(few, ticks)).play(ticks))
    np.testing.assert_allclose(theirs, ours, rtol=2e-6, err_msg=f"{name} plays another world")


class InSimpy:
    """The twin, one process per agent; its numbers are drawn before its time begins."""

    def __init__(self, p: Parameters, numbers: Dealt | None = None) -> None:
        few = trial(TICKS["SimPy"], models=p.markets, agents=p.agents)
        noise = test_performative.noise_of(few.world, 1, 0, TICKS["SimPy"])
        parts = asdict(few.world), noise, asdict(few.topology), "ridge", asdict(few.brains[0])
        self.twin = Town(*parts, every=few.schedule.every, cohort=few.topology.brains, shift=(0, few.world.base))

    def play(self, ticks: int) -> None:
        self.twin.run(ticks)


class Kernel:
    """One cohort, without the detectors, hands and judgement of harm that no rival has."""

    def __init__(self, replications: int, ticks: int) -> None:
        given = trial(ticks)
        luck = Streams(1, range(replications))
        self.loop = Loop(given, luck)
        self.conductor = Conductor(given, self.loop, luck)

    def play(self, ticks: int) -> None:
        with np.errstate(all="ignore"):
            self.conductor.play()


def elsewhere(python: str) -> tuple[float, float]:
    """Seconds of CPU to make mesa-frames' world, and to play it, by an interpreter that has mesa-frames; it checks itself first."""
    work = (
        "import json, time; from tests.bench import reference as r; from tests.bench.rivals.with_frames import Town;"
        "r.check('mesa-frames', Town); p = r.parameters(r.trial(1)); n = r.TICKS['mesa-frames'];"
        "a = time.process_time(); t = Town(p); b = time.process_time(); t.play(n); c = time.process_time();"
        "print(json.dumps([b - a, c - b]))"
    )
    alone = os.environ | {"POLARS_MAX_THREADS": "1"}
    done = subprocess.run([python, "-c", work], check=True, capture_output=True, text=True, cwd=ROOT, env=alone)
    made, played = json.loads(done.stdout.splitlines()[-1])
    return made, played


def rivals() -> dict[str, Callable[..., Any]]:
    """The rivals that are installed, by name, each held against the kernel."""
    found = {}
    for name, module in MODULES.items():
        try:
            town = importlib.import_module(f"tests.bench.rivals.{module}").Town
            check(name, town)
        except (ImportError, OSError) as missing:
            left_out(name, str(missing))
        else:
            found[name] = town
    return found


def measure(rounds: int, frames: str | None = None) -> dict[str, dict[str, float]]:
    """For each implementation seconds of CPU to make it, and nanoseconds of CPU per agent-step; medians of `rounds`, each played in turn.

    Of a library that takes threads all are counted. mesa-frames needs a NumPy of its own: `frames` is a Python that has it.
    """
    given, towns = parameters(trial(1)), rivals()
    makers: dict[str, Callable[[], Any]] = {"kernel": lambda: Kernel(REPLICATIONS, TICKS["kernel"])}
    if "C" in towns:
        makers["C"] = lambda: towns["C"](given, None, REPLICATIONS)
        makers["C, exact normals"] = lambda: towns["C"](given, None, REPLICATIONS, ziggurat=True)
    makers["kernel, one replication"] = lambda: Kernel(1, TICKS["kernel"])
    makers |= {name: partial(town, given) for name, town in towns.items() if name != "C"}
    makers["SimPy"] = lambda: InSimpy(given)
    many = {"kernel", "C", "C, exact normals"}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in makers}
    for _ in range(rounds):
        for name, make in makers.items():
            ticks = TICKS[name.split(",")[0]]
            steps = ticks * MODELS * AGENTS * (REPLICATIONS if name in many else 1)
            began = time.process_time()
            made = make()
            ready = time.process_time()
            made.play(ticks)
            times[name].append((ready - began, (time.process_time() - ready) / steps * 1e9))
        if frames is not None:
            made_in, played_in = elsewhere(frames)
            per = TICKS["mesa-frames"] * MODELS * AGENTS
            times.setdefault("mesa-frames", []).append((made_in, played_in / per * 1e9))
    return {
        name: {"seconds to make": median(m for m, _ in each), "ns per agent-step": median(ns for _, ns in each)}
        for name, each in times.items()
    }


def worked(of: Trial, seed: int, rows: range) -> float:
    """CPU seconds of the process that plays a cohort."""
    began = time.process_time()
    play(of, seed, rows)
    return time.process_time() - began


def processes(rounds: int) -> dict[str, float]:
    """Cohorts of one process of workers and of two, and their ratio (medians; a round plays both in turn): by the clock, and by CPU time.

    By the clock two have to share what others leave of the machine; by CPU time only its caches and memory, and waiting does not show.
    """
    cohorts, clock, cpu = 8, {1: [], 2: []}, {1: [], 2: []}
    tasks = [
        (worked, (trial(TICKS["kernel"]), 1, range(k * REPLICATIONS, (k + 1) * REPLICATIONS))) for k in range(cohorts)
    ]
    with Crew(1) as one, Crew(2) as two:
        for crew in (one, two):  # workers begin, and import what they need
            list(crew.do(tasks[:2]))
        for _ in range(rounds):
            for size, crew in ((1, one), (2, two)):
                began = time.perf_counter()
                answers = [answer for _, answer in crew.do(tasks)]
                clock[size].append(time.perf_counter() - began)
                assert all(answer.why is None for answer in answers)
                cpu[size].append(sum(answer.value for answer in answers))
    per = TICKS["kernel"] * MODELS * AGENTS * REPLICATIONS * cohorts
    ns = {
        f"{size} process{'es' * (size > 1)}, ns per agent-step": median(each) / per * 1e9
        for size, each in clock.items()
    }
    ratios = {
        "one / two": median(a / b for a, b in zip(clock[1], clock[2], strict=True)),
        "one / two, by CPU time": median(2 * a / b for a, b in zip(cpu[1], cpu[2], strict=True)),
    }
    return ns | ratios
