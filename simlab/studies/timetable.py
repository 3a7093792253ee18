"""When models retrain at once: exact over the hyperperiod, the time after which all timetables repeat.

All durations are rational numbers of seconds, as written. They become whole numbers of the largest unit that divides them all, so
that two retrainings meet when they do, and not when rounding says so (the hyperperiod of periodic tasks; Liu & Layland 1973).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np

from simlab.base.arrays import Ints
from simlab.scenario.architecture import Architecture, Rhythm, exactly

MOST_RETRAININGS = 200_000  # in what is looked at; when a hyperperiod holds more, only its beginning is
LARGEST = 2**62  # units of time

Rhythms: TypeAlias = tuple[tuple[str, Rhythm], ...]
Models: TypeAlias = tuple[tuple[str, tuple[str, ...]], ...]


class Meeting(NamedTuple):
    """Retrainings that hit one part: `who`, `most` of them at once, first `at` so many seconds, and two or more for `share` of the time.

    `slots` is how many the part has room for, if it says so; `over` the share of time in which more want it.
    """

    part: str
    who: tuple[str, ...]
    most: int
    at: float
    share: float
    slots: int | None
    over: float


class Timetable(NamedTuple):
    """How models retrain: `most` of `models` at once, first `at`, then these: `who`; two or more for `share` of the time.

    `begin` is how many models start to retrain at the same instant at most. `period` is the hyperperiod and `seen` what was looked
    at, in seconds: all of it when `exact`.
    """

    models: int
    most: int
    at: float
    who: tuple[str, ...]
    share: float
    begin: int
    meetings: tuple[Meeting, ...]
    period: float
    seen: float
    exact: bool


class _Ticks(NamedTuple):
    """A timetable in whole units of time."""

    every: int
    phase: int
    busy: int


class _Rows(NamedTuple):
    """Spans `[start, end)` in which something is busy, and instants at which it is so for no time at all."""

    start: Ints
    end: Ints
    points: Ints


class _Peak(NamedTuple):
    """The most at once, the first instant of it, and the time during which two or more are busy, and more than `room`."""

    most: int
    at: int
    two: int
    over: int


def timetable(architecture: Architecture) -> Timetable | None:
    """When models retrain at once; None when nothing has a timetable."""
    rhythms, models = _rhythms(architecture)
    if not rhythms:
        return None
    clock = _clock(rhythms)
    peak = _busiest(rhythms, models)
    own = {name: parts for name, parts in models if parts}
    starts = [np.unique(np.concatenate([_starts(clock.ticks[p], clock.seen) for p in parts])) for parts in own.values()]
    unit, seen = clock.unit, clock.seen
    room = {part.name: part.slots for part in architecture.parts}
    meetings = []
    for part, who in _hits(architecture, dict(rhythms)).items():
        if len(who) > 1:
            met = _peak([_rows(clock.ticks[name], seen) for name in who], room[part])
            over = met.over / seen
            meetings.append(Meeting(part, who, met.most, float(met.at * unit), met.two / seen, room[part], over))
    return Timetable(
        len(models),
        peak.most,
        float(peak.at * unit),
        tuple(name for name, parts in own.items() if any(_on(clock.ticks[one], peak.at) for one in parts)),
        peak.two / seen,
        _peak([_Rows(*_none(), points) for points in starts]).most if starts else 0,
        tuple(sorted(meetings, key=lambda one: (-one.most, -one.share, one.part))),
        float(clock.period * unit),
        float(seen * unit),
        seen == clock.period,
    )


def at_once(architecture: Architecture) -> int:
    """The most models that retrain at once."""
    rhythms, models = _rhythms(architecture)
    return _busiest(rhythms, models).most if rhythms else 0


def _rhythms(architecture: Architecture) -> tuple[Rhythms, Models]:
    """Everything that retrains, and which of that keeps each model busy: its own retraining and its brain's."""
    rhythms = tuple((part.name, part.rhythm) for part in architecture.parts if part.rhythm is not None)
    brain_of = {link.target: link.source for link in architecture.links if link.how == "brain"}
    known = dict(rhythms)
    models = architecture.of("model")
    return rhythms, tuple((m.name, tuple(n for n in (m.name, brain_of.get(m.name)) if n in known)) for m in models)


def _hits(architecture: Architecture, rhythms: Mapping[str, Rhythm]) -> dict[str, tuple[str, ...]]:
    """Which retrainings use each part: what is learned from, what that is computed from, and the compute."""
    import networkx as nx

    made = nx.DiGraph((link.source, link.target) for link in architecture.links if link.how == "from")
    found: dict[str, list[str]] = {}
    for name, rhythm in rhythms.items():
        data = {link.source for link in architecture.links if link.how == "trained_on" and link.target == name}
        data |= {above for one in data if one in made for above in nx.ancestors(made, one)}
        for part in sorted(data | ({rhythm.on} if rhythm.on else set())):
            found.setdefault(part, []).append(name)
    return {part: tuple(who) for part, who in found.items()}


class _Clock(NamedTuple):
    """All timetables in whole units of time, the time after which they repeat, and how much of it is looked at."""

    unit: Fraction
    ticks: dict[str, _Ticks]
    period: int
    seen: int


def _clock(rhythms: Rhythms) -> _Clock:
    exact = {name: [exactly(x) for x in (r.every, r.phase, r.busy)] for name, r in rhythms}
    unit = Fraction(1, math.lcm(*(x.denominator for three in exact.values() for x in three)))
    ticks = {name: _Ticks(*(int(x / unit) for x in three)) for name, three in exact.items()}
    period = math.lcm(*(one.every for one in ticks.values()))
    density = sum(Fraction(1, one.every) for one in ticks.values())
    if density * period <= MOST_RETRAININGS and period <= LARGEST:
        return _Clock(unit, ticks, period, period)
    return _Clock(unit, ticks, period, max(int(min(MOST_RETRAININGS / density, LARGEST)), 1))


@lru_cache(maxsize=256)
def _busiest(rhythms: Rhythms, models: Models) -> _Peak:
    """How many models retrain at once."""
    clock = _clock(rhythms)
    rows = {name: _rows(one, clock.seen) for name, one in clock.ticks.items()}
    busy = [_joined([rows[one] for one in parts]) for _, parts in models if parts]
    return _peak(busy) if busy else _Peak(0, 0, 0, 0)


def _none() -> tuple[Ints, Ints]:
    return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)


def _starts(one: _Ticks, seen: int) -> Ints:
    """When it begins within `[0, seen)`, in a timetable that has always been running."""
    return np.arange(one.phase % one.every, seen, one.every, dtype=np.int64)


def _rows(one: _Ticks, seen: int) -> _Rows:
    """When it is busy within `[0, seen)`; what began before and lasts into it counts."""
    if one.busy == 0:
        return _Rows(*_none(), _starts(one, seen))
    start = np.arange(one.phase % one.every - one.every, seen, one.every, dtype=np.int64)
    end = np.minimum(start + one.busy, seen)
    inside = end > 0
    return _Rows(np.maximum(start, 0)[inside], end[inside], _none()[0])


def _joined(rows: list[_Rows]) -> _Rows:
    """The spans of one model: its own retraining and its brain's, where they overlap one span."""
    if len(rows) == 1:
        return rows[0]
    start, end = np.concatenate([one.start for one in rows]), np.concatenate([one.end for one in rows])
    order = np.argsort(start, kind="stable")
    start, end = start[order], np.maximum.accumulate(end[order]) if len(end) else end
    new = np.ones(len(start), dtype=bool)
    new[1:] = start[1:] > end[:-1]
    last = np.append(np.flatnonzero(new)[1:] - 1, len(end) - 1) if len(end) else np.zeros(0, dtype=np.int64)
    points = np.unique(np.concatenate([one.points for one in rows]))
    start, end = start[new], end[last]
    if len(start) and len(points):  # an instant within a span adds nothing
        at = np.searchsorted(start, points, side="right") - 1
        points = points[(at < 0) | (points >= end[np.maximum(at, 0)])]
    return _Rows(start, end, points)


def _peak(rows: list[_Rows], room: int | None = None) -> _Peak:
    """How many are busy at once, by sweeping over all instants at which something changes."""
    start, end, points = (np.concatenate([getattr(one, key) for one in rows]) for key in _Rows._fields)
    times = np.unique(np.concatenate([start, end, points]))
    if not len(times):
        return _Peak(0, 0, 0, 0)
    change = np.zeros(len(times), dtype=np.int64)
    np.add.at(change, np.searchsorted(times, start), 1)
    np.add.at(change, np.searchsorted(times, end), -1)
    level = np.cumsum(change)
    count = level + np.bincount(np.searchsorted(times, points), minlength=len(times))
    length = np.diff(times, append=times[-1])
    first = int(np.argmax(count))
    over = int(length[level > room].sum()) if room is not None else 0
    return _Peak(int(count[first]), int(times[first]), int(length[level >= 2].sum()), over)


def _on(one: _Ticks, at: int) -> bool:
    """Whether it is busy at this instant."""
    return (at - one.phase) % one.every < max(one.busy, 1)
