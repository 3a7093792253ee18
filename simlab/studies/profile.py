"""Where the time of a run goes, by floor: samples of what is being done, taken as CPU time passes.

The kernel counts the CPU time of this process and signals every few milliseconds; what is then being done is looked up on the stack.
So a profile costs little, and is not skewed towards many small calls as one that counts calls is. It sees this process only.
"""

from __future__ import annotations

import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from simlab.base.errors import InputError

EVERY = 0.002  # seconds of CPU time between two samples
ELSEWHERE = "elsewhere"

# The first that fits, from the innermost call outwards. Helpers on the lowest floor belong to whoever called them.
_FLOORS = (
    ("simlab/lab/streams.py", "noise"),
    ("simlab/lab/conductor.py", "calendar"),
    ("simlab/lab/watch.py", "detectors"),
    ("simlab/lab/", "loop"),
    ("simlab/worlds/", "world"),
    ("simlab/brains/", "brains"),
    ("simlab/interventions/", "interventions"),
    ("simlab/detectors/", "detectors"),
    ("simlab/results/", "store"),
    ("simlab/studies/", "statistics"),
    ("simlab/views/", "report"),
    ("simpy/", "calendar"),
)
_RECORDING = frozenset({"_judge", "_record", "measures", "measured", "note", "alike"})  # of the loop


@contextmanager
def profiled() -> Iterator[Counter[str]]:
    """Count samples by floor within the block; the counter is complete when the block is left.

    Raises InputError where the system cannot signal by CPU time (Windows).
    """
    found: Counter[str] = Counter()
    if sys.platform == "win32":
        raise InputError("a profile needs a timer of CPU time, which this system does not have; run without --profile")

    def sample(_number: int, frame: FrameType | None) -> None:
        found[floor_of(frame)] += 1

    before = signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)
    try:
        yield found
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def floor_of(frame: FrameType | None) -> str:
    """The floor that the innermost of these calls belongs to which belongs to any; what is worked out for the record is recording."""
    found = ""
    while frame is not None:
        path = Path(frame.f_code.co_filename).as_posix()
        if path.endswith("simlab/lab/loop.py") and frame.f_code.co_name in _RECORDING:
            return "recording"
        found = found or next((floor for part, floor in _FLOORS if part in path), "")
        frame = frame.f_back
    return found or ELSEWHERE
