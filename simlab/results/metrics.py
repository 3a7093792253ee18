"""Recorded production metrics as arrays: one row an instant, and everything that was done to them said in words.

What is wrong is refused with file, line and column; what is treated is a note. Nothing is repaired silently.
"""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from simlab.base.arrays import Array, Bools, Floats, Ints
from simlab.base.errors import InputError
from simlab.results import tables
from simlab.results.tables import Table, missing, visible
from simlab.results.times import Stamp, clock

if TYPE_CHECKING:
    import pandas as pd

GAP = 10  # a step of more than so many median steps is a gap


class Columns(NamedTuple):
    """Which column is what. Names may hold the wildcards of a shell, which take what nobody names."""

    time: str
    predictions: tuple[str, ...]
    reality: tuple[str, ...]
    features: tuple[str, ...] = ()
    nudges: tuple[str, ...] = ()


class Metrics(NamedTuple):
    """What was recorded, at `t` instants that strictly increase. NaN is unknown.

    `stamp` gives the time of a row as the file writes it, and `gaps` the rows that come after a gap. `notes` say
    everything that was done to the data.
    """

    name: str
    columns: Columns
    times: Floats  # (t,) seconds since the first row
    stamp: Stamp
    predictions: Floats  # (t, m)
    reality: Floats  # (t, m), or (t, 1) for all of them
    features: Floats  # (t, f)
    nudges: Floats  # (t, m), (t, 1), or (t, 0) where there are none
    gaps: Ints
    step: float  # the median step in seconds
    notes: tuple[str, ...]


def read(path: str | Path, wanted: Columns, *, sort: bool = False, average: bool = False) -> Metrics:
    """Read recorded metrics from a CSV or Parquet file.

    `sort` puts rows into the order of their times, and `average` makes one row of those that share a time (the mean of what is
    known); without them both are refused. Raises InputError for anything that cannot be read, with its place.
    """
    table = tables.read(path, wanted.time)
    columns, at = choose(table, wanted)
    series, notes = table.load([at[name] for name in _all(columns)])
    times, stamp, said = clock(series[0], columns.time, table.place)
    notes = (*table.notes, *notes, *said)
    values = np.empty((len(times), len(series) - 1))
    for i, name in enumerate(_all(columns)[1:]):
        values[:, i], said = numbers(series[i + 1], name, table)
        notes += said
    times, values, stamp, said = in_order(times, values, stamp, columns.time, table.place, sort=sort, average=average)
    notes += said
    if len(times) < 2:
        raise InputError(f"{table.name}: only one instant; a detector compares instants")
    steps = np.diff(times)
    step = float(np.median(steps))
    gaps = np.flatnonzero(steps > GAP * step) + 1
    ends = np.cumsum([len(group) for group in columns[1:]])
    predictions, reality, features, nudges = np.split(values, ends[:-1], axis=1)
    return Metrics(table.name, columns, times, stamp, predictions, reality, features, nudges, gaps, step, notes)


def choose(table: Table, wanted: Columns) -> tuple[Columns, dict[str, int]]:
    """The columns that are meant, wildcards resolved, and where each stands.

    Raises InputError for one that is not there, stands twice or is asked for twice, and for a wildcard that matches nothing.
    """
    groups = dict(zip(Columns._fields[1:], wanted[1:], strict=True))
    there = set(table.columns)
    named = {wanted.time, *(name for names in groups.values() for name in names if name in there)}
    chosen: dict[str, tuple[str, ...]] = {}
    taken: dict[str, str] = {}
    for role, names in {"time": (wanted.time,), **groups}.items():
        found: list[str] = []
        for name in names:
            matched = _matches(table, name, named) if name not in there and role != "time" else [name]
            if name not in there and (not matched or role == "time"):
                raise missing(table, name, f"--{role}")
            named.update(matched)
            found += matched
        for name in found:
            if name in taken:
                raise InputError(f"column `{visible(name)}` is named twice: --{taken[name]} and --{role}")
            taken[name] = role
        chosen[role] = tuple(found)
    for role in ("predictions", "reality"):
        if not chosen[role]:
            raise InputError(f"--{role}: name at least one column")
    models = len(chosen["predictions"])
    for role in ("reality", "nudges"):
        if len(chosen[role]) not in (0, 1, models):
            raise InputError(
                f"--{role}: {len(chosen[role])} columns for {models} predictions; "
                "name one for all of them, or one for each in the same order"
            )
    for name in taken:
        places = [i + 1 for i, one in enumerate(table.columns) if one == name]
        if len(places) > 1:
            raise InputError(f"{table.header}: column `{visible(name)}` stands twice: {places[0]} and {places[1]}")
    columns = Columns(wanted.time, **{role: chosen[role] for role in groups})
    return columns, {name: table.columns.index(name) for name in taken}


def _matches(table: Table, pattern: str, named: set[str]) -> list[str]:
    """What a wildcard takes: the columns that match and that nobody has named."""
    if not set("*?[") & set(pattern):
        return []
    return [one for one in dict.fromkeys(table.columns) if one not in named and fnmatchcase(one, pattern)]


def _all(columns: Columns) -> tuple[str, ...]:
    return (columns.time, *(name for group in columns[1:] for name in group))


def numbers(series: pd.Series[Any], name: str, table: Table) -> tuple[Floats, tuple[str, ...]]:
    """A column as numbers, with what there was to say. Raises InputError for a cell that is none."""
    import pandas as pd

    shown = visible(name)
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(object)
    notes = []
    if pd.api.types.is_datetime64_any_dtype(series.dtype) or pd.api.types.is_timedelta64_dtype(series.dtype):
        raise InputError(f"{table.place(0)}: {shown}: holds times; expected numbers")
    if pd.api.types.infer_dtype(series, skipna=True) == "boolean":
        notes.append(f"{shown}: true and false are read as 1 and 0")
    values = _floats(series)
    if not pd.api.types.is_numeric_dtype(series.dtype):
        odd: Bools = np.isnan(values) & series.notna().to_numpy()
        if odd.any():
            words = series[odd].astype(str).str.strip().str.lower()
            truths = words.map({"true": 1.0, "false": 0.0, "": np.nan})
            known = truths.notna().to_numpy() | (words == "").to_numpy()
            if not known.all():
                raise _not_a_number(series, np.flatnonzero(odd)[~known], shown, table)
            values[odd] = truths.to_numpy(float)
            notes.append(f"{shown}: true and false are read as 1 and 0")
    endless = np.isinf(values)
    if endless.any():
        values[endless] = np.nan
        where = table.place(int(np.argmax(endless))).removeprefix(table.name).lstrip(": ")
        notes.append(f"{shown}: {_count(endless)} infinite, the first in {_line(where)}; taken as unknown")
    unknown = np.isnan(values)
    if unknown.all():
        raise InputError(f"{table.name}: {shown}: no cell holds a number; leave the column out")
    if unknown.sum() > endless.sum():
        notes.append(f"{shown}: {_count(unknown & ~endless)} unknown (empty or NaN); detectors skip them")
    return values, tuple(notes)


def _floats(series: pd.Series[Any]) -> Floats:
    import pandas as pd

    try:
        numbers = pd.to_numeric(series, errors="coerce")
    except TypeError:  # lists, dictionaries and their kin
        return np.full(len(series), np.nan)
    return numbers.to_numpy(dtype=float, na_value=np.nan, copy=True)


def _not_a_number(series: pd.Series[Any], rows: Ints, shown: str, table: Table) -> InputError:
    cell = str(series.iloc[rows[0]])
    hint = ""
    if cell.count(",") == 1 and cell.replace(",", "").lstrip("+-").isdigit():
        hint = f"; with a decimal point it is `{visible(cell.replace(',', '.'))}`"
    more = "" if len(rows) == 1 else f" (nor {_these(len(rows) - 1, 'more cell')} of this column)"
    return InputError(f"{table.place(int(rows[0]))}: {shown}: `{visible(cell, 40)}` is not a number{more}{hint}")


def _these(n: int, what: str) -> str:
    return f"is {n} {what}" if n == 1 else f"are {n:,} {what}s"


def _count(mask: Bools) -> str:
    n = int(mask.sum())
    return f"{n:,} of {len(mask):,} values {'is' if n == 1 else 'are'}"


def _line(where: str) -> str:
    return where if where.startswith("row") else f"line {where}"


def in_order(
    times: Floats,
    values: Floats,
    stamp: Stamp,
    column: str,
    place: Callable[[int], str],
    *,
    sort: bool | None,
    average: bool | None,
) -> tuple[Floats, Floats, Stamp, tuple[str, ...]]:
    """Rows in the order of strictly increasing times, or InputError at the first that is not and may not be put there.

    `sort` and `average` are None where there is no such option to give.
    """
    notes: list[str] = []
    rows = np.arange(len(times))
    back = np.flatnonzero(np.diff(times) < 0) + 1
    if back.size:
        i = int(back[0])
        if not sort:
            raise InputError(
                f"{place(i)}: {visible(column)}: time goes back, from {stamp(i - 1)} to {stamp(i)}; sort the file"
                + ("" if sort is None else ", or give --sort")
            )
        rows = np.argsort(times, kind="stable")
        times, values = times[rows], values[rows]
        notes.append(f"rows sorted by time: {back.size:,} stood after a later one")
    again = np.flatnonzero(np.diff(times) == 0) + 1
    if again.size:
        i = int(again[0])
        if not average:
            raise InputError(
                f"{place(int(rows[i]))}: {visible(column)}: {stamp(int(rows[i]))} stands twice (rows that repeat a time: {again.size:,}); "
                "keep one row an instant"
                + ("" if average is None else ", or give --average to take the mean of each instant")
            )
        first = np.flatnonzero(np.diff(times, prepend=-np.inf))
        values = _means(values, first)
        notes.append(
            f"{again.size:,} of {len(rows):,} rows repeat a time: each instant has the mean of what is known of it"
        )
        times, rows = times[first], rows[first]
    return times - times[0], values, (lambda row: stamp(int(rows[row]))), tuple(notes)


def _means(values: Floats, first: Ints) -> Floats:
    """The mean of what is known in each group of rows, the groups beginning at `first`; NaN where nothing is."""
    known: Array = np.isfinite(values)
    n = np.add.reduceat(known, first, axis=0, dtype=float)
    total = np.add.reduceat(np.where(known, values, 0.0), first, axis=0)
    means: Floats = np.divide(total, n, out=np.full(n.shape, np.nan), where=n > 0)
    return means


def split(text: str) -> tuple[str, ...]:
    """The columns in a list such as `p1, p2`."""
    return tuple(one for part in text.split(",") if (one := part.strip()))
