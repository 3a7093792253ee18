"""Whether what a run or a sweep left on the disk is still what was written there: every checksum that there is, looked at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from simlab.base.errors import StorageError
from simlab.results import disk, sweeps
from simlab.results.parts import NAME, whole
from simlab.results.record import DATA, FORMAT, damaged, rebuilt

ANEW = "move it away, and the command that made it begins anew"


class Checked(NamedTuple):
    """A directory whose files were held against their checksums.

    `wrong` says in a line each what is damaged, and `anew` what to do where nobody can tell any more what the directory held.
    """

    path: Path
    kind: str  # "run" or "sweep"
    finished: bool
    files: int
    size: int  # bytes
    wrong: tuple[str, ...]
    anew: str = ""


def check(path: str | Path) -> list[Checked]:
    """A run with the studies in it, or a sweep with its points; the directory itself comes first.

    Raises StorageError for a directory that is neither, or cannot be read.
    """
    path = disk.directory(path)
    with disk.storage(path):
        if (path / sweeps.DESIGN).is_file():
            return list(_sweep(path))
        if _is_run(path):
            return list(_run(path))
        there = path.is_dir()
    raise StorageError(
        f"{path}: {'neither a run nor a sweep' if there else 'not a directory' if path.exists() else 'no such directory'}"
    )


def _is_run(path: Path) -> bool:
    return (path / "manifest.json").is_file() or (path / "parts" / "run.json").is_file()


def _run(path: Path) -> Iterator[Checked]:
    parts = sorted(file for file in path.glob("parts/*.npz") if NAME.fullmatch(file.name))
    wrong = [f"{file} is damaged: its name no longer fits what it holds" for file in parts if not whole(file)]
    looked, sealed = (
        list(parts),
        [file for file in (path / "parts" / "run.json", path / "manifest.json") if file.is_file()],
    )
    anew: list[str] = []
    way_out = ""
    finished = False
    for file in sealed:
        looked.append(file)
        try:
            found = disk.unseal(file)
        except StorageError as error:
            anew.append(str(error))
            way_out = (
                f"{rebuilt(path)}; where that is refused, {ANEW}"
                if file.name == "manifest.json" and not way_out
                else ANEW
            )
            continue
        if found.get("format") != FORMAT:
            raise StorageError(f"{path}: stored in format {found.get('format')}; this simlab reads format {FORMAT}")
        if file.name == "manifest.json":
            finished = not found["lost"]
            bad = damaged(path, found)
            looked += [path / name for name in found["files"] if (path / name).is_file()]
            wrong += [f"{path / name} {why}" for name, why in bad.items()]
            wrong += [why for name in DATA[:2] if name not in bad for why in _strange(path / name)]
    studies = sorted(folder for folder in path.glob(f"{sweeps.STUDIES}/*/") if not folder.is_symlink())
    for file in (file for folder in studies for file in sorted(folder.glob("readiness_*.json"))):
        looked.append(file)
        try:
            disk.unseal(file)
        except StorageError as error:
            wrong.append(str(error))
    yield Checked(path, "run", finished, len(looked), _size(looked), (*anew, *wrong), way_out)
    for folder in studies:
        if (folder / sweeps.DESIGN).is_file():
            yield from _sweep(folder)


def _strange(file: Path) -> Iterator[str]:
    """What is no damage, and yet not simlab's: anything but plain arrays, such as a pickle, which is not run."""
    try:
        _, odd = disk.readable(file)
    except StorageError as error:
        yield str(error)
        return
    yield from (f"{file} holds `{name}`, which is no array that simlab wrote" for name in odd)


def _sweep(path: Path) -> Iterator[Checked]:
    looked, wrong, anew = [path / sweeps.DESIGN], [], []
    try:
        disk.unseal(path / sweeps.DESIGN)
    except StorageError as error:
        anew.append(str(error))
    finished = (path / sweeps.DATA).is_file()
    if finished:
        looked += [file for file in (path / sweeps.DATA, path / sweeps.TABLE) if file.is_file()]
        try:
            document = sweeps.read(path)
        except StorageError as error:
            wrong.append(str(error))
        else:
            table = path / sweeps.TABLE
            if not table.is_file():
                wrong.append(f"{table} is missing")
            elif table.read_text("utf-8", errors="replace") != sweeps.table(document):
                wrong.append(f"{table} is damaged: it does not say what {sweeps.DATA} says")
            gone = {row["run"] for row in document["rows"] if not (path / row["run"]).is_dir()}
            wrong += [f"{path / run} is missing" for run in sorted(gone)]
    yield Checked(path, "sweep", finished, len(looked), _size(looked), (*anew, *wrong), ANEW if anew else "")
    for point in sorted(path.iterdir()):
        if not point.is_symlink() and _is_run(point):
            yield from _run(point)


def _size(files: list[Path]) -> int:
    return sum(file.stat().st_size for file in files)
