"""How many small slips in the statistics and the lab the tests notice: mutants drawn at random, and a score with its interval.

    python -m tests.mutation                        200 mutants of seed 1, two at a time; resumes
    python -m tests.mutation --sample 100 --seed 2  others
    python -m tests.mutation --survivors            those of before that no test noticed, once more, and no score: tests were
                                                    written for them, so only a new seed gives one
    python -m tests.mutation --list                 which they would be

A mutant is one small change to one file (see `operators`). Every mutant of `MUTATED` is equally likely, and a seed draws the same
ones from the same sources. Each is played in a copy of the tree against the tests that enter the changed function: those named after
its module first, then the quickest, up to `MOST_SECONDS` of them. So a mutant that only a slower test would notice counts as a
survivor, as does one that changes nothing, and the score is a lower bound. One that takes `PATIENCE` times as long as usual is
noticed too. The interval is Wilson's, for all mutants there are.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.mutation.operators import Mutant, mutants

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "results" / "mutation"
COPIED = ("simlab", "tests", "scenarios", "pyproject.toml", "README.md")
NAMES = ("claims", "compare", "effects", "harms", "ratios", "rising", "score", "sequential", "statistics", "summary")
MUTATED = ("simlab/lab/*.py", *(f"simlab/studies/{name}.py" for name in NAMES))
TESTS = (
    "tests/lab", "tests/interventions",
    *(f"tests/studies/test_{name}.py" for name in (
        "claims", "compare", "coverage", "effects", "points", "ratios", "rising", "score", "sequential", "statistic_properties",
        "statistics", "statistics_by_hand", "summary")),
    *(f"tests/promises/test_{name}.py" for name in (
        "02_common_random_numbers", "03_prefix", "06_honest_statistics", "09_time_only_moves_forward", "10_runaway_is_a_result")),
)  # fmt: skip
MOST_SECONDS = 8.0  # of CPU, of the tests that a mutant is held against
PATIENCE = 4
BROKEN = 99  # the exit code of a process that could not even start pytest
ALONE = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}


def version() -> str:
    """Of all that decides whether a mutant is noticed."""
    told = hashlib.sha256()
    for top in COPIED:
        place = ROOT / top
        for path in sorted([place] if place.is_file() else place.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                told.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return told.hexdigest()[:16]


def population() -> list[Mutant]:
    """Every mutant there is."""
    paths = sorted({path for pattern in MUTATED for path in ROOT.glob(pattern)})
    return [one for p in paths for one in mutants(p.relative_to(ROOT).as_posix(), p.read_text(encoding="utf-8"))]


def copy(to: Path) -> Path:
    """The tree, without what runs leave behind."""
    to.mkdir(parents=True)
    for top in COPIED:
        if (ROOT / top).is_dir():
            shutil.copytree(ROOT / top, to / top, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / top, to / top)
    return to


def covered(slot: Path) -> dict[str, Any]:
    """What each test costs in CPU seconds and which functions it enters; played in a copy, which is left with its byte code."""
    to = slot / "covered.json"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.mutation.covering", *TESTS]
    env = os.environ | ALONE | {"PYTHONPATH": str(slot), "COVERED": str(to)}
    done = subprocess.run(command, cwd=slot, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"the tests fail without any mutant:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(to.read_text(encoding="utf-8"))
    return found


def against(mutant: Mutant, tests: dict[str, Any]) -> list[str]:
    """The tests that a mutant is held against, in their order; of what is outside of functions, all that enter its file."""
    stem = Path(mutant.path).stem
    where = f"{mutant.path}::{mutant.function}"
    found = [
        (not _named_after(test, stem), one["cost"], test)
        for test, one in tests.items()
        if any(at == where or (_outside(mutant, tests) and at.startswith(f"{mutant.path}::")) for at in one["enters"])
    ]
    chosen, total = list[str](), 0.0
    for _, cost, test in sorted(found):
        if total + cost <= MOST_SECONDS:
            chosen.append(test)
            total += cost
    return chosen


def _outside(mutant: Mutant, tests: dict[str, Any]) -> bool:
    """Whether a mutant is in no function: in a module, or in the body of a class."""
    return mutant.function == "<module>" or mutant.function.rpartition(".")[2][:1].isupper()


def _named_after(test: str, stem: str) -> bool:
    return Path(test.partition("::")[0]).stem.startswith(f"test_{stem.rstrip('s')}")


def warm() -> None:
    """Import what the tests need from elsewhere, once for all mutants; nothing of this tree, and no plugin of pytest."""
    import matplotlib.figure
    import pandas
    import ruamel.yaml
    import scipy.optimize
    import scipy.special
    import scipy.stats
    import simpy
    import threadpoolctl
    import xarray

    assert all((matplotlib, pandas, ruamel, scipy, simpy, threadpoolctl, xarray))


def play(slot: Path, tests: list[str], seconds: float) -> int:
    """Start the tests in a copy; returns the process, which ends with pytest's exit code."""
    child = os.fork()
    if child:
        return child
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 3))
        out = os.open(slot / "said.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.chdir(slot)
        os.environ |= {"PYTHONPATH": str(slot), "PYTHONDONTWRITEBYTECODE": "1"}
        sys.dont_write_bytecode = True
        for name in list(sys.modules):
            if name.partition(".")[0] in ("simlab", "tests"):
                del sys.modules[name]
        sys.path[:] = [str(slot), *(place for place in sys.path if place not in ("", str(ROOT)))]
        os._exit(int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *tests])))
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    os._exit(BROKEN)


def control(slot: Path, tests: list[str]) -> None:
    """Play the tests once without any mutant, as mutants are played: if they fail, no score would say anything."""
    _, status = os.waitpid(play(slot, tests, 600), 0)
    if os.waitstatus_to_exitcode(status):
        sys.exit(f"the tests fail without any mutant:\n{(slot / 'said.txt').read_text(encoding='utf-8')[-3000:]}")


def judge(chosen: list[Mutant], tests: dict[str, Any], slots: list[Path]) -> Iterator[tuple[Mutant, str]]:
    """Each mutant with what became of it: noticed, late (which counts as noticed), survived, or nobody (no test comes there)."""
    waiting, free = list(reversed(chosen)), list(slots)
    sources = {one.path: (slots[0] / one.path).read_bytes() for one in chosen}  # the tree may be edited meanwhile
    running: dict[int, tuple[Mutant, Path, float]] = {}
    try:
        while waiting or running:
            while waiting and free:
                mutant = waiting.pop()
                held = against(mutant, tests)
                if not held:
                    yield mutant, "nobody"
                    continue
                slot = free.pop()
                seconds = 10 + PATIENCE * sum(tests[test]["cost"] for test in held)
                (slot / mutant.path).write_bytes(mutant.of(sources[mutant.path]))
                for cached in (slot / mutant.path).parent.glob(f"__pycache__/{Path(mutant.path).stem}.*"):
                    cached.unlink()  # it knows a file by its size and second
                running[play(slot, held, seconds)] = mutant, slot, time.monotonic() + 5 * seconds
            for child, (mutant, slot, end) in list(running.items()):
                late = time.monotonic() > end
                if late:
                    os.killpg(child, signal.SIGKILL)
                done, status = os.waitpid(child, 0 if late else os.WNOHANG)
                if done:
                    del running[child]
                    (slot / mutant.path).write_bytes(sources[mutant.path])
                    free.append(slot)
                    ended = os.waitstatus_to_exitcode(status)
                    if ended in (BROKEN, pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED):
                        sys.exit(
                            f"{mutant.name}: not played\n{(slot / 'said.txt').read_text(encoding='utf-8')[-3000:]}"
                        )
                    # A usage error is a test that is there without the mutant (see `control`) and can no longer be collected.
                    yield mutant, "survived" if ended == 0 else "late" if late or ended < 0 else "noticed"
            time.sleep(0.02)
    finally:  # where it was interrupted
        for child in running:
            with suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)


def report(outcomes: dict[str, str]) -> str:
    """The score by module and in all, and what survived."""
    from scipy.stats import binomtest

    by: dict[str, list[str]] = {}
    for name, became in outcomes.items():
        by.setdefault(name.partition(":")[0], []).append(became)
    lines = [f"{'module':32} mutants noticed  score  95% interval"]
    for module, those in [*sorted(by.items()), ("all", list(outcomes.values()))]:
        good = sum(one in ("noticed", "late") for one in those)
        ends = binomtest(good, len(those)).proportion_ci(method="wilson")
        lines.append(f"{module:32} {len(those):7} {good:7} {good / len(those):6.0%}  {ends.low:.0%} to {ends.high:.0%}")
    return "\n".join([*lines, "", *_left(outcomes)])


def _left(outcomes: dict[str, str]) -> list[str]:
    left = [f"  {became:8}  {name}" for name, became in outcomes.items() if became in ("survived", "nobody")]
    return [f"{len(left)} that no test noticed (`nobody`: no test comes there)", *left]


def _wherever(name: str) -> tuple[str, str, str]:
    """A mutant's file, its function and what it changes, without the line."""
    return name.partition(":")[0], name.split(" ", 2)[1], name.partition(") ")[2]


def main(arguments: list[str]) -> int:
    """Draw, play, and tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--sample", type=int, default=200, help="how many mutants are drawn (200)")
    parser.add_argument("--seed", type=int, default=1, help="of the draw (1)")
    parser.add_argument("--jobs", type=int, default=2, help="how many are played at a time (2)")
    parser.add_argument("--survivors", action="store_true", help="those of before that survived, once more")
    parser.add_argument("--list", action="store_true", help="only say which mutants there are")
    asked = parser.parse_args(arguments)
    everyone = population()
    drawn = random.Random(asked.seed).sample(everyone, min(asked.sample, len(everyone)))
    if asked.list:
        print(f"{len(drawn)} of {len(everyone)}", *(one.name for one in drawn), sep="\n")
        return 0
    KEPT.mkdir(parents=True, exist_ok=True)
    to, now = KEPT / f"seed-{asked.seed}.json", version()
    before = json.loads(to.read_text(encoding="utf-8")) if to.exists() else {"outcomes": {}}
    known = dict(before["outcomes"])
    if asked.survivors:
        open_ = {_wherever(name) for name, became in known.items() if became not in ("noticed", "late")}
        drawn, known = [one for one in everyone if _wherever(one.name) in open_], {}  # lines may have moved since
    elif before.get("version") != now:
        known = {}
    left = [one for one in drawn if one.name not in known]
    if left:
        with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
            slots = [copy(Path(folder) / str(i)) for i in range(max(asked.jobs, 1))]
            print(f"{len(left)} of {len(everyone)} mutants; first, which tests come where ...", flush=True)
            tests = covered(slots[0])
            for slot in slots[1:]:
                subprocess.run([sys.executable, "-m", "compileall", "-q", slot], check=False)
            os.environ |= ALONE
            warm()
            control(slots[-1], sorted({test for one in left for test in against(one, tests)}))
            for done, (one, became) in enumerate(judge(left, tests, slots), 1):
                known[one.name] = became
                if not asked.survivors:
                    to.write_text(json.dumps({"version": now, "outcomes": known}, indent=1), encoding="utf-8")
                print(f"{done:4}/{len(left)} {became:8} {one.name:.150}", flush=True)
    print("\n".join(_left(known)) if asked.survivors else report(known))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
