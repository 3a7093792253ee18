"""Plan a shipped scenario and then run it: python -m tests.studies.planned DIR SCENARIO REPLICATIONS; prints both as JSON.

Seconds are those of the CPU, with one process, so that whatever else the machine does is not counted; bytes are the most that were taken,
the report included.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import simlab
from simlab.lab.cohort import play
from simlab.studies.plan import plan
from simlab.studies.run import run
from tests.studies.play_tiny import peak


def main() -> None:
    path, name, replications = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    scenario = simlab.load(name, run__replications=replications)
    play(scenario.arms[0].trial, scenario.seed, range(2))  # what is imported
    planned = plan(scenario, 1, timed=True)
    began = time.process_time()
    run(scenario, jobs=1, out=path / name)
    took = time.process_time() - began
    simlab.Results(simlab.Record.open(path / name), scenario).report(path / name)
    print(json.dumps({"seconds": planned.seconds, "took": took, "memory": planned.memory, "peak": peak()}))


if __name__ == "__main__":
    main()
