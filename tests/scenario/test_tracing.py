"""`trace:` in a scenario: files and values, units, gaps, and what is refused with its place."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd
import pytest

import simlab
from simlab.lab.traces import Trace
from simlab.scenario.build import build, rebuild
from simlab.scenario.problems import ScenarioError
from simlab.scenario.reader import read
from simlab.scenario.tracing import factor
from tests.scenario.toys import GOOD, TOYS

JUMP = "  jump: {world: {impact: 0.5}, start: 10 min}\n"
CALM = GOOD.replace(JUMP, "", 1)  # without the shock that sets what the traces drive
ROWS = "t,impact,other\n0,0.1,a\n600,0.2,b\n1200,0.4,c\n"


def made(tmp_path, trace, rows=ROWS):
    (tmp_path / "impact.csv").write_text(rows)
    text = CALM.replace("shocks:", f"trace: {{impact: {{{trace}}}}}\nshocks:", 1)
    return build(read(text.encode(), "toy.yaml"), "toy", str(tmp_path / "toy.yaml"), None, TOYS)


def refused(tmp_path, trace, rows=ROWS):
    with pytest.raises(ScenarioError) as caught:
        made(tmp_path, trace, rows)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize(
    ("trace", "times", "values", "period"),
    [
        ("file: impact.csv, time: t, unit: '1'", (0, 600, 1200), (0.1, 0.2, 0.4), math.inf),
        ("file: impact.csv, time: t, unit: '%'", (0, 600, 1200), (0.001, 0.002, 0.004), math.inf),
        ("file: impact.csv, every: 10 min, unit: '1'", (0, 600, 1200), (0.1, 0.2, 0.4), math.inf),
        ("file: impact.csv, every: 1 min, unit: '1', repeat: true", (0, 60, 120), (0.1, 0.2, 0.4), 180),
        ("values: [0.3, 0.5], every: 15 min, unit: '1'", (0, 900), (0.3, 0.5), math.inf),
        ("values: [0.3, 0.5], times: [0, 1000], unit: '1'", (0, 1000), (0.3, 0.5), math.inf),
    ],
)
def test_recorded_values_are_followed(tmp_path, trace, times, values, period):
    scenario = made(tmp_path, trace)
    for arm in (*scenario.arms, *scenario.controls[1].arms):  # a record is no stressor: it stays
        assert arm.trial.traces == (Trace("impact", times, arm.trial.traces[0].values, period),)
        assert arm.trial.traces[0].values == pytest.approx(values)
    again = rebuild(json.loads(json.dumps(scenario.resolved)), "toy", TOYS)  # without the file
    assert again.arms == scenario.arms
    assert again.resolved == scenario.resolved


def test_dates_and_parquet(tmp_path):
    days = pd.date_range("2024-01-01", periods=4, freq="10min", tz="UTC")
    pd.DataFrame({"when": days, "impact": [0.1, 0.2, 0.3, 0.4]}).to_parquet(tmp_path / "impact.parquet")
    trace = made(tmp_path, "file: impact.parquet, time: when, unit: '1'").arms[0].trial.traces[0]
    assert (trace.times, trace.values) == ((0, 600, 1200, 1800), (0.1, 0.2, 0.3, 0.4))


@pytest.mark.parametrize(
    ("unit", "wanted", "by"),
    [
        ("1/day", "1/day", 1),
        ("1/day", "1/s", 1 / 86_400),
        ("1/min", "1/h", 60),
        ("min", "s", 60),
        ("%", "1", 0.01),
        ("1", "%", 100),
        ("bp", "1", None),
        ("s", "1/s", None),
    ],
)
def test_units(unit, wanted, by):
    found = factor(unit, wanted)
    assert found is None if by is None else found == pytest.approx(by)


@pytest.mark.parametrize(
    ("trace", "says"),
    [
        ("file: impact.csv, time: t, unit: bp", "`bp` is not the unit of impact"),
        ("file: impact.csv, time: t", "trace.impact.unit: missing"),
        ("file: impact.csv, unit: '1'", "expected one of `time`"),
        ("file: impact.csv, time: t, every: 1 min, unit: '1'", "expected one of `time`"),
        ("unit: '1', time: t", "expected one of `file` and `values`"),
        ("file: impact.csv, values: [1], time: t, unit: '1'", "not both"),
        ("values: [0.1, 0.2], unit: '1'", "their distance, or a time for each"),
        ("values: [0.1, 0.2, 0.3], times: [0, 0, 1200], unit: '1'", "strictly increase"),
        ("file: impcat.csv, time: t, unit: '1'", "impact.csv`?"),
        ("file: impact.csv, time: tt, unit: '1'", "did you mean `t`?"),
        ("file: impact.csv, time: t, column: impcat, unit: '1'", "did you mean `impact`?"),
        ("file: impact.csv, time: t, column: other, unit: '1'", "impact.csv:2: other: `a` is not a number"),
        ("file: impact.csv, time: t, column: t, unit: '1'", "both the time and the column"),
        ("file: impact.csv, time: t, gap: 5 min, unit: '1'", "impact.csv:3: t: a gap of 600 s"),
        ("values: [0.1, 2], every: 15 min, unit: '1'", "value 2: must be at most 1, not 2"),
        ("values: [0.1, .nan], every: 15 min, unit: '1'", "finite"),
        ("values: [0.1, 0.2], every: 1 min, unit: '1'", "covers 2 min of the 30 min"),
        ("values: [0.1], every: 1 h, unit: '1'", "value 1: is all there is, and a record has two rows or more"),
        (
            "values: [0.1, 0.2], every: 100 ms, unit: '1', repeat: true",
            "rows are 0.1 s apart, and the world goes in ticks of 0.5 s",
        ),
        ("file: ., time: t, unit: '1'", "a directory"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path, trace, says):
    assert says in refused(tmp_path, trace)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("t,impact\n0,0.1\n600,\n1200,0.3\n", "impact.csv:3: impact: no number, and nothing is filled in"),
        ("t,impact\n0,0.1\n600,0.2\n300,0.3\n", "time goes back"),
        ("t,impact\n0,0.1\n600,0.2\n600,0.3\n", "stands twice"),
        ("t,impact\n0,0.1\n600,0.2\n1200,1.5\n", "impact.csv:4: must be at most 1, not 1.5"),
        ("t,impact,impact\n0,0.1,1\n", "stands twice"),
        ("", "empty"),
        ("t,impact\n0,0.1\n", "impact.csv:2: is all there is, and a record has two rows or more"),
    ],
)
def test_rows_are_refused_with_their_place(tmp_path, rows, says):
    assert says in refused(tmp_path, "file: impact.csv, time: t, unit: '1'", rows)


WEEKS = "week,impact\n" + "".join(f"{i},0.{i}\n" for i in range(1, 5))


@pytest.mark.parametrize(("step", "horizon"), [("2 s", "20 min"), ("500 ms", "20 min")])
def test_week_numbers_that_would_be_read_as_seconds_are_told_apart_from_seconds(tmp_path, step, horizon):
    """Too close together for the tick, or too short for the horizon: either way the unit is what is wrong."""
    (tmp_path / "impact.csv").write_text(WEEKS)
    text = CALM.replace("shocks:", "trace: {impact: {file: impact.csv, time: week, unit: '1'}}\nshocks:", 1)
    text = text.replace("market: {", f"market: {{dt: {step}, ", 1).replace("horizon: 30 min", f"horizon: {horizon}")
    with pytest.raises(ScenarioError, match="write `every: 1 week` in") as caught:
        build(read(text.encode(), "toy.yaml"), "toy", str(tmp_path / "toy.yaml"), None, TOYS)
    assert "average" not in str(caught.value)


def test_more_than_a_world_has_room_for_is_told_once_with_its_row_and_the_largest_value(tmp_path):
    lines = Path(simlab.load("retry_storm").path).read_text(encoding="utf-8")
    rows = enumerate((10, 70, 90, 30))
    (tmp_path / "demand.csv").write_text("t,rate\n" + "".join(f"{60 * i},{rate}\n" for i, rate in rows))
    trace = "trace: {arrivals: {file: demand.csv, column: rate, time: t, unit: 1/s, repeat: true}}"
    (tmp_path / "mine.yaml").write_text(lines.replace("\narms:", f"\n{trace}\narms:", 1))
    with pytest.raises(ScenarioError) as caught:
        simlab.load(tmp_path / "mine.yaml")
    (told,) = (problem for problem in caught.value.problems if "arrivals" in problem.path)
    assert told.path == "trace.arrivals"
    assert told.message.endswith("demand.csv:4: RetryStorm.arrivals must be at most `most` (60), not 90")
    assert [p.message for p in caught.value.problems if "must be at most" in p.message] == [told.message]


def test_a_parameter_that_may_not_change_is_refused():
    text = GOOD.replace("shocks:", "trace: {pause: {values: [1], every: 1 h, unit: s}}\nshocks:", 1)
    with pytest.raises(ScenarioError, match="not a live parameter of the world"):
        build(read(text.encode(), "toy.yaml"), "toy", "toy.yaml", None, TOYS)


def test_a_shock_on_the_same_parameter_is_refused():
    text = GOOD.replace("shocks:", "trace: {impact: {values: [0.1], every: 1 h, unit: '1'}}\nshocks:", 1)
    with pytest.raises(ScenarioError, match="the shock `jump` sets impact too"):
        build(read(text.encode(), "toy.yaml"), "toy", "toy.yaml", None, TOYS)


def test_a_copy_of_a_shipped_scenario_follows_a_file_beside_it(tmp_path):
    lines = Path(simlab.load("policing").path).read_text(encoding="utf-8")
    (tmp_path / "rate.csv").write_text("day,busy\n" + "".join(f"2024-01-0{i},{i}.5\n" for i in range(1, 9)))
    trace = "trace: {deters: {file: rate.csv, column: busy, time: day, unit: '%', repeat: true}}"
    (tmp_path / "mine.yaml").write_text(lines.replace("\nshocks:", f"\n{trace}\nshocks:", 1))
    scenario = simlab.load(tmp_path / "mine.yaml")
    assert scenario.arms[0].trial.traces[0].period == 8 * 86_400
    assert scenario.resolved["trace"]["deters"]["source"] == "column busy of rate.csv"
