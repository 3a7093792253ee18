"""Trace: one replication of one arm, tick by tick, bit-equal to the study."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from simlab.base.arrays import Array
from simlab.base.errors import InputError, did_you_mean
from simlab.base.units import pretty
from simlab.lab.cohort import play
from simlab.lab.outcome import Outcome
from simlab.scenario.scenario import Scenario


class Step(NamedTuple):
    """One stage of one tick of a replication.

    `stage` is "observe" `(m, *c, f)`, "predict" `(m, *c)`, "act", "react" (each model's outcome), "learn" (brains that retrained,
    before this tick) or "measure"; `value` is an array with the model first, or a dict of numbers.
    """

    tick: int
    time: float
    stage: str
    value: Array | dict[str, Any]


def trace(
    scenario: Scenario, arm: str, replication: int, see: Callable[[Step], None], control: str | None = None
) -> Outcome:
    """Play one replication of an arm again and show every stage of every tick to `see`; returns its outcome.

    Raises InputError for an unknown arm or control, or a replication outside the study.
    """
    arms = {a.name: a for a in scenario.arms}
    if control is not None:
        controls = {c.name: c for c in scenario.controls}
        if control not in controls:
            raise InputError(f"unknown control `{control}`; {did_you_mean(control, controls)}")
        arms = {a.name: a for a in controls[control].arms}
    if arm not in arms:
        raise InputError(f"unknown arm `{arm}`; {did_you_mean(arm, arms)}")
    if not 0 <= replication < scenario.most:
        raise InputError(f"replication must be from 0 to {scenario.most - 1}, not {replication}")
    trial = arms[arm].trial

    def tap(tick: int, stage: str, value: Any) -> None:
        of_one = {k: _first(v) for k, v in value.items()} if isinstance(value, Mapping) else np.array(value[0])
        see(Step(tick, tick * trial.world.tick, stage, of_one))

    with threadpool_limits(1):
        return play(trial, scenario.seed, [replication], tap)


def line(step: Step, as_json: bool) -> str:
    """One stage of a tick as a line; as JSON, what is undefined is null."""
    if not as_json:
        value = step.value
        if isinstance(value, dict):
            shown = ", ".join(f"{name} {x:.6g}" if isinstance(x, float) else f"{name} {x}" for name, x in value.items())
        else:
            shown = np.array2string(value, precision=6, threshold=12, edgeitems=4)
        return f"{step.tick:8d}  {pretty(step.time):>14}  {step.stage:8s}  {' '.join(shown.split())}"
    return json.dumps({"tick": step.tick, "time": step.time, "stage": step.stage, "value": _plain(step.value)})


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inside) for key, inside in value.items()}
    if isinstance(value, list):
        return [_plain(inside) for inside in value]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _first(value: Any) -> Any:
    return float(value[0]) if isinstance(value, np.ndarray) else value
