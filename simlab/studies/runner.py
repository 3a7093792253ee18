"""The runner: plays every cell of a scenario, cohort by cohort, into the store."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import chain, islice
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple, final

from simlab.base.errors import InputError
from simlab.lab.outcome import Outcome
from simlab.lab.tallies import play_folded
from simlab.lab.trial import Trial
from simlab.results.disk import Hook, now, unwatched
from simlab.results.fingerprint import fingerprint
from simlab.results.parts import Stretch
from simlab.results.provenance import code_version
from simlab.results.record import Record, cell_key
from simlab.results.store import Run, Store, run_directory
from simlab.scenario.scenario import Scenario
from simlab.studies.executors import Who, Workers, workers
from simlab.studies.sequential import enough, stages
from simlab.studies.workers import Answer, Crew, Task, can_travel, perform

ASIDE = ("readiness", "studies")  # keys that decide nothing of a run
COHORT = 256  # replications stepped together; tuned to the cache, and never changes a bit
FOLDED = 16  # cohorts whose series are counted together before they are stored, where only quantiles are wanted
FEW = 16  # models that have so little to step that twice the replications go together

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


def version_of(scenario: Scenario) -> str:
    """The version of the code that decides a scenario's numbers, the user's own classes included."""
    own = scenario.registry.own
    return f"{code_version()}.{fingerprint(own)}" if own else code_version()


def run_of(scenario: Scenario, version: str | None = None) -> Run:
    """What names a scenario's run; `version` is by default that of the code which decides its numbers."""
    return Run(
        scenario=scenario.name,
        document={key: value for key, value in scenario.resolved.items() if key not in ASIDE},
        seed=scenario.seed,
        replications=scenario.most,
        version=version or version_of(scenario),
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


def play_all(
    scenario: Scenario,
    store: Store,
    *,
    jobs: int | None = None,
    executor: Who = None,
    progress: Callable[[Progress], None] | None = None,
    cohort: int | None = None,
    play: Play | None = None,
) -> Record:
    """Play what the store is missing, merge, and return the record; a run that is done is only read.

    `jobs` processes (by default one a CPU; 1 plays in this process) or an `executor` (see `workers`), `cohort` replications at a
    time: none of them changes a bit. A scenario that waits for an interval is played in stages, each of which adds to the ones
    before. What a worker cannot do, twice, is failed with its traceback, and the rest go on. On an interrupt the workers are killed, and
    everything finished is kept: the same call resumes.

    Raises StorageError, ExecutorError, InputError for impossible numbers, and whatever SimlabError `play` raises about a trial.
    """
    if store.done:
        return store.record()
    with workers(executor, jobs) as crew:
        filler = Filler(scenario, store, crew, progress, cohort, play)
        for n in stages(scenario):
            lost = filler.play(store.missing(n), n)  # what was lost in an earlier stage was missing, and tried again
            if n == scenario.most or enough(scenario, store.so_far([arm.name for arm in scenario.arms], n, lost)):
                break
    record = store.merge(lost, n)
    store.write_timings(filler.timings())
    return record


@final
class Filler:
    """Fills the gaps of a store through a crew, and counts."""

    def __init__(
        self,
        scenario: Scenario,
        store: Store,
        crew: Workers,
        progress: Callable[[Progress], None] | None = None,
        cohort: int | None = None,
        play: Play | None = None,
    ) -> None:
        if cohort is not None and cohort < 1:
            raise InputError(f"cohort must be at least 1, not {cohort}")
        if play is None:
            from simlab.lab.cohort import play as play_cohort

            play = play_cohort
        self._scenario, self._store, self._crew, self._play = scenario, store, crew, play
        self._progress, self._cohort = progress, cohort
        self._began = time.perf_counter()
        self._played = self._steps = 0
        self._size, self._jobs = cohort or COHORT, 0

    def play(self, gaps: Sequence[Stretch], replications: int) -> dict[Stretch, str]:
        """Play these gaps in the first so many `replications` of every cell; returns what could not be played, and why."""
        left = sum(stop - first for _, first, stop in gaps)
        if left:  # else nobody need be started
            self._jobs = self._crew.size
            models = self._scenario.arms[0].trial.topology.models
            self._size = self._cohort or cohort_of(left, self._jobs, models)
        run = Begun(self._scenario, self._store, gaps, self._size, self._play)
        total = len(run.cells) * replications
        done = total - left
        if run.units:
            self._tell(done, total, run.units[0].cell, first=self._played == 0)
        with closing(answers(run.tasks(), self._crew)) as found:  # an error here must not leave workers behind
            for index, answer in found:
                unit = run.units[index]
                run.keep(unit, answer)
                done += run.replications(unit)
                self._steps += run.steps(unit)
                self._tell(done, total, unit.cell)
        self._played += len(run.units)
        return run.lost

    def _tell(self, done: int, total: int, cell: str, *, first: bool = False) -> None:
        if self._progress:
            self._progress(
                Progress(done, total, cell, 0.0 if first else time.perf_counter() - self._began, self._steps)
            )

    def timings(self) -> dict[str, Any]:
        """Facts about the wall clock."""
        seconds = time.perf_counter() - self._began
        return {
            "finished": now(),
            "seconds": round(seconds, 3),
            "jobs": self._jobs,
            "cohort": self._size,
            "cohorts_played": self._played,
            "agent_steps": self._steps,
            "agent_steps_per_second": round(self._steps / seconds) if seconds > 0 else None,
        }


def cohort_of(left: int, jobs: int, models: int = FEW + 1) -> int:
    """How many replications to step together when so many are left: a small run still gives every worker something to do."""
    return max(min(COHORT if models > FEW else 2 * COHORT, -(-left // jobs)), 1)


@final
class Begun:
    """Gaps in an open store, cut into `units` of at most `size` replications; keeps what became of them.

    A cell that plays as an earlier one does (an arm without shocks, under `no_stressor`) gets its outcome, and is not played again.
    """

    def __init__(self, scenario: Scenario, store: Store, gaps: Sequence[Stretch], size: int, play: Play) -> None:
        self.cells = trials(scenario)
        self._folds = size if scenario.series == "quantiles" else 0
        size = max(size, min(FOLDED * size, sum(gap.stop - gap.first for gap in gaps) // 16)) if self._folds else size
        units = [
            Stretch(cell, first, min(first + size, stop))
            for cell, start, stop in gaps
            for first in range(start, stop, size)
        ]
        there, trials_of = set(units), list(self.cells.items())
        first_of = {cell: next(name for name, t in trials_of if t == trial) for cell, trial in trials_of}
        self.units: list[Stretch] = []
        self._alike: dict[Stretch, list[Stretch]] = {}
        for unit in units:
            first = unit._replace(cell=first_of[unit.cell])
            if first == unit or first not in there:
                self.units.append(unit)
            else:
                self._alike.setdefault(first, []).append(unit)
        self.lost: dict[Stretch, str] = {}
        self._seed, self._store, self._play = scenario.seed, store, play

    def replications(self, unit: Stretch) -> int:
        """How many replications are known when a unit is, over all cells that play alike."""
        return (unit.stop - unit.first) * (1 + len(self._alike.get(unit, ())))

    def task(self, unit: Stretch) -> Task:
        """What a worker does for a unit."""
        given = self.cells[unit.cell], self._seed, range(unit.first, unit.stop)
        return (play_folded, (self._play, *given, self._folds)) if self._folds else (self._play, given)

    def tasks(self) -> list[Task]:
        """What workers do for all units."""
        return [self.task(unit) for unit in self.units]

    def keep(self, unit: Stretch, answer: Answer) -> None:
        """Store what a worker found, or note why there is nothing. Raises the SimlabError by which a trial was refused."""
        if answer.refused is not None:
            raise answer.refused
        for each in (unit, *self._alike.get(unit, ())):
            if answer.why is not None:
                self.lost[each] = answer.why
            else:
                self._store.keep(each.cell, answer.value)

    def steps(self, unit: Stretch) -> int:
        """Agents x ticks x replications of a unit."""
        trial = self.cells[unit.cell]
        return trial.topology.models * trial.ticks(trial.horizon) * (unit.stop - unit.first)


def answers(tasks: Iterable[Task], crew: Workers) -> Generator[tuple[int, Answer], None, None]:
    """What became of each task, by its number, as they are done by a `crew`, or here, where processes of our own would not pay."""
    coming = iter(tasks)
    first = list(islice(coming, 2))
    coming = chain(first, coming)
    alone = isinstance(crew, Crew) and (crew.size == 1 or len(first) < 2)
    if alone or not any(map(can_travel, first)):
        for index, task in enumerate(coming):
            yield index, perform(*task)
        return
    sent: list[int] = []
    stay: list[tuple[int, Task]] = []  # some arms may use what was defined in a notebook, and others not

    def travelling() -> Iterator[Task]:
        for index, task in enumerate(coming):
            if can_travel(task):
                sent.append(index)
                yield task
            else:
                stay.append((index, task))

    with closing(crew.do(travelling())) as found:
        yield from ((sent[i], answer) for i, answer in found)
    for index, task in stay:
        yield index, perform(*task)


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
