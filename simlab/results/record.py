"""Record: what a run left behind, as labelled arrays with their provenance. It draws nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np

from simlab.base.arrays import Array
from simlab.base.errors import InputError, StorageError, did_you_mean
from simlab.base.world import Measure
from simlab.lab.outcome import LEVELS, Event, Outcome
from simlab.results.disk import digest, directory, readable, storage, unpack, unseal
from simlab.results.parts import event

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

FORMAT = 2
DATA = ("measures.npz", "series.npz", "events.jsonl", "failed.json")
SUMMARY = ("summary.json", "summary.csv")
AGAIN = "the command that made it, given again, plays what can no longer be read"


def rebuilt(path: Path) -> str:
    """What to do where only the manifest of a run is damaged."""
    return (
        f"the command that made the run (its report.html, if there is one, tells it), given again with --out {path}, writes it anew "
        "where all else is whole, by the same simlab on the same machine"
    )


def cell_key(arm: str, control: str | None = None) -> str:
    """The name of an arm played plainly ("isolated") or under a control ("feedback_off:isolated")."""
    return f"{control}:{arm}" if control else arm


@final
@dataclass(frozen=True, eq=False)
class Record:
    """Every arm's outcome over all replications, plain and under each control.

    `cells` maps a cell key to its Outcome, whose replications are 0 to n-1; the labelled faces (`measures`,
    `series`, `events`, ...) show the plain arms, and `control(name)` gives the same faces for a control.
    `summary` is empty until the run has been summarised, and `path` is None for a record held in memory.
    """

    cells: Mapping[str, Outcome]
    arms: tuple[str, ...]
    controls: tuple[str, ...] = ()
    about: Mapping[str, Measure] = field(default_factory=dict)
    manifest: Mapping[str, Any] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    path: Path | None = None

    @classmethod
    def of(
        cls,
        cells: Mapping[str, Outcome],
        arms: Sequence[str],
        controls: Sequence[str] = (),
        about: Mapping[str, Measure] | None = None,
    ) -> Record:
        """A record held in memory."""
        return cls(dict(cells), tuple(arms), tuple(controls), dict(about or {}))

    @classmethod
    def open(cls, path: str | Path) -> Record:
        """The record of a finished run directory; every file is held against its checksum first.

        Raises StorageError naming the files that are missing or damaged, or what the directory is instead.
        """
        path = directory(path)
        try:
            return cls._read(path, verify(path))
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
            # checksums are whole, so nothing was damaged: somebody wrote it who is not simlab
            raise StorageError(f"{path}: not a run that simlab wrote ({type(error).__name__}: {error})") from error

    @classmethod
    def _read(cls, path: Path, manifest: dict[str, Any]) -> Record:
        if not isinstance(manifest["document"], dict) or not isinstance(manifest["scenario"], str):
            raise TypeError("its manifest holds no scenario")
        if missing := [arm for arm in manifest["arms"] if arm not in manifest["cells"]]:
            raise ValueError(f"arm {missing[0]!r:.60} was not played")
        with storage(path):
            has_summary = "summary.json" in manifest["files"]
            summary = json.loads((path / "summary.json").read_bytes()) if has_summary else {}
        if not isinstance(summary, dict):
            raise TypeError("its summary is no mapping")
        cells = _cells(path, manifest["cells"], *(unpack(path / name, path / name) for name in DATA[:2]))
        about = {
            name: Measure(**{**facts, "bound": float(facts["bound"])}) for name, facts in manifest["measures"].items()
        }
        return cls(cells, tuple(manifest["arms"]), tuple(manifest["controls"]), about, manifest, summary, path)

    def control(self, name: str) -> Record:
        """The arms as they were played under a control. Raises InputError for a control that was not played."""
        if name not in self.controls:
            raise InputError(f"unknown control `{name}`; {did_you_mean(name, self.controls)}")
        cells = {arm: self.cells[cell_key(arm, name)] for arm in self.arms if cell_key(arm, name) in self.cells}
        summary = self.summary.get("controls", {}).get(name, {})
        return Record(cells, tuple(cells), (), self.about, self.manifest, summary, self.path)

    @cached_property
    def replications(self) -> int:
        """How many replications each arm was played."""
        return max((len(outcome.replications) for outcome in self.cells.values()), default=0)

    @cached_property
    def measures(self) -> xr.Dataset:
        """Final values, dims (arm, replication); NaN where a replication failed, diverged or is undefined."""
        import xarray as xr

        shape = (len(self.arms), self.replications)
        data = {}
        for name in self._names("measures"):
            values = np.full(shape, np.nan)
            for row, outcome in zip(values, self._outcomes, strict=True):
                row[outcome.replications] = outcome.measures.get(name, np.nan)
            data[name] = (("arm", "replication"), values, self._attributes(name))
        return xr.Dataset(data, {"arm": list(self.arms), "replication": np.arange(self.replications)})

    @cached_property
    def series(self) -> xr.Dataset:
        """Values over time, float32, dims (arm, time, replication); time in seconds.

        Of a run with `series: quantiles` their quantiles over the replications, dims (arm, time, quantile).
        """
        import xarray as xr

        times = np.unique(np.concatenate([outcome.times for outcome in self._outcomes] or [np.zeros(0)]))
        data = {}
        kept, last = ("quantiles", "quantile") if self.only_quantiles else ("series", "replication")
        numbers: Array = LEVELS if self.only_quantiles else np.arange(self.replications)
        for name in self._names(kept):
            values = np.full((len(self.arms), len(times), len(numbers)), np.nan, np.float32)
            for block, outcome in zip(values, self._outcomes, strict=True):
                drawn = getattr(outcome, kept)
                if name in drawn:
                    across = np.arange(len(numbers)) if self.only_quantiles else outcome.replications
                    block[np.ix_(np.searchsorted(times, outcome.times), across)] = drawn[name]
            data[name] = (("arm", "time", last), values, self._attributes(name))
        time = ("time", times, {"unit": "s"})
        return xr.Dataset(data, {"arm": list(self.arms), "time": time, last: numbers})

    @property
    def only_quantiles(self) -> bool:
        """Whether quantiles over the replications are all that was kept of series."""
        return any(outcome.quantiles for outcome in self.cells.values())

    @cached_property
    def events(self) -> pd.DataFrame:
        """What happened: columns arm, replication, time (s), kind, name, model (-1: all), value."""
        import pandas as pd

        rows = [(arm, *event) for arm in self.arms for event in self.cells[arm].events]
        return pd.DataFrame(rows, columns=["arm", *Event._fields])

    @cached_property
    def claims(self) -> pd.DataFrame:
        """The scenario's claims with what was found; empty until the run has been summarised."""
        import pandas as pd

        return pd.DataFrame(self.summary.get("claims", []))

    def to_pandas(self) -> pd.DataFrame:
        """One row per arm and replication: columns arm, replication and the measures."""
        import pandas as pd

        outcomes = self._outcomes
        columns: dict[str, Array] = {
            "arm": np.repeat(np.array(self.arms, dtype=object), [len(outcome.replications) for outcome in outcomes]),
            "replication": _end_to_end([outcome.replications for outcome in outcomes], np.int64),
        }
        for name in self._names("measures"):
            values = [outcome.measures.get(name, np.full(len(outcome.replications), np.nan)) for outcome in outcomes]
            columns[name] = _end_to_end(values, np.float64)
        return pd.DataFrame(columns)

    @cached_property
    def _outcomes(self) -> list[Outcome]:
        return [self.cells[arm] for arm in self.arms]

    def _names(self, what: str) -> list[str]:
        return list(dict.fromkeys(name for outcome in self._outcomes for name in getattr(outcome, what)))

    def _attributes(self, name: str) -> dict[str, str]:
        known = self.about.get(name)
        return {"unit": known.unit, "about": known.about} if known else {}


def verify(path: Path) -> dict[str, Any]:
    """The manifest of a finished run directory, once every file it lists has its checksum.

    Raises StorageError naming every file that is missing or damaged.
    """
    if not (path / "manifest.json").is_file():
        if (path / "parts" / "run.json").is_file():
            raise StorageError(f"{path}: this run is not finished; the command that began it resumes it")
        raise StorageError(f"{path}: not a run directory (it has no manifest.json)")
    try:
        manifest = unseal(path / "manifest.json")
    except StorageError as error:
        raise StorageError(f"{error}; {rebuilt(path)}") from None
    if manifest.get("format") != FORMAT:
        raise StorageError(f"{path}: stored in format {manifest.get('format')}; this simlab reads format {FORMAT}")
    wrong = [f"{path / name} {why}" for name, why in damaged(path, manifest).items()]
    if wrong:
        raise StorageError("; ".join(wrong) + f"; {AGAIN}")
    return manifest


def damaged(path: Path, manifest: Mapping[str, Any]) -> dict[str, str]:
    """The files of a run that are not as its manifest says, and what is wrong with each."""
    wrong = {}
    for name, checksum in manifest["files"].items():
        file = path / name
        if name not in DATA + SUMMARY or not file.is_file():
            wrong[name] = "is missing"
        else:
            with storage(file):
                if digest(file) != checksum:
                    wrong[name] = "is damaged: its checksum does not match"
    return wrong


def salvaged(path: Path, manifest: Mapping[str, Any], wrong: Iterable[str]) -> dict[str, Outcome]:
    """The cells of a damaged run, `wrong` in some files, that can still be read whole.

    Arrays have a checksum each; events and failures have none, so where those are damaged nothing can be trusted.
    """
    if {"events.jsonl", "failed.json"} & set(wrong):
        return {}
    kept, lost = [], set()
    for name in DATA[:2]:
        try:
            arrays, unreadable = readable(path / name)
        except StorageError:
            return {}
        kept.append(arrays)
        lost |= {key.rpartition("/")[0] for key in unreadable}
    if not lost <= set(manifest["cells"]):  # a name is damaged, and nobody knows whose array that was
        return {}
    return _cells(path, [cell for cell in manifest["cells"] if cell not in lost], *kept)


def _cells(
    path: Path, names: Sequence[str], measures: Mapping[str, Array], series: Mapping[str, Array]
) -> dict[str, Outcome]:
    """The outcomes of some cells, out of all arrays and the events and failures beside them."""
    events: dict[str, list[Event]] = {cell: [] for cell in names}
    with storage(path):
        lines = (path / "events.jsonl").read_text("utf-8").splitlines()
        failed = json.loads((path / "failed.json").read_bytes())
    for line in lines:
        row = json.loads(line)
        events.get(row.pop("cell"), []).append(event(row))
    cells = {}
    for cell in names:
        own = _under(measures, cell)
        drawn = _under(series, cell)
        diverged, alike, times = own.pop("@diverged"), own.pop("@alike"), drawn.pop("@times")
        levels = drawn.pop("@levels", None)  # values over time are kept as quantiles
        _fit(cell, diverged, times, alike, own, drawn, None if levels is None else len(levels))
        cells[cell] = Outcome(
            replications=np.arange(len(diverged)),
            measures=own,
            times=times,
            series=drawn if levels is None else {},
            quantiles={} if levels is None else drawn,
            events=events[cell],
            diverged=diverged,
            failed={int(number): why for number, why in failed.get(cell, {}).items()},
            alike=alike,
        )
    return cells


def _under(arrays: Mapping[str, Array], cell: str) -> dict[str, Array]:
    return {key.rpartition("/")[2]: array for key, array in arrays.items() if key.rpartition("/")[0] == cell}


def _fit(
    cell: str,
    diverged: Array,
    times: Array,
    alike: Array,
    final: Mapping[str, Array],
    drawn: Mapping[str, Array],
    levels: int | None,
) -> None:
    """Raise ValueError unless the arrays of a cell are numbers of shapes that go together."""
    (n,), (t,) = diverged.shape, times.shape
    across = n if levels is None else levels
    wanted = [(diverged, (n,)), (times, (t,)), (alike, (n, *alike.shape[1:]))]
    wanted += [(array, (n,)) for array in final.values()] + [(array, (t, across)) for array in drawn.values()]
    for array, shape in wanted:
        if array.dtype.kind != "f" or array.shape != shape:
            raise ValueError(f"`{cell}`: an array of {array.dtype} {array.shape} where numbers {shape} are wanted")


def _end_to_end(arrays: list[Array], kind: type[np.generic]) -> Array:
    return np.concatenate(arrays) if arrays else np.zeros(0, kind)
