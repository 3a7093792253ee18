"""The points of a study: built and checked as plain runs would be, before anything is played."""

from __future__ import annotations

import pytest

from simlab.base.errors import InputError
from simlab.scenario.load import load
from simlab.scenario.problems import ScenarioError
from simlab.studies.points import base_of, facts, plan, points, short
from simlab.studies.run import prepared
from simlab.studies.sweep import sweep
from tests.studies.market import YAML


@pytest.fixture(scope="module")
def scenario(tmp_path_factory):
    path = tmp_path_factory.mktemp("scenario") / "market.yaml"
    path.write_text(YAML)
    return load(path)


def test_points_are_all_checked_before_anything_is_played(scenario, tmp_path):
    with pytest.raises(ScenarioError) as caught:
        plan(scenario, {"world.flash_crash.limit": [70, -1], "world.flash_crash.eror": [0, 1]})
    assert "world.flash_crash.limit=-1: world.flash_crash.limit: must be at least 0, not -1" in str(caught.value)
    assert "did you mean `error`?" in str(caught.value)
    assert caught.value.exit_code == 2
    study = plan(
        scenario, {"world.flash_crash.step_time": ["0.5 s", "1 s"], "world.flash_crash.flee": ["0.6 s", "5 s"]}
    )
    with pytest.raises(ScenarioError) as caught:
        sweep(scenario, study, out=tmp_path / "sweep")  # each value is fine by itself, but not all pairs
    assert "world.flash_crash.flee=0.6 s: world.flash_crash.flee: must be at least step_time (1 s)" in str(caught.value)
    assert not (tmp_path / "sweep").exists()


def test_what_is_too_much_is_refused(scenario, tmp_path):
    many = plan(scenario, {"world.flash_crash.limit": [1, 2], "world.flash_crash.error": [0, 1]})
    longer = tuple(axis._replace(listed=(), low=0, high=1, steps=110) for axis in many.axes)
    with pytest.raises(InputError, match="12,100 points; at most 10,000"):
        sweep(scenario, many._replace(axes=longer), out=tmp_path / "sweep")
    drawn = tuple(axis._replace(listed=(), low=0, high=1) for axis in many.axes)
    with pytest.raises(InputError, match="32,768 points"):
        sweep(scenario, many._replace(axes=drawn, design="sobol", points=8192), out=tmp_path / "sweep")
    endless = prepared(scenario, replications=10_000_000)
    with pytest.raises(InputError, match=r"1\.17e\+12 steps of agents at 2 points"):
        sweep(endless, plan(endless, {"world.flash_crash.traders": [600, 700]}), out=tmp_path / "sweep")
    with pytest.raises(InputError, match="jobs must be at least 1"):
        sweep(scenario, many, jobs=0, out=tmp_path / "sweep")
    assert not (tmp_path / "sweep").exists()


def test_more_than_two_axes_and_every_kind_of_value(scenario):
    axes = {
        "world.flash_crash.limit": (10, 20), "schedule.every": "1 s:3 s:3",
        "arms.shared.topology": ["shared", {"wiring": "isolated"}],
    }  # fmt: skip
    study = plan(scenario, axes)
    base = base_of(scenario, study)
    found = points(base, study)
    assert len(found) == 2 * 3 * 2
    assert found[-1].values == (20, "3 s", {"wiring": "isolated"})
    trial = found[-1].scenario.arms[1].trial
    assert (trial.world.limit, trial.schedule.every, trial.topology.brains) == (20, 3.0, 4)
    assert found[-1].scenario.controls == ()
    told = facts(base, study)
    assert [axis["kind"] for axis in told] == ["number", "time", "choice"]
    assert told[0]["about"] == "largest inventory of a trader, contracts"
    assert told[1]["about"].startswith("time between retrainings")


def test_the_recording_interval_follows_the_horizon_unless_it_was_chosen(tmp_path):
    for given, found in (("", [1.0, 2.0]), (", stride: 1.5 s", [1.5, 1.5])):
        (tmp_path / "market.yaml").write_text(YAML.replace("horizon: 15 s", f"horizon: 300 s{given}"))
        scenario = load(tmp_path / "market.yaml")
        study = plan(scenario, {"run.horizon": ["300 s", "600 s"]})
        made = points(base_of(scenario, study), study)
        assert [point.scenario.arms[0].trial.stride for point in made] == found
        for point, horizon in zip(made, ("300 s", "600 s"), strict=True):
            assert load(tmp_path / "market.yaml", {"run.horizon": horizon}).arms == point.scenario.arms


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("world.flash_crash.noise_volume", "noise volume"),
        ("brain.counts.forget", "forget"),
        ("brain.1.counts.forget", "forget"),
        ("arms.shared.topology", "topology"),
        ("arms.*.interventions.0.kill_switch.latency.median", "kill switch latency"),
        ("arms.a.interventions.1.kill_switch.at", "kill switch at"),
        ("shocks.sell_program.start", "sell program start"),
        ("run.horizon", "horizon"),
    ],
)
def test_axes_have_short_names(path, name):
    assert short(path) == name
