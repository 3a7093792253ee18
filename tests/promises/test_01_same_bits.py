"""Promise 1. Same sources, scenario and seed: byte-identical arrays and events, however, wherever and in whatever order it is played.

More: tests/worlds/test_contract.py (every world and wiring, any cohort), tests/studies/test_runner.py (workers that die, interrupts).
"""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import simlab
from simlab.brains.topology import Schedule
from simlab.detectors import FeedbackSpiral
from simlab.lab.cohort import join, play
from simlab.lab.shocks import Shock
from simlab.lab.trial import Harm, Instrument
from simlab.studies.run import prepared
from simlab.studies.run import run as play_into
from tests.lab.toy import Dice, Mean, Toy, trial
from tests.promises.family import Family, cluster, linux, needs_dask, posix, wait_until
from tests.studies.fakes import contents

ROOT = Path(__file__).parents[2]
FILES = ("measures.npz", "series.npz", "events.jsonl")
NAME, SIZE, HORIZON = "flash_crash", 8, "30 s"


def scenario() -> simlab.Scenario:
    return prepared(simlab.load(NAME, run__horizon=HORIZON), SIZE)


@pytest.fixture(scope="module")
def plainly(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a run in one process leaves, as one cohort."""
    folder = tmp_path_factory.mktemp("plain") / "run"
    play_into(scenario(), jobs=1, out=folder)
    return contents(folder, FILES)


def test_cohorts_of_any_size(plainly: dict, tmp_path: Path) -> None:
    play_into(scenario(), jobs=1, out=tmp_path / "run", cohort=3)
    assert contents(tmp_path / "run", FILES) == plainly


def test_elsewhere(plainly: dict, tmp_path: Path) -> None:
    """Two processes, in another time zone, locale and hash seed, with more threads, and from another folder."""
    there = {
        "PYTHONHASHSEED": "12345", "TZ": "Pacific/Kiritimati", "LC_ALL": "C", "LANG": "tr_TR.UTF-8",
        "OPENBLAS_NUM_THREADS": "3", "OMP_NUM_THREADS": "3",
    }  # fmt: skip
    done = command(tmp_path, "--jobs", "2", **there)
    assert done.returncode in (0, 1), done.stderr  # so few days hold no claim
    assert contents(tmp_path / "run", FILES) == plainly


@needs_dask
def test_dask_on_this_machine(plainly: dict, tmp_path: Path) -> None:
    play_into(scenario(), executor="dask", jobs=1, out=tmp_path / "run")
    assert contents(tmp_path / "run", FILES) == plainly


@needs_dask
@posix
def test_a_scheduler_that_is_there_already(plainly: dict, tmp_path: Path) -> None:
    """A scheduler and two workers as anybody starts them, by their commands, and simlab by its own."""
    with cluster(2, tmp_path) as (address, _):
        done = command(tmp_path, "--executor", f"dask:{address}")
        assert done.returncode in (0, 1), done.stderr
        assert contents(tmp_path / "run", FILES) == plainly


@pytest.mark.nightly
@needs_dask
@linux
@pytest.mark.parametrize(
    ("who", "code"), [("scheduler", 3), ("worker", 0)], ids=["its scheduler dies", "one of its workers dies"]
)
def test_a_cluster_that_breaks_in_mid_run_costs_no_bit(tmp_path: Path, who: str, code: int) -> None:
    small = ("--replications", "8", "--set", "run.horizon=200 s", "--out")
    assert Family("simlab", "run", NAME, *small, "whole", "--jobs", "1", "--quiet", cwd=tmp_path).end(600)[0] == 0
    with cluster(2, tmp_path) as (address, begun):
        family = Family("simlab", "run", NAME, *small, "run", "--executor", f"dask:{address}", cwd=tmp_path)
        assert wait_until(lambda: list(tmp_path.glob("run/parts/0*.npz")))
        begun[0 if who == "scheduler" else 1].kill()
        returned, said = family.end(600)
    assert returned == code, said
    assert "Traceback" not in said
    if who == "scheduler":
        assert said.splitlines()[-1] == "the executor broke (CancelledError); the same command goes on from here"
        assert Family("simlab", "run", NAME, *small, "run", "--jobs", "1", "--quiet", cwd=tmp_path).end(600)[0] == 0
    assert contents(tmp_path / "run", FILES) == contents(tmp_path / "whole", FILES)


def command(folder: Path, *more: str, **env: str) -> subprocess.CompletedProcess[str]:
    """The same run by the command, into the folder's `run`."""
    what = ["run", NAME, "--replications", str(SIZE), "--set", f"run.horizon={HORIZON}", "--out", "run", "--quiet"]
    return subprocess.run(
        [sys.executable, "-m", "simlab", *what, *more],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_threads_and_any_order() -> None:
    """Two threads that play at the same time, the last cohort first."""
    push = Shock("push", "brain", "biased", start=10.0, duration=10.0, size=2.0)
    eventful = {"shocks": (push,), "harm": Harm("worst", above=1.8)}
    set_up = trial(Toy(models=20), brains=(Mean(), Dice()), schedule=Schedule(every=5, jitter=2), **eventful)
    whole = play(set_up, 3, range(16))
    assert {event.kind for event in whole.events} == {"shock", "harm"}
    with ThreadPoolExecutor(2) as pool:
        pieces = list(pool.map(lambda first: play(set_up, 3, range(first, first + 2)), range(14, -1, -2)))
    again = join(pieces[::-1])
    assert again.events == whole.events
    for name, values in whole.series.items():
        np.testing.assert_array_equal(again.series[name], values)
        np.testing.assert_array_equal(again.measures[name], whole.measures[name])


def test_whoever_watches() -> None:
    """With detectors and a tap, and without: the same but for the readings and alarms of those detectors."""
    for wiring in ("isolated", "shared"):
        bare = trial(Toy(models=4), wiring, schedule=Schedule(every=5, jitter=2))
        watched = replace(bare, instruments=(Instrument("spiral", FeedbackSpiral(), 5.0),))
        seen = play(watched, 3, range(6), lambda tick, stage, value: None)
        plain = play(bare, 3, range(6))
        assert [event for event in seen.events if event.kind != "alarm"] == plain.events
        for name, values in plain.series.items():
            np.testing.assert_array_equal(seen.series[name], values)
            np.testing.assert_array_equal(seen.measures[name], plain.measures[name])
