"""Shards: a run that is cut into shares, each a command of its own, and put together again; a job array needs no more.

Shard i of n plays the replications from (i - 1) N / n to i N / n of every cell into `RUN/shards/i-of-n/`, a store of its own, so that
shards share nothing and may run anywhere at the same time. The merged run has the bytes that one command would have left behind.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from simlab.base.errors import InputError, StorageError
from simlab.lab.outcome import Outcome
from simlab.results import disk
from simlab.results.differences import differences
from simlab.results.parts import Stretch
from simlab.results.record import Record
from simlab.results.store import SHARDS, Run, Store, run_directory
from simlab.scenario.build import rebuild
from simlab.scenario.registry import HOUSE, Registry
from simlab.scenario.scenario import Scenario
from simlab.studies.executors import Who, workers
from simlab.studies.plan import checked
from simlab.studies.runner import Filler, Play, Progress, open_store, run_of
from simlab.studies.summary import summarise

MARK = "shard.json"


class Shard(NamedTuple):
    """Shard `number` of `of`, from 1."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """The shard that `2/8` names. Raises InputError."""
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text, re.ASCII)
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            raise InputError(f"cannot read `{text}` as a shard; write e.g. `2/8` for the second of eight")
        return cls(int(found[1]), int(found[2]))

    def share(self, replications: int) -> range:
        """Its replications."""
        return range((self.number - 1) * replications // self.of, self.number * replications // self.of)

    def within(self, run: Path) -> Path:
        """Where it is kept."""
        return run / SHARDS / f"{self.number}-of-{self.of}"


class Played(NamedTuple):
    """What became of a shard: its directory, its replications, and how many of them, over all cells, could not be played."""

    path: Path
    share: range
    lost: int


class Merged(NamedTuple):
    """A run that was put together: its scenario, its record, the command of which it is the result, and its directory."""

    scenario: Scenario
    record: Record
    command: str
    path: Path


def play_shard(
    scenario: Scenario,
    shard: Shard,
    *,
    command: str,
    executor: Who = None,
    jobs: int | None = None,
    out: str | Path | None = None,
    progress: Callable[[Progress], None] | None = None,
    play: Play | None = None,
    run: Run | None = None,
) -> Played:
    """Play one shard's share of a run, as far as it is not there yet; nothing is summarised.

    `command` is what plays the whole run, without its directory: whoever misses a shard is told it. Raises InputError for a
    scenario that waits for an interval, which only those who know all replications can see, or for more memory than is free, and
    StorageError as for a run.
    """
    if scenario.until:
        raise InputError(
            "a run that waits for an interval (`run.until`) cannot be cut into shards; give its replications"
        )
    run = run or run_of(scenario)
    share = shard.share(run.replications)
    with ExitStack() as stack:
        crew = stack.enter_context(workers(executor, jobs))
        checked(scenario, crew.here, merged=False)
        store = stack.enter_context(Store(shard.within(run_directory(run.scenario, run.hash, out)), run))
        told = {"command": command, "out": None if out is None else str(out)}
        store.note(MARK, {"shard": shard, "scenario": scenario.name, "document": scenario.resolved, **told})
        gaps = [_clipped(gap, share) for gap in store.missing()]
        lost = Filler(scenario, store, crew, progress, play=play).play([gap for gap in gaps if gap], len(share))
        return Played(store.path, share, sum(gap.stop - gap.first for gap in lost))


def _clipped(gap: Stretch, share: range) -> Stretch | None:
    first, stop = max(gap.first, share.start), min(gap.stop, share.stop)
    return gap._replace(first=first, stop=stop) if first < stop else None


def found(folders: Iterable[Path]) -> dict[Path, dict[str, Any]]:
    """The shards in these directories, or that these are, with what they say of themselves. Raises InputError where there is none."""
    shards: dict[Path, dict[str, Any]] = {}
    for folder in folders:
        with disk.storage(folder):
            inside = sorted(path.parent for path in folder.glob(f"{SHARDS}/*/{MARK}"))
            own = [folder] if (folder / MARK).is_file() else inside
        if not own:
            raise InputError(f"{folder}: no shards are there; `simlab run SCENARIO --shard 1/8` plays one")
        shards |= {path: disk.unseal(path / MARK) for path in own}
    return shards


def merge(folders: Sequence[Path], out: Path | None = None, registry: Registry = HOUSE) -> Merged:
    """Put the shards in `folders` together into `out`, by default the run directory of the first, and summarise.

    Shards may come in any order and overlap, where they are equal. Those within the run directory go when all is done. Raises
    StorageError for shards of different runs or versions, for two that differ where they overlap, and where replications are missing,
    with the commands that play them; whatever is there is kept for the next time. Raises InputError for more memory than is free.
    """
    shards = found(folders)
    first, *others = shards
    about = shards[first]
    for other in others:
        _same(first, about, other, shards[other])
    scenario = rebuild(about["document"], about["scenario"], registry)
    run = run_of(scenario)
    checked(scenario, 0)
    place = out or (first.parent.parent if first.parent.name == SHARDS else run_directory(run.scenario, run.hash))
    with open_store(scenario, place) as store:
        if not store.done:
            for path in shards:
                with Store(path, run) as theirs:
                    _adopt(store, theirs)
            missing = store.missing()
            if missing:
                raise StorageError(_told(missing, shards, run.replications))
            store.merge()
        with threadpool_limits(1):
            record = store.finish(summarise(scenario, store.record()))
        for path in shards:
            if path.parent == store.path / SHARDS:
                _remove(path)
    return Merged(scenario, record, about["command"], place)


def _same(first: Path, here: dict[str, Any], other: Path, there: dict[str, Any]) -> None:
    changed = differences({"document": here["document"]}, {"document": there["document"]})
    if changed or here["scenario"] != there["scenario"]:
        told = "\n".join(changed or [f"  {here['scenario']} -> {there['scenario']}"])
        raise StorageError(f"{other}: a shard of another run than {first} (there -> here):\n{told}\nnothing was merged")


def _adopt(store: Store, theirs: Store) -> None:
    """Keep what a shard has and we have not; hold the rest against what we have."""
    missing = store.missing()  # a shard does not overlap itself
    for cell, outcome in theirs.outcomes():
        share = range(int(outcome.replications[0]), int(outcome.replications[-1]) + 1)
        gaps = [gap for each in missing if each.cell == cell and (gap := _clipped(each, share))]
        if sum(gap.stop - gap.first for gap in gaps) < len(share):
            for known, ours in store.outcomes():
                if known == cell:
                    _hold_against(cell, ours, outcome, theirs.path)
        for gap in gaps:
            store.keep(cell, _cut(outcome, gap.first, gap.stop))


def _hold_against(cell: str, ours: Outcome, theirs: Outcome, path: Path) -> None:
    first = max(int(ours.replications[0]), int(theirs.replications[0]))
    stop = min(int(ours.replications[-1]), int(theirs.replications[-1])) + 1
    if first < stop and not _equal(_cut(ours, first, stop), _cut(theirs, first, stop)):
        raise StorageError(
            f"{path}: replications {first} to {stop - 1} of `{cell}` are not those of another shard; "
            "were they played on another processor? Play all shards alike"
        )


def _cut(outcome: Outcome, first: int, stop: int) -> Outcome:
    """The replications from `first` to `stop` - 1 alone."""
    here = (outcome.replications >= first) & (outcome.replications < stop)
    if here.all():
        return outcome
    if outcome.tallies:
        raise StorageError(
            "shards of a run with `series: quantiles` may not overlap in part; merge those of one number"
        )
    return outcome._replace(
        replications=outcome.replications[here],
        measures={name: values[here] for name, values in outcome.measures.items()},
        series={name: values[:, here] for name, values in outcome.series.items()},
        events=[event for event in outcome.events if first <= event.replication < stop],
        diverged=outcome.diverged[here],
        failed={number: why for number, why in outcome.failed.items() if first <= number < stop},
        alike=outcome.alike[here] if outcome.alike.size else outcome.alike,
    )


def _equal(one: Outcome, other: Outcome) -> bool:
    def arrays(outcome: Outcome) -> dict[str, Any]:
        named = {"alike": outcome.alike, "diverged": outcome.diverged, "times": outcome.times}
        named |= {f"t {n} {what}": a for n, t in outcome.tallies.items() for what, a in t._asdict().items()}
        return (
            named
            | {f"m {n}": a for n, a in outcome.measures.items()}
            | {f"s {n}": a for n, a in outcome.series.items()}
        )

    a, b = arrays(one), arrays(other)
    same = a.keys() == b.keys() and all(np.array_equal(a[name], b[name], equal_nan=True) for name in a)
    return same and repr(one.events) == repr(other.events) and one.failed.keys() == other.failed.keys()


def _told(missing: Sequence[Stretch], shards: dict[Path, dict[str, Any]], replications: int) -> str:
    """Which shards are missing, of as many as most say there are, and the commands that play them."""
    of = Counter(about["shard"][1] for about in shards.values()).most_common(1)[0][0]
    first = next(iter(shards.values()))
    command = shlex.join(["--out", first["out"]]) if first["out"] is not None else ""
    command = f"{first['command']} {command}".rstrip()
    wanted = [
        shard
        for shard in (Shard(i + 1, of) for i in range(of))
        if any(_clipped(gap, shard.share(replications)) for gap in missing)
    ]
    lines = [f"  {command} --shard {shard.number}/{of}" for shard in wanted[:20]]
    more = [f"  ... and {len(wanted) - 20} more"] if len(wanted) > 20 else []
    there = f"{of - len(wanted)} of {of} shards are whole"
    return "\n".join([f"{there}; play what is missing, then merge again:", *lines, *more])


def _remove(shard: Path) -> None:
    """Remove a shard that was merged; anything else that was put there stays."""
    with disk.storage(shard):
        for path in [*(shard / "parts").glob("*.npz"), shard / "parts" / "run.json", shard / MARK, shard / ".lock"]:
            path.unlink(missing_ok=True)
        for folder in (shard / "parts", shard, shard.parent):
            with suppress(OSError):  # not empty: somebody else's
                folder.rmdir()
