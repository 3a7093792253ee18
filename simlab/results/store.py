"""The store: a run directory that a crash at any instant leaves either resumable or done, and never torn.

While a run goes on, `DIR/parts/` holds `run.json` (which run this is) and one file for each cell and range of
replications, whose name carries its checksum: a torn or flipped part is found, and played again. At
the end the parts are merged by replication into `measures.npz`, `series.npz`, `events.jsonl` and `failed.json`, whose
bytes depend neither on the cohorts nor on interruptions; then `manifest.json` is written, and the parts go.
A directory with a manifest is done. Nothing that simlab did not write is ever touched.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np

from simlab.base.errors import InputError, StorageError
from simlab.base.world import Measure
from simlab.lab.outcome import Outcome
from simlab.lab.tallies import gathered, quantiles
from simlab.results import disk, provenance
from simlab.results.differences import differences
from simlab.results.export import summary_csv
from simlab.results.parts import (
    NAME,
    Stretch,
    decode,
    encode,
    event_lines,
    failed_text,
    measure_arrays,
    merged,
    series_arrays,
    unplayed,
    whole,
)
from simlab.results.record import DATA, FORMAT, SUMMARY, Record, cell_key, damaged, salvaged

BUSY_AFTER = 0.5  # seconds to wait for another writer before saying that the directory is busy
SHARDS = "shards"  # where a run that is played in shards keeps them
_PART = re.compile(r"(\d{4})\.(\d{8})-(\d{8})\.([0-9a-f]{16})\.npz")
_log = logging.getLogger(__name__)  # where nobody listens, a warning goes to stderr, as a plain line


def run_hash(resolved: Mapping[str, Any], seed: int, replications: int, version: str) -> str:
    """12 hexadecimal digits that name a run: never the jobs, nor the size of cohorts."""
    document = disk.plain([resolved, seed, replications, version])
    return hashlib.sha256(disk.dumps(document, short=True).encode()).hexdigest()[:12]


def run_directory(scenario: str, run: str, out: str | Path | None = None) -> Path:
    """Where a run is kept: `out` itself, or `results/<scenario>/<run>` with the name confined to that folder."""
    if out is not None:
        return Path(out)
    return Path("results", re.sub(r"[^\w-]+", "_", scenario)[:80] or "scenario", run)


class Run(NamedTuple):
    """What is being run: enough to recognise it again, and to label what it leaves behind."""

    scenario: str
    document: Mapping[str, Any]
    seed: int
    replications: int
    version: str
    arms: tuple[str, ...]
    controls: Mapping[str, tuple[str, ...]]  # control -> the arms played under it
    measures: Mapping[str, Measure]

    @property
    def hash(self) -> str:
        """The run's name."""
        return run_hash(self.document, self.seed, self.replications, self.version)

    @property
    def cells(self) -> tuple[str, ...]:
        """Every arm played plainly, then every arm under each control."""
        played = (cell_key(arm, control) for control, arms in self.controls.items() for arm in arms)
        return (*self.arms, *played)


@final
class Store:
    """One run's directory, open for one writer.

        with Store(path, run) as store:
            for cell, first, stop in store.missing():
                store.keep(cell, play(...))
            record = store.merge()
            record = store.finish(summary)

    Entering raises StorageError when the directory is busy, holds another run or foreign files, or cannot be
    written. An InputError in the block leaves nothing behind of a run that was begun in it and of which nothing was kept.
    `at` is told of every instant at which a crash would leave something else on the disk.
    """

    def __init__(self, path: str | Path, run: Run, at: disk.Hook = disk.unwatched) -> None:
        from filelock import FileLock

        self.path = disk.directory(path)
        self.run = run
        self.done = False  # every cohort was played, merged, and has its manifest
        self._parts = self.path / "parts"
        self._manifest_path = self.path / "manifest.json"
        self._at = at
        self._record: Record | None = None
        self._made: list[Path] | None = None  # here, with the files beside the parts, where this run is new
        self._beside: list[Path] = []
        with disk.storage(self.path):
            self._lock = FileLock(self.path / ".lock", timeout=BUSY_AFTER)

    def __enter__(self) -> Store:
        from filelock import Timeout

        self._look_around()
        with disk.storage(self.path):
            made = disk.unmade(self.path)
            self.path.mkdir(parents=True, exist_ok=True)
            try:
                self._lock.acquire()
            except Timeout:
                raise StorageError(f"{self.path}: busy, another simlab is writing there; wait for it") from None
        try:
            new = self._recognise()
        except BaseException:
            self._lock.release()
            raise
        self._made = made if new else None
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and issubclass(kind, InputError) and self._made is not None and not self.done:
            self._withdraw(self._made)
        self._lock.release()

    def missing(self, replications: int | None = None) -> list[Stretch]:
        """The replications that are still to be played, cell by cell; of the first so many only."""
        if self.done:
            return []
        gaps = []
        kept = self._kept()
        n = self.run.replications if replications is None else replications
        for cell in self.run.cells:
            reached = 0
            for first, stop, _ in [*(part for part in kept[cell] if part[1] <= n), (n, n, None)]:
                if first > reached:
                    gaps.append(Stretch(cell, reached, first))
                reached = stop
        return gaps

    def keep(self, cell: str, outcome: Outcome) -> None:
        """Store the outcome of one cohort; its replications are consecutive."""
        first, stop = int(outcome.replications[0]), int(outcome.replications[-1]) + 1
        if not np.array_equal(outcome.replications, np.arange(first, stop)):
            raise ValueError(f"{cell}: the replications of a cohort must be consecutive, not {outcome.replications}")
        content = encode(self.run.hash, cell, outcome)
        checksum = hashlib.sha256(content).hexdigest()[:16]
        name = f"{self.run.cells.index(cell):04d}.{first:08d}-{stop:08d}.{checksum}.npz"
        disk.write(self._parts / name, lambda file: file.write(content), self._at, label="part")

    def outcomes(self) -> Iterator[tuple[str, Outcome]]:
        """What was kept, cohort by cohort, each with its cell."""
        for cell, parts in self._kept().items():
            for _, _, path in parts:
                yield cell, decode(path, self.run.hash, cell)

    def so_far(
        self, cells: Iterable[str], replications: int, lost: Mapping[Stretch, str] | None = None
    ) -> dict[str, Outcome]:
        """What was kept of the first replications of some cells, without their series; what is `lost` is failed."""
        kept = self._kept()
        found = {}
        for cell in cells:
            outcomes = [decode(path, self.run.hash, cell) for _, stop, path in kept[cell] if stop <= replications]
            outcomes = [outcome._replace(series={}, tallies={}, times=outcome.times[:0]) for outcome in outcomes]
            outcomes += [unplayed(gap, why) for gap, why in (lost or {}).items() if gap.cell == cell]
            found[cell] = merged(outcomes, replications, self.run.measures)
        return found

    def merge(self, lost: Mapping[Stretch, str] | None = None, replications: int | None = None) -> Record:
        """Merge what was kept, or the first `replications` of it, into the arrays of the finished run, and write its manifest.

        `lost` maps cohorts that could not be played to the reason; their replications are failed. The parts of
        such a run stay, so that the same command tries those cohorts, and only those, again.
        """
        run, lost = self.run, lost or {}
        n = run.replications if replications is None else replications
        with disk.storage(self.path):
            self._manifest_path.unlink(missing_ok=True)
        self._at("manifest.json: withdrawn")
        kept = self._kept()
        cells = {}
        for cell in run.cells:
            outcomes, tallies = gathered(decode(path, run.hash, cell) for _, stop, path in kept[cell] if stop <= n)
            outcomes += [unplayed(gap, why) for gap, why in lost.items() if gap.cell == cell]
            told = np.sort(np.concatenate([np.zeros(0, np.int64), *(outcome.replications for outcome in outcomes)]))
            if not np.array_equal(told, np.arange(n)):
                raise StorageError(f"{self.path}: parts of `{cell}` are gone or damaged; give the same command again")
            whole = merged(outcomes, n, run.measures)
            drawn = {name: quantiles(tallies[name], len(whole.times)) for name in run.measures if name in tallies}
            cells[cell] = whole._replace(quantiles=drawn)
        files = {
            "measures.npz": self._write("measures.npz", disk.pack(measure_arrays(cells))),
            "series.npz": self._write("series.npz", disk.pack(series_arrays(cells))),
            "events.jsonl": self._write("events.jsonl", disk.text(event_lines(cells))),
            "failed.json": self._write("failed.json", disk.text(failed_text(cells))),
        }
        manifest = self._manifest(files, sum(gap.stop - gap.first for gap in lost)) | {"replications": n}
        self._write("manifest.json", disk.text(disk.seal(manifest)))
        self.done = not lost
        if self.done:
            self._clear_parts()
        self._record = Record(cells, run.arms, tuple(run.controls), dict(run.measures), manifest, {}, self.path)
        return self._record

    def record(self) -> Record:
        """The record of the merged run. Raises StorageError when a file of it is missing or damaged."""
        if self._record is None:
            self._record = Record.open(self.path)
        return self._record

    def finish(self, summary: Mapping[str, Any]) -> Record:
        """Store the summary of the merged run as `summary.json` and `summary.csv`; numbers that are undefined are null.

        A summary that is already there is replaced only when it differs.
        """
        record = self.record()
        summary = disk.plain(summary, _null)
        fillers = {"summary.json": disk.text(disk.dumps(summary)), "summary.csv": disk.text(summary_csv(summary))}
        if record.summary != summary:
            files = {name: checksum for name, checksum in record.manifest["files"].items() if name not in SUMMARY}
            manifest = {**record.manifest, "files": files}
            if files != record.manifest["files"]:  # a crash while it is replaced must not look like damage
                self._write("manifest.json", disk.text(disk.seal(manifest)))
            manifest["files"] = files | {name: self._write(name, fill) for name, fill in fillers.items()}
            self._write("manifest.json", disk.text(disk.seal(manifest)))
            record = self._record = replace(record, manifest=manifest, summary=summary)
        return record

    def note(self, name: str, facts: Mapping[str, Any]) -> None:
        """Store facts that lie beside the run, and are no part of it."""
        self._beside.append(self.path / name)
        disk.write(self.path / name, disk.text(disk.seal(facts)))

    def write_timings(self, facts: Mapping[str, Any]) -> None:
        """Store facts about the wall clock, which are no part of the result."""
        self._write("timings.json", disk.text(disk.dumps(disk.plain(facts))))

    def _write(self, name: str, fill: Any) -> str:
        return disk.write(self.path / name, fill, self._at)

    def _look_around(self) -> None:
        """Refuse a path that is not a directory of our own, before anything is written there."""
        with disk.storage(self.path):
            if self.path.is_symlink() or self._parts.is_symlink():
                raise StorageError(f"{self.path}: a symbolic link; name the directory itself")
            if not self.path.exists():
                return
            if not self.path.is_dir():
                raise StorageError(f"{self.path}: a file; --out names a directory")
            if (self._parts / "run.json").exists():  # which says as much as a manifest
                disk.recognised(self._parts / "run.json")
                return
            if self._manifest_path.exists():
                try:
                    disk.recognised(self._manifest_path)
                except StorageError:
                    if self._rebuilt() is None:
                        raise
                return
            found = [path for path in self.path.iterdir() if path.name not in (".lock", "parts", SHARDS)]
            if self._parts.is_dir():
                found += self._parts.iterdir()
            names = sorted(path.name for path in found if not disk.is_temporary(path.name))
        if names:
            more = ", ..." if len(names) > 3 else ""
            raise StorageError(
                f"{self.path}: holds files that are not simlab's ({', '.join(names[:3])}{more}); choose an empty directory"
            )

    def _recognise(self) -> bool:
        """Find out whether this run is new, begun or done here, and whether it is new. Raises StorageError when it is another."""
        self._look_around()
        here = self._identity()
        with disk.storage(self.path):
            disk.sweep(self.path)
            disk.sweep(self._parts)
        if self._manifest_path.exists():
            self._mend(here)
        if self._manifest_path.exists():
            there = disk.unseal(self._manifest_path)
            self._compare(there, here)
            self.done = there["lost"] == 0
            wrong = damaged(self.path, there) if self.done else {}
            if self.done and not wrong:
                self._clear_parts()
                return False
            if wrong:
                self._reopen(there, here, wrong)
        if (self._parts / "run.json").exists():
            there = disk.unseal(self._parts / "run.json")
            self._compare(there, here)
            self._same_versions(there, here, "this run was begun with")
            return False
        self._begin(here)
        return not self._manifest_path.exists()

    def _mend(self, here: dict[str, Any]) -> None:
        """Write a damaged manifest as it was; where nobody can, but the parts of this run are still there, it goes, and they are merged."""
        try:
            disk.unseal(self._manifest_path)
        except StorageError as error:
            text = self._rebuilt()
            if text is None:
                begun = disk.unseal(self._parts / "run.json")
                self._compare(begun, here)
                self._same_versions(begun, here, "this run was begun with")
                with disk.storage(self.path):
                    self._manifest_path.unlink()
            else:
                self._write("manifest.json", disk.text(text))
            _log.warning(
                "%s; %s", error, "its parts are merged again" if text is None else "written again, and nothing played"
            )

    def _rebuilt(self) -> str | None:
        """The manifest that this run and the files beside it would have, if what is left of the one that is there bears it out.

        Its seal covers their checksums, so it vouches for them too. None where it does not: they are damaged as well, or come from
        another run, machine or version.
        """
        with disk.storage(self.path):
            there = self._manifest_path.read_bytes()
            files = {name: disk.digest(self.path / name) for name in (*DATA, *SUMMARY) if (self.path / name).is_file()}
        told = re.search(
            rb'"replications": (\d{1,18}),', there
        )  # fewer than asked for, where an interval was narrow before
        for n in {self.run.replications, *([int(told[1])] if told else [])}:
            text = disk.seal(self._manifest(files, 0) | {"replications": n})
            if disk.was(self._manifest_path, text):
                return text
        return None

    def _withdraw(self, made: list[Path]) -> None:
        """Leave no trace of a run of which nothing was kept."""
        if any(NAME.fullmatch(path.name) for path in self._parts.iterdir()) or self._manifest_path.exists():
            return
        self._clear_parts()
        for path in [*self._beside, self.path / ".lock"]:  # whoever waits for the lock looks for it again
            path.unlink(missing_ok=True)
        disk.unmake(made)

    def _begin(self, here: Mapping[str, Any]) -> None:
        with disk.storage(self._parts):
            self._parts.mkdir(exist_ok=True)
        disk.write(self._parts / "run.json", disk.text(disk.seal(here)), self._at)

    def _reopen(self, there: Mapping[str, Any], here: Mapping[str, Any], wrong: Mapping[str, str]) -> None:
        """Begin a finished run of which files are damaged again, with every cell that can still be read whole.

        Its manifest stays until the files are merged anew, so a crash in between leaves it as damaged as it was.
        """
        told = "; ".join(f"{self.path / name} {why}" for name, why in wrong.items())
        if not set(wrong) <= {*DATA, *SUMMARY}:
            raise StorageError(f"{told}; choose another directory with --out")
        self._same_versions(there, here, f"{told}; this run was made with")
        found = salvaged(self.path, there, wrong)
        self._begin(here)
        for cell, outcome in found.items():
            self.keep(cell, outcome)
        again = [cell for cell in self.run.cells if cell not in found]
        named = ", ".join(again[:3]) + (f" and {len(again) - 3} more" if len(again) > 3 else "")
        _log.warning("%s; %s", told, f"played again: {named}" if again else "written again, and nothing played")
        self.done = False

    def _same_versions(self, there: Mapping[str, Any], here: Mapping[str, Any], what: str) -> None:
        changed = differences(there["versions"], here["versions"])
        if changed:
            raise StorageError(
                f"{self.path}: {what} other versions, whose bits may differ (then -> now):\n"
                + "\n".join(changed)
                + f"\nbegin it anew with --out {self.path}-{self.run.hash[:6]}"
            )

    def _identity(self) -> dict[str, Any]:
        run = self.run
        return {
            "format": FORMAT,
            "run": run.hash,
            "scenario": run.scenario,
            "version": run.version,
            "seed": run.seed,
            "replications": run.replications,
            "document": disk.plain(run.document),
            "versions": provenance.versions(),
        }

    def _manifest(self, files: Mapping[str, str], lost: int) -> dict[str, Any]:
        return {
            **self._identity(),
            "created_by": f"simlab {self.run.version}",
            "arms": list(self.run.arms),
            "controls": list(self.run.controls),
            "cells": list(self.run.cells),
            "measures": {name: measure._asdict() for name, measure in self.run.measures.items()},
            "machine": provenance.machine(),
            "lost": lost,
            "files": dict(files),
        }

    def _compare(self, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
        if there.get("run") == here["run"]:
            return
        keys = ("version", "seed", "replications", "scenario", "document")
        changed = differences({k: there.get(k) for k in keys}, {k: here[k] for k in keys})
        raise StorageError(
            f"{self.path}: holds another run, {there.get('run')}; this one is {here['run']} (there -> here):\n"
            + "\n".join(changed or ["  the order of keys"])
            + f"\nbegin anew with --out {self.path}-{self.run.hash[:6]}"
        )

    def _kept(self) -> dict[str, list[tuple[int, int, Path]]]:
        """The whole parts of each cell, in order. What is torn or flipped is removed, to be played again."""
        kept: dict[str, list[tuple[int, int, Path]]] = {cell: [] for cell in self.run.cells}
        with disk.storage(self._parts):
            for path in sorted(self._parts.iterdir()):
                match = NAME.fullmatch(path.name)
                if not match:
                    continue
                index, first, stop = (int(digits) for digits in match.groups()[:3])
                if not whole(path):
                    _log.warning("%s is damaged; its replications are played again", path)
                    path.unlink()
                elif index < len(self.run.cells):
                    of_cell = kept[self.run.cells[index]]
                    if (of_cell[-1][1] if of_cell else 0) <= first < stop <= self.run.replications:
                        of_cell.append((first, stop, path))
        return kept

    def _clear_parts(self) -> None:
        """Remove our parts, the run's name last; anything else that was put there stays, and so does the folder."""
        if not self._parts.is_dir():
            return
        with disk.storage(self._parts):
            ours = [path for path in sorted(self._parts.iterdir()) if NAME.fullmatch(path.name)]
            for path in [*ours, self._parts / "run.json"]:
                path.unlink(missing_ok=True)
                self._at("part: removed")
            if not any(self._parts.iterdir()):
                self._parts.rmdir()


def _null(_: float) -> None:
    return None
