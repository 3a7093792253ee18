"""Promise 10: inf, nan or a crossed bound is recorded with time, replication and variable, counted, and the study goes on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, final

import numpy as np
import pytest

import simlab
from simlab.base.par import Par
from simlab.base.world import Measure
from simlab.brains.brain import Brain
from simlab.brains.topology import Schedule
from simlab.lab.cohort import play
from simlab.studies.summary import exit_code
from tests.bad_input.door import knock
from tests.lab.toy import Toy, trial
from tests.promises.wayward import SCENARIO, Wayward

PLUGIN = str(Path(__file__).with_name("wayward.py"))
GROWS = SCENARIO.replace(
    "arms: {isolated: {topology: isolated}}",
    "arms:\n  calm: {topology: isolated, set: {world.wayward.gain: 0.5}}\n  grows: {topology: isolated, set: {world.wayward.gain: 3}}",
)


@pytest.mark.parametrize("gain", [3.0, 1e200])
def test_growth_is_recorded_when_it_leaves_its_bounds(gain):
    """A level between 1 and 2 that is multiplied by the gain is beyond the bound of its measure at a tick that algebra tells."""
    set_up = simlab.load(SCENARIO, using=[Wayward], world={"wayward": {"gain": gain}}).arms[0].trial
    found = play(set_up, 3, range(4))
    bound = Wayward.measures["level"].bound
    first, last = (math.ceil(math.log(bound / level, gain)) for level in (2, 1))
    assert ((first <= found.diverged) & (found.diverged <= last)).all()
    told = {(e.name, e.replication, e.time) for e in found.events if e.kind == "diverged"}
    assert {("level", n, found.diverged[n]) for n in range(4)} <= told
    assert all(e.value > bound for e in found.events if e.kind == "diverged" and e.name == "level")
    assert np.isnan(found.measures["level"]).all()
    assert not found.failed
    lost = found.times[:, None] >= found.diverged
    assert np.isnan(np.stack(list(found.series.values()))[:, lost]).all()  # from then on nothing is drawn of it
    assert np.isfinite(found.series["level"][~lost]).all()


@pytest.mark.parametrize(
    ("bound", "most"),
    [({}, 2.0**128), ({"bound": 1e300}, 2.0**128), ({"bound": 1e30}, 1e30)],
    ids=["default", "beyond float32", "within"],
)
def test_what_a_record_cannot_hold_has_diverged(bound, most, monkeypatch):
    """A level that grows 16-fold from tick to tick passes 2**128, where float32 ends, at tick 32: it is not silently infinite from there.

    The time that is told is that of the recorded instant, here every third tick.
    """
    monkeypatch.setattr(Wayward, "measures", Wayward.measures | {"level": Measure("1", "the level", **bound)})
    grows = {"world": {"wayward": {"gain": 16.0}}, "run__stride": "3 s"}
    found = play(simlab.load(SCENARIO, using=[Wayward], **grows).arms[0].trial, 3, range(4))
    assert not found.failed
    exact = found.series["level"][0] * 16.0 ** found.times[:, None]
    over = exact >= most
    first = found.times[over.argmax(axis=0)]
    assert over.any(axis=0).all()
    np.testing.assert_array_equal(found.diverged, first)
    assert np.isnan(found.measures["level"]).all()
    np.testing.assert_allclose(found.series["level"][~over], exact[~over].astype(np.float32))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runaway")
    (folder / "mine.yaml").write_text(GROWS)
    answer = knock(folder, "run", "mine.yaml", "--plugin", PLUGIN, "--jobs", "1", "--out", "run")
    return answer, folder


def test_the_study_goes_on_and_says_so(run):
    answer, folder = run
    assert answer.code == 3
    assert "diverged" in answer.out
    found = simlab.open(folder / "run", using=[Wayward])
    level = found.measures["level"]
    assert np.isfinite(level.sel(arm="calm")).all()
    assert np.isnan(level.sel(arm="grows")).all()
    shown = (folder / "run" / "report.html").read_text("utf-8")
    assert "diverged" in shown


def test_diverged_replications_that_are_allowed_fail_nothing(run):
    _, folder = run
    found = simlab.open(folder / "run", using=[Wayward])
    allowed = simlab.load(GROWS, using=[Wayward], run__allow_diverged=1000)
    assert (exit_code(found.scenario, found.summary), exit_code(allowed, found.summary)) == (3, 0)


def test_what_is_undefined_is_neither_a_number_nor_a_failure(run):
    """0 / 0 in a measure that may be undefined is NaN in the data, null in the summary, and diverges nothing."""
    _, folder = run
    found = simlab.open(folder / "run", using=[Wayward])
    assert np.isnan(found.measures["odds"]).all()
    assert found.summary["arms"]["calm"]["odds"]["mean"] is None
    assert "NaN" not in (folder / "run" / "summary.json").read_text()


def test_a_replication_that_raises_is_lost_alone(tmp_path):
    text = SCENARIO.replace("wayward: {}", "wayward: {raises: 0.017}").replace("replications: 4", "replications: 32")
    scenario = simlab.load(text, using=[Wayward])
    found = simlab.run(scenario, jobs=1, out=tmp_path / "run", progress=lambda _: None)
    failed = found.record.cells["isolated"].failed
    assert exit_code(scenario, found.summary) == 3
    assert 0 < len(failed) < 32  # each with probability 1/2
    assert all("RuntimeError: this replication is lost" in why for why in failed.values())
    level = found.measures["level"].sel(arm="isolated").values
    assert [n for n in range(32) if np.isnan(level[n])] == sorted(failed)


def test_a_bound_that_is_crossed():
    """Gain above 1, retrained on what it caused: outcomes grow until they cross the bound."""
    runaway = play(trial(Toy(pull=3.0), schedule=Schedule(every=1), horizon=400.0), 1, range(3))
    assert np.isfinite(runaway.diverged).all()
    assert np.isnan(runaway.measures["total"]).all()
    assert {e.name for e in runaway.events if e.kind == "diverged"} <= {"total", "worst", "latest"}
    assert {e.replication: e.time for e in runaway.events if e.kind == "diverged"} == dict(enumerate(runaway.diverged))


SAID = (0.0, 1.0, -np.inf, np.nan, 1e300)


@final
@dataclass(frozen=True)
class Breaks(Brain[Any]):
    """Says 0, and from its eleventh question on number `what` of `SAID` to those whose first feature was above 1."""

    answers = frozenset({"number"})
    what: Annotated[int, Par("1", "which number it says", low=0, high=4)] = 0

    def start(self, r, b, p, spec, luck):
        return {"asked": 0, "odd": None}

    def predict(self, mind, x, luck):
        mind["asked"] += 1
        mind["odd"] = x[:, 0, 0, 0] > 1.0 if mind["odd"] is None else mind["odd"]
        said = np.zeros(x.shape[:3])
        if mind["asked"] > 10:
            said[mind["odd"]] = SAID[self.what]
        return said

    def witness(self, mind, x, action, feedback, then):
        return


@pytest.mark.parametrize("what", [2, 3, 4])
def test_what_is_not_finite_is_told_and_leaves_the_others_alone(what):
    """What is lost are the replications in which a brain broke, and the others are as if none had; no warning, no failure."""
    calm = play(trial(Toy(), "shared", brains=(Breaks(),)), 1, range(12))
    wild = play(trial(Toy(), "shared", brains=(Breaks(what),)), 1, range(12))
    lost = np.isfinite(wild.diverged)
    assert 0 < lost.sum() < 12
    assert not wild.failed
    assert set(wild.diverged[lost]) == {15.0}  # at tick 11, and seen at the next instant that is recorded
    told = [e for e in wild.events if e.kind == "diverged"]
    assert {e.replication for e in told} == set(np.flatnonzero(lost))
    assert {(e.time, e.name) for e in told} <= {(15.0, name) for name in ("total", "worst", "latest")}
    for name, values in calm.measures.items():
        assert np.isnan(wild.measures[name][lost]).all()
        np.testing.assert_array_equal(wild.measures[name][~lost], values[~lost])
