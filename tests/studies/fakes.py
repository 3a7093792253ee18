"""A scenario of three cells whose outcomes are made of (seed, replication, arm) alone, and the ways it can go wrong."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from simlab.base.errors import InputError
from simlab.base.world import Measure
from simlab.lab.outcome import Event, Outcome
from simlab.lab.score import SCORES
from simlab.results.disk import Hook, unwatched
from simlab.results.record import Record
from simlab.results.store import Store
from simlab.scenario.scenario import Arm, Control, Scenario
from simlab.studies import runner
from simlab.studies.runner import play_all

MEASURES = {"drop": Measure("1", "how far it fell", "higher"), "loss": Measure("$", "what it cost", "higher")}
MERGED = ("measures.npz", "series.npz", "events.jsonl", "failed.json", "manifest.json")


@dataclass(frozen=True)
class FakeTrial:
    shift: float
    fault: str = ""
    mark: str = ""
    horizon: float = 5.0

    @property
    def world(self) -> Any:
        return SimpleNamespace(measures=MEASURES)

    @property
    def measures(self) -> Any:
        return {**MEASURES, **SCORES}

    @property
    def topology(self) -> Any:
        return SimpleNamespace(models=3)

    def ticks(self, seconds: float) -> int:
        return round(seconds / 0.5)


def play(trial: FakeTrial, seed: int, replications: Any) -> Outcome:
    """Like a cohort: a pure function of (seed, replication, trial), with nan of either sign, events and failures."""
    if trial.fault:
        FAULTS[trial.fault](trial, replications)
    numbers = np.array(replications, dtype=np.int64)
    r, times = len(numbers), np.arange(5.0)
    drawn = [np.random.Generator(np.random.Philox(key=[seed, n])).normal(size=6) + trial.shift for n in numbers]
    table = np.array(drawn)
    diverged = np.where(numbers % 10 == 3, 2.0, np.nan)
    failed = {n: f"Traceback: replication {n}" for n in numbers.tolist() if n % 16 == 5}
    odd = -np.nan if r % 2 else np.nan  # which instruction makes a nan depends on the length of the array
    gone = np.isin(numbers, list(failed)) | ~np.isnan(diverged)
    return Outcome(
        replications=numbers,
        measures={"drop": np.where(gone, odd, table[:, 0]), "loss": np.where(gone, odd, table[:, 0] ** 2)},
        times=times,
        series={"drop": np.where(gone, odd, table[:, 1:].T).astype(np.float32)},
        events=[Event(n, 1.5, "harm", "drop", -1, float(v)) for n, v in zip(numbers.tolist(), table[:, 0], strict=True)]
        + [Event(n, 2.0, "diverged", "drop", 0, float("inf")) for n in numbers.tolist() if n % 10 == 3],
        diverged=diverged,
        failed=failed,
    )


def _die(trial: FakeTrial, replications: Any) -> None:
    if 9 in replications:
        if trial.mark:
            with Path(trial.mark).open("a") as mark:
                mark.write("died\n")
        os.kill(os.getpid(), signal.SIGKILL)


def _die_once(trial: FakeTrial, replications: Any) -> None:
    if 9 in replications and not Path(trial.mark).exists():
        Path(trial.mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)


def _raise(trial: FakeTrial, replications: Any) -> None:
    if 9 in replications:
        raise RuntimeError("out of luck")


def _refuse(trial: FakeTrial, replications: Any) -> None:
    raise InputError("this trial cannot be played")


def _linger(trial: FakeTrial, replications: Any) -> None:
    if 9 in replications:
        Path(trial.mark).touch()
        for _ in range(300):  # a signal that comes just before a sleep begins does not end it
            time.sleep(0.1)


def _interrupt(trial: FakeTrial, replications: Any) -> None:
    os.kill(os.getpid(), signal.SIGINT)


def _slow(trial: FakeTrial, replications: Any) -> None:
    time.sleep(0.03)


def _count_threads(trial: FakeTrial, replications: Any) -> None:
    from threadpoolctl import threadpool_info

    if any(library["num_threads"] != 1 for library in threadpool_info()):
        raise RuntimeError(f"BLAS may use several threads: {threadpool_info()}")


FAULTS = {
    "die": _die,
    "die once": _die_once,
    "raise": _raise,
    "refuse": _refuse,
    "linger": _linger,
    "interrupt": _interrupt,
    "slow": _slow,
    "count threads": _count_threads,
}


def scenario(fault: str = "", mark: object = "", **changed: Any) -> Scenario:
    """Arms `apart` and `shared`, and `shared` under the control `feedback_off`; `fault` befalls `shared`."""
    apart = Arm("apart", "Apart", "isolated", FakeTrial(0.0))
    shared = Arm("shared", "Shared", "shared", FakeTrial(1.0, fault, str(mark)))
    off = Arm("shared", "Shared", "shared", FakeTrial(2.0))
    facts: dict[str, Any] = {
        "name": "fake",
        "title": "Fake",
        "story": "",
        "arms": (apart, shared),
        "controls": (Control("feedback_off", "nobody listens", (), (off,)),),
        "claims": (),
        "harm": None,
        "record": (),
        "scoreboard": (),
        "replications": 40,
        "seed": 7,
        "allow_diverged": 0,
        "resolved": {"title": "Fake", "run": {"horizon": 5.0}, "arms": {"apart": {}, "shared": {}}},
    }
    return Scenario(**(facts | changed))


def open_store(fake: Scenario, path: str | Path, at: Hook = unwatched) -> Store:
    """The store of a fake scenario; its version is fixed, since fakes are no part of the package."""
    return runner.open_store(fake, path, at, version="0.0.0")


def run(
    path: str | Path, fault: str = "", mark: object = "", *, jobs: int = 1, cohort: int = 8, **options: Any
) -> Record:
    """The record of a fake scenario, played as far as it is not there."""
    fake = scenario(fault, mark)
    with open_store(fake, path) as store:
        return play_all(fake, store, jobs=jobs, cohort=cohort, play=play, **options)


def begun(path: str | Path, fake: Scenario | None = None, cohorts: int = 2, cohort: int = 16) -> Store:
    """A run of which only some cohorts of the first cell were played."""
    fake = fake or scenario()
    with open_store(fake, path) as store:
        for number in range(cohorts):
            stretch = range(number * cohort, (number + 1) * cohort)
            store.keep("apart", play(runner.trials(fake)["apart"], fake.seed, stretch))
    return store


def contents(path: Path, names: tuple[str, ...] = MERGED) -> dict[str, bytes]:
    """The bytes of the merged files in a run directory."""
    return {name: (path / name).read_bytes() for name in names}
