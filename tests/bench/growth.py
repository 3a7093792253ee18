"""How the cost of a cohort grows with replications, agents and time: the exponent of a power law, 1 being linear.

What does not grow (making streams and learners; the calls of a tick) is no part of the law and cancels in differences: where cost is
a + b n^p, doubling n adds b n^p (2^p - 1), so the exponent of what doublings add is p. Where a timing is off by 5%, the exponent
of 5 rounds is off by .04, and of 15 by .02, so every round is three.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np

from simlab.lab.cohort import play
from tests.bench import reference

FACTORS = (1, 2, 4, 8, 16)
BASE = {"replications": 32, "agents": 625, "ticks": 60}


def measure(rounds: int) -> dict[str, float]:
    """Exponents fitted to what each doubling adds to the CPU time, medians of `rounds`."""
    found = {}
    for what in BASE:
        times = np.array(
            [[seconds(BASE | {what: BASE[what] * factor}) for factor in FACTORS] for _ in range(3 * rounds)]
        )
        added = np.median(np.diff(times, axis=1), axis=0)
        found[what] = float(np.polyfit(np.log(FACTORS[:-1]), np.log(added), 1)[0])
    return found


def seconds(size: Mapping[str, int]) -> float:
    """CPU time to play a cohort of that size."""
    trial, rows = reference.trial(size["ticks"], agents=size["agents"]), range(size["replications"])
    began = time.process_time()
    play(trial, 1, rows)
    return time.process_time() - began
