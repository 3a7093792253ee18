"""The runner: the same bits however the work is cut, and no worker is left behind. What it survives is in tests/promises/."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from simlab.base.errors import InputError
from simlab.scenario.scenario import Arm, Control
from simlab.studies.runner import play_all
from simlab.studies.workers import Crew, available_cpus
from tests.lab.toy import Toy, trial
from tests.promises.family import ROOT, posix
from tests.studies.fakes import FakeTrial, contents, open_store, play, run, scenario


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of an undisturbed run."""
    path = tmp_path_factory.mktemp("whole") / "run"
    run(path)
    return contents(path)


@pytest.mark.parametrize("cohort", [7, 64])
def test_workers_and_cohorts_change_no_bit(tmp_path, whole, cohort):
    run(tmp_path / "run", jobs=2, cohort=cohort)
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
def test_refused_trial_is_an_error_of_the_run(tmp_path, jobs):
    with pytest.raises(InputError, match="cannot be played"):
        run(tmp_path / "run", "refuse", jobs=jobs)


def test_refused_trial_leaves_nothing_where_nothing_was_played(tmp_path):
    fake = scenario("refuse")
    (tmp_path / "mine").mkdir()
    for path in (tmp_path / "results" / "fake" / "run", tmp_path / "mine"):
        with pytest.raises(InputError), open_store(replace(fake, arms=fake.arms[1:]), path) as store:
            play_all(replace(fake, arms=fake.arms[1:]), store, jobs=1, play=play)
    assert [path.name for path in tmp_path.rglob("*")] == ["mine"]


def test_refused_trial_costs_nothing_that_was_played(tmp_path):
    with pytest.raises(InputError):
        run(tmp_path / "run", "refuse", jobs=1, cohort=40)
    assert sorted(path.suffix for path in tmp_path.rglob("*.*")) == ["", ".json", ".npz"]  # a lock, its name, an arm


@pytest.mark.parametrize("jobs", [1, 2])
def test_blas_has_one_thread(tmp_path, jobs):
    assert run(tmp_path / "run", "count threads", jobs=jobs).cells["shared"].failed.keys() == {5, 21, 37}


@posix
def test_a_worker_begins_without_interrupts():
    """Also the first of all, for which Python starts another process, and then lets interrupts through again."""
    code = "import signal; from multiprocessing import resource_tracker; from simlab.studies.workers import without_interrupts\n"
    code += "with without_interrupts(): resource_tracker.getfd(); print(signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "SIGINT" in done.stdout


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
