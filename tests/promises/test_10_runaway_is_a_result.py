"""Promise 10. inf, nan or a crossed bound is recorded as `diverged` with time, replication and variable; the others go on as if alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, final

import numpy as np
import pytest

from simlab.base.par import Par
from simlab.brains.brain import Brain
from simlab.brains.topology import Schedule
from simlab.lab.cohort import play
from tests.lab.toy import Toy, trial


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
