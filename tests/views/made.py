"""Sweeps made by hand: their numbers are what a test says they are."""

from __future__ import annotations

from itertools import product
from typing import Any

from simlab.scenario.axes import shown, values_of
from simlab.scenario.scenario import Axis
from simlab.studies.points import kind, short

ASKED = {
    "measure": "drawdown",
    "stat": "harm",
    "exceeds": None,
    "unit": "1",
    "about": "deepest fall",
    "worse": "higher",
}
SHARE = {**ASKED, "harm": {"above": 0.03}}
MEAN = {
    "measure": "latency",
    "stat": "mean",
    "exceeds": None,
    "unit": "s",
    "about": "mean time",
    "worse": "higher",
    "harm": None,
}


def axis(path: str, *listed: Any, **more: Any) -> Axis:
    return Axis(path, listed, **more)


def document(
    axes: list[Axis],
    levels: dict[str, list[float | None]],
    clear: dict[str, list[bool]] | None = None,
    *,
    asked: dict[str, Any] = SHARE,
    n: int = 64,
    titles: dict[str, str] | None = None,
    at: list[tuple[Any, ...]] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A sweep with these levels of each arm at each point; intervals are 0.02 either way, joint ones 0.03. `clear`: of other arms."""
    points = at or list(product(*(values_of(one) for one in axes)))
    base = next(iter(levels))
    rows = []
    for i, values in enumerate(points):
        arms = {}
        for name, level in levels.items():
            x, y = level[i], levels[base][i]
            apart = None if name == base or x is None or y is None else x - y
            change = None if i == 0 or x is None or level[0] is None else x - level[0]
            arms[name] = {
                "n": n, "diverged": 0, "failed": 0, "value": x, "ci95": _around(x, n),
                "difference": apart, "difference_ci95": _around(apart, n), "difference_joint": _around(apart, n, 0.03),
                "clear": None if apart is None else (clear or {}).get(name, [False] * len(points))[i],
                "change": change, "change_ci95": _around(change, n), "change_clear": change is not None and abs(change) > 0.02,
            }  # fmt: skip
        rows.append({"point": i, "run": f"{i:012x}", "values": list(values), "arms": arms})
    facts = [
        {
            "path": one.path, "name": short(one.path), "kind": kind(one), "unit": "1", "about": "what it is", "log": one.log,
            "written": shown(one), "values": list(values_of(one)),
        }
        for one in axes
    ]  # fmt: skip
    named = [{"name": name, "title": (titles or {}).get(name, name), "wiring": name} for name in levels]
    return {
        "format": 1, "scenario": "market", "name": "phase", "title": "A phase diagram", "because": "it was asked for", "design": "grid",
        "points": None, "seed": 1, "replications": n, "version": "1", "asked": asked, "axes": facts, "arms": named, "rows": rows, **more,
    }  # fmt: skip


def _around(x: float | None, n: int, half: float = 0.02) -> list[float] | None:
    return None if x is None or n < 30 else [x - half, x + half]
