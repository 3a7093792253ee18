"""A run through the studies layer, store on disk included: by one process, two, and a Dask cluster of two on this machine.

Workers begin, and import what they need, before anything is played; that is told apart. Then all play the same scenario in turn,
each into a folder of its own, and leave the same bytes. Seconds are of the clock, since other processes work.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from simlab.lab.cohort import play
from simlab.scenario.load import load
from simlab.scenario.scenario import Scenario
from simlab.studies.executors import workers
from simlab.studies.run import prepared, run
from tests.bench.rivals import left_out

NAME, REPLICATIONS, HORIZON = "flash_crash", 256, "1 min"
FILES = ("measures.npz", "series.npz", "events.jsonl")
WHO = {"1 process": ("local", 1), "2 processes": ("local", 2), "Dask, 2 workers": ("dask", 2)}


def scenario(replications: int = REPLICATIONS) -> Scenario:
    """The shipped scenario, all its arms and controls, for a shorter time."""
    return prepared(load(NAME, {"run.horizon": HORIZON}), replications)


def measure(rounds: int, replications: int = REPLICATIONS) -> dict[str, dict[str, float]]:
    """For each of `WHO` seconds to start and to play, medians of `rounds`, and the median of one process's time over its own."""
    what = scenario(replications)
    first = what.arms[0].trial, what.seed, [0]
    started: dict[str, float] = {}
    played: dict[str, list[float]] = {}
    with ExitStack() as ends, tempfile.TemporaryDirectory() as folder:
        crews = {}
        for name, (who, size) in WHO.items():
            if who == "dask" and find_spec("distributed") is None:
                left_out(name, "the package distributed is not installed")
                continue
            began = time.perf_counter()
            crews[name] = crew = ends.enter_context(workers(who, size))
            if size > 1:  # one process is this one
                assert all(answer.why is None for _, answer in crew.do([(play, first)] * size))
                started[name] = time.perf_counter() - began
        for turn in range(rounds):
            left: dict[str, tuple[bytes, ...]] = {}
            for name, crew in crews.items():
                out = Path(folder, f"{turn} {name}")
                began = time.perf_counter()
                run(what, executor=crew, out=out)
                played.setdefault(name, []).append(time.perf_counter() - began)
                left[name] = tuple((out / file).read_bytes() for file in FILES)
            assert len(set(left.values())) == 1, f"not the same bytes: {', '.join(left)}"
    one = played["1 process"]
    return {
        name: {
            "seconds to start": started.get(name, 0.0),
            "seconds to play": median(each),
            "one process / this": median(a / b for a, b in zip(one, each, strict=True)),
        }
        for name, each in played.items()
    }
