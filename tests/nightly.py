"""Everything at its default size, in pieces that resume: what takes too long for every commit.

    python -m tests.nightly                    every shipped scenario, once more at another seed, and all studies
    python -m tests.nightly --shard 1/4        every fourth piece, for several machines
    python -m tests.nightly flash_crash hiring these scenarios

A piece that was played with the sources as they are is not played again. The table says for each how long it took on how many
processors, how it ended (0 done, 1 a claim contradicted, 3 replications lost), and its verdict.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import simlab
from simlab.results.provenance import code_version
from simlab.scenario.load import shipped

FOLDER = Path(__file__).parents[1] / "results" / "nightly"
OTHER_SEED = 271828  # of no shipped scenario


class Piece(NamedTuple):
    """One command to be played, and where its run is left."""

    scenario: str
    what: str  # run, again (at another seed), or the name of a study

    @property
    def command(self) -> list[str]:
        """What a user would type."""
        place = FOLDER / (f"{self.scenario}_again" if self.what == "again" else self.scenario)
        verb = ["run"] if self.what in ("run", "again") else ["study"]
        more = {"run": [], "again": ["--seed", str(OTHER_SEED)]}.get(self.what, ["--only", self.what])
        return [sys.executable, "-m", "simlab", *verb, self.scenario, *more, "--out", str(place)]


def pieces(names: list[str]) -> Iterator[Piece]:
    """All pieces of these scenarios, or of all."""
    for name in names or shipped():
        yield Piece(name, "run")
        yield Piece(name, "again")
        yield from (Piece(name, study.name) for study in simlab.load(name).studies)


def version(name: str) -> str:
    """Of the sources and of the scenario's file."""
    return f"{code_version()}.{hashlib.sha256(shipped()[name].read_bytes()).hexdigest()[:8]}"


def play(piece: Piece) -> dict[str, str | float | int]:
    """Play one piece and say how it went."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(piece.command, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = done.stdout.splitlines()
    return {
        "scenario": piece.scenario,
        "what": piece.what,
        "version": version(piece.scenario),
        "exit": done.returncode,
        "wall": round(time.perf_counter() - began, 1),
        "cpu": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
        "verdict": next(
            (line for line in said if line.startswith(f"{piece.what}: ")), (said or [done.stderr[-300:]])[0]
        ),
        "claims": next((line for line in said if line.startswith("claims:")), ""),
    }


def main(arguments: list[str]) -> int:
    """Play what is asked for and print the table; the worst exit code of all."""
    shard, names = (1, 1), arguments
    if "--shard" in arguments:
        at = arguments.index("--shard")
        first, last = arguments[at + 1].split("/")
        shard, names = (int(first), int(last)), arguments[:at] + arguments[at + 2 :]
    FOLDER.mkdir(parents=True, exist_ok=True)
    log, worst = FOLDER / "log.jsonl", 0
    known = [json.loads(line) for line in log.read_text("utf-8").splitlines()] if log.exists() else []
    done = {(row["scenario"], row["what"]): row for row in known if row["version"] == version(row["scenario"])}
    for i, piece in enumerate(pieces(names)):
        if i % shard[1] != shard[0] - 1:
            continue
        row = done.get(tuple(piece))
        if row is None:
            row = play(piece)
            with log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        worst = max(worst, int(row["exit"]))
        shown = f"{piece.scenario} {piece.what}"
        print(
            f"{shown:40s} exit {row['exit']}  {row['wall']:7.1f} s wall {row['cpu']:7.1f} s CPU  {row['claims']}",
            flush=True,
        )
        print(f"    {row['verdict'][:400]}", flush=True)
    print(f"{os.cpu_count()} processors, simlab {code_version()}")
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
