"""Speed, side by side in one run, as ratios: medians of several rounds in which all take their turns.

    python -m tests.bench                     what a few minutes can tell: all but worlds and processes
    python -m tests.bench --full              everything, with more rounds: also every world against its twin, and processes
    python -m tests.bench worlds hiring       one part; of `worlds`, these worlds
    python -m tests.bench reference --json    as JSON

One thread, unless said. What is not installed is left out and named (`make bench-full` installs it). Ratios are what counts; times
are of this machine, which the first line names.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from tests.bench import auction, engine, growth, learning, panels, queues, reference, start, studies, table, worlds

LIBRARIES = ("numpy", "simpy", "distributed", "numba", "mesa", "agentpy", "mesa-frames", "ciw", "sortedcontainers")


def machine() -> str:
    """The processor and the versions that ratios depend on."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    cpu = names[0] if names else platform.processor() or platform.machine()
    told = [f"Python {platform.python_version()}"]
    for library in LIBRARIES:
        try:
            told.append(f"{library} {version(library)}")
        except PackageNotFoundError:
            continue
    return f"{cpu}, {os.cpu_count()} CPUs; {', '.join(told)}"


def show_reference(table: dict[str, dict[str, float]]) -> None:
    kernel, c = (table[name]["ns per agent-step"] if name in table else None for name in ("kernel", "C"))
    print(f"{'':28s} {'to make':>10s} {'ns per':>12s} {'x the':>10s} {'x C':>10s}")
    print(f"{'':28s} {'':>10s} {'agent-step':>12s} {'kernel':>10s}")
    for name, row in table.items():
        ns = row["ns per agent-step"]
        of_c = f"{ns / c:10,.1f}" if c else ""
        print(f"{name:28s} {1e3 * row['seconds to make']:7.1f} ms {ns:12,.3f} {ns / kernel:10,.1f} {of_c}")


def show_queues(table: dict[str, dict[str, float]]) -> None:
    for name, row in table.items():
        for what, ns in row.items():
            print(f"{name:10s} {what:17s} {ns:12,.1f} ns a customer {ns / row['kernel']:10,.1f} x the kernel")


def show_engine(table: dict[str, dict[str, float]]) -> None:
    for name, row in table.items():
        for what, seconds in row.items():
            print(
                f"{name:14s} {what:16s} {1e3 * seconds:10.1f} ms {seconds / row['no calendar']:8.2f} x without a calendar"
            )


def show_growth(table: dict[str, float]) -> None:
    for what, exponent in table.items():
        print(f"cost grows with {what} as a power of {exponent:.3f}")


def show_learning(table: dict[str, float]) -> None:
    for what, us in table.items():
        print(f"{what:28s} {us:10.3f} us a model {us / table['kept sums']:10,.1f} x kept sums")


def show_start(table: dict[str, float]) -> None:
    for what, ms in table.items():
        print(f"{what:28s} {ms:8.0f} ms of CPU")


def show_processes(table: dict[str, float]) -> None:
    for what, value in table.items():
        print(f"{what:38s} {value:8.3f}")


def show_auction(table: dict[str, dict[str, float]]) -> None:
    for name, row in table.items():
        for what, ns in row.items():
            told = "messages" if "continuous" in what else "orders"
            print(
                f"{name:13s} {what:24s} {1e3 / ns:10,.2f} million {told:8s} a second {ns / row['kernel']:10,.1f} x the kernel's time"
            )


def show_panels(table: dict[str, dict[str, float]]) -> None:
    for name, row in table.items():
        for what, value in row.items():
            print(f"{name:24s} {value:8.2f} {what}")


def show_studies(table: dict[str, dict[str, float]]) -> None:
    print(f"{studies.NAME}, {studies.REPLICATIONS} replications of every arm, into a store; all leave the same bytes")
    for name, row in table.items():
        print(
            f"{name:18s} {row['seconds to start']:8.2f} s to start {row['seconds to play']:8.2f} s to play"
            f" {row['one process / this']:8.2f} x as fast as 1 process"
        )


# What the ratios of a part are: what is divided by what.
OF_KERNEL = "ratios are the time of the row / the time of the kernel"
DIVIDED = {
    "reference": f"{OF_KERNEL}, and / the time of C",
    "queues": OF_KERNEL,
    "auctions": f"{OF_KERNEL}, for one order or message",
    "engine": "ratios are the time of the row / the time without a calendar",
    "learning": "ratios are the time of the row / the time with kept sums",
    "studies": "ratios are the time of 1 process / the time of the row",
    "worlds": OF_KERNEL,
}

# What each part measures in so many rounds, how it is shown, and whether the quick bench has it.
PARTS: dict[str, tuple[Callable[[int], Any], Callable[[Any], None], bool]] = {
    "reference": (reference.measure, show_reference, True),
    "queues": (queues.measure, show_queues, True),
    "auctions": (auction.measure, show_auction, True),
    "engine": (engine.measure, show_engine, True),
    "learning": (learning.measure, show_learning, True),
    "panels": (panels.measure, show_panels, True),
    "growth": (growth.measure, show_growth, True),
    "start": (start.measure, show_start, True),
    "studies": (studies.measure, show_studies, True),
    "processes": (reference.processes, show_processes, False),
}


def heading(part: str) -> str:
    """The head of a table, with what its ratios are, where it has any."""
    return f"\n== {part}" + (f": {DIVIDED[part]}" if part in DIVIDED else "")


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.partition("\n")[0])
    asked.add_argument("part", nargs="*", help=f"{', '.join(PARTS)}, or worlds, and then names of worlds")
    asked.add_argument("--full", action="store_true", help="everything, with more rounds")
    asked.add_argument("--rounds", type=int, help="rounds of which medians are taken: 5, or with --full 9")
    asked.add_argument("--json", action="store_true", help="the numbers as JSON")
    asked.add_argument(
        "--frames", metavar="PYTHON", help="a Python that has mesa-frames, which needs a NumPy of its own"
    )
    asked.add_argument(
        "--accept", action="store_true", help="write the numbers to results/bench.json, and the table of the README"
    )
    given = asked.parse_args()
    if given.accept and (given.part or not given.full):
        asked.error("the table says that all was measured side by side in one run: --accept needs --full, and no parts")
    rounds = given.rounds or (9 if given.full else 5)
    named = [one for one in given.part if one in worlds.TWINS]
    parts = [one for one in given.part if one not in worlds.TWINS]
    if unknown := [one for one in parts if one not in (*PARTS, "worlds")]:
        asked.error(
            f"no part or world is called {unknown[0]}; there are {', '.join([*PARTS, 'worlds', *worlds.TWINS])}"
        )
    quick = [name for name, (_, _, often) in PARTS.items() if often]
    parts = parts or ([] if named else [*PARTS, "worlds"] if given.full else quick)
    if "worlds" in parts and not named:
        named = list(worlds.TWINS)
    found: dict[str, Any] = {"machine": machine(), "rounds": rounds}
    out = sys.stderr if given.json else sys.stdout
    print(f"{found['machine']}; medians of {rounds}", file=out)
    with threadpool_limits(1):
        for part in (one for one in PARTS if one in parts):
            measure, show, _ = PARTS[part]
            found[part] = reference.measure(rounds, given.frames) if part == "reference" else measure(rounds)
            if not given.json:
                print(heading(part))
                show(found[part])
                sys.stdout.flush()
        if named and not given.json:
            print(heading("worlds"))
        for name in named:
            found.setdefault("worlds", {})[name] = times = worlds.measure(name, rounds)
            if not given.json:
                print()
                worlds.show(name, times)
                sys.stdout.flush()
    if len(named) > 1 and not given.json:
        print("\n== all worlds: ratios are what their columns say")
        worlds.show_all(found["worlds"])
    if given.json:
        judged = [
            dict(zip(("compared", "ratio", "aim", "met"), (*row, table.met(*row[1:])), strict=True))
            for row in table.rows(found)
        ]
        print(json.dumps(found | {"table": judged}, indent=1))
    else:
        print(f"\n== {', '.join(one for one in found if one not in ('machine', 'rounds'))}\n{table.plain(found)}")
    if given.accept:
        table.accept(found)


if __name__ == "__main__":
    main()
