"""Promise 10: inf, nan or a crossed bound is recorded with time, replication and variable, counted, and the study goes on."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

import simlab
from simlab.lab.cohort import play
from simlab.studies.summary import exit_code
from tests.bad_input.door import knock
from tests.promises.wayward import SCENARIO, Wayward

PLUGIN = str(Path(__file__).with_name("wayward.py"))
GROWS = SCENARIO.replace(
    "arms: {isolated: {topology: isolated}}",
    "arms:\n  calm: {topology: isolated, set: {world.wayward.gain: 0.5}}\n  grows: {topology: isolated, set: {world.wayward.gain: 3}}",
)


@pytest.mark.parametrize(("gain", "end"), [(3.0, 1e6), (1e200, math.inf)])
def test_growth_is_recorded_when_it_leaves_its_bounds(gain, end):
    """A level between 1 and 2 that is multiplied by the gain is beyond the bound of its measure at a tick that algebra tells."""
    trial = simlab.load(SCENARIO, using=[Wayward], world={"wayward": {"gain": gain}}).arms[0].trial
    found = play(trial, 3, range(4))
    bound = Wayward.measures["level"].bound
    first, last = (math.ceil(math.log(bound / level, gain)) for level in (2, 1))
    assert ((first <= found.diverged) & (found.diverged <= last)).all()
    told = {(e.name, e.replication, e.time) for e in found.events if e.kind == "diverged"}
    assert {("level", n, found.diverged[n]) for n in range(4)} <= told
    assert all(e.value > bound for e in found.events if e.kind == "diverged" and e.name == "level")
    assert np.isnan(found.measures["level"]).all()
    assert not found.failed
    if end == math.inf:
        assert np.isinf(found.series["level"][3:]).all() or np.isnan(found.series["level"][3:]).all()


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
