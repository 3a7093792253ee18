"""Parts: the outcome of one cohort as bytes and back, and how the parts of a cell become one outcome."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from simlab.base.arrays import Array, Floats
from simlab.base.errors import StorageError
from simlab.lab.outcome import LEVELS, Event, Outcome, Tally
from simlab.results import disk

NAME = re.compile(r"(\d{4})\.(\d{8})-(\d{8})\.([0-9a-f]{16})\.npz")  # cell, first, stop, checksum


class Stretch(NamedTuple):
    """Replications `first` to `stop` - 1 of one cell."""

    cell: str
    first: int
    stop: int


def whole(path: Path) -> bool:
    """Whether a part is as it was written: its name carries its checksum."""
    match = NAME.fullmatch(path.name)
    return match is not None and disk.digest(path).startswith(match[4])


def encode(run: str, cell: str, outcome: Outcome) -> bytes:
    """One cohort's outcome as the bytes of an NPZ; its events and failures ride inside as JSON."""
    words = {"run": run, "cell": cell, "events": [e._asdict() for e in outcome.events], "failed": outcome.failed}
    return disk.packed(
        [
            ("words", np.frombuffer(disk.dumps(disk.plain(words), short=True).encode(), np.uint8)),
            ("replications", outcome.replications.astype(np.int64)),
            ("times", outcome.times.astype(np.float64)),
            ("diverged", outcome.diverged.astype(np.float64)),
            ("alike", outcome.alike.astype(np.float32)),
            *((f"measures/{name}", values.astype(np.float64)) for name, values in outcome.measures.items()),
            *((f"series/{name}", values.astype(np.float32)) for name, values in outcome.series.items()),
            *((f"tallies/{name}/{what}", a) for name, t in outcome.tallies.items() for what, a in t._asdict().items()),
        ]
    )


def decode(path: Path, run: str, cell: str) -> Outcome:
    """The outcome in a part. Raises StorageError when the part belongs to another run or cell."""
    with disk.storage(path):
        arrays = disk.unpack(path.read_bytes(), path)
    words = json.loads(arrays.pop("words").tobytes())
    if (words["run"], words["cell"]) != (run, cell):
        raise StorageError(f"{path}: a part of `{words['cell']}` of run {words['run']}, not of `{cell}` of run {run}")
    return Outcome(
        replications=arrays["replications"],
        measures={key.removeprefix("measures/"): a for key, a in arrays.items() if key.startswith("measures/")},
        times=arrays["times"],
        series={key.removeprefix("series/"): a for key, a in arrays.items() if key.startswith("series/")},
        events=[event(row) for row in words["events"]],
        diverged=arrays["diverged"],
        failed={int(number): why for number, why in words["failed"].items()},
        alike=arrays["alike"],
        tallies={
            key.split("/")[1]: Tally(array, arrays[key.removesuffix("keys") + "counts"])
            for key, array in arrays.items()
            if key.startswith("tallies/") and key.endswith("/keys")
        },
    )


def unplayed(gap: Stretch, why: str) -> Outcome:
    """The outcome of replications that could not be played: all failed, for the same reason."""
    numbers = np.arange(gap.first, gap.stop)
    nothing = np.full(len(numbers), np.nan)
    return Outcome(numbers, {}, np.zeros(0), {}, [], nothing, dict.fromkeys(numbers.tolist(), why))


def measure_arrays(cells: Mapping[str, Outcome]) -> Iterator[tuple[str, Array]]:
    """What `measures.npz` holds: "<cell>/<measure>" `(n,)`, "<cell>/@diverged" and "<cell>/@alike"; no measure is called like that."""
    for cell, outcome in cells.items():
        yield f"{cell}/@diverged", outcome.diverged
        yield f"{cell}/@alike", outcome.alike
        yield from ((f"{cell}/{name}", values) for name, values in outcome.measures.items())


def series_arrays(cells: Mapping[str, Outcome]) -> Iterator[tuple[str, Array]]:
    """What `series.npz` holds: "<cell>/<measure>" `(t, n)` float32, and "<cell>/@times" `(t,)` in seconds.

    Of a cell with quantiles in the place of series these, `(t, q)`, and their levels as "<cell>/@levels" `(q,)`.
    """
    for cell, outcome in cells.items():
        yield f"{cell}/@times", outcome.times
        if outcome.quantiles:
            yield f"{cell}/@levels", LEVELS
        yield from ((f"{cell}/{name}", values) for name, values in (outcome.series or outcome.quantiles).items())


def event_lines(cells: Mapping[str, Outcome]) -> str:
    """What `events.jsonl` holds: one JSON object a line, by cell, replication and time."""
    rows = ({"cell": cell, **event._asdict()} for cell, outcome in cells.items() for event in outcome.events)
    return "".join(disk.dumps(disk.plain(row), short=True) + "\n" for row in rows)


def failed_text(cells: Mapping[str, Outcome]) -> str:
    """What `failed.json` holds: cell -> replication -> why."""
    return disk.dumps(disk.plain({cell: outcome.failed for cell, outcome in cells.items() if outcome.failed}))


def event(row: Mapping[str, Any]) -> Event:
    """An event as it was stored; nan and inf are stored by name, since JSON has no such numbers."""
    return Event(**{**row, "time": float(row["time"]), "value": float(row["value"])})


def merged(outcomes: Sequence[Outcome], replications: int, declared: Iterable[str]) -> Outcome:
    """One outcome over replications 0 to n-1 out of those of its cohorts, whatever their sizes and order.

    What no cohort tells is NaN. Every NaN has the same bits: they depend on the instruction that made it.
    """
    times = max((outcome.times for outcome in outcomes), key=len, default=np.zeros(0))
    first = list(declared)
    drawn = _in_order({name for outcome in outcomes for name in outcome.series}, first)
    told = _in_order({name for outcome in outcomes for name in outcome.measures} or set(first), first)
    measures: dict[str, Floats] = {name: np.full(replications, np.nan) for name in told}
    series = {name: np.full((len(times), replications), np.nan, np.float32) for name in drawn}
    diverged = np.full(replications, np.nan)
    shape = max((outcome.alike.shape[1:] for outcome in outcomes), default=(0, 0))
    alike = np.full((replications, *shape), np.nan, np.float32)
    events: list[Event] = []
    failed: dict[int, str] = {}
    for outcome in outcomes:
        where = outcome.replications
        diverged[where] = _quiet(outcome.diverged)
        if outcome.alike.size:
            alike[where] = _quiet(outcome.alike)
        for name, values in outcome.measures.items():
            measures[name][where] = _quiet(values)
        for name, block in outcome.series.items():
            series[name][: len(outcome.times), where] = _quiet(block)
        events += outcome.events
        failed |= outcome.failed
    events.sort(key=lambda event: (event.replication, event.time))
    failed = dict(sorted(failed.items()))
    return Outcome(np.arange(replications), measures, times, series, events, diverged, failed, alike)


def _in_order(names: set[str], declared: list[str]) -> list[str]:
    return [*(name for name in declared if name in names), *sorted(names.difference(declared))]


def _quiet(values: Array) -> Array:
    return np.where(np.isnan(values), values.dtype.type(np.nan), values)
