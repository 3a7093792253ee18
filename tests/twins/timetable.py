"""When the brains of a twin train: plain SimPy processes."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from typing import Any

import simpy


def keep(env: simpy.Environment, brains: Sequence[Any], every: float, cohort: int, step: float) -> None:
    """Every `every` seconds each of the brains trains; cohorts of `cohort` do so together, evenly apart. A tick has `step` seconds."""
    cohorts = math.ceil(len(brains) / cohort)
    for i, brain in enumerate(brains):
        env.process(_training(env, brain, every * (1 + i // cohort / cohorts), every, step))


def _training(
    env: simpy.Environment, brain: Any, first: float, every: float, step: float
) -> Generator[simpy.Event, Any, None]:
    turn = 0
    while True:
        due = round((first + turn * every) / step)
        yield env.timeout(due - env.now)
        brain.learn()
        turn += 1
