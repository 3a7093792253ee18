"""The calendar: what conducting costs over a bare loop, and what one calendar for a cohort saves over one for each replication."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import numpy as np

from simlab.lab.cohort import play
from simlab.lab.loop import Loop
from simlab.lab.streams import Streams
from simlab.lab.trial import Trial
from tests.bench import reference

REPLICATIONS = 32
SIZES = {"160 agents": (16, 10, 960), "10,000 agents": (16, 625, 120)}  # models, agents each, ticks


def bare(trial: Trial, rows: range) -> np.ndarray:
    """The loop without any calendar: every model is retrained at every tick but the first, as the schedule of the trial says."""
    with np.errstate(all="ignore"):
        luck = Streams(1, rows)
        loop = Loop(trial, luck)
        b = trial.topology.brains
        everyone = tuple(each.ravel() for each in np.indices((len(rows), b)))
        for _ in range(trial.ticks(trial.horizon)):
            loop.retrain(everyone)
            loop.run(1)
        return loop.measures()["theta"]


def conducted(trial: Trial, rows: range) -> np.ndarray:
    return play(trial, 1, rows).measures["theta"]


def apart(trial: Trial, rows: range) -> np.ndarray:
    return np.concatenate([play(trial, 1, [number]).measures["theta"] for number in rows])


def measure(rounds: int) -> dict[str, dict[str, float]]:
    """Seconds of CPU for a cohort, medians of `rounds`, each played in turn; all three must agree to the bit."""
    table = {}
    for name, (models, agents, ticks) in SIZES.items():
        trial, rows = reference.trial(ticks, models=models, agents=agents), range(REPLICATIONS)
        works: dict[str, Callable[[Trial, range], np.ndarray]] = {
            "one calendar": conducted,
            "no calendar": bare,
            "a calendar each": apart,
        }
        few = reference.trial(10, models=models, agents=agents)
        expected = conducted(few, rows)
        for work in works.values():
            np.testing.assert_array_equal(work(few, rows), expected)
        found: dict[str, list[float]] = {what: [] for what in works}
        for _ in range(rounds):
            for what, work in works.items():
                began = time.process_time()
                work(trial, rows)
                found[what].append(time.process_time() - began)
        table[name] = {what: median(each) for what, each in found.items()}
    return table
