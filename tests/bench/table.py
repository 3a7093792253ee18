"""The table of speeds in the README: what `python -m tests.bench --full --accept` measured last, as ratios beside their targets."""

from __future__ import annotations

import json
import re
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench import worlds

ROOT = Path(__file__).parents[2]
NUMBERS = ROOT / "results" / "bench.json"
BEGIN, END = "<!-- speed: written by python -m tests.bench --full --accept -->", "<!-- end of speed -->"


def ratio(value: float) -> str:
    """Three digits at most below 10, none of a fraction above."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.0f}" if value >= 20 else f"{value:.3g}"


def rows(found: dict[str, Any]) -> list[tuple[str, float, str]]:
    """What was compared, the ratio, and the target, of all parts that were measured."""
    told: list[tuple[str, float, str]] = []
    if part := found.get("reference"):
        ns = {name: row["ns per agent-step"] for name, row in part.items()}
        kernel = ns["kernel"]
        for name, target in (("C", "at most 7"), ("C, exact normals", "at most 0.25")):
            if name in ns:
                told.append(
                    (
                        f"10,000 agents, 16 models, cohort of 32: time of the kernel / fused {name}",
                        kernel / ns[name],
                        target,
                    )
                )
        for name, target in (
            ("kernel, one replication", ""),
            ("numba", ""),
            ("mesa-frames", "at least 75"),
            ("Mesa", "at least 600"),
            ("AgentPy", "at least 600"),
            ("SimPy", "at least 2,000"),
        ):
            if name in ns:
                told.append(
                    (
                        f"the same: {name.removesuffix(', one replication')}, one replication / kernel",
                        ns[name] / kernel,
                        target,
                    )
                )
        if part := found.get("processes"):
            told.append(("the same: one process / two", part["one / two"], "at least 1.85"))
            if "C" in ns:
                two = part["2 processes, ns per agent-step"]
                told.append(("the same: two processes / C in one thread", two / ns["C"], "at most 3.5"))
    if part := found.get("studies"):
        others = (name for name in part if name != "1 process")
        told += [(f"a run into a store: one process / {name}", part[name]["one process / this"], "") for name in others]
    for name, row in found.get("engine", {}).items():
        target = "at least 5" if name.startswith("160") else "at least 2"
        told.append((f"{name}: with the calendar / without", row["one calendar"] / row["no calendar"], "at most 1.15"))
        told.append(
            (
                f"{name}: replications one at a time / together",
                row["a calendar each"] / row["one calendar"],
                target,
            )
        )
    for name, row in found.get("queues", {}).items():
        if "C" in row:
            told.append((f"{name}: time of the kernel / C", row["kernel"] / row["C"], "at most 2"))
        for rival, target in (("SimPy", "at least 500"), ("Ciw", "")):
            if rival in row:
                told.append((f"{name}: {rival} / kernel", row[rival] / row["kernel"], target))
    for name, row in found.get("auctions", {}).items():
        if "C" in row:
            told.append((f"call auction, {name}: time of the kernel / C", row["kernel"] / row["C"], "at most 1.8"))
        for rival, said, target in (
            ("SortedDict", "SortedDict book that matches every order", "at least 2,000"),
            ("SortedDict, continuous", "message to a continuous SortedDict book", ""),
            ("two heaps", "book of two heaps", ""),
            ("SimPy", "process for each order", ""),
        ):
            if rival in row:
                told.append((f"call auction, {name}: {said} / kernel", row[rival] / row["kernel"], target))
    if part := found.get("learning"):
        for name, said, target in (
            ("batched refit", "refits of all models at once", ""),
            ("lstsq", "refits by lstsq, model by model", "at least 500"),
            ("polyfit", "refits by polyfit, model by model", "at least 500"),
            ("scikit-learn", "refits by scikit-learn, model by model", "at least 500"),
        ):
            if name in part:
                told.append((f"{said} / kept sums", part[name] / part["kept sums"], target))
    for name, column, said, target in (
        (
            "urns of one department",
            "seconds",
            "Ensign's panel, 1,000 replications of 1,000 days: seconds of CPU",
            "at most 1",
        ),
        ("urns of ten precincts", "seconds", "the same for each of ten precincts: seconds of CPU", ""),
        (
            "price sessions",
            "millions a second",
            "1,000 sessions of pricing_collusion: millions of session-periods a second",
            "at least 4",
        ),
    ):
        if name in found.get("panels", {}):
            told.append((said, found["panels"][name][column], target))
    for what, exponent in found.get("growth", {}).items():
        told.append((f"what a doubling of {what} adds grows to the power of", exponent, "1 within .05"))
    if part := found.get("worlds"):
        now = {name: worlds.standing(times) for name, times in part.items()}
        told.append((f"{len(now)} worlds: twin / kernel, median", median(each.reached for each in now.values()), ""))
        much = [name for name in now if part[name]["aim"] > worlds.FEW]
        for name in sorted(much, key=lambda name: -now[name].reached):
            said = f"{name}, {part[name]['R x N']:,.0f} in a tick: twin / kernel"
            told.append((said, now[name].reached, f"at least {part[name]['aim']:.0f}"))
        if others := [name for name in now if name not in much]:
            lowest = min(others, key=lambda name: now[name].reached)
            said = f"the lowest of the {len(others)} with fewer than {worlds.MUCH:,.0f} in a tick, {lowest}"
            told.append((said, now[lowest].reached, f"at least {worlds.FEW}"))
        bare = median(each.of_bare for each in now.values())
        told.append(("their twins / SimPy processes that wait and draw as often, median", bare, "at most 2"))
    if part := found.get("start"):
        told.append(
            ("`simlab --help`: CPU of a bare Python / of it", part["python -c pass"] / part["simlab --help"], "")
        )
    return told


def met(value: float, target: str) -> str:
    """Whether a ratio meets its aim: `met` or `MISSED`; nothing where there is no aim."""
    if found := re.fullmatch(r"at (most|least) ([\d,.]+)", target):
        aim = float(found[2].replace(",", ""))
        return "met" if (value <= aim if found[1] == "most" else value >= aim) else "MISSED"
    if found := re.fullmatch(r"([\d.]+) within ([\d.]+)", target):
        return "met" if abs(value - float(found[1])) <= float(found[2]) else "MISSED"
    return ""


def lines(found: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """The rows as they are shown, each with whether its aim is met: judged by the ratio itself, not as it is rounded."""
    return [
        (what, f"{value:.2f}" if "within" in target else ratio(value), target, met(value, target))
        for what, value, target in rows(found)
    ]


def plain(found: dict[str, Any]) -> str:
    """The table for a terminal, of the parts that were measured."""
    told = [(what.replace("`", ""), *rest) for what, *rest in lines(found)]
    wide = max((len(what) for what, *_ in told), default=0)
    head = "x / y says how many times the time of y x takes; so `rival / kernel` is better when it is larger, `kernel / C` when smaller."
    shown = [f"{what:{wide}s} {value:>8s}  {target:38s} {judged}".rstrip() for what, value, target, judged in told]
    return "\n".join([head, f"{'compared':{wide}s} {'ratio':>8s}  {'aim':38s} met?", *shown])


def text(found: dict[str, Any]) -> str:
    """The table in Markdown, between its marks."""
    head = f"Medians of {found['rounds']}, side by side in one run, by `python -m tests.bench --full --accept` on {found['machine']}."
    return "\n".join(
        [
            BEGIN,
            head,
            "",
            "| compared (x / y: how many times the time of y x takes) | ratio | aim | met |",
            "|---|---|---|---|",
            *(f"| {' | '.join(line)} |" for line in lines(found)),
            END,
        ]
    )


def placed(readme: str, found: dict[str, Any]) -> str:
    """A README whose table is that of these numbers."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + text(found) + after


def accept(found: dict[str, Any]) -> None:
    """Keep the numbers of a whole run, and write the table."""
    NUMBERS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    readme = ROOT / "README.md"
    readme.write_text(placed(readme.read_text(encoding="utf-8"), found), encoding="utf-8")
