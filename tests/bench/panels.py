"""Two published panels, played whole: how long a thousand urns of Ensign et al. take, and how fast sessions of Calvano et al. pass.

The paper on policing has one department that patrols one of two regions a day; the shipped scenario has ten precincts, each an
urn of its own. Sessions of price setters are played from their first period on, when nearly every price is a trial and learning
dearest. One cohort of a thousand, and cohorts as the runner plays them; detectors and hands are left out. Seconds of CPU,
medians, drawing included.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from simlab.brains.topology import wire
from simlab.lab.cohort import play
from simlab.lab.trial import Trial
from simlab.scenario.load import load
from simlab.studies.runner import COHORT

MANY, DAYS, PERIODS = 1000, 1000, 5000


def trials() -> dict[str, tuple[Trial, int]]:
    """What is played, and for how many ticks."""
    city, market = (
        replace(load(name).arms[0].trial, instruments=(), hands=()) for name in ("policing", "pricing_collusion")
    )
    alone = replace(city, world=replace(city.world, precincts=1), topology=wire("isolated", 1))  # type: ignore[type-var]
    return {
        "urns of one department": (alone, DAYS),
        "urns of ten precincts": (city, DAYS),
        "price sessions": (replace(market, horizon=PERIODS * market.world.tick), PERIODS),
    }


def cohorts(size: int) -> Sequence[range]:
    return [range(first, min(first + size, MANY)) for first in range(0, MANY, size)]


def measure(rounds: int) -> dict[str, dict[str, float]]:
    """Millions of replication-ticks a second, and seconds for all, in one cohort and in cohorts of the usual size."""
    table: dict[str, dict[str, float]] = {}
    for name, (trial, ticks) in trials().items():
        found: dict[int, list[float]] = {MANY: [], COHORT: []}
        for _ in range(rounds):
            for size, seconds in found.items():
                began = time.process_time()
                for numbers in cohorts(size):
                    play(trial, 1, numbers)
                seconds.append(time.process_time() - began)
        table[name] = {
            "seconds": median(found[MANY]),
            f"seconds in cohorts of {COHORT}": median(found[COHORT]),
            "millions a second": MANY * ticks / median(found[MANY]) / 1e6,
        }
    return table
