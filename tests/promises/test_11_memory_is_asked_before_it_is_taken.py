"""Promise 11. Memory is asked before it is taken: what is said is what is taken, and what there is no room for is refused unwritten."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import simlab
from simlab.__main__ import cli
from simlab.base.errors import InputError
from simlab.studies import memory, plan, points, runner, shards, sweep
from simlab.studies.run import run
from tests.bad_input.door import refused, tree
from tests.promises.family import environment
from tests.studies import market

ROOT = Path(__file__).parents[2]
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
MB = 1_000_000


def taken(path: Path, series: str, *numbers: int) -> list[dict[str, int]]:
    command = [sys.executable, "-m", "tests.studies.play_tiny", str(path), series, *map(str, numbers)]
    done = subprocess.run(
        command, cwd=ROOT, env={"PYTHONPATH": str(ROOT), "PATH": ""}, capture_output=True, text=True, timeout=1800
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, int]] = json.loads(done.stdout)
    return found


@linux
def test_memory_is_planned_within_a_factor_of_two(tmp_path: Path) -> None:
    (found,) = taken(tmp_path, "all", 4000)
    assert found["peak"] / 2 <= found["planned"] <= 2 * found["peak"]


SHIPPED = ("hiring", "cascade", "retraining", "recommender", "ddos", "policing", "cluster", "supply_chain", "federated")


@linux
@pytest.mark.parametrize(
    ("name", "replications"),
    [("hiring", 8), *(pytest.param(name, 32, marks=pytest.mark.nightly) for name in (*SHIPPED, "performative"))],
)
def test_time_and_memory_of_a_shipped_scenario_are_planned_within_a_factor_of_two(
    tmp_path: Path, name: str, replications: int
) -> None:
    """Time is that of the CPU: what it takes on a machine that has nothing else to do."""
    command = [sys.executable, "-m", "tests.studies.planned", str(tmp_path), name, str(replications)]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["peak"] / 2 <= found["memory"] <= 2 * found["peak"], found
    assert found["took"] / 2 <= found["seconds"] <= 2 * found["took"], found


@pytest.mark.nightly
@linux
def test_with_quantiles_series_take_no_more_memory_for_more_replications(tmp_path: Path) -> None:
    """What each replication keeps, its final measures and events, is under 2 kB in each of three cells; its series would be 3.6 kB more."""
    few, many = taken(tmp_path, "quantiles", 1000, 5000)
    assert many["peak"] - few["peak"] < 3 * 4_000 * 2_000


@pytest.mark.nightly
@linux
def test_a_hundred_thousand_replications(tmp_path: Path) -> None:
    few, many = taken(tmp_path, "quantiles", 2000, 100_000)
    assert many["peak"] - few["peak"] < 3 * 98_000 * 2_000


def test_a_run_there_is_no_room_for_is_refused_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "available", lambda: 400 * MB)
    big = simlab.load(market.YAML, run__replications=20_000)
    with pytest.raises(InputError, match=r"more than 80% of the 400 MB(?s:.)*run\.series: quantiles") as said:
        run(big, jobs=1, out=tmp_path / "run")
    assert said.value.exit_code == 2
    assert not list(tmp_path.iterdir())


STUDIES = """\
studies:
  limits: {title: Limits, because: chosen, sweep: {world.flash_crash.limit: [70, 80]}, arms: [isolated, shared]}
"""


@pytest.mark.parametrize(
    ("command", "advice"),
    [
        ("run mine.yaml --jobs 2", "set `run.series: quantiles`"),
        ("run mine.yaml --jobs 2 --executor dask", "set `run.series: quantiles`"),
        ("run mine.yaml --executor dask:tcp://127.0.0.1:9", "set `run.series: quantiles`"),  # the record is kept here
        ("run mine.yaml --jobs 2 --shard 1/2", "lower `--jobs` from 2"),  # which keeps no record
        ("sweep mine.yaml world.flash_crash.limit=70,80 --arms isolated,shared", "set `run.series: quantiles`"),
        ("study mine.yaml", "set `run.series: quantiles`"),
    ],
)
def test_there_is_no_way_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, advice: str) -> None:
    def played(*_: object) -> None:
        raise AssertionError("it is played")

    monkeypatch.setattr(plan, "available", lambda: 100 * MB)
    monkeypatch.setattr(runner.Filler, "play", played)
    monkeypatch.setattr(sweep.Player, "play", played)
    (tmp_path / "mine.yaml").write_text(market.YAML.replace("traders: 4", "traders: 64") + STUDIES)
    said = refused(tmp_path, *command.split(), "--replications", "20000", "--out", "out", most=5.0)
    assert "mine: needs about" in said
    assert "more than 80% of the 100 MB that are free" in said
    assert advice in said


def test_a_point_of_a_sweep_is_what_is_planned_and_not_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest of them, and what others may need again."""
    asked: list[tuple[int, int]] = []

    def note(scenario: simlab.Scenario, jobs: int, *, also: int) -> None:
        asked.append((scenario.arms[0].trial.topology.models, also))
        raise InputError("enough")

    monkeypatch.setattr(sweep, "checked", note)
    small = simlab.load(market.YAML)
    study = points.plan(small, {"world.flash_crash.traders": [2, 8, 4]})
    with pytest.raises(InputError, match="enough"):
        sweep.sweep(small, study, jobs=1)
    ((models, also),) = asked
    assert models == 8
    largest = simlab.load(market.YAML, world__flash_crash__traders=8)
    assert also == plan.recorded(replace(largest, controls=()), 32)


def test_shards_there_is_no_room_for_are_not_merged_and_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = simlab.load(market.YAML, run__horizon="2 s")
    for number in (1, 2):
        shards.play_shard(small, shards.Shard(number, 2), command="simlab run", jobs=1, out=tmp_path / "run")
    before = tree(tmp_path)
    monkeypatch.setattr(plan, "available", lambda: 1 * MB)
    with pytest.raises(InputError, match=r"more than 80% of the 1 MB that are free .* 0 MB for cohorts under way"):
        shards.merge([tmp_path / "run"])
    assert tree(tmp_path) == before


def test_a_world_there_is_no_room_for_is_a_matter_of_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    small = simlab.load(market.YAML)
    found = plan.plan(small, 2)._replace(free=100 * MB, memory=400 * MB, played=300 * MB, kept=50 * MB)
    with pytest.raises(InputError, match="lower `--jobs` from 2 or play a smaller world"):
        found.check(small)
    found._replace(free=501 * MB).check(small)
    found._replace(free=None).check(small)  # where nobody tells, nobody is refused


def test_a_plan_counts_what_is_played_once_once() -> None:
    found = plan.plan(simlab.load(market.YAML), 1)
    assert (found.cells, found.replications) == (9, 32)
    assert found.cohorts == 6  # no_stressor has no shocks to take away, so its arms play as the plain ones
    assert found.steps == 6 * 32 * 4 * 30  # ticks of half a second


def test_a_dry_run_writes_nothing_and_says_what_it_would_take(tmp_path: Path) -> None:
    (tmp_path / "market.yaml").write_text(market.YAML)
    command = [sys.executable, "-m", "simlab", "run", "market.yaml", "--dry-run", "--json", "--jobs", "1"]
    here = {"PYTHONPATH": str(ROOT), "PATH": ""}
    done = subprocess.run(command, cwd=tmp_path, env=here, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["replications"] == 32
    assert told["seconds"] > 0
    assert "nothing was run" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["market.yaml"]


def told(*args: str) -> tuple[int, list[dict[str, Any]], str]:
    """Exit code of a dry run, its JSON, and its words."""
    found = CliRunner().invoke(cli, [*args, "--dry-run", "--json", "--jobs", "1"], standalone_mode=False)
    assert found.exception is None, found.exception
    return found.return_value, [json.loads(line) for line in found.stdout.splitlines()], found.stderr


def test_a_sweep_s_dry_run_adds_up_its_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is the same at several points is played once, and the first point alone takes as much memory as all of them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plan, "SECONDS", 0.02)
    Path("market.yaml").write_text(market.YAML)
    few = ("sweep", "market.yaml", "--replications", "8", "--arms", "isolated,shared")
    code, (three,), said = told(*few, "world.flash_crash.limit=70,80,90")
    _, (two,), _ = told(*few, "world.flash_crash.limit=70,80")
    assert code == 0
    assert (three["points"], three["cells"], three["replications"]) == (3, 2, 8)
    assert (three["steps"], three["cohorts"]) == (3 * 2 * 8 * 4 * 30, 6)  # ticks of half a second
    assert (two["steps"], two["cohorts"]) == (2 * 2 * 8 * 4 * 30, 4)
    assert three["disk"] == two["disk"] * 4 / 3
    assert three["kept"] == two["kept"]
    assert three["seconds"] > 0
    assert "points        3, each a run of its own" in said
    _, (along,), _ = told(*few, "arms.shared.topology=shared,shared_brain")
    assert along["steps"] == 3 * 8 * 4 * 30  # the other arm is the same at both
    assert [path.name for path in tmp_path.iterdir()] == ["market.yaml"]


def test_a_sweep_that_takes_too_much_is_refused_dry_as_in_earnest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plan, "SECONDS", 0.02)
    monkeypatch.setattr(plan, "available", lambda: 15 * MB)
    Path("market.yaml").write_text(market.YAML)
    few = ("sweep", "market.yaml", "world.flash_crash.limit=70,80", "--replications", "2")
    code, (found,), said = told(*few)
    assert (code, found["too_much"]) == (2, True)
    with pytest.raises(InputError) as earnest:
        CliRunner().invoke(cli, [*few, "--jobs", "1"], standalone_mode=False, catch_exceptions=False)
    needs = "market: needs about "
    assert needs in said
    assert str(earnest.value).startswith(needs)
    assert [path.name for path in tmp_path.iterdir()] == ["market.yaml"]


@pytest.mark.parametrize("version", [1, 2])
def test_a_container_s_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int) -> None:
    proc, groups = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    (proc / "meminfo").write_text("MemTotal: 9000000 kB\nMemAvailable: 8000000 kB\n")
    if version == 2:
        own, names, line = groups / "a/b", ("memory.max", "memory.current", "inactive_file"), "0::/a/b"
    else:
        own, line = groups / "memory/a/b", "7:cpu,memory:/a/b"
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    own.mkdir(parents=True)
    (proc / "self" / "cgroup").write_text(f"{line}\n")
    monkeypatch.setattr(memory, "PROC", proc)
    monkeypatch.setattr(memory, "CGROUP", groups)
    assert memory.available() == 8_000_000 * 1024  # no limit is set
    (own / names[0]).write_text("max\n" if version == 2 else f"{2**63 - 4096}\n")
    (own / names[1]).write_text("5000\n")
    assert memory.available() == 8_000_000 * 1024
    (own.parent / names[0]).write_text("1000000\n")  # the limit of a group around it
    (own.parent / names[1]).write_text("600000\n")
    (own.parent / "memory.stat").write_text(f"anon 7\n{names[2]} 100000\n")
    assert memory.available() == 500_000


@linux
def test_this_process_takes_some_memory() -> None:
    assert 10 * MB < memory.resident() < 4000 * MB
