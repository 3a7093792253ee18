"""Detector: an instrument that reads what models said and what came of it. It only reads, and knows no world.

Shapes: `r` replications, `m` models, `a` numbers in an answer, `s` samples of each feature, `f` features, `n` instants.
Recorded production metrics are one replication (`r` = 1), so the same instruments read them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from simlab.base.arrays import Array, Floats, Ints
from simlab.base.errors import InputError
from simlab.base.par import check_parameters

SCRAPES = 5000  # the most that `watch` makes of a recording by itself

S = TypeVar("S")


class Subject(NamedTuple):
    """What is watched. `interval` is the time between two scrapes in seconds; `reads` names each model's upstream models."""

    replications: int
    models: int
    answers: int = 1
    samples: int = 0
    features: int = 0
    interval: float = 1.0
    reads: tuple[tuple[int, ...], ...] = ()


class Frame(NamedTuple):
    """What came in since the last scrape, at `n` instants (one, in a simulation), the oldest first. NaN is unknown.

    `reality` is what came of the predictions of the same instant; where it cannot be held against them answer by answer it
    has another last axis. `nudges` are what a probe added to the predictions, 0 where none did.
    """

    times: Floats  # (n,) seconds
    predictions: Floats  # (n, r, m, a)
    reality: Floats  # (n, r, m, a) or (n, r, m, 1)
    features: Floats  # (n, r, s, f)
    nudges: Floats  # (n, r, m)


class Reading(NamedTuple):
    """What a detector shows after a scrape, each `(r,)`: by the method of record, and by the rule as it is popularly printed.

    NaN where it cannot tell yet, or not at all. An alarm is a value above the detector's threshold.
    """

    value: Floats
    seed: Floats


class Detector(ABC, Generic[S]):
    """A final frozen dataclass whose fields are its parameters.

    Its state `S` is a NamedTuple of arrays, `(r, ...)`, or `(window, r, ...)` for what slides; written in place. Windows count
    scrapes. `shows` says in words what the value is, and `seed_rule` gives the popular rule as it is printed.
    """

    shows: ClassVar[str]
    seed_rule: ClassVar[str]
    seed_threshold: ClassVar[float]

    def __post_init__(self) -> None:
        check_parameters(self)

    @property
    @abstractmethod
    def limit(self) -> float:
        """The value of record above which there is an alarm."""

    @abstractmethod
    def start(self, subject: Subject) -> S:
        """The state before the first scrape."""

    @abstractmethod
    def read(self, state: S, frame: Frame) -> Reading:
        """Take in what came since the last scrape, in place, and say what it comes to."""


class Sliding(NamedTuple):
    """Sums over the last `window` scrapes, by additions alone: two stacks.

    What came since the last turn is in `running`; before that the ring was turned into sums of its own ends, so that what is
    left of the old scrapes is one of them. Nothing is subtracted: no rounding piles up, and what was not finite leaves no trace.
    """

    ring: Floats  # (window, r, ...)
    running: Floats  # (r, ...)
    at: Ints  # (1,) the place of the next scrape


def sliding(window: int, *shape: int) -> Sliding:
    """Nothing yet, `(r, ...)`."""
    return Sliding(np.zeros((window, *shape)), np.zeros(shape), np.zeros(1, dtype=np.int64))


def sliding_planes(window: int, r: int, k: int) -> Sliding:
    """Nothing yet, `(r, k)`, stored so that each of a few sums lies together for all replications."""
    ring, running = np.zeros((window, k, r)), np.zeros((k, r))
    return Sliding(ring.swapaxes(1, 2), running.T, np.zeros(1, dtype=np.int64))


def in_planes(*sums: Array) -> Floats:
    """A few numbers `(...)` of each replication as a last axis, `(..., k)`, stored one after the other."""
    found = np.empty((len(sums), *sums[0].shape))
    for i, one in enumerate(sums):
        found[i] = one
    return found.transpose(*range(1, found.ndim), 0)  # several times faster than moveaxis


def slide(sums: Sliding, new: Array | float) -> Floats:
    """Take in a scrape `new` `(r, ...)`, in place; the sum over the last `window` scrapes, `(r, ...)`."""
    ring, running, at = sums.ring, sums.running, int(sums.at[0])
    last = len(ring) - 1
    np.copyto(ring[at], new)
    np.add(running, new, out=running)
    total = running + ring[at + 1] if at < last else running.copy()
    if at == last:
        for i in range(last - 1, -1, -1):
            ring[i] += ring[i + 1]
        running[...] = 0.0
    sums.at[0] = 0 if at == last else at + 1
    return total


def rest(sums: Sliding, scrapes: int) -> None:
    """Take in a scrape of which nothing is to be added, the last of so many; once all is forgotten this costs nothing."""
    if scrapes <= len(sums.ring):
        slide(sums, 0.0)
    else:
        sums.at[0] = (sums.at[0] + 1) % len(sums.ring)


def held(sums: Sliding) -> Floats:
    """The sum over the last `window` scrapes as it stands, `(r, ...)`."""
    return np.asarray(sums.running + sums.ring[int(sums.at[0])])


def over_instants(x: Floats) -> Floats:
    """The sum over the first axis, `(n, r, ...)` to `(r, ...)`, in an order that does not depend on `r`."""
    return x[0] if len(x) == 1 else np.asarray(np.ascontiguousarray(np.moveaxis(x, 0, -1)).sum(axis=-1))


class Watched(NamedTuple):
    """What a detector made of a recording of `k` scrapes: readings by both rules, and the times at which each was above its threshold."""

    times: Floats  # (k,)
    values: Floats  # (k,)
    seeds: Floats  # (k,)
    alarms: Floats
    seed_alarms: Floats


def watch(
    detector: Detector[Any],
    times: ArrayLike,
    predictions: ArrayLike,
    reality: ArrayLike | None = None,
    features: ArrayLike | None = None,
    *,
    nudges: ArrayLike | None = None,
    every: float | None = None,
    reads: tuple[tuple[int, ...], ...] = (),
) -> Watched:
    """Have a detector read what was recorded: no scenario, no simulation.

    `times` `(t,)` seconds that do not decrease; `predictions` `(t, m)` or `(t,)`; `reality` and `nudges` likewise, or one column for
    all models; `features` `(t, f)` or `(t,)`. NaN is unknown. A scrape takes in the rows of `every` seconds, or, by default, so many rows
    that there are at most 5,000 scrapes; a scrape without rows is none. Raises InputError for what does not fit together.
    """
    t = _column("times", times)
    rows = len(t)
    if rows == 0:
        raise InputError("times is empty; there is nothing to watch")
    if not np.isfinite(t).all():
        raise InputError(f"times[{int(np.argmin(np.isfinite(t)))}] is not a finite number of seconds")
    back = np.diff(t) < 0
    if back.any():
        i = int(np.argmax(back)) + 1
        raise InputError(f"times go back at row {i}, from {t[i - 1]:.12g} to {t[i]:.12g}; sort the rows by time first")
    said = _table("predictions", predictions, rows)
    m = said.shape[1]
    if m == 0:
        raise InputError("predictions has no column; give (t, m), one column for each model")
    came = _table("reality", reality, rows, m)
    moved = _table("nudges", nudges, rows, m, 0.0)
    seen = np.zeros((rows, 0)) if features is None else _table("features", features, rows)
    if reads and (len(reads) != m or any(not -1 <= u < m for up in reads for u in up)):
        raise InputError(
            f"reads must name, for each of the {m} models, upstream models from 0 to {m - 1}, not {reads!r}"
        )
    edges = _edges(t, every)
    f = seen.shape[1]
    interval = float(np.median(np.diff(t[edges[1:] - 1]))) if len(edges) > 2 else 1.0
    state = detector.start(Subject(1, m, 1, 1 if f else 0, f, interval, reads))
    values, seeds = np.empty((2, len(edges) - 1))
    for i, (a, b) in enumerate(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)):
        x = seen[a:b, None, None] if f else np.zeros((b - a, 1, 0, 0))
        frame = Frame(t[a:b], said[a:b, None, :, None], came[a:b, None, :, None], x, moved[a:b, None])
        reading = detector.read(state, frame)
        values[i], seeds[i] = reading.value[0], reading.seed[0]
    at = t[edges[1:] - 1]
    return Watched(at, values, seeds, at[values > detector.limit], at[seeds > detector.seed_threshold])


def _column(name: str, given: ArrayLike) -> Floats:
    try:
        column = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be numbers: {error}") from None
    if column.ndim != 1:
        raise InputError(f"{name} must be one column (t,), not of shape {column.shape}")
    return column


def _table(
    name: str, given: ArrayLike | None, rows: int, columns: int | None = None, missing: float = np.nan
) -> Floats:
    """`given` as `(t, m)`; one column serves all `columns`, and nothing given is `missing`."""
    if given is None:
        return np.broadcast_to(np.float64(missing), (rows, columns or 0))
    try:
        table = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be numbers: {error}") from None
    table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2 or len(table) != rows:
        raise InputError(f"{name} must have one row for each of the {rows} times, not the shape {np.shape(given)}")
    if columns is None or table.shape[1] == columns:
        return table
    if table.shape[1] != 1:
        raise InputError(f"{name} must have 1 column, or {columns} like predictions, not {table.shape[1]}")
    return np.broadcast_to(table, (rows, columns))


def _edges(t: Floats, every: float | None) -> Ints:
    """The rows at which scrapes begin, and the number of rows."""
    rows = len(t)
    if every is None:
        return np.append(np.arange(0, rows, -(-rows // SCRAPES)), rows)
    if not (np.isfinite(every) and every > 0):
        raise InputError(f"every must be a positive number of seconds, not {every!r}")
    number = np.floor((t - t[0]) / every)
    return np.concatenate([[0], np.flatnonzero(np.diff(number)) + 1, [rows]])
