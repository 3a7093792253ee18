"""A sweep's directory: a run directory for each point, and what they say together, as `sweep.json` and `sweep.csv`.

`design.json` says whose directory it is; it is written first, and without it nothing is. A point's directory is a finished run like
any other, so a sweep that was interrupted goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simlab.base.errors import InputError, StorageError
from simlab.results import disk
from simlab.results.differences import differences
from simlab.results.export import table_csv
from simlab.results.store import BUSY_AFTER

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

FORMAT = 1
DESIGN, DATA, TABLE, TIMINGS = "design.json", "sweep.json", "sweep.csv", "timings.json"
STUDIES = "studies"  # where a run keeps the sweeps that belong to it
NUMBERS = ("n", "diverged", "failed", "value", "low", "high", "difference", "difference_low", "difference_high")


@contextmanager
def held(folder: str | Path, design: Mapping[str, Any], replace: bool = False) -> Iterator[Path]:
    """A sweep's directory, ours alone to write within the block, with its `design.json`.

    With `replace` another design that is there gives way, and its points stay. An InputError in the block leaves nothing behind of a
    sweep that was begun in it and has no point. Raises StorageError where the directory is busy, holds
    another sweep or foreign files, or cannot be written.
    """
    from filelock import FileLock, Timeout

    path = disk.directory(folder)
    there = _look_around(path)
    with disk.storage(path):
        made = disk.unmade(path)
        path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path / ".lock", timeout=BUSY_AFTER)
        try:
            lock.acquire()
        except Timeout:
            raise StorageError(f"{path}: busy, another simlab is writing there; wait for it") from None
    try:
        here = disk.plain(design)
        there = _look_around(path)
        with disk.storage(path):
            disk.sweep(path)
        if there is not None and there != here and not replace:
            changed = differences(there, here) or ["  the order of keys"]
            raise StorageError(
                f"{path}: holds another sweep (there -> here):\n"
                + "\n".join(changed)
                + "\nchoose another directory with --out"
            )
        if there != here:
            with disk.storage(path):
                for name in (DATA, TABLE, TIMINGS):
                    (path / name).unlink(missing_ok=True)
            disk.write(path / DESIGN, disk.text(disk.seal(here)))
        try:
            yield path
        except InputError:
            if there is None and {each.name for each in path.iterdir()} <= {DESIGN, ".lock"}:
                (path / DESIGN).unlink(missing_ok=True)
                (path / ".lock").unlink(missing_ok=True)
                disk.unmake(made)
            raise
    finally:
        lock.release()


def _look_around(path: Path) -> dict[str, Any] | None:
    """The design of the sweep that is there, if one is. Refuses what is not a directory of our own."""
    with disk.storage(path):
        if path.is_symlink():
            raise StorageError(f"{path}: a symbolic link; name the directory itself")
        if not path.exists():
            return None
        if not path.is_dir():
            raise StorageError(f"{path}: a file; --out names a directory")
        if (path / DESIGN).exists():
            return disk.recognised(path / DESIGN)
        names = sorted(p.name for p in path.iterdir() if p.name != ".lock" and not disk.is_temporary(p.name))
    if names:
        more = ", ..." if len(names) > 3 else ""
        raise StorageError(
            f"{path}: holds files that are not a sweep's ({', '.join(names[:3])}{more}); choose an empty directory"
        )
    return None


def finish(path: Path, document: Mapping[str, Any], *, played: bool = True) -> None:
    """Store what the points say together; the same document gives the same bytes. `timings.json` says when they were last
    `played` or, where nobody kept that, first asked.
    """
    document = disk.plain(document, lambda _: None)
    disk.write(path / TABLE, disk.text(table(document)))
    if played or not (path / TIMINGS).exists():
        disk.write(path / TIMINGS, disk.text(disk.dumps({"finished": disk.now()})))
    disk.write(path / DATA, disk.text(disk.seal(document)))


def table(document: Mapping[str, Any]) -> str:
    """What `sweep.csv` holds: one row for each point and arm."""
    return table_csv(*_table(document))


def read(path: str | Path) -> dict[str, Any]:
    """The document of a finished sweep. Raises StorageError when it is damaged, of another format, or not there."""
    path = disk.directory(path)
    if not (path / DATA).is_file():
        begun = (path / DESIGN).is_file()
        what = (
            "this sweep is not finished; the command that began it resumes it"
            if begun
            else "not a sweep (it has no sweep.json)"
        )
        raise StorageError(f"{path}: {what}")
    found = disk.unseal(path / DATA)
    if found.get("format") != FORMAT:
        raise StorageError(f"{path}: stored in format {found.get('format')}; this simlab reads format {FORMAT}")
    return found


def place_of(run: Path, name: str) -> Path:
    """Where a run keeps a sweep of its own. Raises StorageError where that leads out of it."""
    folder = run / STUDIES
    if folder.is_symlink():
        raise StorageError(f"{folder}: is a link; studies are kept only in the run's own directory")
    return folder / name


def of_run(run: Path | None) -> dict[str, Path]:
    """The finished sweeps that a run keeps, by name; links that lead elsewhere are not followed."""
    folder = None if run is None else run / STUDIES
    if folder is None or folder.is_symlink() or not folder.is_dir():
        return {}
    with disk.storage(folder):
        inside = sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())
    return {path.name: path for path in inside if (path / DATA).is_file()}


def _table(document: Mapping[str, Any]) -> tuple[list[str], list[list[Any]]]:
    """One row for each point and arm."""
    names = [axis["name"] for axis in document["axes"]]
    rows = []
    for row in document["rows"]:
        for arm, found in row["arms"].items():
            low, high = found["ci95"] or (None, None)
            below, above = found["difference_ci95"] or (None, None)
            numbers = [*(found[key] for key in NUMBERS[:4]), low, high, found["difference"], below, above]
            rows.append([row["point"], *map(_cell, row["values"]), arm, *numbers, found["clear"]])
    return ["point", *names, "arm", *NUMBERS, "clear"], rows


def _cell(value: Any) -> Any:
    """A value of an axis as a label: a list or a mapping as JSON."""
    return disk.dumps(value, short=True) if isinstance(value, list | dict) else value


def frame(document: Mapping[str, Any]) -> pd.DataFrame:
    """One row for each point and arm; columns: point, the axes, arm, the numbers, and whether the difference is clear of 0."""
    import pandas as pd

    columns, rows = _table(document)
    return pd.DataFrame(rows, columns=columns)


def cube(document: Mapping[str, Any]) -> xr.Dataset:
    """The numbers with the axes of a grid and `arm` as dims; of another design, with `point` and `arm`, and the axes along `point`."""
    import numpy as np
    import xarray as xr

    _, rows = _table(document)
    arms = [arm["name"] for arm in document["arms"]]
    axes = document["axes"]
    points = len(document["rows"])
    first = 1 + len(axes) + 1
    table = np.array([[np.nan if x is None else float(x) for x in row[first:]] for row in rows])
    blocks = table.reshape(points, len(arms), len(NUMBERS) + 1)
    coords: dict[str, Any] = {"arm": arms}
    dims: tuple[str, ...] = ("point", "arm")
    shape: Sequence[int] = (points, len(arms))
    if document["design"] == "grid" and axes:
        dims = (*(axis["name"] for axis in axes), "arm")
        shape = (*(len(axis["values"]) for axis in axes), len(arms))
        coords |= {axis["name"]: list(map(_cell, axis["values"])) for axis in axes}
    else:
        coords |= {"point": np.arange(points)}
        for i, axis in enumerate(axes):
            coords[axis["name"]] = ("point", [_cell(row["values"][i]) for row in document["rows"]])
    names = (*NUMBERS, "clear")
    return xr.Dataset({name: (dims, blocks[..., i].reshape(shape)) for i, name in enumerate(names)}, coords)
