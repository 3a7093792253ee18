"""Play a tiny market, as a process of its own: python -m tests.studies.play_tiny DIR SERIES REPLICATIONS...; prints bytes as JSON.

For each number of replications the most memory that was taken beyond what is held after 40 of them, and what the plan says of it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import simlab
from simlab.studies.memory import resident
from simlab.studies.plan import plan
from simlab.studies.run import run

YAML = """\
schema: 1
title: A tiny market
world: {flash_crash: {traders: 4}}
brain: {ridge: {}}
schedule: {every: 5 s}
run: {horizon: 15 s, stride: 0.5 s, seed: 3}
harm: {measure: drawdown, above: 0.0006}
detectors: {}
arms: {isolated: {topology: isolated}}
controls: {feedback_off: {vanishes: []}, no_stressor: {vanishes: []}}
"""


def peak() -> int:
    """The most bytes that this program has ever taken; `ru_maxrss` would count those of whoever started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def main() -> None:
    path, series, *numbers = sys.argv[1:]
    run(simlab.load(YAML, run__replications=40, run__series=series), jobs=1, out=f"{path}/first")  # what is imported
    before, found = resident(), []
    for n in numbers:
        scenario = simlab.load(YAML, run__replications=int(n), run__series=series)
        planned = plan(scenario, 1)
        run(scenario, jobs=1, out=f"{path}/{n}")
        found.append({"peak": peak() - before, "planned": planned.kept + planned.played})
    print(json.dumps(found))


if __name__ == "__main__":
    main()
