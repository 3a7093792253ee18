"""A column of times as seconds, whatever way they are written: numbers, a Unix epoch, or ISO 8601."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from simlab.base.arrays import Bools, Floats
from simlab.base.errors import InputError
from simlab.results.tables import visible

if TYPE_CHECKING:
    import pandas as pd

Stamp: TypeAlias = Callable[[int], str | int | float]  # the time of a row, as the file writes it

# A number of seconds this large is no time (1e11 s is the year 5138), but it is one in a smaller unit.
_EPOCHS = ((1e17, 1_000_000_000, "nanoseconds"), (1e14, 1_000_000, "microseconds"), (1e11, 1000, "milliseconds"))
EARLIEST = 1e9  # seconds, in 2001: a smaller number is a time from some start, not an epoch
SAMPLE = 1000  # rows that tell whether times are numbers or written out
_ZONE = r"[T ]\d\d.*(?:Z|[+-]\d\d(?::?\d\d)?)$"
_LIKE = "write seconds, a Unix epoch, or ISO 8601 such as `2025-01-31T23:59:00Z`"


def clock(series: pd.Series[Any], column: str, place: Callable[[int], str]) -> tuple[Floats, Stamp, tuple[str, ...]]:
    """Seconds since the first row `(t,)`, the time of a row as the file writes it, and what there was to say.

    Times of several zones are written in UTC. Raises InputError for a time that is missing or cannot be read, and for
    times with a zone among times without.
    """
    import pandas as pd

    lost = series.isna().to_numpy()
    if lost.any():
        raise InputError(f"{place(int(np.argmax(lost)))}: {visible(column)}: no time; {_LIKE}")
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(object)
    if pd.api.types.is_bool_dtype(series.dtype):
        raise InputError(f"{place(0)}: {visible(column)}: `{series.iloc[0]}` is not a time; {_LIKE}")
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        return _since(series), lambda row: series.iloc[row].isoformat().replace("+00:00", "Z"), ()
    if pd.api.types.is_numeric_dtype(series.dtype):
        return _counted(series, column, place)
    if _coerced(series.iloc[:SAMPLE]).notna().mean() >= 0.5:
        numbers = _coerced(series)
        odd = numbers.isna().to_numpy()
        if odd.any():
            raise _unreadable(series, odd, column, place)
        return _counted(numbers, column, place)
    return _written(series.astype(str), column, place)


def date_of(time: str | int | float) -> str:
    """A Unix epoch as a date in UTC, or nothing for what is none: a smaller number, or a time that is written out."""
    if isinstance(time, str) or not EARLIEST <= time < 1e20:
        return ""
    import pandas as pd

    unit = next(
        (unit for least, unit in zip((e[0] for e in _EPOCHS), ("ns", "us", "ms"), strict=True) if time >= least), "s"
    )
    try:
        return str(pd.Timestamp(time, unit=unit, tz="UTC").isoformat().replace("+00:00", "Z"))
    except (OverflowError, ValueError):
        return ""


def _coerced(series: pd.Series[Any]) -> pd.Series[Any]:
    import pandas as pd

    try:
        return pd.to_numeric(series, errors="coerce")
    except TypeError:
        return pd.Series(np.nan, index=series.index)


def _counted(series: pd.Series[Any], column: str, place: Callable[[int], str]) -> tuple[Floats, Stamp, tuple[str, ...]]:
    """Times that are numbers; whole ones are subtracted as such, so that nanoseconds of an epoch lose nothing."""
    values = series.to_numpy()
    if values.dtype.kind not in "iu":
        values = series.to_numpy(dtype=float)
    endless = ~np.isfinite(values)
    if endless.any():
        i = int(np.argmax(endless))
        raise InputError(f"{place(i)}: {visible(column)}: `{values[i]}` is not a time; {_LIKE}")
    size = float(np.median(np.abs(values.astype(float))))
    per, unit = next(((per, unit) for least, per, unit in _EPOCHS if size >= least), (1, "seconds"))
    origin = values[0]
    since = (values.astype(np.int64) - np.int64(origin) if values.dtype.kind in "iu" else values - origin) / per
    notes = () if per == 1 else (f"{visible(column)}: read as a Unix epoch in {unit}",)
    return since, lambda row: values[row].item(), notes


def _written(series: pd.Series[Any], column: str, place: Callable[[int], str]) -> tuple[Floats, Stamp, tuple[str, ...]]:
    """Times that are written out."""
    import pandas as pd

    texts = series.str.strip()
    # A time begins with its year: pandas takes `now` and `today` for times too, which would then depend on when it is asked.
    odd: Bools = ~texts.str.match(r"\d{4}").to_numpy(dtype=bool)
    if odd.any():
        raise _unreadable(series, odd, column, place)
    try:
        found = pd.to_datetime(texts, format="ISO8601")
    except (ValueError, OverflowError):
        odd = pd.to_datetime(texts, format="ISO8601", utc=True, errors="coerce").isna().to_numpy()
        if odd.any():
            raise _unreadable(series, odd, column, place) from None
        return _mixed(texts, column, place)
    return _since(found), lambda row: str(texts.iloc[row]), ()


def _mixed(texts: pd.Series[Any], column: str, place: Callable[[int], str]) -> tuple[Floats, Stamp, tuple[str, ...]]:
    """Times of several zones, in UTC from here on."""
    import pandas as pd

    zoned = texts.str.contains(_ZONE, regex=True).to_numpy(dtype=bool)
    if not zoned.all():
        i = int(np.argmax(~zoned))
        raise InputError(
            f"{place(i)}: {visible(column)}: `{visible(texts.iloc[i], 40)}` has no zone, and other times have; "
            "write e.g. a Z after those that are in UTC"
        )
    found = pd.to_datetime(texts, format="ISO8601", utc=True)
    notes = (f"{visible(column)}: times of several zones; here all are in UTC",)
    return _since(found), lambda row: found.iloc[row].isoformat().replace("+00:00", "Z"), notes


def _since(series: pd.Series[Any]) -> Floats:
    """Seconds since the first of these dates."""
    since: Floats = (series - series.iloc[0]).dt.total_seconds().to_numpy(dtype=float)
    return since


def _unreadable(series: pd.Series[Any], odd: Bools, column: str, place: Callable[[int], str]) -> InputError:
    i = int(np.argmax(odd))
    return InputError(
        f"{place(i)}: {visible(column)}: cannot read `{visible(str(series.iloc[i]), 40)}` as a time; {_LIKE}"
    )
