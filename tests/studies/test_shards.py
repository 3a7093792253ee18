"""Shards: whoever plays them, in whatever order they are merged, the run is the one that a single command leaves behind."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import simlab
from simlab.base.errors import InputError, StorageError
from simlab.scenario.scenario import Scenario
from simlab.studies.run import run
from simlab.studies.shards import Shard, merge, play_shard
from tests.bad_input.door import knock
from tests.studies import market

FILES = ("measures.npz", "series.npz", "events.jsonl", "failed.json", "summary.json", "summary.csv", "manifest.json")
COMMAND = "simlab run market.yaml"


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return simlab.load(market.YAML, run__replications=11, run__horizon="3 s")


@pytest.fixture(scope="module")
def whole(scenario: Scenario, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return contents(run(scenario, jobs=1, out=tmp_path_factory.mktemp("whole") / "run").path)


@pytest.fixture(scope="module")
def three(scenario: Scenario, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three shards, as three machines with nothing in common would leave them, one of them with an executor."""
    root = tmp_path_factory.mktemp("three")
    for i in (2, 1, 3):
        play(scenario, i, 3, root / str(i))
    return root


def contents(path: Path | None) -> dict[str, bytes]:
    assert path is not None
    return {name: (path / name).read_bytes() for name in FILES}


def play(scenario: Scenario, number: int, of: int, out: Path) -> Path:
    return play_shard(scenario, Shard(number, of), command=COMMAND, jobs=1, out=out).path


@pytest.mark.parametrize("order", ["123", "312"])
def test_merged_in_any_order_the_bytes_are_those_of_one_run(
    three: Path, whole: dict[str, bytes], tmp_path: Path, order: str
) -> None:
    merged = merge([three / name for name in order], tmp_path / "run")
    assert contents(merged.path) == whole
    assert merged.command == COMMAND


def test_a_merged_run_is_given_again_by_the_command_of_a_run(tmp_path: Path) -> None:
    """Where it lies is no part of what gives it again, as in the report of any run."""
    (tmp_path / "market.yaml").write_text(market.YAML)
    small = ("run", "market.yaml", "--replications", "2", "--set", "run.horizon=3s", "--jobs", "1", "--quiet")
    assert knock(tmp_path, *small, "--shard", "1/1", "--out", "run").code == 0
    assert knock(tmp_path, "merge", "run", "--quiet").code == 0
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert "simlab run market.yaml --set run.horizon=3s --replications 2 --seed 3" in page
    assert "--out" not in page


def test_shards_on_a_shared_directory_are_merged_where_they_are(
    scenario: Scenario, whole: dict[str, bytes], tmp_path: Path
) -> None:
    for i in (1, 2):
        play(scenario, i, 2, tmp_path / "run")
    assert contents(merge([tmp_path / "run"]).path) == whole
    assert not (tmp_path / "run" / "shards").exists()
    assert not (tmp_path / "run" / "parts").exists()
    again = run(scenario, jobs=1, out=tmp_path / "run")  # which only reads it
    assert contents(again.path) == whole


def test_a_missing_shard_is_named_with_its_command(
    scenario: Scenario, whole: dict[str, bytes], three: Path, tmp_path: Path
) -> None:
    with pytest.raises(StorageError) as said:
        merge([three / "1", three / "3"], tmp_path / "run")
    assert str(said.value).splitlines() == [
        "2 of 3 shards are whole; play what is missing, then merge again:",
        f"  {COMMAND} --out {three / '1'} --shard 2/3",
    ]
    assert not (tmp_path / "run" / "manifest.json").exists()
    assert contents(merge([three / "2"], tmp_path / "run").path) == whole  # what was there has been kept


def test_a_damaged_part_is_a_missing_shard(scenario: Scenario, three: Path, tmp_path: Path) -> None:
    shutil.copytree(three, tmp_path / "three")
    part = next((tmp_path / "three/2/shards/2-of-3/parts").glob("0001.*.npz"))
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    with pytest.raises(StorageError, match="--shard 2/3"):
        merge([tmp_path / "three" / name for name in "123"], tmp_path / "run")


def test_shards_may_overlap_where_they_are_equal(
    scenario: Scenario, whole: dict[str, bytes], three: Path, tmp_path: Path
) -> None:
    play(scenario, 1, 2, tmp_path / "half")
    assert contents(merge([three / "3", tmp_path / "half", three / "2"], tmp_path / "run").path) == whole


def test_shards_that_differ_where_they_overlap_are_refused(
    scenario: Scenario, three: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from simlab.lab import cohort

    right = cohort.play

    def wrong(trial, seed, replications):
        found = right(trial, seed, replications)
        found.measures["drawdown"][0] = 7.0
        return found

    monkeypatch.setattr(cohort, "play", wrong)
    play(scenario, 1, 2, tmp_path / "half")
    with pytest.raises(StorageError, match="replications 0 to 2 of `isolated` are not those of another shard"):
        merge([three / "1", tmp_path / "half"], tmp_path / "run")


def test_shards_of_different_runs_are_refused(scenario: Scenario, three: Path, tmp_path: Path) -> None:
    other = simlab.load(market.YAML, run__replications=11, run__horizon="3 s", run__seed=4)
    play(other, 2, 3, tmp_path / "other")
    with pytest.raises(StorageError, match=r"another run(?s:.)*seed"):
        merge([three / "1", tmp_path / "other"], tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_where_there_is_no_shard_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no shards are there"):
        merge([tmp_path / "nowhere"], tmp_path / "run")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "1/0", "-1/3", "1/3/5", ""])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"write e\.g\. `2/8`"):
        Shard.parse(text)


@pytest.mark.parametrize(("n", "of"), [(11, 3), (5, 8), (100, 7)])
def test_shards_cover_every_replication_once(n: int, of: int) -> None:
    assert [i for k in range(of) for i in Shard(k + 1, of).share(n)] == list(range(n))


def test_a_run_that_waits_for_an_interval_is_no_job_array(tmp_path: Path) -> None:
    waiting = simlab.load(market.YAML, run__until="harm <= 0.05")
    with pytest.raises(InputError, match=r"run\.until"):
        play(waiting, 1, 2, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.nightly  # the README's test follows these commands too
def test_the_commands_from_shards_to_report(tmp_path: Path, scenario: Scenario) -> None:
    (tmp_path / "market.yaml").write_text(market.YAML)
    simlab_ = [sys.executable, "-m", "simlab"]
    small = ["market.yaml", "--replications", "6", "--set", "run.horizon=6 s", "--jobs", "1"]
    here = {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""}

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*simlab_, *arguments], cwd=tmp_path, env=here, capture_output=True, text=True, timeout=300
        )

    assert call("run", *small, "--shard", "2/2", "--out", "run").returncode == 0
    early = call("merge", "run")
    assert early.returncode == 4
    (command,) = [line.strip() for line in early.stderr.splitlines() if "--shard" in line]
    assert call(*command.split("simlab ", 1)[1].replace("'run.horizon=6 s'", "run.horizon=6s").split()).returncode == 0
    merged = call("merge", "run")
    assert merged.returncode == 0, merged.stderr
    assert (tmp_path / "run" / "report.html").is_file()
