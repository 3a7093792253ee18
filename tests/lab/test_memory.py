"""What a run holds does not grow with time: rows that are recorded do, and only those that are asked for."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace

import pytest

from simlab.lab.cohort import play
from simlab.lab.loop import Loop
from simlab.lab.trial import Trial
from simlab.scenario.load import load
from tests.bench.test_counts import VARYING
from tests.bench.worlds import TWINS

ROWS, TICKS, LONGER = 8, 5, 16  # rows, ticks between two of them, and how many times as long the long run is
OFTEN = {"ab_test", "hiring", "pricing_collusion", "supply_chain"}  # cheap ones; all others are played at night


def held(trial: Trial, rows: Sequence[int], monkeypatch: pytest.MonkeyPatch) -> int:
    """The most bytes that a cohort holds at the instants it records, detectors, shocks and retrainings included."""
    run, there = Loop.run, dict[int, int]()

    def watched(loop: Loop, ticks: int) -> None:
        run(loop, ticks)
        row = loop.tick // loop.stride
        if row not in there:
            gc.collect()  # it also empties the interpreter's own store of small tuples
            there[row] = tracemalloc.get_traced_memory()[0]

    monkeypatch.setattr(Loop, "run", watched)
    gc.collect()
    gc.freeze()
    tracemalloc.start()
    try:
        play(trial, 1, rows)
        return max(there.values())
    finally:
        tracemalloc.stop()
        gc.unfreeze()
        monkeypatch.undo()


def of(name: str, longer: int) -> Trial:
    """The last arm of a world's scenario, so many times as long with the same number of rows; no hand, which draws once it is on."""
    given = load(name).arms[-1].trial
    stride = TICKS * longer * given.world.tick
    return replace(given, horizon=ROWS * stride, stride=stride, warmup=0.0, hands=())


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in OFTEN else pytest.mark.nightly) for name in sorted(TWINS)]
)
def test_memory_is_constant_in_time(name, monkeypatch):
    held(of(name, 1), range(2), monkeypatch)  # what is made once, such as tables of quantiles
    short, longer, longest = (held(of(name, k), range(2), monkeypatch) for k in (1, LONGER // 4, LONGER))
    most = (60 if name in VARYING else 20) * ROWS * TICKS * (LONGER - 1)
    assert longest - short <= most, f"{name}: {short:,}, {longer:,}, {longest:,} bytes, x1, x4, x{LONGER} as long"


def test_rows_that_are_asked_for_are_held(monkeypatch):
    short, longest = of("hiring", 1), of("hiring", LONGER)
    recorded = replace(longest, stride=short.stride)
    per_row = 4 * 2 * len(recorded.measures)  # single precision, two replications
    grown = held(recorded, range(2), monkeypatch) - held(longest, range(2), monkeypatch)
    assert grown >= per_row * ROWS * (LONGER - 1)
