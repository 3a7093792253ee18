"""A run of `flash_crash` whose numbers are made by hand, kept by the real store: what an alert should have done in it is arithmetic."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from simlab.lab.outcome import Event, Outcome
from simlab.results.store import Store
from simlab.scenario.load import load
from simlab.scenario.scenario import Scenario
from simlab.studies.runner import run_of

INSTANTS, STRIDE = 40, 5.0  # 195 s
HARM = 100.0
REPLICATIONS = 2

# The instants at which the feedback spiral reads 2, in place of .5, by cell and replication; and which of them come to harm.
OVER = {
    ("isolated", 0): [*range(10, 15)],  # 50 s to 70 s: early
    ("isolated", 1): [],  # missed
    ("shared", 0): [10, *range(20, 30)],  # false, twice
    ("shared", 1): [*range(30, 40)],  # late
}
HARMED = {("isolated", 0), ("isolated", 1), ("shared", 1)}

needs_prometheus = pytest.mark.skipif(
    not all(map(shutil.which, ("promtool", "prometheus"))), reason="Prometheus is not installed"
)


def scenario() -> Scenario:
    return load("flash_crash", {"run.replications": REPLICATIONS})


def outcome(cell: str, names: list[str]) -> Outcome:
    times = np.arange(INSTANTS) * STRIDE
    series = {name: np.full((INSTANTS, REPLICATIONS), 0.25, np.float32) for name in names}
    series["loss"][:] = 1.5
    series["drift_acceleration"][:20] = np.nan  # not known yet
    series["drift_acceleration"][30:32] = np.nan  # nor there
    series["prediction_cascade"][:] = np.nan
    series["feedback_spiral"][:] = 0.5
    events = []
    for i in range(REPLICATIONS):
        series["feedback_spiral"][OVER.get((cell, i), []), i] = 2.0
        if (cell, i) in HARMED:
            events.append(Event(i, HARM, "harm", "drawdown"))
        events.append(Event(i, 60.0, "shock", "sell_program"))
        events += [Event(i, at * STRIDE, "alarm", "feedback_spiral") for at in OVER.get((cell, i), [])[:1]]
    measures = {name: values[-1].astype(float) for name, values in series.items()}
    return Outcome(np.arange(REPLICATIONS), measures, times, series, events, np.full(REPLICATIONS, np.nan), {})


def made(folder: Path) -> Path:
    """The directory of the run, in `folder`. Of arms and controls that are not in `OVER` everything is calm."""
    path = folder / "run"
    run = run_of(scenario())
    with Store(path, run) as store:
        for cell in run.cells:
            store.keep(cell, outcome(cell, list(run.measures)))
        store.merge()
    return path
