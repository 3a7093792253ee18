"""Kill a run at every instant at which the disk changes, resume it, and compare the bytes with an uninterrupted run.

    python -m tests.studies.die_everywhere DIR JOBS EVERY

A process of its own with one thread, since it forks. Prints the number of instants tried.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from simlab.results.disk import unwatched
from simlab.studies.runner import play_all
from tests.studies.fakes import MERGED, contents, open_store, play, scenario

FILES = (*MERGED, "summary.json", "summary.csv")


def run(path: Path, jobs: int, at: Callable[[str], None], title: str) -> None:
    fake = scenario(replications=20)
    with open_store(fake, path, at) as store:
        play_all(fake, store, jobs=jobs, cohort=20, play=play)
        store.finish({"claims": [{"claim": "an earlier text"}]})
        store.finish({"claims": [{"claim": title}]})


def killer(number: int) -> Callable[[str], None]:
    """A hook that kills this process at the instant with this number."""
    instants = itertools.count()

    def at(instant: str) -> None:
        if next(instants) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    return at


def main() -> None:
    root, jobs, every = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    instants: list[str] = []
    run(root / "whole", 1, instants.append, "fell")
    whole = contents(root / "whole", FILES)
    tried = 0
    for number in range(0, len(instants), every):
        path = root / str(number)
        child = os.fork()
        if child == 0:
            run(path, jobs, killer(number), "fell")
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
            sys.exit(f"the run was not killed at {instants[number]} (status {status})")
        run(path, 1, unwatched, "fell")
        if contents(path, FILES) != whole:
            sys.exit(f"killed at instant {number}, {instants[number]}: other bytes after the resume")
        strangers = {file.name for file in path.iterdir()} - {*FILES, "timings.json", ".lock"}
        if strangers:
            sys.exit(f"killed at instant {number}, {instants[number]}: {strangers} left behind")
        tried += 1
    print(tried, *sorted(set(instants)), sep="\n")


main()
