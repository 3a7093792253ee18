"""The library as the README shows it: load, run, open."""

from __future__ import annotations

import numpy as np
import pytest

import simlab
from simlab.base.errors import InputError


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    scenario = simlab.load("flash_crash", run__replications=4, run__horizon="2 min")
    return simlab.run(scenario, jobs=1, out=tmp_path_factory.mktemp("api") / "run")


def test_every_public_name_resolves():
    for name in simlab.__all__:
        assert getattr(simlab, name) is not None
    with pytest.raises(AttributeError, match="no attribute `lod`"):
        simlab.lod  # noqa: B018


def test_results_are_labelled(results):
    arms = [arm.name for arm in results.scenario.arms]
    assert dict(results.measures.sizes) == {"arm": len(arms), "replication": 4}
    assert results.measures["drawdown"].attrs["unit"] == "1"
    assert list(results.series.sizes) == ["arm", "time", "replication"]
    frame = results.to_pandas()
    assert list(frame.columns[:2]) == ["arm", "replication"]
    assert len(frame) == 4 * len(arms)
    assert set(results.events.columns) >= {"arm", "replication", "time", "kind", "name", "model", "value"}
    assert len(results.claims) == len(results.scenario.claims)


def test_a_run_can_be_opened_again(results):
    again = simlab.open(results.path)
    assert again.summary == results.summary
    assert again.verdict == results.verdict
    np.testing.assert_array_equal(again.series["price"], results.series["price"])
    assert again.scenario == simlab.open(results.path).scenario


def test_the_last_recorded_value_is_the_measure(results):
    last = results.series.isel(time=-1)
    for name in results.measures:
        np.testing.assert_array_equal(last[name], results.measures[name].astype("float32"))


def test_overrides_are_checked(results):
    with pytest.raises(InputError, match=r"run\.replicatons"):
        simlab.load("flash_crash", run__replicatons=4)
    with pytest.raises(InputError, match=r"no keyword `replications`.*: run__replications=3, run__horizon='1 s'"):
        simlab.load("flash_crash", replications=3, horizon="1 s")
    other = simlab.run(results.scenario, replications=2, seed=7, jobs=1, out=results.path.parent / "other")
    assert other.summary["seed"] == 7
    assert other.summary["replications"] == 2
