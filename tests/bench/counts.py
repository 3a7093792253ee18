"""What a tick costs, counted instead of timed: statements of Python, and memory that stays.

Kernels do a tick's arithmetic in a fixed number of calls, so how many statements a tick takes must not depend on how many replications
there are, and hardly changes unless somebody changes the code. `python -m tests.bench.counts --accept` writes today's counts.
"""

from __future__ import annotations

import json
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from simlab.lab.loop import Loop
from simlab.lab.streams import Streams
from simlab.lab.trial import Trial
from simlab.scenario.load import load

ACCEPTED = Path(__file__).with_name("counts.json")
TICKS = 12


def trial(name: str) -> Trial:
    """The first arm of the scenario named as a world, bare of detectors and hands, and never recorded within the ticks."""
    given = load(name).arms[0].trial
    horizon = 10 * TICKS * given.world.tick
    return replace(given, horizon=horizon, stride=horizon, warmup=0.0, instruments=(), hands=(), shocks=(), harm=None)


def begun(name: str, replications: int) -> Loop:
    """A loop that has played its first ticks, in which things are made that are kept."""
    loop = Loop(trial(name), Streams(1, range(replications)))
    loop.run(TICKS)
    return loop


def statements(name: str, replications: int) -> float:
    """Lines of the package that a tick runs, mean of `TICKS`."""
    loop, count = begun(name, replications), 0

    def local(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal count
        count += event == "line"
        return local

    def calls(frame: FrameType, event: str, arg: Any) -> Any:
        return local if "simlab" in frame.f_code.co_filename else None

    before = sys.gettrace()
    sys.settrace(calls)
    try:
        loop.run(TICKS)
    finally:
        sys.settrace(before)
    return count / TICKS


def kept(name: str, replications: int) -> float:
    """Bytes that a tick leaves behind, mean of `TICKS`; blocks of noise are dealt again and again into the same arrays."""
    loop = begun(name, replications)
    tracemalloc.start()
    try:
        loop.run(TICKS)
        first = tracemalloc.get_traced_memory()[0]
        loop.run(TICKS)
        return (tracemalloc.get_traced_memory()[0] - first) / TICKS
    finally:
        tracemalloc.stop()


def main() -> None:
    from tests.bench.worlds import TWINS

    found = {name: round(statements(name, 4), 1) for name in sorted(TWINS)}
    if "--accept" in sys.argv:
        ACCEPTED.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for name, count in found.items():
        print(f"{name:20s} {count:8.1f} statements a tick")


if __name__ == "__main__":
    main()
