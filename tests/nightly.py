"""Everything at its default size, and every test that takes too long for a commit, in pieces that resume.

    python -m tests.nightly                    every shipped scenario and study, the long tests, fuzzing, 50 repeats
    python -m tests.nightly --shard 1/4        every fourth piece, for several machines
    python -m tests.nightly flash_crash hiring these scenarios
    python -m tests.nightly tests repeats      the tests alone
    python -m tests.nightly --again            the scenarios once more, at another seed
    python -m tests.nightly --told             plays nothing: what was played, of which commit, and what failed

A piece that was played with the sources as they are is not played again: of a scenario those that decide its numbers, of the
tests all. The table says for each how long it took on how many processors, how it ended (0 done, 1 a claim contradicted or
a test failed, 3 replications lost), and its verdict.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import simlab
from simlab.results.provenance import code_version
from simlab.scenario.load import shipped

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "results" / "nightly"
OTHER_SEED = 271828  # of no shipped scenario
REPEATS = 50
TESTS, AGAIN = "tests", "repeats"
PYTEST = [sys.executable, "-m", "pytest", "-q", "-n", "auto", "--dist", "worksteal", "-p", "no:cacheprovider"]
RANDOM = ("hypothesis", "subprocess", "Popen", "jobs=2")  # what draws its cases anew, starts processes, or kills them
NOT_RANDOM = ("readme", "notebooks", "course", "golden", "house")


class Piece(NamedTuple):
    """One command to be played."""

    name: str  # a scenario, TESTS or AGAIN
    what: str  # run, again (at another seed), or the name of a study; of the tests, which; of the repeats, which
    command: tuple[str, ...]


def of_scenario(name: str, *, again: bool) -> Iterator[Piece]:
    """What a user would type to see all that a scenario has."""

    def simlab_(place: str, *arguments: str) -> tuple[str, ...]:
        return (sys.executable, "-m", "simlab", *arguments, "--out", str(FOLDER / place))

    if again:
        yield Piece(name, "again", simlab_(f"{name}_again", "run", name, "--seed", str(OTHER_SEED)))
        return
    yield Piece(name, "run", simlab_(name, "run", name))
    for study in simlab.load(name).studies:
        yield Piece(name, study.name, simlab_(name, "study", name, "--only", study.name))


def of_tests() -> Iterator[Piece]:
    """The tests that take too long for a commit, properties on many examples, and fuzzing."""
    yield Piece(TESTS, "long", (*PYTEST, "-m", "nightly"))
    many = ("-m", "hypothesis and not nightly", "--hypothesis-profile", "nightly")
    yield Piece(TESTS, "properties", (*PYTEST, *many))
    yield Piece(TESTS, "fuzzing", (sys.executable, "-m", "tests.fuzz.reader", "--seconds", "600"))


def repeats() -> Iterator[Piece]:
    """The randomised tests, on new examples, and those of processes, again and again: not one may fail now and then."""
    drawn = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        if any(word in path.read_text("utf-8") for word in RANDOM) and not any(word in path.name for word in NOT_RANDOM)
    ]
    for i in range(1, REPEATS + 1):
        yield Piece(AGAIN, str(i), (*PYTEST, "--hypothesis-profile", "anew", *drawn))


def pieces(names: list[str], *, again: bool) -> Iterator[Piece]:
    """All pieces of what is named, or of everything."""
    for name in names or [*shipped(), TESTS, AGAIN]:
        yield from {TESTS: of_tests, AGAIN: repeats}.get(name, lambda n=name: of_scenario(n, again=again))()


@cache
def version(name: str) -> str:
    """Of the sources and of the scenario's file, or of everything that a test reads."""
    if name not in (TESTS, AGAIN):
        return f"{code_version()}.{hashlib.sha256(shipped()[name].read_bytes()).hexdigest()[:8]}"
    found = hashlib.sha256()
    for kept in _git("ls-files", "-z").split("\0"):
        if kept and (ROOT / kept).is_file():
            found.update(kept.encode() + b"\0" + (ROOT / kept).read_bytes() + b"\0")
    return found.hexdigest()[:16]


def _git(*arguments: str) -> str:
    return subprocess.run(("git", *arguments), capture_output=True, text=True, check=False, cwd=ROOT).stdout.strip()


def play(piece: Piece) -> dict[str, Any]:
    """Play one piece and say how it went."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    commit = _git("describe", "--always", "--dirty", "--exclude", "*")
    done = subprocess.run(piece.command, capture_output=True, text=True, check=False, cwd=ROOT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = [line for line in done.stdout.splitlines() if line.strip()]
    if piece.name in (TESTS, AGAIN):
        verdict = said[-1] if said else done.stderr[-300:]
        if done.returncode:
            (FOLDER / f"failed {piece.name} {piece.what}.txt").write_text(done.stdout + done.stderr, "utf-8")
    else:
        first = (said or [done.stderr[-300:]])[0]
        verdict = next((line for line in said if line.startswith(f"{piece.what}: ")), first)
    return {
        "name": piece.name,
        "what": piece.what,
        "version": version(piece.name),
        "commit": commit,
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "exit": done.returncode,
        "wall": round(time.perf_counter() - began, 1),
        "cpu": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
        "verdict": verdict,
        "claims": next((line for line in said if line.startswith("claims:")), ""),
    }


def main(arguments: list[str]) -> int:
    """Play what is asked for and print the table; the worst exit code of all."""
    ask = argparse.ArgumentParser(prog="python -m tests.nightly", description=(__doc__ or "").splitlines()[0])
    ask.add_argument(
        "names", nargs="*", metavar="NAME", help=f"scenarios, `{TESTS}`, `{AGAIN}`; everything if none is named"
    )
    ask.add_argument("--shard", default="1/1", metavar="I/N", help="play the I-th of N shares")
    ask.add_argument("--again", action="store_true", help="scenarios once more, at another seed")
    ask.add_argument("--told", action="store_true", help="play nothing, say what was played")
    given = ask.parse_args(arguments)
    share, shares = (int(part) for part in given.shard.split("/"))
    asked = list(pieces(given.names, again=given.again))[share - 1 :: shares]
    FOLDER.mkdir(parents=True, exist_ok=True)
    log = FOLDER / "log.jsonl"
    known = [json.loads(line) for line in log.read_text("utf-8").splitlines()] if log.exists() else []
    played = {(row["name"], row["what"]): row for row in known if row.get("version") == version(row["name"])}
    for piece in () if given.told else asked:
        key = piece.name, piece.what
        if key not in played:
            played[key] = play(piece)
            with log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(played[key]) + "\n")
        row = played[key]
        print(
            f"{' '.join(key):40s} exit {row['exit']}  {row['wall']:7.1f} s wall {row['cpu']:7.1f} s CPU  {row['claims']}\n"
            f"    {row['verdict'][:400]}",
            flush=True,
        )
    return told([played[key] for piece in asked if (key := (piece.name, piece.what)) in played], len(asked))


def told(rows: list[dict[str, Any]], asked: int) -> int:
    """Print what was played of all that is asked for, of which commits, and what did not end well; the worst exit code."""
    ended = sorted(row["ended"] for row in rows)
    days = " to ".join(dict.fromkeys(day[:10] for day in (*ended[:1], *ended[-1:])))
    print(
        f"{len(rows)} of {asked} pieces played{f', {days}' if rows else ''}; {sum(row['cpu'] for row in rows) / 3600:.1f} hours of CPU,"
        f" {os.cpu_count()} processors; commits: {', '.join(sorted({row['commit'] for row in rows})) or 'none'}"
    )
    for row in rows:
        if row["exit"]:
            print(f"exit {row['exit']}: {row['name']} {row['what']}: {row['verdict'][:400]}")
    return max((int(row["exit"]) for row in rows), default=0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
