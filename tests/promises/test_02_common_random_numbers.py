"""Promise 2. Arms meet the same luck: one that changes nothing differs by exactly 0, and so does all that a new agent cannot reach."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import simlab
from simlab.brains.topology import Schedule
from simlab.interventions.kill_switch import KillSwitch
from simlab.lab.cohort import play
from simlab.lab.trial import Hand, Trigger
from simlab.studies.run import prepared
from tests.lab.toy import Toy, trial
from tests.worlds.test_contract import load, short, worlds


def test_an_arm_that_changes_nothing_differs_by_exactly_0(tmp_path: Any) -> None:
    """In the summary, as a user sees it; 30 replications, so that there is an interval."""
    idle = {"topology": "isolated", "interventions": [{"kill_switch": {"at": "9 h"}}]}
    scenario = simlab.load(
        "flash_crash",
        run__horizon="10 s",
        studies={},
        arms={"isolated": {"topology": "isolated"}, "idle": idle},
        claims=[],
    )
    results = simlab.run(prepared(scenario, 30), out=tmp_path / "run", jobs=1, progress=lambda _: None)
    found = results.summary["contrasts"]
    assert {row["arm"] for row in found} == {"idle"}
    assert {row["mean_difference"] for row in found if row["n"]} == {0.0}
    assert {(0.0, 0.0)} == {tuple(row["ci95"]) for row in found if row["ci95"]}


@pytest.mark.parametrize("name", worlds()[::6])
def test_a_hand_that_never_acts_changes_no_bit(name: str) -> None:
    bare = short(load(name).arms[0], 20)
    never = Hand("never", KillSwitch(), Trigger(at=1e12))
    armed = replace(bare, hands=(*bare.hands, never))
    plain, same = play(bare, 5, range(2)), play(armed, 5, range(2))
    assert same.events == plain.events
    for measure, values in plain.series.items():
        np.testing.assert_array_equal(same.series[measure], values, err_msg=measure)


@pytest.mark.parametrize("models", [1, 15, 16, 64, 129])
def test_another_agent_leaves_the_rest_as_it_was(models: int) -> None:
    """What the models see and what becomes of it; with no pull they cannot reach each other."""

    def seen(m: int) -> dict[tuple[int, str], np.ndarray]:
        found: dict[tuple[int, str], np.ndarray] = {}

        def tap(tick: int, stage: str, value: Any) -> None:
            if stage in ("observe", "predict"):
                found[tick, stage] = np.array(value)

        play(trial(Toy(models=m, pull=0.0), schedule=Schedule(every=4), horizon=12.0), 7, range(2), tap)
        return found

    few, more = seen(models), seen(models + 1)
    assert few.keys() == more.keys()
    for key, value in few.items():
        np.testing.assert_array_equal(more[key][:, : value.shape[1]], value, err_msg=str(key))


@pytest.mark.parametrize("wiring", ["feature_store", "shared_brain", "shared"])
def test_arms_of_other_wiring_meet_the_same_luck(wiring: str) -> None:
    """With no pull nobody's answer reaches the world, so that all that comes of it is luck: the same bits, however the models are wired."""

    def met(wired: str) -> dict[str, np.ndarray]:
        return dict(play(trial(Toy(models=20, pull=0.0), wired, schedule=Schedule(every=4)), 7, range(3)).series)

    own, other = met("isolated"), met(wiring)
    for name in Toy.measures:
        np.testing.assert_array_equal(other[name], own[name], err_msg=name)


def test_a_parameter_that_is_not_read_leaves_all_as_it_was() -> None:
    """`fails` is held against outcomes and never reached; `pull` is read, but nobody acts in the open loop."""
    plain = play(trial(Toy(pull=0.5), schedule=Schedule(every=4), closed=False), 7, range(3))
    other = play(trial(Toy(pull=0.9, fails=1e9), schedule=Schedule(every=4), closed=False), 7, range(3))
    for name, values in plain.series.items():
        np.testing.assert_array_equal(other.series[name], values)
