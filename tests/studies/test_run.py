"""The study as a whole, on the shipped flash crash: same bits in any way of running it, and a summary that adds up."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

import simlab
from simlab.base.errors import InputError
from simlab.lab.cohort import play
from simlab.results.openmetrics import histories
from simlab.studies.run import prepared, run
from simlab.studies.summary import contradicted, exit_code, summarise
from simlab.studies.trace import line, trace
from simlab.views.results import Results
from tests.studies import market

DATA = ("measures.npz", "series.npz", "events.jsonl", "failed.json", "summary.json", "summary.csv")


@pytest.fixture(scope="module")
def scenario():
    """Two simulated minutes, with the shock brought forward, and 33 replications, so that no cohort size divides them."""
    start = {"shocks__sell_program__start": "1 min"}
    return simlab.load("flash_crash", run__replications=33, run__horizon="2 min", **start)


@pytest.fixture(scope="module")
def record(scenario, tmp_path_factory):
    return run(scenario, jobs=1, cohort=64, out=tmp_path_factory.mktemp("run") / "a")


def bits(record):
    return {name: hashlib.sha256((record.path / name).read_bytes()).hexdigest() for name in DATA}


@pytest.mark.parametrize(("jobs", "cohort"), [(2, 64), (2, 7)])
def test_jobs_and_cohort_size_never_change_a_bit(scenario, record, tmp_path, jobs, cohort):
    assert bits(run(scenario, jobs=jobs, cohort=cohort, out=tmp_path / "b")) == bits(record)


def test_the_first_replications_of_many_are_those_of_few(scenario, record):
    arm = scenario.arms[-1]
    few = play(arm.trial, scenario.seed, range(5))
    for name, value in few.measures.items():
        np.testing.assert_array_equal(value, record.cells[arm.name].measures[name][:5])


def test_an_arm_that_changes_nothing_differs_by_exactly_nothing(scenario, record):
    first = scenario.arms[0]
    twice = replace(scenario, arms=(first, first._replace(name="again")), controls=(), claims=())
    cells = {"again": record.cells[first.name], first.name: record.cells[first.name]}
    summary = summarise(twice, type(record).of(cells, (first.name, "again")))
    for row in summary["contrasts"]:
        assert row["mean_difference"] in (0, None)
        assert row["ci95"] in ([0, 0], None)


def test_the_summary_is_what_json_promises(scenario, record):
    summary = record.summary
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert {"scenario", "seed", "replications", "arms", "contrasts", "claims", "diverged", "failed"} <= set(summary)
    names = [arm.name for arm in scenario.arms]
    assert list(summary["arms"]) == names == list(summary["failed"])
    for arm in names:
        for name, row in summary["arms"][arm].items():
            values = record.cells[arm].measures[name]
            assert set(row) == {"n", "mean", "median", "p05", "p95", "ci95"}
            if row["n"]:
                assert row["mean"] == pytest.approx(values[np.isfinite(values)].mean())
    for row in summary["contrasts"]:
        difference = (
            record.cells[row["arm"]].measures[row["measure"]] - record.cells[row["versus"]].measures[row["measure"]]
        )
        if row["n"]:
            assert row["mean_difference"] == pytest.approx(np.nanmean(difference), abs=1e-12)
            low, high = row["ci95"]
            assert low <= row["mean_difference"] <= high
    for claim in summary["claims"]:
        assert claim["holds"] is {"holds": True, "contradicted": False, "undecided": None}[claim["verdict"]]
    assert len(summary["claims"]) == len(scenario.claims)


def test_exit_codes(scenario, record):
    fine = {**record.summary, "claims": [], "controls": {}}
    refuted = {"expect": True, "verdict": "contradicted"}
    retelling = {"expect": False, "verdict": "contradicted"}
    assert exit_code(scenario, fine) == 0
    assert exit_code(scenario, {**fine, "claims": [refuted]}) == 1
    assert not contradicted({**fine, "claims": [retelling, {"expect": True, "verdict": "undecided"}]})
    assert contradicted({**fine, "claims": [{"expect": False, "verdict": "holds"}]})
    assert exit_code(scenario, {**fine, "failed": {"isolated": 1}}) == 3
    assert exit_code(scenario, {**fine, "diverged": {"isolated": 1}}) == 3


def test_trace_is_bit_equal_to_the_study(scenario, record):
    arm, number = scenario.arms[-1], 17
    steps = []
    outcome = trace(scenario, arm.name, number, steps.append)
    for name, value in outcome.measures.items():
        np.testing.assert_array_equal(value, record.cells[arm.name].measures[name][number : number + 1])
    assert {step.stage for step in steps} == {"observe", "predict", "act", "react", "learn", "measure"}
    measured = next(step for step in steps if step.stage == "measure")
    told = line(measured._replace(tick=3, time=172_800.0, value={"share": 1 / 3, "n": 4}), False)
    assert told.split() == ["3", "2", "day", "measure", "share", "0.333333,", "n", "4"]
    ticks = arm.trial.ticks(arm.trial.horizon)
    assert sum(step.stage == "act" for step in steps) == ticks
    shown = [step.value for step in steps if step.stage == "measure"][-1]
    for name, value in shown.items():
        assert value == record.cells[arm.name].measures[name][number]


def test_what_cannot_be_traced_or_run_is_refused(scenario):
    with pytest.raises(InputError, match="unknown arm `isolatd`; did you mean `isolated`"):
        trace(scenario, "isolatd", 0, print)
    with pytest.raises(InputError, match="from 0 to 32, not 33"):
        trace(scenario, "isolated", 33, print)
    with pytest.raises(InputError, match="replications must be a whole number of at least 1, not 0"):
        prepared(scenario, replications=0)
    with pytest.raises(InputError, match="seed must be a whole number"):
        prepared(scenario, seed=-1)


def test_quantiles_of_series_are_the_same_however_it_is_cut_and_all_else_is_as_ever(tmp_path):
    whole = run(simlab.load(market.YAML), jobs=1, out=tmp_path / "whole")
    kept = simlab.load(market.YAML, run__series="quantiles")
    found = [run(kept, jobs=j, cohort=c, out=tmp_path / f"{j}") for j, c in ((1, 32), (2, 5))]
    assert bits(found[0]) == bits(found[1])
    assert {**bits(whole), "series.npz": ""} == {**bits(found[0]), "series.npz": ""}
    series = found[0].series["price"]
    assert series.dims == ("arm", "time", "quantile")
    exact = whole.series["price"].quantile(series["quantile"], "replication").transpose(*series.dims)
    np.testing.assert_allclose(series, exact, rtol=2**-10)
    assert "quantiles only" in Results(found[0], kept).report(tmp_path / "page").read_text()
    with pytest.raises(InputError, match=r"run\.series: all"):
        histories(found[0], 3, controls=False)
