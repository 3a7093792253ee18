"""Promise 3. A run to 2T equals the run to T on [0, T], in every world; and the first replications do not ask how many follow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import simlab
from simlab.brains.topology import Schedule
from simlab.lab.cohort import play
from simlab.lab.outcome import Event
from simlab.studies.run import prepared
from simlab.studies.run import run as play_into
from tests.lab.toy import Toy
from tests.lab.toy import trial as toy
from tests.worlds.test_contract import load, short, worlds


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.nightly] * (i % 3 > 0)) for i, name in enumerate(worlds())]
)
def test_a_longer_run_begins_as_a_shorter_one(name: str) -> None:
    """Series on [0, T] and events on [0, T), with shocks, hands and retrainings within.

    What the calendar has for T itself comes after the last tick, so a run to T ends before it; harm is seen at T too.
    """
    trial = short(load(name).arms[-1], 16)
    brief, long = play(trial, 9, range(2)), play(replace(trial, horizon=2 * trial.horizon), 9, range(2))
    assert not brief.failed | long.failed
    n = len(brief.times)
    assert n > 1
    np.testing.assert_array_equal(long.times[:n], brief.times)
    for measure, values in brief.series.items():
        np.testing.assert_array_equal(long.series[measure][:n], values, err_msg=measure)
    end = trial.horizon

    def before_the_end(events: list[Event]) -> list[Event]:
        return [event for event in events if event.time < end or (event.time == end and event.kind == "harm")]

    assert before_the_end(long.events) == before_the_end(brief.events)


@pytest.mark.parametrize("plan", [Schedule(every=4, how="random", chance=0.5), Schedule(every=7, jitter=3)])
def test_turns_that_are_drawn_do_not_ask_how_many_follow(plan: Schedule) -> None:
    brief, long = (play(toy(Toy(models=6), schedule=plan, horizon=end), 9, range(3)) for end in (40.0, 120.0))
    for measure, values in brief.series.items():
        np.testing.assert_array_equal(long.series[measure][: len(values)], values, err_msg=measure)


def test_the_first_replications_are_the_same_however_many_are_asked_for(tmp_path: Path) -> None:
    scenario = simlab.load("flash_crash", run__horizon="10 s")
    few, many = (play_into(prepared(scenario, n), jobs=1, out=tmp_path / str(n), cohort=4) for n in (5, 11))
    for cell, held in few.cells.items():
        for measure, values in held.measures.items():
            np.testing.assert_array_equal(many.cells[cell].measures[measure][:5], values, err_msg=f"{cell} {measure}")
            np.testing.assert_array_equal(many.cells[cell].series[measure][:, :5], held.series[measure])
        assert [event for event in many.cells[cell].events if event.replication < 5] == list(held.events)
