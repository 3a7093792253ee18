"""Sweeps: every point is the plain run of its values, nothing is lost or played twice, and jobs never change a bit."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import simlab
from simlab.base.errors import InputError, StorageError
from simlab.lab import cohort
from simlab.results import sweeps
from simlab.results.record import Record
from simlab.scenario.load import load
from simlab.scenario.problems import ScenarioError
from simlab.studies.points import base_of, coordinates, plan, points
from simlab.studies.question import Question
from simlab.studies.run import prepared, run
from simlab.studies.sweep import Player, exit_code, samples, sweep
from simlab.studies.workers import Crew
from tests.studies.market import YAML

ROOT = Path(__file__).parents[2]
AXES = {"world.flash_crash.limit": [70, 140], "world.flash_crash.error": [0, 1]}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    found = tmp_path_factory.mktemp("scenario") / "market.yaml"
    found.write_text(YAML)
    return found


@pytest.fixture(scope="module")
def scenario(path):
    return load(path)


@pytest.fixture(scope="module")
def study(scenario):
    return plan(scenario, AXES, arms=["isolated", "shared"])


@pytest.fixture(scope="module")
def whole(scenario, study, tmp_path_factory):
    """An undisturbed sweep in this process."""
    return sweep(scenario, study, jobs=1, out=tmp_path_factory.mktemp("whole") / "sweep")


def bits(folder):
    names = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock"]
    varies = ("manifest.json", "timings.json")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in names if path.name not in varies}


def test_when_it_was_played_is_kept_and_asking_again_plays_nothing(path, tmp_path):
    axes = {"world.flash_crash.limit": [70, 140]}
    out = simlab.sweep(load(path), axes, jobs=1, replications=2, out=tmp_path / "out").path
    (out / "timings.json").write_text('{"finished": "then"}')
    simlab.sweep(load(path), axes, jobs=1, replications=2, out=out, stat="median")
    assert (out / "timings.json").read_text() == '{"finished": "then"}'
    shutil.rmtree(next(out.glob("*/manifest.json")).parent)
    simlab.sweep(load(path), axes, jobs=1, replications=2, out=out)  # plays a point again
    assert '"finished": "20' in (out / "timings.json").read_text()
    (out / "timings.json").unlink()
    simlab.sweep(load(path), axes, jobs=1, replications=2, out=out)
    assert '"finished": "20' in (out / "timings.json").read_text()


def test_another_design_in_the_same_place_does_not_keep_the_date(path, tmp_path):
    base = load(path)
    out = simlab.sweep(base, {"world.flash_crash.limit": [70, 140]}, jobs=1, replications=2, out=tmp_path / "out").path
    (out / "timings.json").write_text('{"finished": "then"}')
    with sweeps.held(out, {"format": sweeps.FORMAT, "scenario": "another"}, replace=True):
        assert not (out / "timings.json").exists()


def test_every_point_is_the_plain_run_of_its_values(path, whole, tmp_path):
    document, folder = whole
    assert [row["values"] for row in document["rows"]] == [[70, 0], [70, 1], [140, 0], [140, 1]]
    for row in (document["rows"][0], document["rows"][3]):
        overrides = dict(zip(AXES, row["values"], strict=True))
        plain = run(load(path, overrides), jobs=1, out=tmp_path / row["run"])
        point = Record.open(folder / row["run"])
        for arm in ("isolated", "shared"):
            for name, values in plain.cells[arm].measures.items():
                np.testing.assert_array_equal(point.cells[arm].measures[name], values)
            for name, values in plain.cells[arm].series.items():
                np.testing.assert_array_equal(point.cells[arm].series[name], values)
            assert point.cells[arm].events == plain.cells[arm].events
            harm = plain.summary["harm"]["arms"][arm]
            found = row["arms"][arm]
            assert (found["n"], found["value"], found["ci95"]) == (harm["n"], harm["share"], harm["ci95"])
        assert row["arms"]["shared"]["difference"] == plain.summary["harm"]["contrasts"][0]["difference"]
        assert row["arms"]["isolated"]["difference"] is None
        joint, single = row["arms"]["shared"]["difference_joint"], row["arms"]["shared"]["difference_ci95"]
        assert joint[0] < single[0] < single[1] < joint[1]  # for the four points together


def test_jobs_never_change_a_bit(scenario, study, whole, tmp_path):
    sweep(scenario, study, jobs=2, out=tmp_path / "two")
    assert bits(tmp_path / "two") == bits(whole[1])


def test_an_interrupted_sweep_goes_on_where_it_stopped(scenario, study, whole, tmp_path):
    def stop(progress):
        if progress.done >= 3 * 32:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(scenario, study, jobs=1, out=tmp_path / "cut", progress=stop)
    finished = list((tmp_path / "cut").glob("*/manifest.json"))
    assert 1 <= len(finished) < 4
    assert not (tmp_path / "cut" / "sweep.json").exists()
    with pytest.raises(StorageError, match="not finished"):
        sweeps.read(tmp_path / "cut")
    before = {path: path.stat().st_mtime_ns for path in finished}
    told = []
    sweep(scenario, study, jobs=1, out=tmp_path / "cut", progress=told.append)
    assert {path: path.stat().st_mtime_ns for path in finished} == before  # what was finished is only read
    assert told[-1].done == told[-1].total == 4 * 2 * 32
    assert bits(tmp_path / "cut") == bits(whole[1])


def test_a_killed_sweep_is_resumed_by_the_same_command(path, whole, tmp_path):
    axes = [f"{key}={','.join(map(str, values))}" for key, values in AXES.items()]
    command = [sys.executable, "-m", "simlab", "sweep", str(path), *axes, "--arms", "isolated,shared"]
    command += ["--jobs", "1", "--out", str(tmp_path / "cut")]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while not list((tmp_path / "cut").glob("*/manifest.json")) and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "cut" / "report.html").exists()
    done = subprocess.run([*command, "--json"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    found = json.loads(done.stdout)
    assert found["rows"] == whole[0]["rows"]
    assert "report: " in done.stderr
    ours = {name: content for name, content in bits(tmp_path / "cut").items() if name in ("sweep.json", "sweep.csv")}
    assert ours == {name: bits(whole[1])[name] for name in ours}
    assert (tmp_path / "cut" / "report.html").is_file()


def test_a_point_that_is_refused_leaves_nothing(scenario, study, tmp_path, monkeypatch):
    def refuse(trial, seed, replications):
        raise InputError("cannot be played")

    monkeypatch.setattr(cohort, "play", refuse)
    with pytest.raises(InputError, match="cannot be played"):
        sweep(scenario, study, jobs=1, out=tmp_path / "results" / "sweep")
    assert not list(tmp_path.iterdir())


def test_the_same_trial_is_played_once(scenario, tmp_path):
    """The arm without the switch is the same at every latency, and one without an axis at every point."""
    from simlab.lab.cohort import play

    played = []

    def count(trial, seed, replications):
        played.append(trial)
        return play(trial, seed, replications)

    study = plan(scenario, {"arms.killed.interventions.0.kill_switch.latency.median": ["0 s", "3 s", "9 s"]})
    base = base_of(scenario, study)
    player = Player(points(base, study), tmp_path / "sweep", Question("drawdown", "harm"), count)
    player.play(Crew(1), None)
    assert len(played) == 2 + 3
    assert {arm for said in player.said.values() for arm in said} == {"isolated", "shared", "killed"}
    first, *others = [said["isolated"].values for said in player.said.values()]
    for other in others:
        np.testing.assert_array_equal(other, first)
    records = [Record.open(tmp_path / "sweep" / name) for name in player.runs]
    assert [record.arms for record in records] == [("isolated", "shared", "killed")] * 3


def test_another_measure_of_the_same_points_plays_nothing(scenario, study, whole, tmp_path):
    document, folder = whole
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*/*.npz")}
    told = []
    other, _ = sweep(scenario, study._replace(measure="loss", stat="p95"), jobs=1, out=folder, progress=told.append)
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*/*.npz")} == before
    assert all(progress.agent_steps == 0 for progress in told)
    assert (other["asked"]["measure"], other["asked"]["stat"]) == ("loss", "p95")
    record = Record.open(folder / other["rows"][1]["run"])
    assert other["rows"][1]["arms"]["shared"]["value"] == np.quantile(record.cells["shared"].measures["loss"], 0.95)
    again, _ = sweep(scenario, study, jobs=1, out=folder)
    assert again == document
    x, y = samples(folder, "shared")[0], samples(folder, "shared", Question("drawdown", "mean"))[0]
    np.testing.assert_array_equal(x, (y > 0.0006) * 1.0)


def test_a_directory_holds_one_sweep(scenario, study, whole, tmp_path):
    other = study._replace(axes=study.axes[:1])
    with pytest.raises(StorageError, match="holds another sweep") as caught:
        sweep(scenario, other, jobs=1, out=whole[1])
    assert "world.flash_crash.error" in str(caught.value)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(StorageError, match=r"not a sweep's \(notes.txt\)"):
        sweep(scenario, study, jobs=1, out=tmp_path / "mine")
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    with pytest.raises(StorageError, match="symbolic link"):
        sweep(scenario, study, jobs=1, out=tmp_path / "link")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "sweep.json").write_bytes((whole[1] / "sweep.json").read_bytes().replace(b"0", b"1", 1))
    with pytest.raises(StorageError, match="damaged"):
        sweeps.read(tmp_path / "damaged")


def test_an_edited_study_gives_way_and_keeps_its_points(scenario, study, tmp_path):
    first, folder = sweep(scenario, study._replace(axes=study.axes[:1]), jobs=1, out=tmp_path / "study", replace=True)
    longer = study.axes[0]._replace(listed=(70, 140, 280))
    told = []
    second, _ = sweep(scenario, study._replace(axes=(longer,)), jobs=1, out=folder, replace=True, progress=told.append)
    assert [row["run"] for row in second["rows"][:2]] == [row["run"] for row in first["rows"]]
    assert (
        max(progress.agent_steps for progress in told) == 2 * 4 * 30 * 32
    )  # one point: arms, traders, ticks, replications


def test_arms_may_meet_at_a_corner(scenario, tmp_path):
    """Nobody shared is isolated: in a run two such arms are refused, in a sweep their difference there is 0."""
    study = plan(
        scenario, {"arms.shared.topology": [{"wiring": "shared", "share": 0.0}, "shared"]}, arms=["isolated", "shared"]
    )
    document, _ = sweep(scenario, study, jobs=1, out=tmp_path / "sweep")
    corner = document["rows"][0]["arms"]["shared"]
    assert (corner["difference"], corner["clear"]) == (0, False)
    assert document["axes"][0]["kind"] == "choice"


def test_a_parameter_that_changes_nothing_is_a_flat_line(scenario, tmp_path):
    document, _ = sweep(
        scenario, plan(scenario, {"world.flash_crash.program": [1000, 2000]}), jobs=1, out=tmp_path / "sweep"
    )
    for found in document["rows"][1]["arms"].values():
        assert (found["change"], found["change_clear"]) == (0, False)


def test_sobol_and_latin_points_are_drawn_with_the_scenarios_seed(scenario, tmp_path):
    axes = {"world.flash_crash.traders": "2:5", "arms.shared.topology": ["shared", "isolated"]}
    study = plan(scenario, axes, arms=["isolated", "shared"], measure="drawdown", design="sobol", points=4)
    base = base_of(scenario, study)
    found = coordinates(base, study)
    assert len(found) == 4 * (2 + 2)
    assert {type(row[0]) for row in found} == {int}
    assert {row[0] for row in found} == {2, 3, 4, 5}
    assert found == coordinates(base, study)
    assert found != coordinates(replace(base, seed=4), study)
    document, folder = sweep(prepared(scenario, replications=2), study, jobs=1, out=tmp_path / "sweep")
    assert len(document["rows"]) == 16
    played = {row["run"] for row in document["rows"]}
    assert len(played) <= 8  # with four numbers and two topologies some of Saltelli's points are the same set-up
    assert {path.name for path in folder.iterdir() if path.is_dir()} == played
    assert len(document["indices"]["shared"]) == 2


def test_the_way_along_one_axis_is_paired_too(scenario, tmp_path):
    study = plan(scenario, {"world.flash_crash.limit": [70, 700]}, arms=["isolated"], measure="drawdown")
    document, folder = sweep(scenario, study, jobs=1, out=tmp_path / "sweep")
    x, y = samples(folder, "isolated")
    first, last = (row["arms"]["isolated"] for row in document["rows"])
    assert first["change"] is None
    assert last["change"] == pytest.approx((y - x).mean())
    low, high = last["change_ci95"]
    assert low < last["change"] < high


def test_what_was_lost_is_counted(whole):
    document, _ = whole
    assert exit_code(document, 0) == 0
    row = document["rows"][0]
    arms = {**row["arms"], "shared": {**row["arms"]["shared"], "diverged": 2}}
    lost = {**document, "rows": [{**row, "arms": arms}, *document["rows"][1:]]}
    assert (exit_code(lost, 1), exit_code(lost, 2)) == (3, 0)


def test_the_library_shows_a_sweep(scenario, whole, tmp_path):
    found = simlab.sweep(scenario, AXES, arms=["isolated", "shared"], jobs=1, out=whole[1])
    assert found.document == whole[0]
    frame = found.to_pandas()
    assert list(frame.columns[:4]) == ["point", "limit", "error", "arm"]
    assert len(frame) == 4 * 2
    cube = found.to_xarray()
    assert dict(cube.sizes) == {"limit": 2, "error": 2, "arm": 2}
    row = frame[(frame.limit == 140) & (frame.error == 0) & (frame.arm == "shared")].iloc[0]
    assert float(cube.value.sel(limit=140, error=0, arm="shared")) == row.value
    assert found.verdict in repr(found)
    assert "<svg" in found._repr_html_()
    assert len(found.plot().axes) == 3  # two arms and their difference
    assert simlab.Sweep.open(whole[1]).verdict == found.verdict
    with pytest.raises(ScenarioError, match="did you mean `limit`"):
        simlab.sweep(scenario, {"world.flash_crash.limt": [1, 2]})
    with pytest.raises(InputError, match="no `studies:` there"):
        simlab.sweep(scenario, "phase")
