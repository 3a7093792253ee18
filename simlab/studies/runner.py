"""The runner: plays every cell of a scenario, cohort by cohort, into the store."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from simlab.base.errors import InputError
from simlab.lab.outcome import Outcome
from simlab.lab.trial import Trial
from simlab.results.disk import Hook, unwatched
from simlab.results.parts import Stretch
from simlab.results.provenance import code_version
from simlab.results.record import Record, cell_key
from simlab.results.store import Run, Store, run_directory
from simlab.scenario.scenario import Scenario
from simlab.studies.workers import Answer, Crew, Task, can_travel, perform

COHORT = 256  # replications stepped together; tuned to the cache, and never changes a bit

Play = Callable[[Trial, int, Sequence[int]], Outcome]


class Progress(NamedTuple):
    """How far a run is: replications `done` of `total` over all cells, `seconds` since it began (or was resumed).

    `cell` is the one that went on last; `agent_steps` counts what was played since then (agents x ticks x replications).
    """

    done: int
    total: int
    cell: str
    seconds: float
    agent_steps: int


def run_of(scenario: Scenario, version: str | None = None) -> Run:
    """What names a scenario's run; `version` is by default that of the code which decides its numbers."""
    return Run(
        scenario=scenario.name,
        document=scenario.resolved,
        seed=scenario.seed,
        replications=scenario.replications,
        version=version or code_version(),
        arms=tuple(arm.name for arm in scenario.arms),
        controls={control.name: tuple(arm.name for arm in control.arms) for control in scenario.controls},
        measures=scenario.arms[0].trial.measures,
    )


def open_store(
    scenario: Scenario, out: str | Path | None = None, at: Hook = unwatched, version: str | None = None
) -> Store:
    """The store of a scenario's run, to be entered: `out` itself, or `results/<scenario>/<hash>`."""
    run = run_of(scenario, version)
    return Store(run_directory(run.scenario, run.hash, out), run, at)


def trials(scenario: Scenario) -> dict[str, Trial]:
    """Every cell's Trial, by cell key, in the order of `Run.cells`."""
    plain = {cell_key(arm.name): arm.trial for arm in scenario.arms}
    return plain | {cell_key(a.name, control.name): a.trial for control in scenario.controls for a in control.arms}


def available_cpus() -> int:
    """The CPUs this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # only Linux knows
        return os.cpu_count() or 1


def play_all(
    scenario: Scenario,
    store: Store,
    *,
    jobs: int | None = None,
    progress: Callable[[Progress], None] | None = None,
    cohort: int | None = None,
    play: Play | None = None,
) -> Record:
    """Play what the store is missing, merge, and return the record; a run that is done is only read.

    `jobs` processes (by default one a CPU; 1 plays in this process), `cohort` replications at a time: neither changes a
    bit. What a worker cannot do, twice, is failed with its traceback, and the rest go on. On an interrupt
    the workers are killed, and everything finished is kept: the same call resumes.

    Raises StorageError, and whatever SimlabError `play` raises about a trial.
    """
    if store.done:
        return store.record()
    jobs = available_cpus() if jobs is None else jobs
    if jobs < 1 or (cohort is not None and cohort < 1):
        raise InputError(f"jobs and cohort must be at least 1, not {jobs} and {cohort}")
    if play is None:
        from simlab.lab.cohort import play as play_cohort

        play = play_cohort

    began = time.perf_counter()
    cells = trials(scenario)
    missing = store.missing()
    left = sum(stop - first for _, first, stop in missing)
    size = cohort or max(min(COHORT, -(-left // jobs)), 1)  # a small run still gives every worker something to do
    units = [
        Stretch(cell, first, min(first + size, stop))
        for cell, start, stop in missing
        for first in range(start, stop, size)
    ]
    tasks: list[Task] = [(play, (cells[u.cell], scenario.seed, range(u.first, u.stop))) for u in units]
    total = len(cells) * scenario.replications
    done = total - left
    steps = 0
    lost: dict[Stretch, str] = {}
    if progress and units:
        progress(Progress(done, total, units[0].cell, 0.0, 0))
    with closing(_answers(tasks, jobs)) as answers:  # an error here must not leave workers behind
        for index, answer in answers:
            unit = units[index]
            if answer.refused is not None:
                raise answer.refused
            if answer.why is not None:
                lost[unit] = answer.why
            else:
                store.keep(unit.cell, answer.value)
            trial = cells[unit.cell]
            done += unit.stop - unit.first
            steps += trial.topology.models * trial.ticks(trial.horizon) * (unit.stop - unit.first)
            if progress:
                progress(Progress(done, total, unit.cell, time.perf_counter() - began, steps))
    record = store.merge(lost)
    seconds = time.perf_counter() - began
    store.write_timings(
        {
            "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "seconds": round(seconds, 3),
            "jobs": jobs,
            "cohort": size,
            "cohorts_played": len(units),
            "agent_steps": steps,
            "agent_steps_per_second": round(steps / seconds) if seconds > 0 else None,
        }
    )
    return record


def _answers(tasks: Sequence[Task], jobs: int) -> Generator[tuple[int, Answer], None, None]:
    jobs = min(jobs, len(tasks))
    if jobs <= 1 or not can_travel(tasks[0]):
        for index, task in enumerate(tasks):
            yield index, perform(*task)
        return
    with Crew(jobs) as crew:
        yield from crew.do(tasks)


@contextmanager
def stop_on_sigterm() -> Iterator[None]:
    """Within the block SIGTERM ends the program like Ctrl-C, with exit code 143; for the door, in the main thread."""

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
