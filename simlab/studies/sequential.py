"""Stopping when an interval is narrow enough: replications double from a floor until they are enough, or the most there may be.

A replication is the same whether 256 or 4,096 are asked for, so a longer run only adds to a shorter one. The interval of a stopping time
keeps its level as it narrows (Chow & Robbins 1965, Ann. Math. Stat. 36, 457-462); what would spoil it is a first few replications that
agree by luck, and the floor keeps these out. With a floor of 256 what was nominally 95% covers 93.5% to 97% on the models of
tests/studies/test_coverage.py; with a lower floor that was not measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from threadpoolctl import threadpool_limits

from simlab.base.arrays import Floats
from simlab.lab.outcome import Outcome
from simlab.results.record import cell_key
from simlab.scenario.scenario import Scenario, Until
from simlab.studies.claims import statistic
from simlab.studies.harms import harmed
from simlab.studies.statistics import Estimate, share, share_difference


class Width(NamedTuple):
    """The widest of the intervals asked for: of which arm, and half of it; infinite where there is none yet."""

    arm: str
    half: float


def widest(scenario: Scenario, until: Until, cells: Mapping[str, Outcome]) -> Width:
    """The widest half-width over the arms, or over their paired differences to `until.versus`."""
    values = {arm.name: _values(until, cells[cell_key(arm.name)]) for arm in scenario.arms}
    others = [arm for arm in values if arm != until.versus]
    found = [Width(arm, _half(until, values[arm], values[until.versus] if until.versus else None)) for arm in others]
    return max(found, key=lambda one: one.half)


def enough(scenario: Scenario, cells: Mapping[str, Outcome]) -> bool:
    """Whether a scenario's intervals are as narrow as it asks; always, where it asks for nothing."""
    if scenario.until is None:
        return True
    with threadpool_limits(1):  # as in the summary: the last bits of an interval depend on how many threads there are
        return widest(scenario, scenario.until, cells).half <= scenario.until.half_width


def stages(scenario: Scenario) -> list[int]:
    """The numbers of replications at which a run may stop: the floor, twice that, and so on to the most."""
    found = [scenario.replications]
    while found[-1] < scenario.most:
        found.append(min(2 * found[-1], scenario.most))
    return found


def told(scenario: Scenario, until: Until, cells: Mapping[str, Outcome], n: int) -> dict[str, Any]:
    """What the summary says of the stop: what was asked, how narrow it became, and whether that was enough."""
    found = widest(scenario, until, cells)
    return {
        "what": until.what,
        "half_width": until.half_width,
        "reached": found.half,
        "widest": found.arm,
        "enough": found.half <= until.half_width,
        "replications": n,
        "floor": scenario.resolved["run"]["replications"],
        "most": until.most,
    }


def _values(until: Until, outcome: Outcome) -> Floats:
    return harmed(outcome) if until.measure is None else outcome.measures[until.measure]


def _half(until: Until, x: Floats, y: Floats | None) -> float:
    found: Estimate
    if until.measure is None:
        found = share(x) if y is None else share_difference(x, y)
    else:
        found = statistic(until.stat, x, y, line=until.exceeds)
    return math.inf if math.isnan(found.low) else (found.high - found.low) / 2
