"""Tables for other programs: the summary as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_COLUMNS = ("control", "arm", "measure", "n", "mean", "median", "p05", "p95", "ci95_low", "ci95_high")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


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
        return f"'{item}" if item.startswith(_FORMULA) else item
    return repr(item)
