"""What a run will take: replications, cohorts, steps, time, memory and disk, before anything is written.

Memory is what the arrays of the finished record take, whose shapes are known, and what a cohort takes while it is played, which is
measured on two small ones over a few ticks (NumPy tells `tracemalloc` of every array). Time is measured on one cohort, over a few
ticks and twice as many, and is that of the CPU, so it is what a machine with nothing else to do takes to play; to import and to draw
the report takes a few seconds more.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from threadpoolctl import threadpool_limits

from simlab.base.errors import InputError
from simlab.lab.alike import blocks
from simlab.lab.cohort import play
from simlab.lab.trial import Trial
from simlab.scenario.scenario import Scenario
from simlab.studies.memory import available, resident
from simlab.studies.runner import FOLDED, cohort_of, trials

MOST = 0.8  # the share of the free memory that a run may take
IN_PROBE = (2, 6)  # replications of the two small cohorts
SECONDS = 2.0  # how long may be measured, over all arms together
SEVERAL = 4  # times as long, where it takes that to see a retraining
TICKS = 8  # of the shortest cohort that is timed
EVENTS = 3  # that a replication leaves behind, as a rule
EVENT = 300  # bytes of one in memory, and about half of it on disk
DISTINCT = 9000  # values that are told apart at an instant, where only quantiles are kept; 512 between any number and its double
DRAWING = 120_000_000  # bytes of what draws the report and sums up, whatever was played
MB = 1_000_000


class Plan(NamedTuple):
    """What a run will take. Bytes, and seconds with `jobs` processes that have a CPU each; `seconds` None where it was not measured.

    `memory` is the most that all processes take together, of which `kept` are for the finished record, and `played` for the cohorts under
    way in all of them; `free` is what there is, None where the system does not tell.
    """

    cells: int
    replications: int
    cohort: int
    cohorts: int
    steps: int
    jobs: int
    kept: int
    played: int
    memory: int
    disk: int
    free: int | None
    seconds: float | None
    points: int = 1  # of a sweep, of which all but memory is the sum

    @property
    def too_much(self) -> bool:
        """Whether it is more than may be taken."""
        return self.free is not None and self.memory > MOST * self.free

    def check(self, scenario: Scenario) -> None:
        """Raise InputError, with what to lower, for a run that takes too much memory."""
        if not self.too_much or self.free is None:
            return
        advice = ["lower `run.replications`"]
        if self.played > self.kept:
            advice = [f"lower `--jobs` from {self.jobs}"] if self.jobs > 1 else []
            advice += ["play a smaller world"]
        elif scenario.series == "all":
            advice = ["set `run.series: quantiles`", "raise `run.stride`", *advice]
        raise InputError(
            f"{scenario.name}: needs about {size(self.memory)} of memory, more than {MOST:.0%} of the {size(self.free)} that are free "
            f"({size(self.kept)} for the record of {self.replications:,} replications, {size(self.played)} for cohorts under way); "
            + " or ".join(advice)
        )


def plan(scenario: Scenario, jobs: int, *, timed: bool = False, merged: bool = True, also: int = 0) -> Plan:
    """The plan of a whole run, as if nothing of it had been played. With `timed` time is measured as well, for about two seconds.

    `jobs` is 0 where all is played on other machines; not `merged` is a shard, which keeps no record; `also` are bytes kept besides.
    """
    cells = trials(scenario)
    n = scenario.most
    cohort = cohort_of(len(cells) * n, max(jobs, 1), scenario.arms[0].trial.topology.models)
    distinct: dict[str, Trial] = {}
    for name, trial in cells.items():
        if all(trial != other for other in distinct.values()):
            distinct[name] = trial
    stored = [_stored(trial, n, scenario.series == "all") for trial in cells.values()]
    kept = also + (sum(stored) + max(stored) if merged else 0)  # while a cell is merged, its parts are there as well
    each = [_each(trial, scenario.seed) for trial in _widest(distinct.values())] if jobs else []
    together = min(cohort, n)
    played = jobs * int(max((bare + more * together for bare, more in each), default=0))
    if scenario.series == "quantiles":
        played += jobs * max(_tallied(trial, min(FOLDED * cohort, n)) for trial in distinct.values())
        kept += 3 * max(_tallied(trial, n) for trial in cells.values()) if merged else 0
    processes = resident() * (1 + (jobs if jobs > 1 else 0)) + (DRAWING if merged else 0)
    seconds = None
    if timed:
        seconds = (
            sum(_timed(t, scenario.seed, together, SECONDS / len(distinct)) * n / together for t in distinct.values())
            / jobs
        )
    steps = sum(t.topology.models * t.ticks(t.horizon + t.warmup) * n for t in distinct.values())
    disk = 2 * sum(stored) - len(cells) * n * EVENTS * EVENT  # parts, and what they are merged into; events take half
    return Plan(
        cells=len(cells),
        replications=n,
        cohort=cohort,
        cohorts=len(distinct) * -(-n // cohort),
        steps=steps,
        jobs=jobs,
        kept=kept,
        played=played,
        memory=kept + played + processes,
        disk=disk,
        free=available(),
        seconds=seconds,
    )


def checked(scenario: Scenario, jobs: int, *, merged: bool = True, also: int = 0) -> None:
    """Raise InputError for what takes too much memory, as in `plan`; what is obviously small is not measured."""
    free = available()
    if free is not None and roughly(scenario, jobs, merged=merged) + also > free / 10:
        plan(scenario, jobs, merged=merged, also=also).check(scenario)


def roughly(scenario: Scenario, jobs: int, *, merged: bool = True) -> int:
    """Bytes that a run takes, without measuring anything."""
    largest = max(arm.trial.topology.models for arm in scenario.arms)
    stored = recorded(scenario, scenario.most) if merged else 0
    return stored + jobs * 2 * 256 * largest * 1_000  # a model seldom takes a kilobyte


def recorded(scenario: Scenario, replications: int) -> int:
    """Bytes of the record of so many replications of every cell."""
    return sum(_stored(trial, replications, scenario.series == "all") for trial in trials(scenario).values())


def _widest(distinct: Iterable[Trial]) -> list[Trial]:
    """The trials with the most and with the fewest brains: what a model knows, or who knows it, takes the most."""
    ordered = sorted(distinct, key=lambda trial: trial.topology.brains)
    return [ordered[0], ordered[-1]] if len(ordered) > 1 else ordered


def _stored(trial: Trial, n: int, whole: bool) -> int:
    """Bytes of one cell's record."""
    k = len(blocks(trial.topology.models))
    alone = 8 * (len(trial.measures) + 2) + 4 * k * k + EVENTS * EVENT
    times, names = len(trial.times()), len(trial.measures)
    return n * (alone + (4 * times * names if whole else 0)) + (0 if whole else 4 * 101 * times * names)


def _tallied(trial: Trial, n: int) -> int:
    """Bytes of how often each value occurred in so many replications."""
    return 16 * len(trial.times()) * len(trial.measures) * min(n, DISTINCT)


def _each(trial: Trial, seed: int) -> tuple[float, float]:
    """What a cohort takes in bytes: at the least, and more for each replication."""
    few = replace(trial, horizon=max(trial.stride, trial.world.tick), warmup=0.0)
    found = []
    for r in IN_PROBE:
        began = not tracemalloc.is_tracing()
        if began:
            tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            with threadpool_limits(1):
                play(few, seed, range(r))
            found.append(tracemalloc.get_traced_memory()[1] - before)
        finally:
            if began:
                tracemalloc.stop()
    more = max(found[1] - found[0], 0) / (IN_PROBE[1] - IN_PROBE[0])
    series = 4 * len(trial.times()) * len(trial.measures)
    return max(found[0] - more * IN_PROBE[0], 0.0), more + 3 * series  # as it is made, packed, and on its way


def _timed(trial: Trial, seed: int, cohort: int, budget: float) -> float:
    """Seconds that one cohort takes, from the difference between so many ticks and twice as many.

    What happens now and then, as a retraining does, is to be among them, if that can be had for a few times the budget.
    """
    total, tick = trial.ticks(trial.horizon) + trial.ticks(trial.warmup), trial.world.tick
    period = max(trial.ticks(trial.schedule.every), trial.ticks(trial.stride))
    ticks = min(TICKS, total)
    began = time.process_time()
    once = _took(trial, seed, cohort, ticks * tick)
    while True:
        if 2 * ticks >= total:
            return _took(trial, seed, cohort, trial.horizon, trial.warmup)
        twice = _took(trial, seed, cohort, 2 * ticks * tick)
        rate = max(twice - once, 0.0) / ticks
        spent = time.process_time() - began
        if spent > (budget / 2 if ticks >= period else SEVERAL * budget):
            return max(once - rate * ticks, 0.0) + rate * total
        ticks, once = 2 * ticks, twice


def _took(trial: Trial, seed: int, cohort: int, horizon: float, warmup: float = 0.0) -> float:
    short = replace(trial, horizon=max(horizon, trial.world.tick), stride=min(trial.stride, horizon), warmup=warmup)
    began = time.process_time()  # whatever else this machine is doing
    with threadpool_limits(1):
        play(short, seed, range(cohort))
    return time.process_time() - began


def size(count: float) -> str:
    """Bytes in words."""
    for unit, per in (("TB", 1e12), ("GB", 1e9)):
        if count >= per:
            return f"{count / per:.3g} {unit}"
    return f"{count / MB:.0f} MB"


def lines(planned: Plan) -> list[tuple[str, str]]:
    """A plan as names and values."""
    free = "unknown" if planned.free is None else f"{size(planned.free)} free, of which a run may take {MOST:.0%}"
    more = f"{size(planned.kept)} for the record, {size(planned.played)} for cohorts under way; {free}"
    many = planned.points > 1
    cells = f"{planned.cells} arms at each point" if many else f"{planned.cells} cells (arms, and arms under controls)"
    return [
        *([("points", f"{planned.points:,}, each a run of its own")] if many else []),
        ("replications", f"{planned.replications:,} of each of {cells}"),
        ("cohorts", f"{planned.cohorts:,} of at most {planned.cohort} replications, {planned.jobs} at a time"),
        ("agent steps", f"{planned.steps:.3g}"),
        *(
            []
            if planned.seconds is None
            else [("time", f"about {_seconds(planned.seconds)} if nothing else runs, from a measured rate")]
        ),
        ("memory", f"about {size(planned.memory)}: {more}"),
        ("disk", f"about {size(planned.disk)}" + ("" if many else " while it is played, half of it afterwards")),
    ]


def in_all(several: Sequence[Plan]) -> str:
    """What several plans take one after the other: time, disk, and the memory of the largest."""
    seconds = sum(one.seconds or 0.0 for one in several)
    memory, disk = max(one.memory for one in several), sum(one.disk for one in several)
    return f"about {_seconds(seconds)}, {size(memory)} of memory, {size(disk)} of disk"


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s"


def plain(planned: Plan) -> dict[str, Any]:
    """A plan as plain data."""
    return {**planned._asdict(), "too_much": planned.too_much}
