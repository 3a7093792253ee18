"""For other programs: the summary as CSV, a run as one labelled dataset, and as Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simlab.base.errors import InputError
from simlab.results.disk import dumps, place, write
from simlab.results.record import Record

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

OVER_TIME = "_over_time"  # what a measure's series is called beside its final value
_COLUMNS = ("control", "arm", "measure", "n", "mean", "median", "p05", "p95", "ci95_low", "ci95_high")
_FORMULA = ("=", "+", "-", "@", "\t", "\n")


def summary_csv(summary: Mapping[str, Any]) -> str:
    """One row per control (empty for none), arm and measure; an undefined number is an empty cell.

    Text that a spreadsheet would read as a formula is quoted with a leading apostrophe.
    """
    return table_csv(_COLUMNS, _rows(summary))


def table_csv(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """A table as CSV; None is an empty cell, and text that a spreadsheet would read as a formula is quoted."""
    file = io.StringIO()
    table = csv.writer(file, lineterminator="\n")
    for row in (columns, *rows):
        table.writerow([_cell(item) for item in row])
    return file.getvalue()


def _rows(summary: Mapping[str, Any]) -> Iterator[list[Any]]:
    groups = {"": summary, **summary.get("controls", {})}
    for control, group in groups.items():
        for arm, measures in group.get("arms", {}).items():
            for measure, found in measures.items():
                low, high = found.get("ci95") or (None, None)
                yield [control, arm, measure, *(found.get(name) for name in _COLUMNS[3:8]), low, high]


def _cell(item: Any) -> str:
    if item is None:
        return ""
    if isinstance(item, str):
        item = item.replace("\r\n", "\n").replace(
            "\r", "\n"
        )  # the csv module does not quote a lone \r, and readers end the row there
        return f"'{item}" if item.startswith(_FORMULA) else item
    return repr(item)


def dataset(record: Record, titles: Mapping[str, str] | None = None) -> xr.Dataset:
    """A run as one labelled dataset, dims arm, replication and time (s).

    For each measure its final value `(arm, replication)` under its name, and `<name>_over_time` `(arm, time, replication)`, float32 (of
    a run with `series: quantiles` `(arm, time, quantile)`); NaN where a replication failed, diverged or is undefined. `harmed` and
    `diverged` `(arm, replication)` are when, in seconds, or NaN for never; `failed` is whether it raised. Each variable has its unit and
    meaning as attributes, and the dataset where it came from, as numbers and text only. `titles` of arms become the coordinate `title`.
    """
    import numpy as np
    import xarray as xr

    final = record.measures
    series = record.series.rename({name: f"{name}{OVER_TIME}" for name in record.series})
    shape = (len(record.arms), record.replications)
    harmed, diverged, failed = np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape, dtype=bool)
    for i, arm in enumerate(record.arms):
        outcome = record.cells[arm]
        diverged[i, outcome.replications] = outcome.diverged
        failed[i, list(outcome.failed)] = True
        for event in outcome.events:
            if event.kind == "harm":
                harmed[i, event.replication] = np.fmin(harmed[i, event.replication], event.time)
    when = ("arm", "replication")
    whole = xr.merge([final, series], join="exact").assign(
        harmed=(when, harmed, {"unit": "s", "about": "when harm began; NaN: never"}),
        diverged=(
            when,
            diverged,
            {"unit": "s", "about": "the recorded instant at which a value was found out of bounds; NaN: never"},
        ),
        failed=(when, failed, {"about": "whether the replication raised an error"}),
    )
    if titles:
        whole = whole.assign_coords(title=("arm", [titles[arm] for arm in record.arms]))
    return whole.assign_attrs(_origin(record))


def to_parquet(record: Record, folder: str | Path) -> list[Path]:
    """Write a run as Parquet into `folder`, each file whole or not at all, and return their paths.

    `measures.parquet` has a row for each arm and replication, `series.parquet` one for each arm, time (s) and replication,
    `events.parquet` one for each event. Units and meanings are kept with the columns, where the run came from with the file. Raises
    InputError without pyarrow, StorageError where the folder cannot be written.
    """
    try:
        import pyarrow as pa
        from pyarrow.parquet import write_table
    except ImportError:
        raise InputError("writing Parquet needs pyarrow: pip install 'simlab[parquet]'") from None
    there, written = place(folder), []
    origin = {"simlab": dumps(_origin(record), short=True)}
    for name, frame in _tables(record):
        table = pa.Table.from_pandas(frame, preserve_index=False)
        known = [record.about.get(str(column)) for column in frame]
        about = [None if one is None else {"unit": one.unit, "about": one.about} for one in known]
        fields = [field.with_metadata(told) for field, told in zip(table.schema, about, strict=True)]
        table = table.cast(pa.schema(fields, metadata={**(table.schema.metadata or {}), **origin}))
        path = there / f"{name}.parquet"
        write(path, lambda file, table=table: write_table(table, file))  # type: ignore[misc]
        written.append(path)
    return written


def _tables(record: Record) -> Iterator[tuple[str, pd.DataFrame]]:
    yield "measures", record.to_pandas()
    last = "quantile" if record.only_quantiles else "replication"
    long = record.series.to_dataframe(dim_order=["arm", "time", last])
    yield "series", long.reset_index()
    yield "events", record.events


def _origin(record: Record) -> dict[str, str | int]:
    """Where a run came from, as far as it is known."""
    known = {
        "scenario": record.manifest.get("scenario"),
        "title": record.summary.get("title") or record.manifest.get("document", {}).get("title"),
        "seed": record.summary.get("seed"),
        "replications": record.replications,
        "simlab": record.manifest.get("version"),
    }
    return {key: value for key, value in known.items() if isinstance(value, str | int)}
