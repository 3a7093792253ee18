"""Kill a sweep of 1,000 replications at random instants, give the same command again, and compare every byte.

    python -m tests.promises.killed DIR KILLS JOBS POINTS SEED

A process of its own with one thread, since each command is a fork of it: `simlab` as a user calls it, without the second that imports
take. Prints how many files had been finished when each was killed; ends with a message when a promise is broken.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from simlab import __main__ as door
from simlab.lab import cohort
from tests.promises import counting
from tests.promises.family import members
from tests.studies.market import YAML

TOTAL = 1000  # replications, over points and two arms
PAGE = ("report.html", "timings.json")  # they tell when and how long
MARK = "SIMLAB_TEST"


def begin(root: Path, out: str, jobs: int, points: int) -> int:
    """The command as a process; returns its id."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(root / f"{out}.said", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
        os.dup2(2, 1)
        os._exit(command(root, out, jobs, points))
    return child


def command(root: Path, out: str, jobs: int, points: int) -> int:
    """The command, here; returns its exit code."""
    os.environ[counting.LOG] = str(root / f"{out}.log")
    axis = f"world.flash_crash.limit=70:{70 + points - 1}:{points}"
    size = ("--replications", str(TOTAL // 2 // points), "--jobs", str(jobs))
    sys.argv = ["simlab", "sweep", "mine.yaml", axis, "--arms", "isolated,shared", *size, "--out", out]
    try:
        door.main()
    except SystemExit as done:
        return int(done.code or 0)
    return 99


def contents(folder: Path) -> dict[str, bytes]:
    """Every file in a folder, however deep, but for the locks and what tells the time."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in (".lock", *PAGE)]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def played(root: Path, out: str) -> int:
    """Replications that were begun, over all arms and commands."""
    with suppress(FileNotFoundError):
        return sum(map(int, (root / f"{out}.log").read_text().split()))
    return 0


def finish(root: Path, out: str, jobs: int, points: int) -> float:
    """Give the command and wait for it; returns how long it took."""
    began = time.perf_counter()
    _, status = os.waitpid(begin(root, out, jobs, points), 0)
    if status:
        sys.exit(f"{out}: ended with status {status}: {(root / f'{out}.said').read_text()}")
    return time.perf_counter() - began


def main() -> None:
    root, kills, jobs, points, seed = Path(sys.argv[1]), *map(int, sys.argv[2:6])
    (root / "mine.yaml").write_text(YAML.replace("horizon: 15 s", "horizon: 6 s"))
    os.chdir(root)
    cohort.play = counting.play  # type: ignore[assignment]
    if command(root, "cold", 1, 2):  # here, so that every fork has imported all there is
        sys.exit("the sweep fails")
    seconds = finish(root, "whole", jobs, points)
    whole = contents(root / "whole")
    if played(root, "whole") != TOTAL:
        sys.exit(f"{played(root, 'whole')} replications were played")
    luck, done = random.Random(seed), 0
    for number in range(3 * kills):
        out = f"run{number}"
        child = begin(root, out, jobs, points)
        time.sleep(luck.uniform(0, seconds))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            continue  # it was quicker
        if left := members(os.environ[MARK], besides=os.getpid(), seconds=20):
            sys.exit(f"{out}: processes outlive their parent: {left}")
        kept = len(list((root / out).rglob("*.npz")))
        finish(root, out, jobs, points)
        if contents(root / out) != whole:
            sys.exit(f"{out}: other bytes after the resume")
        again = played(root, out) - TOTAL
        # A cohort is an arm of a point. Of each worker one may be in play, and the one before on its way to the disk.
        if again > (2 * jobs if jobs > 1 else 1) * TOTAL // 2 // points:
            sys.exit(f"{out}: {again} replications were played again")
        print(f"killed with {kept} files kept; {again} replications played again", flush=True)
        done += 1
        if done == kills:
            return
    sys.exit(f"only {done} were killed in time")


main()
