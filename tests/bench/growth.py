"""How the cost of a cohort grows with replications, agents and time: the exponent of a power law, 1 being linear."""

from __future__ import annotations

import time
from statistics import median

import numpy as np

from simlab.lab.cohort import play
from tests.bench import reference

FACTORS = (1, 2, 4, 8)
BASE = {"replications": 32, "agents": 625, "ticks": 60}


def measure(rounds: int) -> dict[str, float]:
    """Exponents fitted to medians of CPU time; the smallest is large enough for a tick's fixed cost not to show."""
    found = {}
    for what in BASE:
        times: dict[int, list[float]] = {factor: [] for factor in FACTORS}
        for _ in range(rounds):
            for factor in FACTORS:
                size = BASE | {what: BASE[what] * factor}
                trial, rows = reference.trial(size["ticks"], agents=size["agents"]), range(size["replications"])
                began = time.process_time()
                play(trial, 1, rows)
                times[factor].append(time.process_time() - began)
        found[what] = float(np.polyfit(np.log(FACTORS), np.log([median(times[f]) for f in FACTORS]), 1)[0])
    return found
