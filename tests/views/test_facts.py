from dataclasses import replace

import numpy as np
import pytest

from simlab.base.par import Par
from simlab.interventions.limits import Limits
from simlab.lab.trial import Hand, Trigger
from simlab.scenario.scenario import Row
from simlab.views import facts
from tests.views import fixture


@pytest.fixture(scope="module")
def made():
    return fixture.scenario()


def held(made, values):
    record = fixture.record(made, n=len(values))
    cells = {**record.cells, "isolated": record.cells["isolated"]._replace(measures={"drawdown": np.array(values)})}
    return replace(record, cells=cells)


@pytest.mark.parametrize(
    ("stat", "low", "high", "mark", "figure", "found"),
    [
        ("median", 2.0, 4.0, "predicted", 3.0, "hit"),
        ("median", 3.5, None, "predicted", 3.0, "miss"),
        ("mean", None, 3.9, "predicted", 4.0, "miss"),
        ("mean", 0.0, 9.0, "input", 4.0, "input"),
        ("mean", 9.0, 9.0, "fitted", 4.0, "fitted"),
    ],
)
def test_only_predicted_rows_can_be_hits_or_misses(made, stat, low, high, mark, figure, found):
    row = Row("fall", mark, "3", "a paper", "drawdown", stat, "isolated", low, high)
    assert facts.score(row, held(made, [1.0, 3.0, 8.0, np.nan])) == (figure, found)


def test_a_row_may_be_read_under_a_control(made):
    record = held(made, [1.0, 3.0, 8.0])
    row = Row("fall", "predicted", "3", "a paper", "drawdown", "mean", "isolated", 3.9, 4.1)
    quiet = record.cells["feedback_off:isolated"].measures["drawdown"].mean()
    assert facts.score(row, record) == (4.0, "hit")
    assert facts.score(row._replace(control="feedback_off"), record) == (pytest.approx(quiet), "miss")


def test_a_bound_that_binds_nothing_is_no_number(made):
    hand = Hand("bounds", Limits(high=3.0), Trigger(at=0.0))
    arm = made.arms[0]
    rows = facts.settings([arm._replace(trial=replace(arm.trial, hands=(hand,)))])
    assert [row.value for row in rows if row.owner == "hand bounds"] == ["no limit", "3", "no limit"]


def test_what_is_undefined_is_neither_hit_nor_miss(made):
    row = Row("fall", "predicted", "3", "a paper", "drawdown", "median", "isolated", 0, 1)
    assert facts.score(row, held(made, [np.nan])) == (None, "undefined")
    assert facts.score(row._replace(measure=None), held(made, [1.0])) == (None, "undefined")


def test_parameters_are_listed_once_and_those_without_a_source_counted(made):
    rows = facts.settings(made.arms)
    assert [(r.owner, r.name) for r in rows] == [
        ("world Market", "traders"),
        ("world Market", "impact"),
        ("world Market", "pause"),
        ("brain Trend", "memory"),
    ]
    assert facts.chosen(rows) == 2


def test_a_parameter_that_differs_between_arms_says_so(made):
    one, other = made.arms[:2]
    changed = other._replace(trial=replace(other.trial, world=fixture.Market(impact=0.4)))
    values = {r.name: r.value for r in facts.settings((one, changed))}
    assert values["impact"] == "0.2 (isolated); 0.4 (shared feature store)"
    assert values["traders"] == "64"


def test_bounds():
    assert facts.bounds(Par("1", "", low=0, high=1)) == "0 to 1"
    assert facts.bounds(Par("1", "", above=0)) == ">\u00a00"
    assert facts.bounds(Par("1", "")) == "any"
    assert facts.bounds(Par("1", "", choices=("a", "b"))) == "a, b"


def test_events_that_every_arm_had_alike_are_told_once(made):
    record = fixture.record(made, n=50)
    seen = facts.happened([record.cells[arm.name] for arm in made.arms])
    shocks = [one for one in seen if one.kind == "shock"]
    assert [(one.name, one.arm, one.events, len(one.first)) for one in shocks] == [("seller", None, 50, 50)]
    struck = {one.arm: len(one.first) for one in seen if one.kind == "harm"}
    harm = record.summary["harm"]["arms"]
    assert struck == {i: harm[arm.name]["count"] for i, arm in enumerate(made.arms) if harm[arm.name]["count"]}


def test_the_command_quotes_what_a_shell_would_read(made):
    record = fixture.record(made, n=40)
    assert (
        facts.command(record, replace(made, path="my; file.yaml"))
        == "simlab run 'my; file.yaml' --replications 40 --seed 2010"
    )


def test_settings_of_the_run_name_shocks_and_hands(made):
    arm = made.arms[0]
    told = dict(
        facts.run_facts(
            fixture.record(made, n=40), replace(made, arms=(arm._replace(trial=fixture.killed(arm.trial)),))
        )
    )
    assert told["horizon"] == "30 min"
    assert told["shocks"] == "seller: world set from 10 min for 15 min"
    assert told["hands in isolated"] == "kill when drawdown > 0.02, 30 s later (median)"


def test_timings_are_read_where_they_are(made, tmp_path):
    record = replace(fixture.record(made, n=40), path=tmp_path)
    assert facts.timings(record) == {}
    (tmp_path / "timings.json").write_text('{"seconds": 12.5, "jobs": 2, "finished": "now", "parts": [1]}')
    assert facts.timings(record) == {"seconds": "12.5", "jobs": "2", "finished": "now"}
    (tmp_path / "timings.json").write_text("{torn")
    assert facts.timings(record) == {}
