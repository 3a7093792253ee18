"""Promise 3. A run to 2T begins as the run to T, in every world; and the first replications do not ask how many follow.

Series, harm and divergence are the same on [0, T]. What is due at T itself is not played in the run to T, as in SimPy's `run(until=T)`, so
happenings are the same on [0, T), and of those at T the shorter run has only what was told in advance.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import simlab
from simlab.brains.topology import Schedule
from simlab.lab.cohort import play
from simlab.lab.outcome import Event
from simlab.lab.shocks import Shock
from simlab.studies.run import prepared
from simlab.studies.run import run as play_into
from tests.lab.toy import Toy
from tests.lab.toy import trial as toy
from tests.worlds.test_contract import load, short, worlds


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.nightly] * (i % 3 > 0)) for i, name in enumerate(worlds())]
)
def test_a_longer_run_begins_as_a_shorter_one(name: str) -> None:
    """With shocks, hands and retrainings within; the measures of the shorter run are what the longer one records at T."""
    trial = short(load(name).arms[-1], 16)
    trial = replace(trial, stride=trial.horizon / 4)
    brief, long = play(trial, 9, range(2)), play(replace(trial, horizon=2 * trial.horizon), 9, range(2))
    assert not brief.failed | long.failed
    n = len(brief.times)
    assert n > 1
    np.testing.assert_array_equal(long.times[:n], brief.times)
    for measure, values in brief.series.items():
        np.testing.assert_array_equal(long.series[measure][:n], values, err_msg=measure)
    end = trial.horizon
    assert brief.times[-1] == pytest.approx(end)
    for measure, values in brief.measures.items():
        np.testing.assert_array_equal(values.astype(np.float32), long.series[measure][n - 1], err_msg=measure)
    np.testing.assert_array_equal(brief.diverged, np.where(long.diverged <= end, long.diverged, np.nan))

    def the_same(events: list[Event]) -> list[Event]:
        return [e for e in events if e.time < end or (e.time == end and e.kind in ("harm", "diverged"))]

    assert the_same(long.events) == the_same(brief.events)
    assert not set(brief.events) - set(long.events)


def test_what_is_due_at_the_horizon_is_not_played() -> None:
    """A shock at T is no part of the run to T; what a longer run records at T is from before it."""
    shock = Shock("jump", "world", "set", start=40.0, values={"drift": 100.0})
    brief, long = (play(toy(Toy(), shocks=(shock,), horizon=end), 9, range(3)) for end in (40.0, 80.0))
    assert not brief.events
    assert {(e.time, e.name) for e in long.events} == {(40.0, "jump")}
    np.testing.assert_array_equal(long.series["latest"][:9], brief.series["latest"])
    assert (long.series["latest"][9] > 90).all()


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
