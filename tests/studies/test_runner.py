"""The runner: the same bits however the work is cut, and nothing lost, hung or orphaned when it is interrupted."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from simlab.base.errors import InputError
from simlab.results.record import Record
from simlab.scenario.scenario import Arm, Control
from simlab.studies.runner import play_all
from simlab.studies.workers import Crew, available_cpus
from tests.lab.toy import Toy, trial
from tests.studies.fakes import FakeTrial, contents, open_store, play, scenario

ROOT = Path(__file__).parents[2]
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")


def run(path, fault="", mark="", *, jobs=1, cohort=8, **options) -> Record:
    fake = scenario(fault, mark)
    with open_store(fake, path) as store:
        return play_all(fake, store, jobs=jobs, cohort=cohort, play=play, **options)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of an undisturbed run."""
    path = tmp_path_factory.mktemp("whole") / "run"
    run(path)
    return contents(path)


class Family:
    """A run as a process, and every process it started, recognised by a mark in their environment."""

    def __init__(self, *arguments: object) -> None:
        self.mark = uuid.uuid4().hex
        environment = os.environ | {"SIMLAB_TEST": self.mark, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "tests.studies.play_fake", *map(str, arguments)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def members(self) -> list[int]:
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if self.mark.encode() in (entry / "environ").read_bytes():
                        found.append(int(entry.name))
                except OSError:
                    pass
        return found

    def is_gone(self) -> bool:
        return wait_until(lambda: not self.members(), 2)

    def end(self) -> tuple[int, str]:
        _, said = self.process.communicate(timeout=20)
        return self.process.returncode, said


def wait_until(true: Callable[[], object], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("cohort", [7, 64])
def test_workers_and_cohorts_change_no_bit(tmp_path, whole, cohort):
    run(tmp_path / "run", jobs=2, cohort=cohort)
    assert contents(tmp_path / "run") == whole


@posix
@pytest.mark.parametrize(("jobs", "every", "instants"), [(1, 1, 40), (2, 12, 3)])
def test_killed_at_every_instant_then_resumed(tmp_path, jobs, every, instants):
    command = [sys.executable, "-m", "tests.studies.die_everywhere", str(tmp_path), str(jobs), str(every)]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    tried, *names = done.stdout.split("\n")
    assert int(tried) >= instants
    for name in (
        "part: opened",
        "part: before replace",
        "part: written",
        "part: removed",
        "series.npz: before replace",
    ):
        assert name in names


@linux
def test_killed_at_random_instants_then_resumed(tmp_path, whole):
    luck = random.Random(1)
    for _ in range(5):
        family = Family(tmp_path / "run", 2, "slow")
        time.sleep(luck.uniform(0.3, 1.0))
        family.process.kill()
        family.end()
        assert family.is_gone(), "a worker outlived its parent"
    run(tmp_path / "run", "slow")
    assert contents(tmp_path / "run") == whole


@linux
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 143)])
def test_interrupt_ends_everything_within_two_seconds_and_keeps_what_was_finished(tmp_path, number, code):
    family = Family(tmp_path / "run", 2, "linger", tmp_path / "mark")
    assert wait_until((tmp_path / "mark").exists, 10)
    began = time.monotonic()
    os.killpg(family.process.pid, number)  # as a terminal and a service manager do: workers get it too
    returned, said = family.end()
    assert returned == code, said
    assert family.is_gone()
    assert time.monotonic() - began < 2
    assert said.count("Traceback") == (1 if number == signal.SIGINT else 0), said  # none from a worker
    kept = {part.name: part.stat().st_mtime_ns for part in (tmp_path / "run" / "parts").glob("0000.*.npz")}
    assert kept
    with open_store(scenario("linger", tmp_path / "mark"), tmp_path / "run") as store:
        assert {part.name: part.stat().st_mtime_ns for part in store.path.glob("parts/0000.*.npz")} == kept


@linux
def test_workers_die_with_a_killed_parent(tmp_path):
    family = Family(tmp_path / "run", 2, "linger", tmp_path / "mark")
    assert wait_until((tmp_path / "mark").exists, 10)
    assert len(family.members()) >= 3
    family.process.kill()
    family.end()
    assert family.is_gone()


@posix
def test_worker_that_dies_once_costs_a_retry_and_no_bit(tmp_path, whole):
    run(tmp_path / "run", "die once", tmp_path / "mark", jobs=2)
    assert (tmp_path / "mark").exists()
    assert contents(tmp_path / "run") == whole


@posix
def test_cohort_that_kills_its_worker_is_failed_and_the_rest_go_on(tmp_path, whole):
    record = run(tmp_path / "run", "die", jobs=2)
    failed = record.cells["shared"].failed
    assert [n for n in failed if n not in (5, 21, 37)] == list(range(8, 16))
    assert "SIGKILL" in failed[9]
    assert np.isnan(record.measures["loss"].sel(arm="shared")[8:16]).all()
    assert np.isfinite(record.measures["loss"].sel(arm="shared")[16:20]).all()
    assert record.cells["apart"].failed.keys() == {5, 21, 37}
    assert Record.open(tmp_path / "run").cells["shared"].failed == failed

    again = []  # the same command tries what was lost, and only that
    run(tmp_path / "run", progress=again.append)
    assert [step.done for step in again] == [112, 120]
    assert contents(tmp_path / "run") == whole
    assert not (tmp_path / "run" / "parts").exists()


@posix
def test_worker_leaves_an_interrupt_to_its_parent(tmp_path, whole):
    run(tmp_path / "run", "interrupt", jobs=2)
    assert contents(tmp_path / "run") == whole


def test_error_in_the_parent_leaves_no_worker(tmp_path):
    def stop(step):
        if step.done:
            raise KeyError("a mistake of the caller")

    with pytest.raises(KeyError) as held:  # the traceback, while it is held, keeps the runner's frame alive
        run(tmp_path / "run", "linger", tmp_path / "mark", jobs=2, progress=stop)
    assert multiprocessing.active_children() == []
    assert held.value.args == ("a mistake of the caller",)


@pytest.mark.parametrize("jobs", [1, 2])
def test_cohort_that_raises_is_failed_with_its_traceback(tmp_path, jobs):
    record = run(tmp_path / "run", "raise", jobs=jobs)
    assert "RuntimeError: out of luck" in record.cells["shared"].failed[12]
    assert record.cells["apart"].failed.keys() == {5, 21, 37}


@pytest.mark.parametrize("jobs", [1, 2])
def test_refused_trial_is_an_error_of_the_run(tmp_path, jobs):
    with pytest.raises(InputError, match="cannot be played"):
        run(tmp_path / "run", "refuse", jobs=jobs)


@pytest.mark.parametrize("jobs", [1, 2])
def test_blas_has_one_thread(tmp_path, jobs):
    assert run(tmp_path / "run", "count threads", jobs=jobs).cells["shared"].failed.keys() == {5, 21, 37}


@posix
def test_script_without_a_main_guard_may_use_workers(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from tests.studies.fakes import open_store, play, scenario\n"
        "from simlab.studies.runner import play_all\n"
        f"with open_store(scenario(), {str(tmp_path / 'run')!r}) as store:\n"
        "    print(play_all(scenario(), store, jobs=2, cohort=8, play=play).replications)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.stderr) == ("40\n", "")


def test_what_cannot_travel_is_played_here(tmp_path, whole):
    fake = scenario()
    with open_store(fake, tmp_path / "run") as store:
        play_all(fake, store, jobs=2, cohort=8, play=lambda *given: play(*given))
    assert contents(tmp_path / "run") == whole


def test_progress_counts_replications_of_all_cells(tmp_path):
    steps = []
    run(tmp_path / "run", cohort=16, progress=steps.append)
    assert [step.done for step in steps] == [0, 16, 32, 40, 56, 72, 80, 96, 112, 120]
    assert {step.total for step in steps} == {120}
    assert steps[-1].agent_steps == 120 * 3 * 10  # replications x models x ticks
    assert steps == sorted(steps, key=lambda step: step.seconds)
    assert [step.cell for step in steps[1::3]] == ["apart", "shared", "feedback_off:shared"]


def test_cells_that_play_alike_are_played_once(tmp_path):
    """A control that leaves an arm as it is gets its outcome; what a killed run has of one of the two is completed, to the same bytes."""
    fake = scenario()
    alike = Control(
        "no_stressor", "no shocks", (), (fake.arms[0], fake.arms[0]._replace(name="shared", trial=FakeTrial(9.0)))
    )
    fake = replace(fake, controls=(alike,))
    asked, steps = [], []

    def counted(trial, seed, replications):
        asked.append((trial, len(replications)))
        return play(trial, seed, replications)

    with open_store(fake, tmp_path / "whole") as store:
        record = play_all(fake, store, jobs=1, cohort=16, play=counted, progress=steps.append)
    mine = fake.arms[0].trial
    assert sum(n for trial, n in asked if trial == mine) == fake.replications
    assert steps[-1].done == steps[-1].total == 4 * fake.replications
    first, again = record.cells[fake.arms[0].name], record.cells[f"no_stressor:{fake.arms[0].name}"]
    assert first.events == again.events
    np.testing.assert_array_equal(first.measures["drop"], again.measures["drop"])
    with open_store(fake, tmp_path / "killed") as store:  # only the copy's first part was kept
        store.keep(f"no_stressor:{fake.arms[0].name}", play(mine, fake.seed, range(16)))
        play_all(fake, store, jobs=1, cohort=16, play=play)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


@pytest.mark.parametrize("wrong", [{"jobs": 0}, {"jobs": -1}, {"cohort": 0}])
def test_nonsense_is_refused(tmp_path, wrong):
    with pytest.raises(InputError, match="at least 1"):
        run(tmp_path / "run", **wrong)


def test_first_replications_do_not_depend_on_how_many_are_asked_for(tmp_path):
    few, many = scenario(replications=10), scenario(replications=30)
    records = []
    for fake in (few, many):
        with open_store(fake, tmp_path / str(fake.replications)) as store:
            records.append(play_all(fake, store, jobs=1, cohort=7, play=play))
    assert records[0].measures.identical(records[1].measures.isel(replication=slice(10)))


def test_cpus_are_those_this_process_may_use():
    assert 1 <= available_cpus() <= (os.cpu_count() or 1)


def test_real_cohorts_give_the_same_bytes_however_they_are_cut(tmp_path):
    """The lab's own play, with replications that raise: whichever share their cohort, the rest are unharmed."""
    arm = Arm("a", "A", "shared_data", trial(Toy(noise=1.0, pull=0.2, fails=4.0), "shared_data"))
    fake = scenario(arms=(arm,), controls=())
    for name, options in {"one": {"jobs": 1, "cohort": 64}, "two": {"jobs": 2, "cohort": 7}}.items():
        with open_store(fake, tmp_path / name) as store:
            record = play_all(fake, store, **options)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    failed = record.cells["a"].failed
    assert 0 < len(failed) < 40
    assert all("a replication that fails" in why for why in failed.values())
    assert np.isnan(record.measures["total"].values[0]).nonzero()[0].tolist() == list(failed)


def test_a_crew_goes_on_to_the_next_tasks_with_the_same_workers():
    with Crew(2) as crew:
        first = dict(crew.do([(abs, (-i,)) for i in range(5)]))
        workers = sorted(crew.pids)
        second = dict(crew.do([(pow, (i, 2)) for i in range(3)]))
        assert sorted(crew.pids) == workers
    assert [first[i].value for i in range(5)] == [0, 1, 2, 3, 4]
    assert [second[i].value for i in range(3)] == [0, 1, 4]
