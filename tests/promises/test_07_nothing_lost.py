"""Promise 7, nothing lost: a run that was ended in any way goes on with the same command, and ends with the same bytes.

Killed at every instant at which the disk changes (a fake scenario), and at random ones (a sweep through the real command); ended by
Ctrl-C, twice too, and by SIGTERM; resumed elsewhere. An edited run is refused with what differs.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from simlab.base.errors import StorageError
from simlab.results import provenance
from simlab.results.store import Store
from simlab.scenario.load import load
from simlab.studies import sweep as sweeping
from simlab.studies.points import plan
from simlab.studies.runner import run_of
from tests.promises.family import ROOT, Family, environment, linux, needs_dask, posix, wait_until, within
from tests.studies.fakes import begun, contents, open_store, run, scenario
from tests.studies.market import YAML


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of an undisturbed run."""
    path = tmp_path_factory.mktemp("whole") / "run"
    run(path)
    return contents(path)


@posix
@pytest.mark.parametrize(("jobs", "every", "instants"), [(1, 1, 40), (2, 12, 3)])
def test_killed_at_every_instant_then_resumed(tmp_path, jobs, every, instants):
    command = [sys.executable, "-m", "tests.studies.die_everywhere", str(tmp_path), str(jobs), str(every)]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=300)
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
@pytest.mark.parametrize(
    ("kills", "jobs", "points"), [(5, 1, 2), pytest.param(50, 2, 5, marks=pytest.mark.nightly)], ids=["5", "50"]
)
def test_sweep_of_a_thousand_killed_at_random_instants_then_resumed(tmp_path, kills, jobs, points):
    """The real command; no process is left, at most the cohorts in flight are played again, and every byte is the same."""
    command = [sys.executable, "-m", "tests.promises.killed", str(tmp_path), *map(str, (kills, jobs, points, 1))]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=300 + 60 * kills
    )
    assert done.returncode == 0, done.stderr
    assert len([line for line in done.stdout.splitlines() if line.startswith("killed")]) == kills


def test_point_that_was_merged_but_not_summarised_is_finished(tmp_path, monkeypatch):
    (tmp_path / "market.yaml").write_text(YAML)
    market = load(tmp_path / "market.yaml", {}, 2)
    study = plan(market, {"world.flash_crash.limit": [70, 80]}, arms=["isolated", "shared"])
    whole, _ = sweeping.sweep(market, study, jobs=1, out=tmp_path / "whole")

    def ended(*given):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sweeping, "summarise", ended)
        with pytest.raises(KeyboardInterrupt):
            sweeping.sweep(market, study, jobs=1, out=tmp_path / "ended")
    assert len(list(tmp_path.glob("ended/*/manifest.json"))) == 1
    assert not list(tmp_path.glob("ended/*/summary.json"))
    assert sweeping.sweep(market, study, jobs=1, out=tmp_path / "ended")[0] == whole
    for there in tmp_path.glob("whole/*/manifest.json"):
        assert (tmp_path / "ended" / there.relative_to(tmp_path / "whole")).read_bytes() == there.read_bytes()


LINGER = """\
import time
from dataclasses import dataclass
from pathlib import Path
from typing import final
from simlab.brains.brain import Brain

@final
@dataclass(frozen=True)
class Linger(Brain):
    answers = frozenset({"number"})
    def start(self, r, b, p, spec, luck): return None
    def witness(self, mind, x, action, feedback, then): return None
    def predict(self, mind, x, luck):
        Path("mark").touch()
        for _ in range(300):  # a signal that comes just before a sleep begins does not end it
            time.sleep(0.1)
"""


@posix
@pytest.mark.parametrize(
    ("number", "times", "code", "says", "who"),
    [
        (signal.SIGINT, 1, 130, "interrupted; the same command goes on from here\n", "local"),
        (signal.SIGINT, 2, 130, "", "local"),  # whatever the first was doing, nothing more is said than after one
        (signal.SIGTERM, 1, 143, "stopped; give the same command again\n", "local"),
        pytest.param(
            signal.SIGINT, 1, 130, "interrupted; the same command goes on from here\n", "dask", marks=needs_dask
        ),
    ],
)
def test_command_that_is_stopped_ends_within_two_seconds_without_a_traceback(tmp_path, number, times, code, says, who):
    (tmp_path / "linger.py").write_text(LINGER)
    (tmp_path / "mine.yaml").write_text(YAML.replace("{ridge: {}}", "{linger: {}}"))
    arguments = ("run", "mine.yaml", "--plugin", "linger.py", "--jobs", "1", "--out", "run", "--executor", who)
    family = Family("tests.promises.as_in_a_terminal", *arguments, cwd=tmp_path)
    assert wait_until((tmp_path / "mark").exists)
    began = time.monotonic()
    for _ in range(times):
        os.killpg(family.process.pid, number)
    returned, said = family.end()
    assert within(2, began)
    assert returned == code, said
    assert family.is_gone()
    assert said.startswith("mine: 0 of ")
    assert said.endswith(says)
    assert len(said.split("\n")) <= 4, said
    assert "Traceback" not in said
    assert (tmp_path / "run" / "parts" / "run.json").exists()


@posix
def test_interrupt_while_python_ends_changes_nothing(tmp_path):
    """Something interrupts as it is thrown away, after Python has handed signals back to the system."""
    (tmp_path / "late.py").write_text(
        "import os, signal, sys, types\n"
        "class Late:\n"
        "    def __del__(self, told=os.write, kill=os.kill, us=os.getpid(), number=signal.SIGINT):\n"
        "        told(2, b'late')\n"
        "        kill(us, number)\n"
        "sys.modules['late'] = types.ModuleType('late')\n"
        "sys.modules['late'].late, sys.argv = Late(), ['simlab', '--version']\n"
        "import tests.promises.as_in_a_terminal\n"
    )
    command, mine = [sys.executable, "late.py"], environment()
    done = subprocess.run(command, cwd=tmp_path, env=mine, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "late")


@posix
@pytest.mark.parametrize(
    ("every", "command"),
    [
        (97, "validate"),
        pytest.param(1, "validate", marks=pytest.mark.nightly),
        pytest.param(10, "run", marks=pytest.mark.nightly),
    ],
)
def test_interrupt_while_anything_is_imported_is_one_line_and_no_traceback(tmp_path, every, command):
    """From the first import to the last, of the first that simlab makes to those of the report."""
    (tmp_path / "mine.yaml").write_text(YAML.replace("32", "2"))
    small = [command, "mine.yaml", *(["--jobs", "1", "--out", "run", "--quiet"] if command == "run" else [])]
    done = subprocess.run(
        [sys.executable, "-m", "tests.promises.interrupted", str(every), *small],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=3000,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 4


@posix
def test_resumed_in_another_time_zone_locale_and_hash_seed(tmp_path, whole):
    begun(tmp_path / "run")
    elsewhere = {"TZ": "Pacific/Chatham", "LC_ALL": "C", "LANG": "tr_TR.UTF-8", "PYTHONHASHSEED": "7"}
    code, said = Family("tests.studies.play_fake", tmp_path / "run", 1, **elsewhere).end()
    assert (code, said) == (0, "")
    assert contents(tmp_path / "run") == whole


@linux
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 143)])
def test_interrupt_ends_everything_within_two_seconds_and_keeps_what_was_finished(tmp_path, number, code):
    family = Family("tests.studies.play_fake", tmp_path / "run", 2, "linger", tmp_path / "mark")
    assert wait_until((tmp_path / "mark").exists)
    began = time.monotonic()
    os.killpg(family.process.pid, number)  # as a terminal and a service manager do: workers get it too
    returned, said = family.end()
    assert returned == code, said
    assert within(2, began)
    assert family.is_gone()
    assert said.count("Traceback") == (1 if number == signal.SIGINT else 0), said  # none from a worker
    kept = {part.name: part.stat().st_mtime_ns for part in (tmp_path / "run" / "parts").glob("0000.*.npz")}
    assert kept
    with open_store(scenario("linger", tmp_path / "mark"), tmp_path / "run") as store:
        assert {part.name: part.stat().st_mtime_ns for part in store.path.glob("parts/0000.*.npz")} == kept


@linux
def test_workers_die_with_a_killed_parent(tmp_path):
    family = Family("tests.studies.play_fake", tmp_path / "run", 2, "linger", tmp_path / "mark")
    assert wait_until((tmp_path / "mark").exists)
    assert len(family.members()) >= 3
    family.process.kill()
    family.end()
    assert family.is_gone()


@posix
def test_worker_leaves_an_interrupt_to_its_parent(tmp_path, whole):
    run(tmp_path / "run", "interrupt", jobs=2)
    assert contents(tmp_path / "run") == whole


@pytest.mark.parametrize("finished", [True, False])
def test_another_run_is_refused_with_what_differs(tmp_path, finished):
    run(tmp_path / "run") if finished else begun(tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    edited = scenario(seed=8, resolved={"title": "Fake", "run": {"horizon": 6.0}, "arms": {"apart": {}}})
    with pytest.raises(StorageError) as refused:
        open_store(edited, tmp_path / "run").__enter__()
    assert refused.value.exit_code == 4
    for line in ("seed: 7 -> 8", "run.horizon: 5 -> 6", "arms.shared: {} -> nothing", "--out"):
        assert line in str(refused.value)
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == before


def test_another_version_of_the_code_is_another_run(tmp_path):
    fake = scenario()
    begun(tmp_path / "run", fake)
    with pytest.raises(StorageError, match=r"version: .* -> 0\.0\.1"):
        Store(tmp_path / "run", run_of(fake, "0.0.1")).__enter__()


def test_unfinished_run_of_other_libraries_is_refused(tmp_path, monkeypatch):
    begun(tmp_path / "run")
    installed = provenance.versions()
    monkeypatch.setattr(provenance, "versions", lambda: installed | {"numpy": "1.0"})
    with pytest.raises(StorageError, match=r"numpy: .* -> 1\.0"):
        open_store(scenario(), tmp_path / "run").__enter__()
