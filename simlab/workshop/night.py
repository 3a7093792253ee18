"""A night on which something goes wrong: a staging with one of its causes, played with whatever is done about it.

Nothing is kept in motion. A night is a function of its seed and of the deeds with their times, so the present is reached by playing
from the beginning, and every other course that it could have taken is at hand, on the same random numbers.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Any, NamedTuple, final

import numpy as np
from threadpoolctl import threadpool_limits

from simlab.base.arrays import Floats
from simlab.lab.cohort import play
from simlab.lab.outcome import Outcome
from simlab.lab.trial import Hand, Trial, Trigger
from simlab.scenario.load import load
from simlab.workshop.symptoms import ACTS, SYMPTOMS, Cause, Reading, Staging

NIGHTS = 32  # on which decisions are tried, the player's own the first
BEFORE = 24  # looks before the trouble that say what was usual


class Deed(NamedTuple):
    """Something that was done: its effect lasts from second `at` to `until`, on `models` (None: all)."""

    verb: str
    at: float
    models: tuple[int, ...] | None = None
    until: float = math.inf

    @property
    def words(self) -> str:
        """As a player writes it."""
        return self.verb if self.models is None else f"{self.verb} {ranges(self.models)}"


class Watch(NamedTuple):
    """One night tick by tick: seconds, what models said and what came, mean over models, `(t,)`.

    Of each model `(t, m)` how far it misses (root mean square over its cases) and on which side: answer less outcome.
    """

    times: Floats
    said: Floats
    came: Floats
    miss: Floats
    lean: Floats


@lru_cache(maxsize=8)
def stage(key: str) -> Trial:
    """The trial of a staging in which nothing goes wrong."""
    staging = next(one for one in SYMPTOMS if one.key == key)
    scenario = load(staging.scenario)
    trial = next(arm.trial for arm in scenario.arms if arm.name == staging.arm)
    plan = trial.schedule if staging.retrained is None else replace(trial.schedule, every=staging.retrained)
    return replace(
        trial,
        world=replace(trial.world, **staging.changed),  # type: ignore[type-var]
        schedule=plan, horizon=staging.horizon, stride=staging.look, warmup=staging.warmup,
        shocks=(), hands=(), instruments=(), harm=None,
    )  # fmt: skip


def hands_of(staging: Staging, deeds: Iterable[Deed]) -> tuple[Hand, ...]:
    """The hands that deeds are, in their order; those that come after the end are none."""
    return tuple(
        Hand(
            f"{deed.verb} {i}", staging.on_all[deed.verb], Trigger(at=deed.at, lasts=deed.until - deed.at), deed.models
        )
        for i, deed in enumerate(deeds)
        if deed.at < staging.horizon
    )


@final
class Night:
    """One incident: a staging with a cause that begins at a second, played with a seed for some replications."""

    def __init__(self, staging: Staging, cause: Cause, seed: int, begins: float, nights: int = NIGHTS) -> None:
        self.staging, self.cause, self.seed, self.begins, self.nights = staging, cause, seed, begins, nights
        self.paged = begins + staging.paged
        self.trial = stage(staging.key)
        shocks = tuple(replace(shock, start=begins) for shock in cause.shocks)
        self._trials = {True: replace(self.trial, shocks=shocks), False: self.trial}
        self._played: dict[Any, Outcome] = {}
        self._watched: dict[tuple[Deed, ...], Watch] = {}
        self._one = threading.RLock()  # a night is played by one thread at a time, and never twice

    def played(self, deeds: Sequence[Deed] = (), trouble: bool = True) -> Outcome:
        """All nights with these deeds, or (`trouble` False) as they would have been had nothing gone wrong."""
        return self._known((tuple(deeds), trouble), lambda: self._play(deeds, trouble, range(self.nights)))

    def own(self, deeds: Sequence[Deed] = ()) -> Outcome:
        """The player's own night alone, which is the first of all nights to the bit."""
        return self._known((tuple(deeds), "own"), lambda: self._play(deeds, True, [0]))

    def watched(self, deeds: Sequence[Deed] = ()) -> Watch:
        """The player's own night tick by tick."""
        with self._one:
            key = tuple(deeds)
            if key not in self._watched:
                self._watched[key] = self._watch(deeds)
            return self._watched[key]

    def _watch(self, deeds: Sequence[Deed]) -> Watch:
        said: dict[int, Floats] = {}
        came: dict[int, Floats] = {}

        def tap(tick: int, stage: str, value: Any) -> None:
            if stage in ("predict", "react"):
                by_model = np.asarray(value[0], dtype=np.float64)
                (said if stage == "predict" else came)[tick] = by_model.reshape(len(by_model), -1)

        self._play(deeds, True, [0], tap)
        ticks = sorted(t for t in said.keys() & came.keys() if t >= 0)
        lean = np.stack([said[t] - came[t] for t in ticks])
        return Watch(
            np.array(ticks) * self.trial.world.tick,
            np.array([said[t].mean() for t in ticks]), np.array([came[t].mean() for t in ticks]),
            np.sqrt((lean**2).mean(axis=2)), lean.mean(axis=2),
        )  # fmt: skip

    def harm(self, deeds: Sequence[Deed] = ()) -> Floats:
        """What the trouble costs from the page to the end in each night, `(r,)`."""
        return np.asarray(self.harmed(deeds)[-1])

    def harmed(self, deeds: Sequence[Deed] = ()) -> Floats:
        """What the trouble costs from the page up to each recorded instant, `(t, r)`: lost beyond the same night without it."""
        return self.lost(self.played(deeds)) - self.lost(self.played(trouble=False))

    def lost(self, outcome: Outcome) -> Floats:
        """What was lost from the page up to each recorded instant, `(t, r)`; 0 before it."""
        total = outcome.series[self.staging.cost].astype(np.float64)
        if self.staging.running:  # an average so far, turned into the sum that it is of
            total = total * outcome.times[:, None] / (self.staging.horizon - self.paged)
        gone = total - total[self.row(self.paged)]
        return np.where(outcome.times[:, None] >= self.paged, gone, 0.0)

    def row(self, time: float) -> int:
        """The recorded instant at or before a time."""
        return min(int(time / self.staging.look + 1e-9), round(self.staging.horizon / self.staging.look))

    def says(self, reading: Reading, time: float, outcome: Outcome) -> Floats:
        """1 in the nights in which a statement is true at a time, else 0, `(r,)`."""
        series = outcome.series[reading.measure].astype(np.float64)

        def lately(at: float, over: int) -> Floats:
            last = self.row(at) + 1
            return np.asarray(np.nanmean(series[max(last - over, 1) : last], axis=0))

        value = lately(time, reading.over)
        if reading.since:
            value = value - lately(self.begins, BEFORE)
        elif reading.ago:
            value = value - lately(time - reading.ago, reading.over)
        above = reading.above is not None and value > reading.above
        below = reading.below is not None and value < reading.below
        return np.asarray(above | below, dtype=np.float64)

    def earliest(self, verb: str, models: tuple[int, ...] | None = None) -> Deed:
        """A deed as early as it can be: begun with the page."""
        return Deed(verb, self.paged + self.staging.takes(verb), models)

    @cached_property
    def options(self) -> dict[str, tuple[Deed, ...]]:
        """Every single action at its earliest, by name: on all models and, where only some are wrong, on those and on the others."""
        found: dict[str, tuple[Deed, ...]] = {"nothing": ()}
        for verb in ACTS:
            found[verb] = (self.earliest(verb),)
        if self.cause.models is not None:
            others = tuple(m for m in range(self.trial.topology.models) if m not in self.cause.models)
            for verb in ACTS:
                for models in (self.cause.models, others):
                    deed = self.earliest(verb, models)
                    found[deed.words] = (deed,)
        return found

    @cached_property
    def table(self) -> Mapping[str, Floats]:
        """The harm in each night under every single action, `(r,)` by name."""
        return {name: self.harm(deeds) for name, deeds in self.options.items()}

    def _known(self, key: Any, play: Callable[[], Outcome]) -> Outcome:
        with self._one:
            if key not in self._played:
                self._played[key] = play()
            return self._played[key]

    def _play(self, deeds: Sequence[Deed], trouble: bool, numbers: Sequence[int], tap: Any = None) -> Outcome:
        trial = replace(self._trials[trouble], hands=hands_of(self.staging, deeds))
        with self._one, threadpool_limits(1):
            return play(trial, self.seed, numbers, tap)


def ranges(models: Sequence[int]) -> str:
    """Numbers in rising order, as short as they can be written: 0-3 7."""
    runs: list[list[int]] = []
    for m in models:
        if runs and runs[-1][-1] == m - 1:
            runs[-1].append(m)
        else:
            runs.append([m])
    return " ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
