"""What a tick costs, counted instead of timed: Python's instructions, bytes that arrays are made of, and bytes that stay.

Kernels do a tick's arithmetic in a fixed number of calls on a fixed number of arrays, so neither count depends on the machine, and both
change only when somebody changes the code. `python -m tests.bench.counts --accept` writes today's counts, `... hiring` shows those
of one world beside the accepted ones.
"""

from __future__ import annotations

import gc
import json
import platform
import sys
import tracemalloc
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

import simlab
from simlab.lab.loop import Loop
from simlab.lab.streams import Streams
from simlab.lab.trial import Trial
from simlab.scenario.load import load

PACKAGE = str(Path(simlab.__file__).parent)  # not just any path that says simlab, such as that of a checkout
ACCEPTED = Path(__file__).with_name("counts.json")
FEW, MORE = 4, 12
TICKS = 12
WINDOW, WINDOWS = 6, 3  # ticks in which something stays, and how many times that is looked for


class Cost(NamedTuple):
    """What a tick takes, the mean of `TICKS`: statements of the package, their instructions, and the bytes that they ask for."""

    statements: float
    instructions: float
    bytes: float


def versions() -> str:
    """What decides which instructions a statement is made of, and how large objects are."""
    return f"Python {'.'.join(platform.python_version_tuple()[:2])}, numpy {np.__version__}"


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


def cost(name: str, replications: int) -> Cost:
    """What a tick costs. Of a statement counts the most it has at a time, beyond what there was when it began."""
    loop, lines, steps, asked, there = begun(name, replications), 0, 0, 0, 0
    traced, reset = tracemalloc.get_traced_memory, tracemalloc.reset_peak

    def look() -> None:
        nonlocal asked, there
        now, most = traced()
        asked, there = asked + most - there, now
        reset()

    def local(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal lines, steps
        if event == "opcode":
            steps += 1
            return local
        lines += event == "line"
        look()
        return local

    def calls(frame: FrameType, event: str, arg: Any) -> Any:
        frame.f_trace_opcodes = ours = frame.f_code.co_filename.startswith(PACKAGE)
        return local if ours else None

    before, collecting = sys.gettrace(), gc.isenabled()
    gc.disable()
    tracemalloc.start()
    there = traced()[0]
    sys.settrace(calls)
    try:
        loop.run(TICKS)
    finally:
        sys.settrace(before)
        tracemalloc.stop()
        if collecting:
            gc.enable()
    return Cost(lines / TICKS, steps / TICKS, asked / TICKS)


def kept(name: str, replications: int) -> float:
    """Bytes that a tick leaves behind: the mean over the ticks of a window, the least of `WINDOWS`.

    What grows without end grows in every window; what is made now and then, such as a block of noise, is not.
    """
    loop, there = begun(name, replications), []
    gc.collect()
    gc.freeze()  # else looking for garbage would take longer than the ticks
    tracemalloc.start()
    try:
        for _ in range(WINDOWS + 1):
            loop.run(WINDOW)
            gc.collect()
            there.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
        gc.unfreeze()
    return min(after - before for before, after in pairwise(there)) / WINDOW


def main() -> None:
    from tests.bench.worlds import TWINS

    named = [name for name in sys.argv[1:] if name in TWINS] or sorted(TWINS)
    with np.errstate(all="ignore"):
        for name in named:  # what is traced for the first time takes more
            cost(name, FEW)
        found = {name: cost(name, MORE) for name in named}
    accepted = json.loads(ACCEPTED.read_text(encoding="utf-8"))["worlds"]
    for name, each in found.items():
        steps, size = accepted.get(name, (0, 0))
        print(
            f"{name:20s} {each.instructions:8,.0f} instructions a tick ({steps:,} accepted)"
            f" {each.bytes:12,.0f} bytes ({size:,})"
        )
    if "--accept" in sys.argv:
        accepted |= {name: [round(each.instructions), round(each.bytes)] for name, each in found.items()}
        there = {name: accepted[name] for name in sorted(TWINS)}
        lines = ",\n".join(f'  "{name}": {json.dumps(each)}' for name, each in there.items())
        ACCEPTED.write_text(f'{{\n "by": "{versions()}",\n "worlds": {{\n{lines}\n }}\n}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
