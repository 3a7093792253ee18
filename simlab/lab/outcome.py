"""What a cohort leaves behind: plain labelled arrays, ready to be stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from numpy import empty, float32, linspace
from numpy.typing import NDArray

from simlab.base.arrays import Floats, Ints

LEVELS: Floats = linspace(0.0, 1.0, 101)  # of the quantiles that are kept in the place of series


class Tally(NamedTuple):
    """How often each value of a series occurred at each instant: `keys` `(k,)` in order and their `counts` `(k,)` (see `tallies`)."""

    keys: Ints
    counts: Ints


class Event(NamedTuple):
    """Something that happened to one replication at one instant.

    `kind` is what sort of thing ("harm", "shock", "alarm", "intervention", "diverged"), `name` which one,
    `time` the simulated second, `model` the model concerned or -1 for all, `value` a number that goes with it.
    """

    replication: int
    time: float
    kind: str
    name: str
    model: int = -1
    value: float = 0.0


class Outcome(NamedTuple):
    """One arm played for the replications of one cohort.

    `replications` `(r,)` are their numbers. `measures` are final values `(r,)` float64, NaN where
    the replication failed, diverged, or the measure is undefined. `series` are `(t, r)` float32 at `times` `(t,)`
    seconds. `diverged` `(r,)` is the recorded instant (or the end), in seconds, at which a replication was first found beyond the
    bounds of its measures or not finite, or NaN. `failed` maps a replication that raised to its traceback. Events are sorted by
    (replication, time). `alike` `(r, k, k)` is the correlation between the answers of each two models, or blocks of models (see
    `Alike`); without replications where nobody kept it.

    Where only quantiles of series are wanted there are no `series`: a cohort has `tallies` in their place, and all of them together
    `quantiles` over the replications, `(t, 101)` float32 at LEVELS.
    """

    replications: Ints
    measures: dict[str, Floats]
    times: Floats
    series: dict[str, NDArray[float32]]
    events: list[Event]
    diverged: Floats
    failed: dict[int, str]
    alike: NDArray[float32] = empty((0, 0, 0), float32)
    tallies: Mapping[str, Tally] = {}
    quantiles: Mapping[str, NDArray[float32]] = {}
