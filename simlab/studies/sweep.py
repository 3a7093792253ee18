"""Sweep: a study's points, each played into a run directory of its own, and what they say together."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
from threadpoolctl import threadpool_limits

from simlab.base.arrays import Floats
from simlab.lab.trial import Trial
from simlab.results import disk, sweeps
from simlab.results.parts import Stretch
from simlab.results.record import Record
from simlab.results.store import Store, run_directory, run_hash
from simlab.scenario.axes import shown
from simlab.scenario.blocks import named
from simlab.scenario.registry import Registry
from simlab.scenario.scenario import Scenario, Study
from simlab.studies.design import indices
from simlab.studies.executors import Who, Workers, workers
from simlab.studies.plan import Plan, checked, plan, recorded, roughly
from simlab.studies.points import Point, base_of, facts, points
from simlab.studies.question import Question, question, told
from simlab.studies.runner import (
    COHORT,
    Begun,
    Play,
    Progress,
    answers,
    cohort_of,
    open_store,
    run_of,
    version_of,
)
from simlab.studies.summary import summarise
from simlab.studies.tradeoff import Split, tradeoff
from simlab.studies.workers import Answer, Task

CHANGE = ("change", "change_ci95", "change_joint", "change_clear")
TIMED = 3  # points at which time is measured, from the shortest to the longest
REMEMBERED = 64  # cohorts kept in memory for points at which the same trial is played again


class Said(NamedTuple):
    """What one arm said at one point: a number for each replication, `(r,)`, and how many were lost."""

    values: Floats
    diverged: int
    failed: int


def sweep(
    scenario: Scenario,
    study: Study,
    *,
    jobs: int | None = None,
    executor: Who = None,
    out: str | Path | None = None,
    progress: Callable[[Progress], None] | None = None,
    replace: bool = False,
    registry: Registry | None = None,
) -> tuple[dict[str, Any], Path]:
    """Play a study, as far as it is not there yet; returns what its points say together, and its directory.

    `out` is the directory itself, by default `results/<scenario>/sweep-<hash>`; with `replace` it may hold another design, which gives
    way. All points are built and checked before anything is played, and meet the same luck. `jobs` and `executor` (see
    `workers`) never change a bit. Raises InputError and ScenarioError for what cannot be played, StorageError where the directory cannot
    be used, ExecutorError for an executor that breaks.
    """
    base = base_of(scenario, study, registry)
    asked, made = question(base, study), points(base, study, registry)
    design = _design(base, study)
    name = run_hash(design, base.seed, base.replications, design["version"])
    path = Path(out) if out is not None else run_directory(base.name, f"sweep-{name}")
    with ExitStack() as stack:
        crew = stack.enter_context(workers(executor, jobs))
        _checked([point.scenario for point in made], crew.here)
        folder = stack.enter_context(sweeps.held(path, design, replace))
        player = Player(made, folder, asked, look=Split.of(base, study).refuse if study.brains else None)
        player.play(crew, progress)
        with threadpool_limits(1):
            document = _document(base, study, asked, made, player)
        sweeps.finish(folder, document, played=player.played)
        return sweeps.read(folder), folder


def planned(scenario: Scenario, study: Study, jobs: int, registry: Registry | None = None) -> Plan:
    """What all points of a study take together, as if nothing of it had been played.

    Memory is that of the largest point, since they are played one after the other. Time is measured at a few of them, for seconds, and
    is that of all their steps; a trial that is the same at several points is played, and counted, once. Raises as `sweep` does.
    """
    base = base_of(scenario, study, registry)
    made = [point.scenario for point in points(base, study, registry)]
    largest, remembered = _largest(made, jobs)
    size = cohort_of(sum(len(each.arms) * each.replications for each in made), jobs)
    distinct = {_told_apart(arm.trial): (arm.trial, each.replications) for each in made for arm in each.arms}
    steps = sum(t.topology.models * t.ticks(t.horizon + t.warmup) * n for t, n in distinct.values())
    ordered = sorted(made, key=lambda each: sum(arm.trial.horizon for arm in each.arms))
    chosen = sorted({i * (len(ordered) - 1) // (TIMED - 1) for i in range(TIMED)})
    timed = [plan(ordered[i], jobs, timed=True) for i in chosen]
    seconds = steps * sum(one.seconds or 0.0 for one in timed) / sum(one.steps for one in timed)
    stored = [recorded(each, each.replications) for each in made]
    return plan(largest, jobs, also=remembered)._replace(
        points=len(made),
        cells=len(base.arms),
        replications=base.replications,
        cohort=min(size, base.replications),
        cohorts=sum(-(-n // size) for _, n in distinct.values()),
        steps=steps,
        disk=sum(stored) + max(stored),
        seconds=seconds,
    )


def _checked(scenarios: list[Scenario], jobs: int) -> None:
    """Raise InputError where a point takes too much memory."""
    largest, remembered = _largest(scenarios, jobs)
    checked(largest, jobs, also=remembered)


def _largest(scenarios: list[Scenario], jobs: int) -> tuple[Scenario, int]:
    """The point that takes the most; and bytes, besides, of the cohorts that are remembered, since other points may need them too."""
    largest = max(scenarios, key=lambda scenario: roughly(scenario, jobs))
    remembered = recorded(largest, min(REMEMBERED * COHORT // len(largest.arms), largest.replications))
    return largest, remembered if len(scenarios) > 1 else 0


def samples(folder: str | Path, arm: str, asked: Question | None = None) -> list[Floats]:
    """What each replication of an arm said at each point of a finished sweep, `(r,)`, in the order of its points.

    By default in answer to the question of the sweep. Points meet the same luck, so these are paired too.
    """
    document = sweeps.read(folder)
    asked = asked or Question(*(document["asked"][key] for key in Question._fields))
    return [asked.values(Record.open(Path(folder) / row["run"]).cells[arm]) for row in document["rows"]]


def exit_code(document: Mapping[str, Any], allow_diverged: int) -> int:
    """0, or 3 when replications failed or too many diverged."""
    lost = [found for row in document["rows"] for found in row["arms"].values()]
    failed, diverged = (sum(found[kind] for found in lost) for kind in ("failed", "diverged"))
    return 3 if failed or diverged > allow_diverged else 0


def _design(base: Scenario, study: Study) -> dict[str, Any]:
    """What a sweep's directory is recognised by: everything that decides what is played, and not what is asked of it."""
    return {
        "format": sweeps.FORMAT,
        "scenario": base.name,
        "version": version_of(base),
        "seed": base.seed,
        "replications": base.replications,
        "design": study.design,
        "points": study.points,
        "sweep": {axis.path: shown(axis) for axis in study.axes},
        "document": disk.plain(base.resolved),
    }


class _Open(NamedTuple):
    """A point that is being played."""

    point: int
    store: Store
    begun: Begun
    close: ExitStack
    left: set[Stretch]


@final
class Player:
    """Plays points through one crew of workers; a point's store is opened when a worker is free for it.

    A trial that is the same at several points is played once: what a cohort of it left behind is kept at each of them. `look` is shown
    what every arm said as soon as a point is whole; what it raises ends the sweep.
    """

    def __init__(
        self,
        made: list[Point],
        folder: Path,
        asked: Question,
        play: Play | None = None,
        look: Callable[[Floats], None] | None = None,
    ) -> None:
        if play is None:
            from simlab.lab.cohort import play as play_cohort

            play = play_cohort
        self._folder, self._asked, self._play, self._look = folder, asked, play, look
        self.runs = [run_of(point.scenario).hash for point in made]
        self._points = {run: point.scenario for run, point in zip(self.runs, made, strict=True)}
        self.said: dict[str, dict[str, Said]] = {}
        self._ahead = Counter(_told_apart(arm.trial) for each in self._points.values() for arm in each.arms)
        self._open: dict[str, _Open] = {}
        self._waiting: dict[tuple[str, int, int], list[tuple[str, Stretch]]] = {}
        self._kept: dict[tuple[str, int, int], tuple[Trial, Answer]] = {}
        self._asking: list[tuple[str, int, int]] = []
        self._done = self._steps = 0
        self._tell: Callable[[str], None] = lambda _: None

    @property
    def played(self) -> bool:
        """Whether anything was played, and not all of it was there."""
        return self._steps > 0

    def play(self, crew: Workers, progress: Callable[[Progress], None] | None) -> None:
        """Play what is missing, and read what every replication says at every point into `said`.

        On an interrupt the workers are killed, and everything finished is kept.
        """
        began = time.perf_counter()
        total = sum(len(each.arms) * each.replications for each in self._points.values())
        size = cache(
            lambda: cohort_of(total, crew.size)
        )  # not asked for where nothing is left to play: nobody need be started
        if progress:

            def tell(cell: str) -> None:
                progress(Progress(self._done, total, cell, time.perf_counter() - began, self._steps))

            self._tell = tell
        try:
            with closing(answers(self._tasks(size), crew)) as found:
                for index, answer in found:
                    self._take(self._asking[index], answer)
        finally:
            for one in self._open.values():
                one.close.__exit__(*sys.exc_info())

    def _tasks(self, size: Callable[[], int]) -> Iterator[Task]:
        """What is to be played, point by point; what another point plays anyway is waited for."""
        for number, (run, scenario) in enumerate(self._points.items()):
            with ExitStack() as close:
                store = close.enter_context(open_store(scenario, self._folder / run))
                for arm in scenario.arms:
                    self._ahead[_told_apart(arm.trial)] -= 1
                if store.done:
                    self._read(run, self._summarised(run, store))
                    self._done += len(scenario.arms) * scenario.replications
                    self._tell(f"point {number + 1}")
                    continue
                begun = Begun(scenario, store, store.missing(), size(), self._play)
                self._done += len(scenario.arms) * scenario.replications - sum(u.stop - u.first for u in begun.units)
                self._open[run] = _Open(number, store, begun, close.pop_all(), set(begun.units))
            self._tell(f"point {number + 1}")
            for unit in begun.units:
                trial = begun.cells[unit.cell]
                key = (_told_apart(trial), unit.first, unit.stop)
                kept = self._kept.get(key)
                if kept is not None and kept[0] == trial:
                    self._keep(run, unit, kept[1])
                elif key in self._waiting:
                    self._waiting[key].append((run, unit))
                else:
                    self._waiting[key] = [(run, unit)]
                    self._asking.append(key)
                    yield begun.task(unit)
            if run in self._open:
                self._finish_if_whole(run)

    def _take(self, key: tuple[str, int, int], answer: Answer) -> None:
        wanted = self._waiting.pop(key)
        first, unit = wanted[0]
        trial, begun = self._open[first].begun.cells[unit.cell], self._open[first].begun
        self._steps += begun.steps(unit)
        if self._ahead[key[0]] > 0 and answer.value is not None:
            if len(self._kept) >= REMEMBERED:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = (trial, answer)
        else:
            self._kept.pop(key, None)
        for run, one in wanted:
            self._keep(run, one, answer)

    def _keep(self, run: str, unit: Stretch, answer: Answer) -> None:
        one = self._open[run]
        one.begun.keep(unit, answer)
        one.left.discard(unit)
        self._done += unit.stop - unit.first
        self._tell(f"point {one.point + 1}, {unit.cell}")
        self._finish_if_whole(run)

    def _finish_if_whole(self, run: str) -> None:
        one = self._open[run]
        if one.left:
            return
        one.store.merge(one.begun.lost)
        self._read(run, self._summarised(run, one.store))
        del self._open[run]
        one.close.close()

    def _summarised(self, run: str, store: Store) -> Record:
        """The record of a point that was merged; a kill may have come before its summary."""
        record = store.record()
        if not record.summary:
            with threadpool_limits(1):
                record = store.finish(summarise(self._points[run], record))
        return record

    def _read(self, run: str, record: Record) -> None:
        self.said[run] = {
            arm: Said(
                self._asked.values(record.cells[arm]),
                int(np.isfinite(record.cells[arm].diverged).sum()),
                len(record.cells[arm].failed),
            )
            for arm in record.arms
        }
        if self._look is not None:
            for said in self.said[run].values():
                self._look(said.values)


def _told_apart(trial: Trial) -> str:
    """A trial in words that no other trial has: classes that did not come with simlab may share a name."""
    hands, instruments = (hand.intervention for hand in trial.hands), (one.detector for one in trial.instruments)
    kinds = [id(type(part)) for part in (trial.world, *trial.brains, *hands, *instruments)]
    return f"{trial!r} {kinds}"


def _document(base: Scenario, study: Study, asked: Question, made: list[Point], player: Player) -> dict[str, Any]:
    """What the points say together, as plain data."""
    arms = [arm.name for arm in base.arms]
    each = [player.said[run] for run in player.runs]
    among = len(each) * max(len(arms) - 1, 1)
    rows: list[dict[str, Any]] = []
    for i, (point, run, said) in enumerate(zip(made, player.runs, each, strict=True)):
        found = {arm: _told(asked, said[arm], said[arms[0]] if arm != arms[0] else None, among) for arm in arms}
        if len(study.axes) == 1:  # points meet the same luck, so the way along the axis is paired as well
            for arm in arms:
                along = _against(asked, said[arm], each[0][arm] if i else None, len(each) * len(arms))
                found[arm] |= dict(zip(CHANGE, along.values(), strict=True))
        values = [named(axis, value) for axis, value in zip(study.axes, point.values, strict=True)]
        rows.append({"point": i, "run": run, "values": values, "arms": found})
    document = {
        "format": sweeps.FORMAT,
        "scenario": base.name,
        "name": study.name,
        "title": study.title,
        "because": study.because,
        "design": study.design,
        "points": study.points,
        "seed": base.seed,
        "replications": base.replications,
        "version": version_of(base),
        "asked": told(base, asked),
        "axes": facts(base, study),
        "arms": [{"name": arm.name, "title": arm.title, "wiring": arm.wiring} for arm in base.arms],
        "rows": rows,
    }
    if study.brains:
        document["tradeoff"] = shares = tradeoff(Split.of(base, study), [said[arms[0]].values for said in each])
        for row, at in zip(rows, shares["points"], strict=True):  # one mean has one interval
            row["arms"][arms[0]] |= {"value": at["mean"]["value"], "ci95": at["mean"]["ci95"]}
    if study.design == "sobol":
        document["indices"] = {arm: _indices(rows, arm, len(study.axes), base.seed) for arm in arms}
    return document


def _told(asked: Question, said: Said, at_first: Said | None, among: int) -> dict[str, Any]:
    found = asked.level(said.values)
    return {
        "n": found.n,
        "diverged": said.diverged,
        "failed": said.failed,
        "value": found.value,
        "ci95": found.interval,
        **_against(asked, said, at_first, among),
    }


def _against(asked: Question, said: Said, other: Said | None, among: int) -> dict[str, Any]:
    """The paired difference to another arm, or to the first point: none of the first to itself."""
    if other is None:
        return {"difference": None, "difference_ci95": None, "difference_joint": None, "clear": None}
    found = asked.difference(said.values, other.values)
    joint = asked.difference(
        said.values, other.values, 1 - 0.05 / among
    )  # for the largest of them, which a reader picks
    clear = asked.clear(said.values, other.values, among)
    return {
        "difference": found.value,
        "difference_ci95": found.interval,
        "difference_joint": joint.interval,
        "clear": clear,
    }


def _indices(rows: list[dict[str, Any]], arm: str, axes: int, seed: int) -> list[dict[str, float]] | None:
    found = indices(np.array([row["arms"][arm]["value"] for row in rows], np.float64), axes, seed)
    return None if found is None else [index._asdict() for index in found]
