"""One recorded series out of a CSV or Parquet file: values at instants that strictly increase, without holes."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from simlab.base.arrays import Floats
from simlab.base.errors import InputError
from simlab.results import tables
from simlab.results.metrics import GAP, in_order, numbers
from simlab.results.tables import missing, visible
from simlab.results.times import EARLIEST, clock


class Recorded(NamedTuple):
    """Values `(t,)`, their times in seconds since the first `(t,)`, and the place of each row for messages.

    `counted` says that times were read as so many seconds from some start, and are neither dates nor an epoch.
    """

    times: Floats
    values: Floats
    places: tuple[str, ...]
    counted: bool = False


def series(path: Path, column: str, time: str | None, every: float | None = None, gap: float | None = None) -> Recorded:
    """A column and its times: those of the column `time`, or `every` so many seconds.

    `gap` is the longest time between two rows; by default ten times the usual one. Raises InputError with the place of what
    cannot be read, of an unknown value, of a time that goes back or stands twice, and of a gap.
    """
    table = tables.read(path, time or column)
    for name in filter(None, (time, column)):
        if name not in table.columns:
            raise missing(table, name, "time" if name == time else "column")
        if table.columns.count(name) > 1:
            raise InputError(f"{table.header}: column `{visible(name)}` stands twice")
    if time == column:
        raise InputError(f"{table.header}: `{visible(column)}` is both the time and the column")
    loaded, _ = table.load([table.columns.index(name) for name in (column, time) if name])
    values, _ = numbers(loaded[0], column, table)
    unknown = np.flatnonzero(~np.isfinite(values))
    if unknown.size:
        raise InputError(
            f"{table.place(int(unknown[0]))}: {visible(column)}: no number, and nothing is filled in; "
            f"complete the file ({unknown.size:,} of {len(values):,} values)"
        )
    places = tuple(table.place(i) for i in range(len(values)))
    if time is None:
        return Recorded(np.arange(len(values), dtype=np.float64) * (every or 1.0), values, places)
    times, stamp, _ = clock(loaded[1], time, table.place)
    times, rows, _, _ = in_order(times, values[:, None], stamp, time, table.place, sort=None, average=None)
    steps = np.diff(times)
    longest = gap if gap is not None else GAP * float(np.median(steps)) if steps.size else 0.0
    holes = np.flatnonzero(steps > longest * (1 + 1e-9))
    if holes.size:
        i = int(holes[0])
        raise InputError(
            f"{places[i + 1]}: {visible(time)}: a gap of {steps[i]:,.6g} s before it, and at most {longest:,.6g} s are read; "
            "fill it, or say how long a value holds with `gap:`"
        )
    first = stamp(0)
    return Recorded(times, rows[:, 0], places, not isinstance(first, str) and abs(first) < EARLIEST)
